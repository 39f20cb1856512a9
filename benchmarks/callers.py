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
    "JSPyBridge": 100,
    "mini-racer": 100,
    "PythonMonkey": 4000,
    "multiprocessing.Pipe": 1000,
}
"""By library, the calls of one timing; chosen so that each takes some 10 ms."""

END_SECONDS = 10.0


@dataclass(frozen=True)
class Figures:
    """Microseconds of one call, over all calls of one timing."""

    p50: float
    p99: float
    mean: float


class AbsentError(BenchmarkError):
    """A library that ours is compared with is not installed, or does not work here."""


class Caller:
    """An interpreter that calls ``add`` of scalars.cjs through one library.

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

    def time(self, action: str, calls: int) -> Figures:
        """Time calls one by one, each with its result checked.

        Args:
            action: ``hot``; ``busy`` for calls beside a thread that computes; ``parked`` for calls
                that each find the other side asleep.
            calls: How many.
        """
        self._connection.send((action, calls))
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
    """Start a process for each library that is there, ours always, and say which ones are not."""
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
        if "noodle" not in started:
            raise BenchmarkError("noodle itself cannot be loaded")
        yield started


def time_callers(
    started: Mapping[str, Caller], action: str, repeats: int, calls: Mapping[str, int] = CALLS
) -> dict[str, dict[str, Sample]]:
    """Time all libraries side by side.

    Returns:
        For each library, samples of ``p50``, ``p99`` and ``mean``, in microseconds.
    """
    taken: dict[str, list[Figures]] = {name: [] for name in started}

    def timing(name: str) -> Callable[[], float]:
        def run() -> float:
            taken[name].append(started[name].time(action, calls[name]))
            return taken[name][-1].p50

        return run

    interleave({name: timing(name) for name in started}, repeats)
    return {
        name: {
            field: Sample(tuple(getattr(figures, field) for figures in all_figures[1:]))
            for field in ("p50", "p99", "mean")
        }
        for name, all_figures in taken.items()
    }
