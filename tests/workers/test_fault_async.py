"""Faults while asyncio awaits thousands of calls to a real Node.js worker."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from tests.workers.faults import LIMIT, Faults, in_thread, load_faults

import noodle
from noodle.errors import DeadlineExceededError, DeadlockError, WorkerCrashedError

pytestmark = pytest.mark.usefixtures("repetition")


@pytest.fixture
def faults() -> Iterator[Faults]:
    with noodle.deadline(LIMIT), load_faults() as faults:
        yield faults


def test_thousands_in_flight_of_which_some_are_cancelled(faults: Faults) -> None:
    async def main() -> tuple[list[object], list[object]]:
        tasks = [asyncio.ensure_future(faults.sleep.aio(i % 7, i)) for i in range(3000)]
        await asyncio.sleep(0)
        # On a slow machine some have ended by now.
        expected = [i % 3 > 0 or not task.cancel() for i, task in enumerate(tasks)]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return [i if ended else asyncio.CancelledError for i, ended in enumerate(expected)], results

    expected, results = asyncio.run(main())
    assert expected == [type(r) if isinstance(r, BaseException) else r for r in results]
    assert 3 == faults.add(1, 2)


def test_the_end_of_the_worker_ends_all_that_is_awaited(faults: Faults) -> None:
    async def main() -> list[object]:
        tasks = [asyncio.ensure_future(faults.never.aio()) for _ in range(500)]
        await asyncio.sleep(0)
        tasks.append(asyncio.ensure_future(faults.exit.aio(4)))
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(main())
    assert {WorkerCrashedError} == set(map(type, results))
    assert "exit code 4" in str(results[0])
    assert 3 == faults.add(1, 2)


def test_a_deadline_ends_what_is_awaited(faults: Faults) -> None:
    async def main() -> None:
        with noodle.deadline(0.2):
            await asyncio.gather(*(faults.never.aio() for _ in range(100)))

    with pytest.raises(DeadlineExceededError):
        asyncio.run(main())


def test_an_asynchronous_callback_that_blocks_its_worker_calls_what_needs_no_loop_there(
    faults: Faults,
) -> None:
    async def add() -> int:
        total: int = await faults.add.aio(1, 2) + faults.add(1, 2)
        return total

    async def sleep() -> None:
        await faults.sleep.aio(1)

    async def main(call: Any, callback: Any) -> object:
        return await call(callback)

    assert 6 == asyncio.run(main(faults.call.aio, add))
    assert 6 == asyncio.run(main(faults.callUnblocked.aio, lambda: add()))
    assert 6 == asyncio.run(main(faults.call.aio, lambda: add()))
    with pytest.raises(DeadlockError, match="stands still until the callback"):
        asyncio.run(main(faults.call.aio, lambda: sleep()))
    with pytest.raises(DeadlockError, match="stands still until the callback"):
        asyncio.run(main(faults.call.aio, lambda: faults.sleep(1)))
    assert 3 == faults.add(1, 2)


def test_a_release_does_not_overtake_a_call_on_another_channel(faults: Faults) -> None:
    """The worker is busy while a call that names the object, and then its release, are sent.

    Which of the two it looks at first depends on the channel that it was busy with.
    """
    worker, all_here = faults.pool.worker(), threading.Barrier(5, timeout=LIMIT)

    def run_in_one_of_four_threads(index: int) -> None:
        faults.add(1, 2)
        for turn in range(4):
            all_here.wait()
            if turn == index:
                faults.busy(400)

    async def main() -> list[object]:
        results = []
        for _ in range(4):
            thing = faults.Thing(4)
            all_here.wait()
            while not any(name == "busy" for _, name, _ in worker.link.waits()):
                await asyncio.sleep(0)
            doubled = asyncio.ensure_future(faults.doubled.aio(thing))
            await asyncio.sleep(0)
            del thing
            gc.collect()
            results.append(await doubled)
        return results

    async def with_threads() -> list[object]:
        await faults.add.aio(1, 2)  # opens the loop's channel before those of the threads
        threads = [
            threading.Thread(target=run_in_one_of_four_threads, args=(index,)) for index in range(4)
        ]
        for thread in threads:
            thread.start()
        try:
            return await main()
        finally:
            for thread in threads:
                thread.join()

    assert [8] * 4 == asyncio.run(with_threads())


def test_promises_of_tasks_that_are_cancelled_cost_the_worker_nothing(faults: Faults) -> None:
    worker = faults.pool.worker()

    async def main() -> None:
        with suppress(DeadlineExceededError), noodle.deadline(0.1):  # or before they are made
            await asyncio.gather(*(faults.never.aio() for _ in range(100)), return_exceptions=True)

    asyncio.run(main())
    end = time.monotonic() + 1  # twice the grace
    while time.monotonic() < end:
        assert 3 == faults.add(1, 2)
    assert worker is faults.pool.worker()


def test_a_promise_that_waits_costs_nothing_while_the_host_does_something_else(
    faults: Faults,
) -> None:
    """What the worker says of it lies unread: the loop was closed, or does not turn."""
    process = faults.pid()

    async def give_up(block: float) -> None:
        with pytest.raises(DeadlineExceededError), noodle.deadline(0.1):
            await faults.never.aio()
        threading.Event().wait(block)

    for block in (0, 2.5):
        asyncio.run(give_up(block))
        threading.Event().wait(2.5 - block)  # the grace, and then the time to read what came
        assert process == faults.pid()


def test_the_last_answers_of_a_worker_that_has_ended_fail_no_call_to_another(
    faults: Faults,
) -> None:
    """They lie on the channel of a loop that was closed, which belongs to this thread."""
    link, limit = faults.pool.worker().link, time.monotonic() + LIMIT

    async def main() -> None:
        task = asyncio.ensure_future(faults.waitForGate.aio(7))
        assert 3 == await faults.add.aio(1, 2)
        task.cancel()
        while link.statistics()["unsettled"] < 1:
            assert time.monotonic() < limit
            await asyncio.sleep(0)

    asyncio.run(main())
    for elsewhere in (faults.openGate, faults.pool.stop):
        with in_thread(elsewhere) as failures:
            pass
        assert [] == failures
    with load_faults() as others:
        assert 3 == others.add(1, 2)
