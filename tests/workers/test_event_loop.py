"""Calls that asyncio awaits."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.workers.echo import IN_C, Functions, echo_pool, functions_of, statistics

import noodle
from noodle.deadlines import finish_in_time
from noodle.errors import DeadlineExceededError, RemoteCallError, WorkerCrashedError
from noodle.workers.event_loop import call
from noodle.workers.pool import Pool


def run(main: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(main, 60))


async def cancels_of(function: Functions) -> int:
    """How many calls the worker has given up, once there are any; it may take a moment."""
    count = 0
    end = time.monotonic() + 10
    while count == 0 and time.monotonic() < end:
        count = await call(function("cancels"))
    return count


def test_thousands_of_calls_are_in_flight_and_answered_in_any_order(
    pool: Pool, function: Functions
):
    async def main() -> tuple[int, list[float]]:
        later = function("later")
        later.reference()
        futures = [call(later, float(number)) for number in range(5000)]
        most = statistics(pool)["in_flight"]
        await call(function("settle"))
        return most, await asyncio.gather(*futures)

    most, results = run(main())
    assert 5000 == most
    assert [float(number) for number in range(5000)] == results


def test_a_call_needs_a_running_loop_after_others_have_ended(function: Functions):
    async def main() -> float:
        return await call(function("add"), 1.0, 2.0)

    assert [3.0, 3.0] == [run(main()), run(main())]
    with pytest.raises(RuntimeError, match="no running event loop"):
        call(function("add"), 1.0, 2.0)


def test_more_calls_than_a_ring_holds_wait_for_space(function: Functions):
    async def main() -> list[int]:
        echo = function("echo")
        return await asyncio.gather(*(call(echo, b"x" * 1000) for _ in range(1000)))

    assert [b"x" * 1000] * 1000 == run(main())


def test_an_error_is_raised_where_it_is_awaited(function: Functions):
    async def main() -> None:
        await call(function("fail"), "TypeError", "no")

    with pytest.raises(RemoteCallError, match="no") as caught:
        run(main())
    assert isinstance(caught.value, TypeError)


@IN_C
def test_cancelling_tells_the_worker_and_drops_the_answer(pool: Pool, function: Functions):
    async def main() -> tuple[int, dict[str, int]]:
        later = function("later")
        later.reference()
        future = call(later, 1.0)
        future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await future
        await call(function("settle"))
        return await cancels_of(function), statistics(pool)

    cancels, counters = run(main())
    assert (1, 1) == (cancels, counters["late_replies"])
    assert 0 == statistics(pool)["in_flight"]


def test_a_deadline_cancels_what_is_awaited(function: Functions):
    async def main() -> int:
        with pytest.raises(DeadlineExceededError), noodle.deadline(0.1):
            await finish_in_time(call(function("later"), 1.0))
        return await cancels_of(function)

    assert 1 == run(main())


def test_callbacks_run_on_the_loop(function: Functions):
    async def main() -> tuple[object, object]:
        loop = asyncio.get_running_loop()

        async def slowly(value: float) -> float:
            await asyncio.sleep(0)
            assert asyncio.get_running_loop() is loop
            return value + 1

        def at_once(value: float) -> float:
            assert asyncio.get_running_loop() is loop
            return value + 2

        relay = function("call")
        return await call(relay, slowly, 1.0), await call(relay, at_once, 1.0)

    assert (2.0, 3.0) == run(main())


def test_an_exception_of_an_asynchronous_callback_comes_back(function: Functions):
    async def fail() -> None:
        raise LookupError("lost")

    async def main() -> None:
        await call(function("call"), fail)

    with pytest.raises(LookupError, match="lost"):
        run(main())


def test_an_asynchronous_callback_of_a_synchronous_call_is_run_to_its_end(function: Functions):
    async def later(value: float) -> float:
        await asyncio.sleep(0)
        return value + 1

    assert 2.0 == function("call")(later, 1.0)


def test_a_callback_on_the_loop_calls_back_into_its_worker(function: Functions):
    add = function("add")

    async def main() -> object:
        return await call(function("call"), lambda value: add(value, 1.0), 1.0)

    assert 2.0 == run(main())


def test_synchronous_calls_and_awaited_ones_share_a_thread(function: Functions):
    async def main() -> list[float]:
        add = function("add")
        results = []
        for number in range(50):
            future = call(add, float(number), 1.0)
            results.append(add(float(number), 2.0))
            results.append(await future)
        return results

    assert [float(n + k) for n in range(50) for k in (2, 1)] == run(main())


def test_the_end_of_a_worker_ends_what_is_awaited(function: Functions):
    async def main() -> list[Any]:
        calls = [call(function("later"), 1.0) for _ in range(10)]
        return await asyncio.gather(*calls, call(function("crash")), return_exceptions=True)

    errors = run(main())
    assert [WorkerCrashedError] * 11 == [type(error) for error in errors]
    assert "during later" in str(errors[0])


def test_answers_of_two_workers_reach_one_loop(echo_worker: Path):
    async def main() -> list[float]:
        calls = [
            call(add, float(number), 1.0)
            for number in range(500)
            for add in (first_add, second_add)
        ]
        return await asyncio.gather(*calls)

    with echo_pool(echo_worker) as first, echo_pool(echo_worker) as second:
        first_add, second_add = functions_of(first)("add"), functions_of(second)("add")
        assert [number // 2 + 1.0 for number in range(1000)] == run(main())


def test_the_end_of_one_worker_delays_no_answer_of_another(echo_worker: Path):
    async def main() -> float:
        answer = call(sleep, 0.5)
        with pytest.raises(WorkerCrashedError):
            await call(crash)
        begin = time.monotonic()
        await answer
        return time.monotonic() - begin

    with echo_pool(echo_worker) as first, echo_pool(echo_worker) as second:
        crash, sleep = functions_of(first)("crash"), functions_of(second)("sleep")
        assert run(main()) < 5.0


def test_another_thread_closes_the_channels_of_a_closed_loop_while_their_own_waits(
    echo_worker: Path,
):
    async def main(function: Any) -> float:
        return await call(function, 1.0, 2.0)

    with echo_pool(echo_worker) as first, echo_pool(echo_worker) as second:
        sleep, add = functions_of(first)("sleep"), functions_of(second)("add")
        begin = threading.Barrier(2)

        def work() -> list[float]:
            results = []
            for _ in range(100):
                begin.wait(30)
                results.append(run(main(add)))
            return results

        with ThreadPoolExecutor(1) as thread:
            others = thread.submit(work)
            for _ in range(100):
                assert run(main(add)) == 3.0
                begin.wait(30)
                sleep(0.002)
            assert [3.0] * 100 == others.result(60)
        assert 10 > statistics(second)["channels"]


def test_each_loop_has_a_channel_of_its_own(pool: Pool, function: Functions):
    async def main() -> float:
        return await call(function("add"), 1.0, 2.0)

    assert [3.0] * 80 == [run(main()) for _ in range(80)]
    assert statistics(pool)["channels"] < 10
