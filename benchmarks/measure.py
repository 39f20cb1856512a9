"""Timing of two or more ways to do one thing, side by side in one run.

Every side runs once in each repeat, and each repeat begins with another side (A B C, B C A, …), so
that whatever disturbs the machine meets all of them. In a fixed order, the time slices of a busy
machine's scheduler can keep step with the repeats and hit one side alone. Figures are medians over
the repeats, and a comparison is the median of the comparisons within each repeat. Garbage
collection is off while the clock runs.
"""

from __future__ import annotations

import gc
import statistics
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

UNROLLED = 10
"""Chosen: copies of a statement in one turn of the loop, so that the loop itself weighs little."""

SLICE_NANOSECONDS = 200_000
"""Chosen: the least length of one timing. A scheduler grants milliseconds at once, so that even on
a busy machine nearly every timing runs without interruption, and the median is one that did."""


class BenchmarkError(Exception):
    """A benchmark cannot give figures."""


class WrongResultError(BenchmarkError):
    """A side did not compute what it should, so its time means nothing."""


@dataclass(frozen=True)
class Sample:
    """The figures of one side, one for each repeat."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def least(self) -> float:
        return min(self.values)

    @property
    def most(self) -> float:
        return max(self.values)

    def minus(self, other: Sample) -> Sample:
        return Sample(tuple(a - b for a, b in zip(self.values, other.values, strict=True)))

    def over(self, other: Sample) -> Sample:
        return Sample(tuple(a / b for a, b in zip(self.values, other.values, strict=True)))


def interleave(sides: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, Sample]:
    """Run every side once in each repeat.

    Args:
        sides: By name, what takes one timing and returns it in any unit.
        repeats: Timings of each side; a first one of each side is thrown away.

    Returns:
        A sample for each side.
    """
    values: dict[str, list[float]] = {name: [] for name in sides}
    order = deque(sides)
    with garbage_collection_off():
        for side in sides.values():
            side()
        for _ in range(repeats):
            for name in order:
                values[name].append(sides[name]())
            order.rotate(-1)
    return {name: Sample(tuple(taken)) for name, taken in values.items()}


@contextmanager
def garbage_collection_off() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class StatementTimer:
    """Times one Python statement in a loop.

    Each timer has a code object of its own: CPython specialises a call site for what is called
    there, and a shared one would be slow for everybody.

    Args:
        expression: What is timed; its value is checked at the end of each timing.
        names: The names that it uses; they are local variables of the loop.
        expected: The value that it must have.
    """

    def __init__(self, expression: str, names: Mapping[str, Any], expected: Any) -> None:
        lines = "".join(f"        result = {expression}\n" for _ in range(UNROLLED))
        source = (
            f"def time_rounds(clock, rounds, {', '.join(names)}):\n"
            f"    start = clock()\n"
            f"    for _ in rounds:\n{lines}"
            f"    return clock() - start, result\n"
        )
        namespace: dict[str, Any] = {}
        exec(compile(source, f"<{expression}>", "exec"), namespace)
        self._time_rounds = namespace["time_rounds"]
        self._expression = expression
        self._names = dict(names)
        self._expected = expected
        self.executions = 0
        self.rounds = 1

    def __call__(self) -> float:
        """Return the nanoseconds of one execution, as a mean over one timing."""
        elapsed = self._elapsed()
        return elapsed / (self.rounds * UNROLLED)

    def calibrate(self) -> None:
        """Choose the number of rounds that fill one timing.

        The first timing does not count, for a first call may have a plan to make, and of every two
        the shorter one does, for either may be interrupted.
        """
        self._elapsed()
        while min(self._elapsed(), self._elapsed()) < SLICE_NANOSECONDS:
            self.rounds *= 2

    def _elapsed(self) -> int:
        elapsed, result = self._time_rounds(
            time.perf_counter_ns, repeat(None, self.rounds), **self._names
        )
        self.executions += self.rounds * UNROLLED
        if type(result) is not type(self._expected) or result != self._expected:
            raise WrongResultError(f"{self._expression}: {result!r} instead of {self._expected!r}")
        return int(elapsed)


def call_timer(
    function: Callable[..., Any],
    args: Sequence[Any],
    keywords: Mapping[str, Any],
    expected: Any,
    statement: str | None = None,
    other_names: Mapping[str, Any] | None = None,
) -> StatementTimer:
    """Return a timer of a call in which the function and all arguments are local variables.

    Args:
        function: What is called.
        args: Its positional arguments.
        keywords: Its keyword arguments.
        expected: What it must return.
        statement: The call, of ``function``, ``argument_0`` and so on; None for the plain one.
        other_names: What else the statement uses.
    """
    positional = {f"argument_{index}": value for index, value in enumerate(args)}
    named = {f"keyword_{name}": value for name, value in keywords.items()}
    parts = [*positional, *(f"{name}=keyword_{name}" for name in keywords)]
    names = {"function": function, **positional, **named, **(other_names or {})}
    return StatementTimer(statement or f"function({', '.join(parts)})", names, expected)


def time_statements(timers: Mapping[str, StatementTimer], repeats: int) -> dict[str, Sample]:
    """Time statements side by side, each for about the same time.

    Returns:
        For each timer, the nanoseconds of one execution.
    """
    for timer in timers.values():
        timer.calibrate()
    return interleave(timers, repeats)


def process_timer(command: Sequence[str], directory: Path, expected: str) -> Callable[[], float]:
    """Return what runs a whole process and gives its milliseconds, start and end included.

    Args:
        command: The program and its arguments.
        directory: Its working directory.
        expected: What it must print.
    """

    def run() -> float:
        start = time.perf_counter_ns()
        result = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
        elapsed = time.perf_counter_ns() - start
        if result.returncode or result.stdout != expected:
            raise WrongResultError(
                f"{' '.join(command)}: exit code {result.returncode}, printed {result.stdout!r} "
                f"instead of {expected!r}\n{result.stderr}"
            )
        return elapsed / 1e6

    return run
