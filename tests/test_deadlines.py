"""Deadlines: what they stop, whom they hold for, and that no scope is left open."""

from __future__ import annotations

import asyncio
import contextvars
import decimal
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from noodle import _handle
from noodle._handle import Epoch, Handle
from noodle.deadlines import check_deadline, deadline, finish_in_time, remaining_seconds
from noodle.errors import DeadlineExceededError, SettingsError

SHORT = 0.002
LONG = 600.0


def spin() -> None:
    """Work until the current deadline has passed."""
    while (remaining_seconds() or 0) >= 0:
        continue


class PlainBinding:
    """Lets a handle call one function, whatever the arguments."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def plan(self, args: Any, kwargs: Any) -> tuple[Callable[..., Any], None, bool]:
        return self.function, None, True


def handle_of(function: Callable[..., Any]) -> Handle:
    return Handle(function, PlainBinding(function), Epoch())


def late(value: Any) -> Any:
    spin()
    return value


@pytest.fixture(autouse=True)
def _no_scope_is_left_open() -> Iterator[None]:
    yield
    assert remaining_seconds() is None
    with pytest.raises(RuntimeError, match="no deadline scope is open"):
        _handle.leave_deadline()


class TestALimit:
    @pytest.mark.parametrize("seconds", [1, 0.5, 1e-9, 10**9, math.nextafter(math.inf, 0)])
    def test_is_a_positive_number(self, seconds: float) -> None:
        assert deadline(seconds).seconds == seconds

    @pytest.mark.parametrize(
        "seconds",
        [
            0,
            -1,
            -0.0,
            math.nan,
            math.inf,
            True,
            "5",
            None,
            10**400,
            -(10**5000),
            decimal.Decimal(1),
        ],
        ids=lambda value: str(value)[:9] if not isinstance(value, int) else type(value).__name__,
    )
    def test_is_nothing_else(self, seconds: Any) -> None:
        with pytest.raises(SettingsError) as caught:
            deadline(seconds)
        assert caught.value.expected == "a number above 0"
        assert caught.value.received
        assert len(str(caught.value)) < 200


class TestTheScope:
    def test_there_is_none_at_first(self) -> None:
        assert remaining_seconds() is None
        check_deadline()

    def test_counts_down_while_it_is_open(self) -> None:
        with deadline(LONG):
            first, second = remaining_seconds(), remaining_seconds()
        assert LONG >= first >= second > 0
        assert remaining_seconds() is None

    def test_a_nested_scope_can_only_shorten_it(self) -> None:
        with deadline(LONG):
            with deadline(2 * LONG):
                assert remaining_seconds() <= LONG
            with deadline(LONG / 2):
                assert remaining_seconds() <= LONG / 2
            assert LONG / 2 < remaining_seconds() <= LONG

    def test_ends_when_the_block_raises(self) -> None:
        with pytest.raises(KeyError), deadline(LONG), deadline(LONG):
            raise KeyError
        assert remaining_seconds() is None

    def test_one_object_serves_nested_scopes(self) -> None:
        limit = deadline(LONG)
        with limit:
            with limit:
                inner = remaining_seconds()
            assert inner is not None
            assert remaining_seconds() is not None
        assert remaining_seconds() is None

    def test_one_object_serves_threads_whose_scopes_overlap(self) -> None:
        limit = deadline(LONG)
        entered, left = threading.Barrier(2), threading.Barrier(2)
        found: list[Any] = []

        def work(first: bool) -> None:
            with limit:
                entered.wait(30)
                if not first:
                    left.wait(30)
                found.append(remaining_seconds())
            found.append(remaining_seconds())
            if first:
                left.wait(30)

        threads = [threading.Thread(target=work, args=(first,)) for first in (True, False)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert [True, True, False, False] == sorted((v is not None for v in found), reverse=True)
        assert [found[1], found[3]] == [None, None]

    def test_one_object_serves_tasks_whose_scopes_overlap(self) -> None:
        limit = deadline(LONG)

        async def work(turns: int) -> tuple[bool, bool]:
            with limit:
                for _ in range(turns):
                    await asyncio.sleep(0)
                inside = remaining_seconds() is not None
            return inside, remaining_seconds() is None

        async def run() -> list[Any]:
            return await asyncio.gather(*(work(turns) for turns in (5, 1, 3)))

        assert [(True, True)] * 3 == asyncio.run(run())

    def test_a_generator_may_end_its_scope_inside_another(self) -> None:
        def limited() -> Iterator[None]:
            with deadline(LONG):
                yield

        generator = limited()
        next(generator)
        with deadline(2 * LONG):
            generator.close()
            assert LONG < remaining_seconds() <= 2 * LONG
        assert remaining_seconds() is None

    def test_a_generator_may_be_closed_in_another_context(self) -> None:
        def limited() -> Iterator[None]:
            with deadline(LONG):
                yield

        generator = limited()
        context = contextvars.copy_context()
        context.run(next, generator)
        generator.close()
        assert context.run(remaining_seconds) is None

    def test_is_not_left_before_it_is_entered(self) -> None:
        with deadline(LONG):
            with pytest.raises(IndexError):
                deadline(LONG).__exit__(None, None, None)
            assert remaining_seconds() is not None


class TestWhomItHoldsFor:
    def test_a_new_thread_starts_without_one(self) -> None:
        found: list[Any] = []
        with deadline(LONG):
            thread = threading.Thread(target=lambda: found.append(remaining_seconds()))
            thread.start()
            thread.join(30)
        assert found == [None]

    def test_tasks_and_their_threads_inherit_it(self) -> None:
        async def run() -> list[Any]:
            with deadline(LONG):
                task = asyncio.create_task(asyncio.to_thread(remaining_seconds))
                return await asyncio.gather(task, asyncio.to_thread(remaining_seconds))

        assert all(0 < left <= LONG for left in asyncio.run(run()))

    def test_a_task_does_not_limit_the_one_that_started_it(self) -> None:
        async def limited() -> None:
            with deadline(SHORT):
                spin()

        async def run() -> Any:
            await asyncio.create_task(limited())
            return remaining_seconds()

        assert asyncio.run(run()) is None

    def test_it_ends_with_its_block_for_a_task_that_outlives_it(self) -> None:
        echo = handle_of(lambda value: value)

        async def outlive(gate: asyncio.Event) -> Any:
            await gate.wait()
            with deadline(LONG):
                return echo(remaining_seconds())

        async def run() -> Any:
            gate = asyncio.Event()
            with deadline(SHORT):
                task = asyncio.create_task(outlive(gate))
                await asyncio.sleep(0)
                spin()
            gate.set()
            return await task

        assert LONG / 2 < asyncio.run(run()) <= LONG


class TestACall:
    def test_in_time_gives_its_result(self) -> None:
        with deadline(LONG):
            assert handle_of(len)("abc") == 3

    def test_after_the_deadline_is_refused_and_calls_nothing(self) -> None:
        called: list[Any] = []
        handle = handle_of(called.append)
        with deadline(SHORT):
            spin()
            with pytest.raises(DeadlineExceededError):
                handle(1)
        assert called == []
        assert _handle.counters(handle)[:2] == (1, 1)

    def test_that_returns_late_gives_the_error_instead_of_its_result(self) -> None:
        with deadline(SHORT), pytest.raises(DeadlineExceededError) as caught:
            handle_of(late)(1)
        error = caught.value
        assert isinstance(error, TimeoutError)
        assert error.summary == "late did not finish before its deadline"
        assert error.expected == "at most 0.002 s"
        assert float(error.received.removesuffix(" s")) >= SHORT
        assert "noodle.deadline(" in error.remedy

    def test_that_fails_late_keeps_its_own_error(self) -> None:
        def fail() -> None:
            spin()
            raise KeyError("own")

        with deadline(SHORT), pytest.raises(KeyError, match="own"):
            handle_of(fail)()

    def test_is_free_again_after_the_block(self) -> None:
        handle = handle_of(len)
        with deadline(SHORT):
            spin()
            with pytest.raises(DeadlineExceededError):
                handle("abc")
        assert handle("abc") == 3

    def test_is_stopped_by_the_earliest_of_several_deadlines(self) -> None:
        with deadline(SHORT), deadline(LONG), pytest.raises(DeadlineExceededError) as caught:
            handle_of(late)(1)
        assert caught.value.expected == "at most 0.002 s"

    def test_outside_any_scope_is_not_stopped_by_that_of_another_thread(self) -> None:
        results: list[Any] = []
        handle = handle_of(len)
        with deadline(SHORT):
            spin()
            thread = threading.Thread(target=lambda: results.append(handle("abc")))
            thread.start()
            thread.join(30)
        assert results == [3]

    def test_without_a_name_is_named_the_call(self) -> None:
        with deadline(SHORT):
            spin()
            with pytest.raises(DeadlineExceededError, match="the call did not"):
                check_deadline(object())


class TestACoroutine:
    def run(self, coroutine: Any, seconds: float | None) -> Any:
        async def limited() -> Any:
            if seconds is None:
                return await finish_in_time(coroutine, late)
            with deadline(seconds):
                return await finish_in_time(coroutine, late)

        return asyncio.run(limited())

    @pytest.mark.parametrize("seconds", [None, LONG])
    def test_in_time_gives_its_result(self, seconds: float | None) -> None:
        assert self.run(asyncio.sleep(0, "done"), seconds) == "done"

    def test_that_waits_too_long_is_cancelled(self) -> None:
        ended: list[str] = []

        async def wait() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("cancelled")

        with pytest.raises(DeadlineExceededError, match="late did not finish"):
            self.run(wait(), SHORT)
        assert ended == ["cancelled"]

    def test_that_never_waits_gives_the_error_instead_of_its_result(self) -> None:
        async def work() -> int:
            spin()
            return 1

        with pytest.raises(DeadlineExceededError):
            self.run(work(), SHORT)

    def test_keeps_a_timeout_of_its_own(self) -> None:
        async def fail() -> None:
            raise TimeoutError("own")

        with pytest.raises(TimeoutError, match="own") as caught:
            self.run(fail(), LONG)
        assert type(caught.value) is TimeoutError

    def test_passes_on_the_cancellation_of_its_task(self) -> None:
        async def run() -> bool:
            with deadline(LONG):
                task = asyncio.create_task(finish_in_time(asyncio.Event().wait()))
                await asyncio.sleep(0)
                task.cancel()
                (outcome,) = await asyncio.gather(task, return_exceptions=True)
            return isinstance(outcome, asyncio.CancelledError)

        assert asyncio.run(run())


def test_does_not_depend_on_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    with deadline(LONG):
        monkeypatch.setattr(time, "time", lambda: 0.0)
        assert 0 < remaining_seconds() <= LONG
