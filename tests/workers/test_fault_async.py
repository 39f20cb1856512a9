"""Faults while asyncio awaits thousands of calls to a real Node.js worker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from tests.workers.faults import LIMIT, REPETITIONS, Faults, load_faults

import noodle
from noodle.errors import DeadlineExceededError, DeadlockError, WorkerCrashedError


@pytest.fixture(params=REPETITIONS, autouse=True)
def repetition(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def faults() -> Iterator[Faults]:
    with noodle.deadline(LIMIT), load_faults() as faults:
        yield faults


def test_thousands_in_flight_of_which_some_are_cancelled(faults: Faults) -> None:
    async def main() -> list[object]:
        tasks = [asyncio.ensure_future(faults.sleep.aio(i % 7, i)) for i in range(3000)]
        await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(main())
    assert all(isinstance(result, asyncio.CancelledError) for result in results[::3])
    assert [i for i in range(3000) if i % 3] == [r for i, r in enumerate(results) if i % 3]
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


def test_an_asynchronous_callback_that_blocks_its_worker_cannot_call_it(faults: Faults) -> None:
    async def add() -> int:
        total: int = await faults.add.aio(1, 2)
        return total

    async def main(call: Any, callback: Any) -> object:
        return await call(callback)

    assert 3 == asyncio.run(main(faults.call.aio, add))
    assert 3 == asyncio.run(main(faults.callUnblocked.aio, lambda: add()))
    with pytest.raises(DeadlockError, match="stands still until it has ended"):
        asyncio.run(main(faults.call.aio, lambda: add()))
    with pytest.raises(DeadlockError, match="stands still until the callback"):
        asyncio.run(main(faults.call.aio, lambda: faults.sleep(1)))
    assert 3 == faults.add(1, 2)
