"""Processes that call one function through one library each, and time it.

Each library gets an interpreter of its own, ours too, so that the threads and event loops of one
cannot disturb another, and so that a processor or a quota can be given to one with its workers.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from measure import BenchmarkError, Sample, WrongResultError, interleave

PROGRAM = Path(__file__).with_name("caller_program.py")

CALLS = {
    "noodle": 4000,
    "noodle, isolated Python": 4000,
    "noodle, isolated C": 4000,
    "noodle, C in this process": 4000,
    "ctypes": 4000,
    "rpyc": 100,
    "execnet": 100,
    "Appose": 10,
    "JSPyBridge": 100,
    "mini-racer": 100,
    "PythonMonkey": 4000,
    "multiprocessing.Pipe": 1000,
    "multiprocessing.Pipe, ctypes": 1000,
    "os.pipe": 1000,
}
"""By library, the calls of one timing; chosen so that each takes some 10 ms."""

PARKED_CALLS = 20

BUSY_CALLS = 20
"""Of the other libraries beside a thread that computes: many wait for it with every call."""

QUICK_CALLS = 5

WARM_UP_SECONDS = 0.3
"""Chosen: a call is hot when others went before it for so long. Host and worker try every 0.13 s
whether the kernel now gives each a processor of its own, so that spinning helps."""

END_SECONDS = 10.0


@dataclass(frozen=True)
class Figures:
    """Microseconds of one call, over all calls of one timing.

    Args:
        p50: The median.
        p99: The 99th percentile.
        mean: The mean.
    """

    p50: float
    p99: float
    mean: float


class AbsentError(BenchmarkError):
    """A library that ours is compared with is not installed, or does not work here."""


class Caller:
    """An interpreter that calls ``add`` of scalars.cjs, scalars.py or scalars.c by one library.

    Args:
        library: One of ``CALLS``.
        place: What it may use of the processors, as ``processors.enter`` takes it.

    Raises:
        AbsentError: The library cannot be loaded.
    """

    def __init__(self, library: str, place: str = "") -> None:
        self.library = library
        self._connection, other = Pipe()
        self._process = subprocess.Popen(
            [sys.executable, PROGRAM, str(other.fileno()), library, place],
            pass_fds=[other.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | node_variables(),
        )
        other.close()
        try:
            self.start_milliseconds: float = self._answer()
        except BaseException:
            self.end()
            raise

    def time(self, action: str, calls: int, warm_up: float = WARM_UP_SECONDS) -> Figures:
        """Time calls one by one, each with its result checked.

        Args:
            action: ``hot``; ``busy`` for calls beside a thread that computes; ``parked`` for calls
                that each find the other side asleep.
            calls: How many.
            warm_up: Seconds of calls that go before those that count, unless ``parked``.
        """
        self._connection.send((action, calls, warm_up))
        return Figures(*self._answer())

    def end(self) -> None:
        """End the process; it ends its own workers."""
        self._connection.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answer(self) -> Any:
        try:
            state, value = self._connection.recv()
        except EOFError:
            raise BenchmarkError(f"the process that calls through {self.library} ended") from None
        if state == "absent":
            raise AbsentError(value)
        if state == "wrong":
            raise WrongResultError(f"{self.library}: {value}")
        return value


def node_variables() -> dict[str, str]:
    """Return what lets JSPyBridge run the same Node.js as Noodle."""
    from noodle.bridges.javascript.node import find_node

    return {"NODE_BIN": str(find_node().node)}


@contextmanager
def callers(libraries: Sequence[str], place: str = "") -> Iterator[dict[str, Caller]]:
    """Start a process for each library that is there, and say which ones are not.

    Args:
        libraries: Ours, which must be there, then the others.
        place: As ``Caller`` takes it.
    """
    with ExitStack() as stack:
        started = {}
        for library in libraries:
            try:
                caller = Caller(library, place)
            except AbsentError as error:
                print(f"{library} is absent: {error}", flush=True)
                continue
            stack.callback(caller.end)
            started[library] = caller
        if libraries[0] not in started:
            raise BenchmarkError("noodle itself cannot be loaded")
        yield started


def time_callers(
    started: Mapping[str, Caller], action: str, *, quick: bool, repeats: int = 10
) -> dict[str, list[Figures]]:
    """Time all libraries side by side.

    Returns:
        For each library, the figures of each repeat.
    """
    taken: dict[str, list[Figures]] = {name: [] for name in started}
    warm_up = 0.0 if quick else WARM_UP_SECONDS

    def calls(name: str) -> int:
        if quick:
            return QUICK_CALLS
        if action == "parked":
            return PARKED_CALLS
        if action == "busy" and not name.startswith("noodle"):
            return min(CALLS[name], BUSY_CALLS)
        return CALLS[name]

    def timing(name: str) -> Callable[[], float]:
        def run() -> float:
            taken[name].append(started[name].time(action, calls(name), warm_up))
            return taken[name][-1].p50

        return run

    interleave({name: timing(name) for name in started}, 1 if quick else repeats)
    return {name: figures[1:] for name, figures in taken.items()}


def sample(figures: Sequence[Figures], field: str) -> Sample:
    """Return one field of all repeats."""
    return Sample(tuple(getattr(one, field) for one in figures))
