"""Calls of Python workers that are given up: what ends them, and what they cost."""

from __future__ import annotations

import asyncio
import gc
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.workers.pythons import FAULT_RUNS, PythonWorker, python_worker

import noodle
from noodle.deadlines import finish_in_time
from noodle.errors import DeadlineExceededError
from noodle.workers.event_loop import call as call_later

LIMIT = 30.0
GRACE = 0.3

SOURCE = """
import asyncio

over = []

async def stubborn():
    while not over:
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            pass
    over.append("really")

async def spin():
    while True:
        pass

begun = []
cleaned = []

async def cleaning():
    begun.append("it")
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(1)
        cleaned.append("up")

async def relayed(function, seconds=None):
    if seconds is None:
        return await function()
    try:
        await asyncio.wait_for(function(), seconds)
    except asyncio.TimeoutError:
        return "timed out"

def relayed_now(function):
    return function()

result = [stubborn, spin, cleaning, relayed, relayed_now, lambda: list(cleaned),
          lambda: over.append("now"), lambda: len(over), lambda: len(begun)]
"""


@pytest.fixture(params=FAULT_RUNS)
def worker(request: pytest.FixtureRequest) -> Iterator[PythonWorker]:
    with noodle.deadline(LIMIT), python_worker(request.param, grace_seconds=GRACE) as worker:
        yield worker


Functions = dict[str, Callable[..., Any]]


@pytest.fixture
def functions(worker: PythonWorker) -> Functions:
    names = (
        "stubborn",
        "spin",
        "cleaning",
        "relayed",
        "relayed_now",
        "cleaned",
        "end",
        "ended",
        "begun",
    )
    return dict(zip(names, worker.run(SOURCE), strict=True))


def in_a_loop(function: Callable[..., Any], *args: Any) -> Any:
    async def main() -> Any:
        return await finish_in_time(call_later(function, *args))

    return asyncio.run(main())


def without_a_loop(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


HOW = pytest.mark.parametrize("call", [in_a_loop, without_a_loop])


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def counted(worker: PythonWorker, name: str) -> int:
    return worker.pool.worker().link.statistics()[name]


def is_told(worker: PythonWorker) -> bool:
    """Whether every call without an answer is known to wait for something."""
    return counted(worker, "in_flight") == counted(worker, "unsettled")


@HOW
def test_a_coroutine_that_waits_in_spite_of_it_costs_its_worker_nothing(
    worker: PythonWorker, functions: Functions, call: Callable[..., Any]
) -> None:
    process = worker.pool.worker().pid
    with pytest.raises(DeadlineExceededError), noodle.deadline(0.2):
        call(functions["stubborn"])
    wait_until(lambda: counted(worker, "unsettled"))
    end = time.monotonic() + 3 * GRACE
    while time.monotonic() < end:
        assert 5.0 == worker.function("math.hypot")(3, 4)
    assert process == worker.pool.worker().pid


@HOW
def test_a_coroutine_may_clean_up_for_longer_than_the_grace(
    worker: PythonWorker, functions: Functions, call: Callable[..., Any]
) -> None:
    process = worker.pool.worker().pid
    while not functions["begun"]():  # on a busy machine its deadline may have passed before that
        with pytest.raises(DeadlineExceededError), noodle.deadline(0.2):
            call(functions["cleaning"])
    wait_until(lambda: functions["cleaned"]() and counted(worker, "in_flight") == 0)
    assert (0, process) == (counted(worker, "unsettled"), worker.pool.worker().pid)


def test_an_answer_is_taken_that_comes_when_its_loop_was_closed(
    worker: PythonWorker, functions: Functions
) -> None:
    async def give_up() -> None:
        while not functions["begun"]():
            with pytest.raises(DeadlineExceededError), noodle.deadline(0.2):
                await finish_in_time(call_later(functions["cleaning"]))
        while not counted(worker, "unsettled"):
            await asyncio.sleep(0.001)

    asyncio.run(give_up())
    wait_until(lambda: functions["cleaned"]() and counted(worker, "in_flight") == 0)


@HOW
def test_a_coroutine_that_computes_without_end_costs_its_worker_its_life(
    worker: PythonWorker, functions: Functions, call: Callable[..., Any]
) -> None:
    running = worker.pool.worker()
    with pytest.raises(DeadlineExceededError), noodle.deadline(0.2):
        call(functions["spin"])
    assert running.join(LIMIT)
    assert running.exit is not None
    assert signal.SIGKILL == running.exit.signal
    assert 5.0 == worker.function("math.hypot")(3, 4)


@pytest.fixture
def without_collection() -> Iterator[None]:
    """Let nothing of a closed loop go before the worker ends."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collection")
def test_what_a_worker_left_unread_at_its_end_disturbs_no_other_call(worker: PythonWorker) -> None:
    """Its last answer lies on the channel of a loop that was closed, of the thread that calls."""
    sleep = worker.function("time.sleep")
    sleep(0)
    with python_worker(worker.version) as other, ThreadPoolExecutor(1) as executor:
        stubborn, *_, end, ended, _begun = other.run(SOURCE)
        while not counted(other, "unsettled"):  # else it had not begun before its deadline
            with pytest.raises(DeadlineExceededError), noodle.deadline(0.1):
                in_a_loop(stubborn)
            wait_until(lambda: [other.run(""), is_told(other)][1])
        executor.submit(end).result(LIMIT)
        executor.submit(wait_until, lambda: ended() == 2).result(LIMIT)
    assert sleep(0.2) is None  # long enough for a look at every channel


class Endless:
    """A coroutine function that ends only when it is cancelled."""

    def __init__(self) -> None:
        self.begun = self.cancelled = 0

    def function(self) -> Callable[[], Any]:
        async def endless() -> None:
            self.begun += 1
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise

        return endless


@HOW
def test_a_callback_that_the_worker_gives_up_is_cancelled(
    worker: PythonWorker, functions: Functions, call: Callable[..., Any]
) -> None:
    endless = Endless()
    assert "timed out" == call(functions["relayed"], endless.function(), 0.1)
    wait_until(lambda: endless.cancelled)
    assert (1, 1) == (endless.begun, endless.cancelled)


@HOW
@pytest.mark.parametrize("name", ["relayed", "relayed_now"])
def test_a_callback_is_cancelled_with_its_call(
    worker: PythonWorker, functions: Functions, call: Callable[..., Any], name: str
) -> None:
    endless = Endless()
    begin = time.monotonic()
    with pytest.raises(DeadlineExceededError), noodle.deadline(0.3):
        call(functions[name], endless.function())
    assert time.monotonic() - begin < LIMIT / 2
    wait_until(lambda: endless.cancelled)
    assert 5.0 == worker.function("math.hypot")(3, 4)


def test_a_worker_without_memory_looks_for_what_nobody_uses(worker: PythonWorker) -> None:
    """A cycle that nobody holds keeps an array until the collector finds it."""
    with python_worker(worker.version, shared_bytes=1 << 20) as small:
        source = """
import gc
gc.disable()
def keep(array):
    cycle = [array]
    cycle.append(cycle)
    return len(array)
result = keep
"""
        keep = small.run(source)
        for _ in range(8):
            values = noodle.zeros(1 << 16)
            assert 1 << 16 == keep(values)
            del values
            gc.collect()
