"""Asynchronous callbacks that belong to no call: they keep nobody who serves their worker."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.workers.faults import LIMIT

import noodle
from noodle.errors import DeadlineExceededError
from noodle.libraries import library_of
from noodle.workers import callback_loop
from noodle.workers.modules import RemoteModule
from noodle.workers.worker import Worker

SAMPLES = Path(__file__).parent / "samples"
SOURCES = [str(SAMPLES / "outside.mjs"), str(SAMPLES / "outside.py")]

_numbers = itertools.count(1)


@pytest.fixture(params=SOURCES, ids=["javascript", "python"])
def source(request: pytest.FixtureRequest) -> str:
    return str(request.param)


Load = Callable[..., ModuleType]


@pytest.fixture
def load(source: str) -> Iterator[Load]:
    """Load the sample in a worker that no other test uses."""
    loaded: list[ModuleType] = []

    def run(**options: object) -> ModuleType:
        variables = {"OUTSIDE": f"{os.getpid()} {next(_numbers)}"}
        loaded.append(noodle.load(source, placement="isolated", environment=variables, **options))
        return loaded[-1]

    with noodle.deadline(LIMIT):
        yield run
        for module in loaded:
            noodle.unload(module)


@pytest.fixture
def module(load: Load) -> ModuleType:
    return load()


def worker_of(module: ModuleType) -> Worker:
    found = library_of(module)._loaded._module  # type: ignore[attr-defined]
    assert isinstance(found, RemoteModule)
    return found.pool.worker()


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def taken(module: ModuleType, count: int = 1) -> list[Any]:
    """What callbacks have given, once there are so many."""
    found: list[Any] = []
    wait_until(lambda: found.extend(module.take()) or len(found) >= count)
    return found


class Waiting:
    """Coroutines that wait until they are let go, or cancelled."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.cancelled = 0
        self._gates: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def function(self) -> Callable[..., Any]:
        async def wait(value: object = None) -> object:
            gate = asyncio.Event()
            self._gates.append((asyncio.get_running_loop(), gate))
            self.begun.append(threading.current_thread().name)
            try:
                await gate.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            return value

        return wait

    def let_go(self) -> None:
        for loop, gate in self._gates:
            loop.call_soon_threadsafe(gate.set)


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


async def double(value: int) -> int:
    await asyncio.sleep(0)
    return 2 * value


# ------------------------------------------------------------------------- Others meanwhile


def test_other_callbacks_are_answered_while_one_waits(module: ModuleType, waiting: Waiting) -> None:
    module.start(waiting.function(), "late")
    wait_until(lambda: waiting.begun)
    module.start(double, 4)
    assert [8] == taken(module)
    module.start(lambda value: value + 1, 4)
    assert [5] == taken(module)
    waiting.let_go()
    assert ["late"] == taken(module)


def test_all_run_on_one_thread_that_serves_no_worker(
    load: Load, module: ModuleType, waiting: Waiting
) -> None:
    other = load()
    for started in (module, module, other):
        started.start(waiting.function())
    wait_until(lambda: len(waiting.begun) == 3)
    assert {"noodle callbacks"} == set(waiting.begun)
    waiting.let_go()
    assert ([None, None], [None]) == (taken(module, 2), taken(other))


def test_a_thousand_wait_at_once(module: ModuleType, waiting: Waiting) -> None:
    module.startAll(waiting.function(), 1000)
    wait_until(lambda: len(waiting.begun) == 1000)
    assert (3, []) == (module.add(1, 2), module.take())
    waiting.let_go()
    assert list(range(1000)) == sorted(taken(module, 1000))


def test_they_begin_in_the_order_of_their_calls(module: ModuleType) -> None:
    plain: list[int] = []
    begun: list[int] = []

    async def begin(value: int) -> None:
        begun.append(value)

    module.startAll(plain.append, 100)
    module.startAll(begin, 100)
    taken(module, 200)
    assert (list(range(100)), list(range(100))) == (plain, begun)


def test_errors_say_which_callback_was_called(module: ModuleType) -> None:
    caught: list[BaseException] = []

    async def fail(value: int) -> None:
        try:
            raise LookupError("lost")
        except LookupError as error:
            caught.append(error)
            raise

    module.start(fail, 3)
    assert ["LookupError"] == taken(module)
    (note,) = caught[0].__notes__
    assert re.fullmatch(r"in the callback .*fail of .*, which .* called with .*", note)


def test_what_a_callback_has_started_does_not_end_the_loop(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda given: told.append(given.exc_type))

    async def leave() -> None:
        raise SystemExit(1)

    started: list[asyncio.Task[None]] = []

    async def start() -> None:
        started.append(asyncio.get_running_loop().create_task(leave()))

    module.start(start)
    assert [None] == taken(module)
    wait_until(started[0].done)
    assert isinstance(started[0].exception(), SystemExit)
    module.start(double, 4)
    assert ([8], [SystemExit]) == (taken(module), told)


def test_it_calls_its_worker_which_stands_still_for_it(module: ModuleType) -> None:
    async def through(add: Callable[[int, int], int]) -> int:
        await asyncio.sleep(0)
        return add(1, await asyncio.to_thread(add, 2, 3))

    module.standStill(through)
    assert [6] == taken(module)


def test_more_than_a_worker_may_have_are_refused(
    module: ModuleType, waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callback_loop, "MOST_WAITING", 3)
    module.startAll(waiting.function(), 4)
    assert taken(module)[0] in ("noodle.errors.InputLimitError", "ValueError")
    waiting.let_go()
    assert [0, 1, 2] == sorted(taken(module, 3))
    module.start(double, 4)
    assert [8] == taken(module)


