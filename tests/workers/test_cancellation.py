"""Calls and callbacks that are cancelled, in both directions, with and without an event loop."""

from __future__ import annotations

import _thread
import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.workers.faults import LIMIT, in_thread

import noodle
from noodle.errors import DeadlineExceededError, RemoteCallError
from noodle.workers import registry

SAMPLE = str(Path(__file__).parent / "samples" / "cancellation.mjs")


@pytest.fixture
def module() -> Iterator[ModuleType]:
    with noodle.deadline(LIMIT):
        yield noodle.load(SAMPLE)


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


class Endless:
    """An asynchronous callback that ends only when it is cancelled."""

    def __init__(self) -> None:
        self.begun = 0
        self.cancelled = 0

    async def __call__(self) -> None:
        self.begun += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    def function(self) -> Callable[[], Any]:
        async def endless() -> None:
            await self()

        return endless

    async def has_begun(self) -> None:
        while not self.begun:
            await asyncio.sleep(0.005)


@pytest.fixture
def endless() -> Endless:
    return Endless()


def in_a_loop(function: Any, *args: Any) -> Any:
    async def main() -> Any:
        return await function.aio(*args)

    return asyncio.run(main())


def without_a_loop(function: Any, *args: Any) -> Any:
    return function(*args)


HOW = pytest.mark.parametrize("call", [in_a_loop, without_a_loop])


# ----------------------------------------------------------------------- JavaScript gives up


@HOW
def test_a_signal_of_javascript_cancels_an_asynchronous_callback(
    module: ModuleType, endless: Endless, call: Callable[..., Any]
) -> None:
    assert "TimeoutError" == call(module.timed, endless.function(), 50)
    wait_until(lambda: endless.cancelled)
    assert (1, 1) == (endless.begun, endless.cancelled)
    assert 3 == call(module.add, 1, 2)


@HOW
def test_a_signal_that_is_aborted_already_lets_no_callback_begin(
    module: ModuleType, endless: Endless, call: Callable[..., Any]
) -> None:
    assert "AbortError" == call(module.aborted, endless.function())
    assert 3 == call(module.add, 1, 2)
    assert 0 == endless.begun


@HOW
def test_a_signal_that_is_not_aborted_changes_nothing(
    module: ModuleType, call: Callable[..., Any]
) -> None:
    async def double(value: int) -> int:
        await asyncio.sleep(0)
        return 2 * value

    async def fail() -> None:
        raise LookupError("lost")

    assert 6 == call(module.kept, double, 3)
    with pytest.raises(LookupError, match="lost"):
        call(module.kept, fail)


def test_a_call_of_another_thread_can_abort(module: ModuleType, endless: Endless) -> None:
    def abort() -> None:
        wait_until(lambda: endless.begun)
        module.open()

    with in_thread(abort) as errors:
        assert "AbortError" == module.opened(endless.function())
    assert ([], 1) == (errors, endless.cancelled)


# ------------------------------------------------------------------------ The caller gives up


@pytest.mark.parametrize("name", ["awaited", "blocked"])
def test_cancelling_a_task_cancels_the_callback_of_its_call(
    module: ModuleType, endless: Endless, name: str
) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(getattr(module, name).aio(endless.function()))
        await endless.has_begun()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while not endless.cancelled:
            await asyncio.sleep(0.005)

    asyncio.run(main())
    assert 3 == module.add(1, 2)


@HOW
@pytest.mark.parametrize("name", ["awaited", "blocked"])
def test_the_deadline_of_a_call_cancels_its_callback(
    module: ModuleType, endless: Endless, call: Callable[..., Any], name: str
) -> None:
    begin = time.monotonic()
    with pytest.raises(DeadlineExceededError), noodle.deadline(0.3):
        call(getattr(module, name), endless.function())
    assert time.monotonic() - begin < 5
    wait_until(lambda: endless.cancelled)
    assert 3 == module.add(1, 2)


def test_what_cancels_itself_is_an_error_of_the_callback(module: ModuleType) -> None:
    async def cancel_itself() -> None:
        raise asyncio.CancelledError

    with pytest.raises(RemoteCallError, match="cancelled") as caught:
        in_a_loop(module.awaited, cancel_itself)
    assert "CancelledError" in caught.value.type_name
    assert 3 == module.add(1, 2)


# ---------------------------------------------------------------- JavaScript's signal is aborted


def test_cancelling_a_task_aborts_the_signal(module: ModuleType) -> None:
    async def main() -> list[str]:
        seen: list[str] = await module.seen.aio()
        assert [] == seen
        task = asyncio.ensure_future(module.signalled.aio())
        await module.add.aio(1, 2)
        task.cancel()
        while not seen:
            seen = await module.seen.aio()
        return seen

    assert ["AbortError"] == asyncio.run(main())


def test_a_deadline_aborts_the_signal(module: ModuleType) -> None:
    assert [] == module.seen()
    with pytest.raises(DeadlineExceededError), noodle.deadline(0.2):
        module.signalled()
    reasons: list[str] = []
    wait_until(lambda: reasons.extend(module.seen()) or reasons)
    assert ["TimeoutError"] == reasons


def test_an_interrupt_aborts_the_signal(module: ModuleType) -> None:
    assert [] == module.seen()
    process = module.pid()

    def names_of_waits() -> list[str]:
        return [name for link in registry.links() for _, name, _ in link.waits()]

    def interrupt() -> None:
        wait_until(lambda: "signalled" in names_of_waits())
        _thread.interrupt_main()

    with in_thread(interrupt) as errors, pytest.raises(KeyboardInterrupt):
        module.signalled()
    assert [] == errors
    reasons: list[str] = []
    wait_until(lambda: reasons.extend(module.seen()) or reasons)
    assert ["AbortError"] == reasons
    assert process == module.pid()
