"""Promises that cross by reference, and what callbacks give to await."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import noodle
from noodle import _handle, _host
from noodle.errors import (
    DeadlineExceededError,
    DeadlockError,
    RemoteCallError,
    UsageError,
    WorkerBlockedError,
    WorkerCrashedError,
)
from noodle.workers import deadlocks

SOURCE = """
export const pair = () => [Promise.resolve(5), Promise.reject(new TypeError("refused"))];
export const later = (ms, value) => new Promise((r) => setTimeout(r, ms, value));
export const now = (value) => value;
export const callLater = async (visit) => await visit.async();
export const callNow = async (visit) => await visit.sync();
export let aborted = 0;
export const abortable = () => new Promise((_, reject) => {
  const signal = noodle.signal();
  signal.addEventListener("abort", () => { aborted++; reject(signal.reason); });
});
export const nest = (again, depth) => (depth === 0 ? 0 : 1 + again(depth - 1));
export class Box { get missing() { return undefined; } }
export const box = () => new Box();
export const isBox = (value) => value instanceof Box;
export let asked = 0;
export class Spy { get dtype() { asked++; return "f8"; } }
export const spy = () => new Spy();
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    path = tmp_path_factory.mktemp("awaitables") / "awaitables.mjs"
    path.write_text(SOURCE, encoding="utf-8")
    return noodle.load(str(path))


def test_a_rejected_promise_waits_for_whoever_asks(library: ModuleType) -> None:
    resolved, rejected = library.pair()
    assert 5 == resolved.result()
    for _ in range(2):
        with pytest.raises(RemoteCallError, match="refused") as caught:
            rejected.result()
        assert isinstance(caught.value, TypeError)


async def give_later() -> int:
    await asyncio.sleep(0)
    return 7


@pytest.mark.parametrize(
    "callback",
    [
        lambda library: give_later,
        lambda library: lambda: asyncio.ensure_future(give_later()),
        lambda library: lambda: library.later.aio(1, 7),
        lambda library: lambda: asyncio.gather(give_later()),
    ],
    ids=["a coroutine function", "a task", "an awaited call", "a gathering"],
)
def test_what_a_callback_gives_is_awaited_on_its_own_loop(
    library: ModuleType, callback: Callable[[ModuleType], Callable[[], Any]]
) -> None:
    async def run() -> Any:
        return await library.callLater.aio(callback(library))

    assert asyncio.run(run()) in (7, [7])


def test_an_awaited_call_in_a_blocking_callback_is_served_at_once(library: ModuleType) -> None:
    async def run() -> Any:
        return await library.callNow.aio(lambda: library.now.aio(7))

    assert 7 == asyncio.run(run())


def test_a_blocking_call_with_an_asynchronous_callback_settles_it(library: ModuleType) -> None:
    assert [7, 7] == [library.callLater(give_later) for _ in range(2)]


def test_a_blocking_call_within_a_loop_cannot_have_one(library: ModuleType) -> None:
    async def run() -> None:
        library.callLater(give_later)

    with pytest.raises(UsageError, match="its event loop waits for the call"):
        asyncio.run(run())


class TestWhatAnObjectDoesNotHave:
    def test_an_attribute(self, library: ModuleType) -> None:
        box = library.box()
        assert not hasattr(box, "nothing")
        assert 5 == getattr(box, "nothing", 5)
        with pytest.raises(AttributeError, match="has no nothing"):
            _ = box.nothing

    def test_a_member_that_is_undefined_is_there(self, library: ModuleType) -> None:
        assert hasattr(library.box(), "missing")

    def test_an_item(self, library: ModuleType) -> None:
        with pytest.raises(KeyError, match="has no nothing"):
            _ = library.box()["nothing"]

    def test_an_index(self, library: ModuleType) -> None:
        with pytest.raises(IndexError, match="has no 9"):
            _ = library.box()[9]


def test_an_object_as_an_argument_is_asked_for_nothing(library: ModuleType) -> None:
    spy, box = library.spy(), library.box()
    library.isBox(spy)
    link = _host.facts(_handle.binding(library.isBox).function._remote.reference())[0]
    assert link is not None
    before = link.calls
    assert (False, True) == (library.isBox(spy), library.isBox(box))
    assert 2 == link.calls - before
    assert 0 == library.asked


class TestCancelling:
    def test_no_cancel_is_lost_when_the_ring_is_full(self, library: ModuleType) -> None:
        count = 6000
        before = library.aborted

        async def run() -> None:
            futures = [library.abortable.aio() for _ in range(count)]
            await asyncio.sleep(0)
            for future in futures:
                future.cancel()
            await library.now.aio(1)
            while library.aborted - before < count or link.statistics()["in_flight"]:
                await asyncio.sleep(0.01)

        library.now(1)
        link = _host.facts(_handle.binding(library.now).function._remote.reference())[0]
        assert link is not None
        asyncio.run(asyncio.wait_for(run(), 60))

    def test_at_a_deadline_the_error_is_always_the_same(self, library: ModuleType) -> None:
        for _ in range(30):
            with noodle.deadline(0.02), pytest.raises(DeadlineExceededError):
                library.abortable()


