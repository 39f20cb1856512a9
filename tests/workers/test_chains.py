"""Chains of nested calls, where a callback has its work done by other threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
from tests.workers.faults import LIMIT, Faults, load_faults

import noodle
from noodle import _host
from noodle.errors import DeadlockError, WorkerBlockedError
from noodle.workers import deadlocks


@pytest.fixture(scope="module")
def faults() -> Iterator[Faults]:
    with load_faults() as faults:
        yield faults


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    with noodle.deadline(LIMIT):
        yield


def submit(executor: ThreadPoolExecutor, work: Callable[..., Any], *args: Any) -> Future[Any]:
    """Have a thread do something in a copy of this context."""
    return executor.submit(copy_context().run, work, *args)


async def call_soon(call: Any, callback: Any) -> Any:
    return await call(callback)


def test_work_of_a_callback_in_a_thread_calls_back(faults: Faults) -> None:
    with ThreadPoolExecutor(1) as executor:
        assert 3 == faults.call(lambda: submit(executor, faults.add, 1, 2).result())


def test_work_of_a_callback_in_asyncios_threads_calls_back(faults: Faults) -> None:
    async def to_thread() -> Any:
        return await asyncio.to_thread(faults.add, 1, 2)

    async def in_executor() -> Any:
        run = copy_context().run
        return await asyncio.get_running_loop().run_in_executor(None, run, faults.add, 1, 2)

    for work in (to_thread, in_executor):
        assert 3 == faults.call(lambda work=work: asyncio.run(work()))
        assert 3 == asyncio.run(call_soon(faults.call.aio, lambda work=work: work()))
        assert 3 == asyncio.run(call_soon(faults.call.aio, work))


def test_threads_of_callbacks_nest(faults: Faults) -> None:
    """Host, Node, host, thread, Node, host, thread, Node, and so on."""
    with ThreadPoolExecutor(8) as executor:

        def nest(depth: int) -> int:
            if depth == 0:
                return int(faults.add(0, 0))
            below: int = submit(executor, faults.call, nest, depth - 1).result()
            return below + 1

        assert 8 == faults.call(nest, 8)


def test_the_chain_of_a_callback_ends_with_it(faults: Faults) -> None:
    contexts = []

    def keep() -> int:
        contexts.append(copy_context())
        return _host.current_chain()

    async def keep_later() -> int:
        await asyncio.sleep(0)
        return keep()

    chains = [
        faults.call(keep),
        faults.callLater(keep_later),
        asyncio.run(call_soon(faults.callLater.aio, keep_later)),
    ]
    assert 0 not in chains
    assert [0, 0, 0] == [context.run(_host.current_chain) for context in contexts]
    assert 0 == _host.current_chain()


def test_a_thread_without_the_callbacks_context_is_an_error_in_time(
    faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlocks, "reentry_timeout", 0.5)

    async def in_executor() -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, faults.add, 1, 2)

    with ThreadPoolExecutor(1) as executor:
        for work in (
            lambda: executor.submit(faults.add, 1, 2).result(),
            lambda: asyncio.run(in_executor()),
        ):
            with pytest.raises(WorkerBlockedError, match="waits for node") as caught:
                faults.call(work)
            assert "copy_context" in (caught.value.remedy or "")
    assert 3 == faults.add(1, 2)


def test_a_promise_that_a_thread_waits_for_is_a_deadlock(faults: Faults) -> None:
    with ThreadPoolExecutor(1) as executor, pytest.raises(DeadlockError, match="event loop"):
        faults.call(lambda: submit(executor, faults.sleep, 1).result())
    assert 3 == faults.add(1, 2)


def test_a_cycle_of_workers_through_threads_is_a_deadlock(faults: Faults) -> None:
    both = threading.Barrier(2, timeout=LIMIT)
    with load_faults() as others, ThreadPoolExecutor(4) as executor:

        def across(other: Callable[..., object]) -> object:
            both.wait()
            return submit(executor, other, 1, 2).result()

        assert [3, 3] == [faults.add(1, 2), others.add(1, 2)]
        futures = [
            executor.submit(faults.call, lambda: across(others.add)),
            executor.submit(others.call, lambda: across(faults.add)),
        ]
        errors = [future.exception(LIMIT) for future in futures]
        assert DeadlockError in [type(error) for error in errors]
        assert [3, 3] == [faults.add(1, 2), others.add(1, 2)]


class Siblings:
    """Two threads that do the work of one callback: the second one's call lies upon the first's."""

    def __init__(self, faults: Faults, executor: ThreadPoolExecutor) -> None:
        self.faults = faults
        self.executor = executor
        self.first_is_in, self.second_is_in = threading.Event(), threading.Event()
        self.first: Future[Any]

    def run(self, work_of_second: Callable[[], Any]) -> list[Any]:
        def first() -> str:
            self.first_is_in.set()
            assert self.second_is_in.wait(LIMIT)
            return "first"

        def second() -> Any:
            self.second_is_in.set()
            return work_of_second()

        def both() -> list[Any]:
            self.first = submit(self.executor, self.faults.call, first)
            assert self.first_is_in.wait(LIMIT)
            second_future = submit(self.executor, self.faults.call, second)
            return [self.first.result(), second_future.result()]

        return list(self.faults.call(both))


def test_a_call_beneath_a_slow_callback_of_its_chain_is_no_deadlock(
    faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlocks, "SETTLE_SECONDS", 0.2)
    with ThreadPoolExecutor(2) as executor:
        slow = threading.Event()
        assert ["first", False] == Siblings(faults, executor).run(lambda: slow.wait(1.5))


def test_a_call_beneath_a_callback_that_waits_for_it_is_an_error_in_time(
    faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlocks, "reentry_timeout", 0.5)
    with ThreadPoolExecutor(2) as executor:
        siblings = Siblings(faults, executor)
        with pytest.raises(WorkerBlockedError, match="call waits for node"):
            siblings.run(lambda: siblings.first.result())
    assert 3 == faults.add(1, 2)
