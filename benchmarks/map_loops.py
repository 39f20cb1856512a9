"""Functions of numbers over arrays, beside loops in C and numpy.vectorize over ctypes.

The loops in C stand in one file with their functions, are compiled with ``-O3`` and inlined, and
are called through ctypes with the addresses of the same arrays. All write into memory that was
written before.
"""

from __future__ import annotations

import ctypes
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import noodle
from measure import Sample, StatementTimer, WrongResultError, interleave, time_statements
from native_calls import LIBM, require_compiler
from noodle.bridges.native.compilers import Compiler
from results import Budget, Row

ITEM = "map"
BY_HAND = Budget("ratio", 1.2)
VECTORIZE = Budget("ratio", 1 / 20)

SOURCE = Path(__file__).with_name("kernels.c")
PROTOTYPES = "double saxpy(double x, double y, double z); double logistic(double x);"
LIBM_PROTOTYPES = "double cos(double x); double hypot(double x, double y);"


@dataclass(frozen=True)
class Case:
    """A function, how many arrays it takes, and whether its code is in the loop."""

    name: str
    arity: int
    source: bool

    @property
    def what(self) -> str:
        place = "a C source" if self.source else LIBM
        return f"{self.name} of {place}, {self.arity} array{'s'[: self.arity - 1]}"


CASES = (
    Case("saxpy", 3, source=True),
    Case("logistic", 1, source=True),
    Case("cos", 1, source=False),
    Case("hypot", 2, source=False),
)


def run(*, quick: bool) -> list[Row]:
    size, repeats = (10**4, 3) if quick else (10**7, 15)
    with tempfile.TemporaryDirectory() as directory:
        by_hand = hand_written(require_compiler(), Path(directory))
        here = libraries()
        rows = [row for case in CASES for row in measure(case, here, by_hand, size, repeats)]
        rows += beside_itself(here, libraries(placement="isolated"), size, repeats)
        return [*rows, few_elements(here, 3 if quick else 200)]


def hand_written(compiler: Compiler, directory: Path) -> ctypes.CDLL:
    path = directory / "libkernels.so"
    compiler.shared_library(
        [str(SOURCE)],
        path,
        directory=directory,
        flags=["-O3", "-fno-semantic-interposition"],
        libraries=["-lm"],
    )
    return ctypes.CDLL(str(path))


def libraries(**options: Any) -> dict[bool, ModuleType]:
    """Return the library of the C source, and that of the system."""
    chosen = {"thread_safe": True, **options}
    return {
        True: noodle.load(str(SOURCE), prototypes=PROTOTYPES, **chosen),
        False: noodle.load(LIBM, prototypes=LIBM_PROTOTYPES, **chosen),
    }


def measure(
    case: Case,
    libraries: dict[bool, ModuleType],
    by_hand: ctypes.CDLL,
    size: int,
    repeats: int,
) -> list[Row]:
    handle = getattr(libraries[case.source], case.name)
    arrays = some_arrays(case.arity, size, np.empty)
    expected = hand_timer(case, by_hand, arrays)
    slow = ctypes_timer(case, by_hand, [array[: max(size // 1000, 1)] for array in arrays])
    times = interleave(
        {
            "ours": map_timer(handle, arrays),
            "a loop in C": expected,
            "numpy.vectorize over ctypes": slow,
        },
        repeats,
    )
    compare(handle, by_hand, case, arrays)
    return [
        Row(ITEM, case.what, "ns an element", times["ours"], times[peer], peer, budget)
        for peer, budget in (("a loop in C", BY_HAND), ("numpy.vectorize over ctypes", VECTORIZE))
    ]


def some_arrays(count: int, size: int, make: Callable[[int], Any]) -> list[Any]:
    """Return arrays of ordinary numbers, and one for results that was written to."""
    generator = np.random.default_rng(1)
    arrays = [make(size) for _ in range(count + 1)]
    for array in arrays[:-1]:
        array[:] = generator.normal(size=size)
    arrays[-1][:] = 0.0
    return arrays


def map_timer(handle: Any, arrays: list[Any], **options: Any) -> Callable[[], float]:
    *given, out = arrays

    def timed() -> float:
        start = time.perf_counter_ns()
        handle.map(*given, out=out, **options)
        return (time.perf_counter_ns() - start) / out.size

    return timed


def hand_timer(case: Case, by_hand: ctypes.CDLL, arrays: list[Any]) -> Callable[[], float]:
    loop = by_hand[f"{case.name}_loop"]
    addresses = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
    count = ctypes.c_size_t(arrays[0].size)

    def timed() -> float:
        start = time.perf_counter_ns()
        loop(*addresses, count)
        return (time.perf_counter_ns() - start) / arrays[0].size

    return timed


def ctypes_timer(case: Case, by_hand: ctypes.CDLL, arrays: list[Any]) -> Callable[[], float]:
    """Time fewer elements: each takes a call, and a call takes as long whatever their number."""
    library = by_hand if case.source else ctypes.CDLL(LIBM)
    function: Any = getattr(library, case.name)
    function.argtypes = [ctypes.c_double] * case.arity
    function.restype = ctypes.c_double
    vectorized = np.vectorize(function, otypes=[float])

    def timed() -> float:
        start = time.perf_counter_ns()
        vectorized(*arrays[:-1])
        return (time.perf_counter_ns() - start) / arrays[0].size

    return timed


def compare(handle: Any, by_hand: ctypes.CDLL, case: Case, arrays: list[Any]) -> None:
    hand_timer(case, by_hand, arrays)()
    expected = arrays[-1].copy()
    arrays[-1][:] = 0.0
    if not np.array_equal(handle.map(*arrays[:-1], out=arrays[-1]), expected):
        raise WrongResultError(f"{case.name}: the loop gives other results than the one in C")


def beside_itself(
    here: dict[bool, ModuleType], isolated: dict[bool, ModuleType], size: int, repeats: int
) -> list[Row]:
    rows = []
    for case in (CASES[3], CASES[0]):
        handle, remote = (getattr(one[case.source], case.name) for one in (here, isolated))
        arrays = some_arrays(case.arity, size, noodle.empty)
        timers = {
            "one processor": map_timer(handle, arrays),
            "on all processors": map_timer(handle, arrays, parallel=True),
            "in a worker, shared arrays": map_timer(remote, arrays),
        }
        times: dict[str, Sample] = interleave(timers, repeats)
        for name in ("on all processors", "in a worker, shared arrays"):
            what = f"{case.what}, {name}"
            alone = times["one processor"]
            rows.append(Row("context", what, "ns an element", times[name], alone, "one processor"))
    return rows


def few_elements(here: dict[bool, ModuleType], repeats: int) -> Row:
    names = {"x": np.full(10, 3.0), "out": np.zeros(10)}
    timers = {
        name: StatementTimer("f(x, 4.0, out=out)[0]", names | {"f": function}, np.float64(5.0))
        for name, function in (("ours", here[False].hypot.map), ("theirs", np.hypot))
    }
    times = time_statements(timers, repeats)
    return Row("context", "hypot of 10 elements", "ns", times["ours"], times["theirs"], "np.hypot")