class TestDeadlinesOfAwaitedCalls:
    def test_the_scope_holds_in_which_the_call_was_made(self, library: ModuleType) -> None:
        async def run() -> None:
            with noodle.deadline(0.05):
                future = library.later.aio(20_000, 1)
            assert isinstance(future, asyncio.Future)
            await future

        with pytest.raises(DeadlineExceededError):
            asyncio.run(run())

    def test_and_so_it_does_for_many_together(self, library: ModuleType) -> None:
        async def run() -> list[Any]:
            with noodle.deadline(0.05):
                together = asyncio.gather(
                    *(library.later.aio(20_000, n) for n in range(3)), return_exceptions=True
                )
            return await together

        assert [DeadlineExceededError] * 3 == [type(error) for error in asyncio.run(run())]

    def test_a_limit_of_the_handle_gives_a_future_too(self, library: ModuleType) -> None:
        async def run() -> Any:
            limited = library.later.options(deadline=20)
            future = limited.aio(1, 7)
            assert isinstance(future, asyncio.Future)
            return await future

        assert 7 == asyncio.run(run())


def test_nested_calls_of_a_pool_go_to_the_worker_that_waits_for_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "pool.mjs"
    path.write_text(SOURCE, encoding="utf-8")
    pool = noodle.load(str(path), workers=2)

    def again(depth: int) -> int:
        return int(pool.nest(again, depth))

    with ThreadPoolExecutor(8) as threads:
        assert [6] * 40 == list(threads.map(lambda _: pool.nest(again, 6), range(40)))


class TestThatTheLoopGoesOn:
    """The worker starts, and its function is found, off the event loop."""

    @pytest.fixture
    def crashed(self, tmp_path: Path) -> Any:
        """A function whose worker has ended, and takes its time to start anew."""
        path = tmp_path / "start.mjs"
        source = SOURCE + "await new Promise((r) => setTimeout(r, 300));\n"
        path.write_text(source + "export const end = () => process.exit(3);", encoding="utf-8")
        library = noodle.load(str(path), environment={"ALONE": str(path)})
        now = library.now
        with pytest.raises(WorkerCrashedError):
            library.end()
        return now

    def test_while_a_worker_is_started_anew(self, crashed: Any) -> None:
        async def run() -> int:
            future = crashed.aio(7)
            turns = 0
            while not future.done():
                await asyncio.sleep(0.01)
                turns += 1
            assert 7 == await future
            return turns

        assert asyncio.run(run()) >= 5

    def test_a_call_that_waits_for_its_worker_can_be_cancelled(self, crashed: Any) -> None:
        async def run() -> None:
            future = crashed.aio(7)
            future.cancel()
            with pytest.raises(asyncio.CancelledError):
                await future
            with noodle.deadline(0.02):
                late = crashed.aio(7)
            with pytest.raises(DeadlineExceededError):
                await late
            assert 7 == await crashed.aio(7)

        asyncio.run(run())


class TestAwaitedCallsThatCannotGoOn:
    def test_two_workers_that_wait_for_each_other(self, tmp_path: Path) -> None:
        path = tmp_path / "cycle.mjs"
        path.write_text(SOURCE, encoding="utf-8")
        one, other = (
            noodle.load(str(path), environment={"NUMBER": f"{path} {n}"}) for n in range(2)
        )
        assert (1, 1) == (one.now(1), other.now(1))
        both = asyncio.Barrier(2)

        async def across(library: ModuleType) -> int:
            await both.wait()
            return int(await library.now.aio(7))

        async def run() -> list[Any]:
            return await asyncio.gather(
                one.callNow.aio(lambda: across(other)),
                other.callNow.aio(lambda: across(one)),
                return_exceptions=True,
            )

        outcomes = asyncio.run(asyncio.wait_for(run(), 60))
        assert any(isinstance(outcome, DeadlockError) for outcome in outcomes), outcomes
        assert (1, 1) == (one.now(1), other.now(1))

    def test_a_worker_that_is_blocked_for_another_chain(
        self, library: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(deadlocks, "reentry_timeout", 0.5)
        entered, leave = threading.Event(), threading.Event()

        def block() -> int:
            entered.set()
            leave.wait(60)
            return 1

        async def run() -> None:
            await asyncio.to_thread(entered.wait, 60)
            with pytest.raises(WorkerBlockedError, match="now waits for node"):
                await library.now.aio(7)

        with ThreadPoolExecutor(1) as threads:
            blocked = threads.submit(library.callNow, block)
            try:
                asyncio.run(asyncio.wait_for(run(), 60))
            finally:
                leave.set()
            assert 1 == blocked.result(60)