# ------------------------------------------------------------------------------ Housekeeping


def test_a_call_that_never_ends_costs_its_worker_its_life_while_one_waits(
    module: ModuleType, waiting: Waiting
) -> None:
    worker = worker_of(module)
    module.start(waiting.function())
    wait_until(lambda: waiting.begun)
    with pytest.raises(DeadlineExceededError), noodle.deadline(0.2):
        module.spin()
    assert worker.join(LIMIT)
    assert worker.exit is not None
    assert signal.SIGKILL == worker.exit.signal
    wait_until(lambda: waiting.cancelled)
    assert 3 == module.add(1, 2)


def test_an_idle_worker_is_ended_while_one_waits(load: Load, waiting: Waiting) -> None:
    module = load(idle_seconds=0.3)
    worker = worker_of(module)
    module.start(waiting.function())
    wait_until(lambda: waiting.begun)
    assert worker.join(LIMIT)
    wait_until(lambda: waiting.cancelled)


def test_objects_are_released_while_one_waits(module: ModuleType, waiting: Waiting) -> None:
    link = worker_of(module).link
    module.start(waiting.function())
    wait_until(lambda: waiting.begun)
    things = [module.thing() for _ in range(10)]
    before = link.statistics()["releases_sent"]
    del things
    gc.collect()
    wait_until(lambda: link.statistics()["releases_sent"] >= before + 10)
    waiting.let_go()
    assert [None] == taken(module)


# ---------------------------------------------------------------------------------- The end


@pytest.mark.parametrize("has_begun", [True, False])
def test_its_worker_cancels_it(module: ModuleType, waiting: Waiting, has_begun: bool) -> None:
    module.startAndAbort(waiting.function(), not has_begun)
    if has_begun:
        wait_until(lambda: waiting.begun)
        module.abort()
    assert taken(module) in (["AbortError"], ["CancelledError"])
    wait_until(lambda: waiting.cancelled == len(waiting.begun))
    assert waiting.begun or not has_begun
    module.start(double, 4)
    assert [8] == taken(module)


@pytest.mark.parametrize("end", ["kill", "unload"])
def test_it_is_cancelled_when_its_worker_ends(
    module: ModuleType, load: Load, waiting: Waiting, end: str
) -> None:
    other = load()
    other.start(waiting.function())
    module.start(waiting.function())
    wait_until(lambda: len(waiting.begun) == 2)
    if end == "kill":
        os.kill(module.pid(), signal.SIGKILL)
    else:
        noodle.unload(module)
    wait_until(lambda: waiting.cancelled)
    waiting.let_go()
    assert ([None], 1) == (taken(other), waiting.cancelled)


def test_what_it_gives_after_the_end_of_its_worker_goes_nowhere(
    module: ModuleType, load: Load
) -> None:
    worker = worker_of(module)
    outcome: list[str] = []
    begun = threading.Event()

    async def stubborn() -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            outcome.append("cancelled")
        return "late"

    module.start(stubborn)
    assert begun.wait(LIMIT)
    worker.link.kill()
    wait_until(lambda: outcome)
    other = load()
    other.start(double, 4)
    assert [8] == taken(other)


# -------------------------------------------------------------------------- Exits and forks

HEAD = """
import asyncio, os, sys, time, threading
import noodle
module = noodle.load(sys.argv[1], placement="isolated")
begun = threading.Event()
def taken():
    end = time.monotonic() + 30
    while not (found := module.take()):
        assert time.monotonic() < end
        time.sleep(0.005)
    return found
async def double(value):
    return 2 * value
async def wait():
    begun.set()
    try:
        await asyncio.Event().wait()
    finally:
        print("cleaned up", flush=True)
module.start(wait)
assert begun.wait(30)
"""


def run_program(source: str, program: str) -> tuple[int, str, str]:
    command = [sys.executable, "-W", "always", "-c", HEAD + program, source]
    host = subprocess.run(command, capture_output=True, text=True, timeout=2 * LIMIT, check=False)
    return host.returncode, host.stdout, host.stderr


@pytest.mark.parametrize("end", ["", "sys.exit(0)", "noodle.unload(module)"])
def test_a_host_ends_while_one_waits(source: str, end: str) -> None:
    assert (0, "cleaned up\n", "") == run_program(source, end)


def test_a_host_ends_while_one_computes(source: str) -> None:
    program = """
computes = threading.Event()
async def compute():
    computes.set()
    time.sleep(600)
module.start(compute)
assert computes.wait(30)
"""
    status, _, errors = run_program(source, program)
    assert (0, "") == (status, errors)


def test_a_child_of_a_fork_has_a_loop_of_its_own_and_the_parents_goes_on(source: str) -> None:
    program = """
child = os.fork()
own = module
if child == 0:
    own = module = noodle.load(sys.argv[1], placement="isolated", environment={"OWN": "1"})
    module.start(double, 21)
    assert taken() == [42]
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
module.start(double, 4)
assert taken() == [8]
"""
    assert (0, "cleaned up\n", "") == run_program(source, program)


def test_a_callback_may_fork(source: str) -> None:
    program = """
async def fork():
    child = os.fork()
    if child == 0:
        await asyncio.sleep(600)
    return os.waitpid(child, 0)[1]
module.start(fork)
assert taken() == [0]
module.start(double, 4)
assert taken() == [8]
"""
    assert (0, "cleaned up\n", "") == run_program(source, program)
