"""A run of a compiled loop: broadcasting, time slices, and threads.

The loop runs without the GIL and comes back at least every ten milliseconds, unless a single call
takes longer: then signal handlers run, the deadline is checked, and what a callback has raised is
raised. Python's own ``Thread`` runs the share of other processors.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from noodle._callbacks import PendingCall
from noodle.bridges.native.declarations import Declaration
from noodle.bridges.native.vectorized_arrays import dtypes_of
from noodle.bridges.native.vectorized_loops import (
    LEAST_FOR_THREADS,
    LoopOptions,
    Run,
    compile_loop,
    open_loop,
)
from noodle.deadlines import check_deadline, remaining_seconds

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

__all__ = ["LocalLoop", "run_loop"]

_SLICE = 0.008
"""Chosen: seconds between two looks at signals and the deadline; with the block that is running
then, ten milliseconds are not exceeded."""

_ALONE = 0.0002
"""Chosen: seconds that a run of many elements takes before threads are started, which costs about
as much."""

_SHARES = 32
"""Chosen: pieces for each thread, so that the last one to end is late by 3 % at most."""

_FOR_EVER = 1 << 62
"""Nanoseconds."""

_STOP = 4
"""The place of ``stop`` in the loop's state."""

_READ = ["readonly", "copy", "aligned", "nbo", "overlap_assume_elementwise"]
_WRITE = ["writeonly", "allocate", "no_broadcast", "aligned", "nbo", "overlap_assume_elementwise"]


class LocalLoop:
    """Calls a function of a library in this process for the elements of arrays.

    Args:
        declaration: What the function takes and gives.
        address: Gives its address.
        options: How loops are made.
    """

    def __init__(
        self, declaration: Declaration, address: Callable[[], int], options: LoopOptions
    ) -> None:
        self._declaration = declaration
        self._address = address
        self._opened: tuple[Run, int, list[str]] | None = None
        self.options = options

    def apply(self, arrays: list[Array], out: Array | None, threads: int) -> Array:
        """Call the function for each element; see ``ArrayLoop``."""
        if self._opened is None:
            run = open_loop(compile_loop(self._declaration, self.options))
            self._opened = run, self._address(), dtypes_of(self._declaration)
        run, address, dtypes = self._opened
        return run_loop(run, address, arrays, out, dtypes, threads, self._declaration.name)


def run_loop(
    run: Run,
    function: int,
    arrays: Sequence[Array],
    out: Array | None,
    dtypes: Sequence[str],
    threads: int,
    name: str,
) -> Array:
    """Call a function for each element of arrays, and return the array of results.

    Args:
        run: The compiled loop.
        function: The function's address.
        arrays: One for each parameter.
        out: Where the results go; None to make an array.
        dtypes: NumPy's codes of the parameters' types and the result's.
        threads: The most threads that may be used.
        name: The function's name in errors.

    Raises:
        DeadlineExceededError: The deadline passed; what has been done by then is in ``out``.
    """
    import numpy

    make: Any = numpy.nditer  # its stub knows neither lists of flags nor outputs to be made
    iterator = make(
        [*arrays, out],
        ["external_loop", "zerosize_ok", "copy_if_overlap"],
        [_READ] * len(arrays) + [_WRITE],
        dtypes,
        order="K",
        casting="safe",
    )
    with iterator:
        result: Array = iterator.operands[-1]
        if iterator.itersize:
            _Run(run, function, iterator, threads, name).finish()
    return result if out is None else out


class _Run:
    """One run.

    Args:
        loop: The compiled loop.
        function: The function's address.
        iterator: Has the arrays, their dimensions in the order of memory. They live as long as the
            run, which threads may outlive the caller's interest in.
        threads: The most threads that may be used.
        name: The function's name in errors.
    """

    def __init__(self, loop: Run, function: int, iterator: Any, threads: int, name: str) -> None:
        views = iterator.itviews
        self._loop = loop
        self.__name__ = name  # an error of the deadline asks for it
        self._iterator = iterator
        self._threads = min(threads, iterator.itersize)
        shape = views[0].shape or (1,)
        layout = list(shape)
        for view in views:
            layout += [view.__array_interface__["data"][0], *(view.strides or (0,))]
        count = iterator.itersize
        grain = max(1, count // (self._threads * _SHARES)) if self._threads > 1 else count
        head = [function, count, grain, 0, 0, len(shape)]
        self._state = array("q", head + layout)
        self._helpers: list[threading.Thread] = []

    def finish(self) -> None:
        """Run the loop to its end."""
        part = array("q", [0, 0])
        if self._threads == 1:
            return self._run_slices(part)
        many = self._iterator.itersize >= LEAST_FOR_THREADS
        if many and not self._run(part, int(_ALONE * 1e9)):
            return None
        try:
            for _ in range(self._threads - 1):
                self._start_helper()
            self._run_slices(part)
            self._wait()
        finally:
            self._state[_STOP] = 1
            for helper in self._helpers:
                helper.join()
        return None

    def _run_slices(self, part: array[int]) -> None:
        while self._run(part, _slice()):
            check_deadline(self)

    def _run(self, part: array[int], nanoseconds: int) -> int:
        loop = PendingCall(self._loop)
        state, own = self._state.buffer_info()[0], part.buffer_info()[0]
        more: int = loop(state, own, nanoseconds)
        return more

    def _start_helper(self) -> None:
        helper = threading.Thread(target=self._help, name="noodle map", daemon=True)
        with suppress(RuntimeError):  # no more threads: the others do its share
            helper.start()
            self._helpers.append(helper)

    def _help(self) -> None:
        self._run(array("q", [0, 0]), _FOR_EVER)

    def _wait(self) -> None:
        for helper in self._helpers:
            while helper.is_alive():
                helper.join(_slice() / 1e9)
                check_deadline(self)


def _slice() -> int:
    """Return the nanoseconds until signals and the deadline are looked at again."""
    left = remaining_seconds()
    return int((_SLICE if left is None else min(_SLICE, max(left, 0.0))) * 1e9)
