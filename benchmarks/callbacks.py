"""Callbacks from C: a Python function through Noodle, beside cffi and ctypes.

A compiled loop calls a function many times; the time is that of one callback, with a thousandth of
the call around it. ``qsort`` compares integers by way of pointers.

cffi has two ways, both in API mode here: ``ffi.callback``, which takes any function, and the faster
``@ffi.def_extern()``, a C function that is compiled beforehand and leads to one function of Python.
"""

from __future__ import annotations

import ctypes
import shlex
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import noodle
from measure import WrongResultError, interleave
from native_calls import require_compiler
from native_peers import environment, import_file
from noodle.bridges.native.compilers import Compiler
from results import Budget, Row

ITEM = "callback"
BUDGETS = {
    "cffi, def_extern": Budget("ratio", 1.2),
    "cffi, callback": Budget("ratio", 1.2),
    "ctypes": None,
}
CALLS = 1000

SOURCE = """
double apply_many(double (*function)(double), int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += function(i);
    return sum;
}

int compare_many(int (*compare)(const int *, const int *), int count)
{
    int sum = 0;
    for (int i = 0; i < count; i++)
        sum += compare(&i, &count);
    return sum;
}
"""
PROTOTYPES = """
double apply_many(double (*function)(double), int count);
int compare_many(int (*compare)(const int *, const int *), int count);
"""


EXTERN = """
extern "Python" double same(double);
extern "Python" int compare(const int *, const int *);
"""


def run(*, quick: bool) -> list[Row]:
    repeats = 5 if quick else 200
    compiler = require_compiler()
    with tempfile.TemporaryDirectory() as directory:
        build = Path(directory)
        source, path = build / "callbacks.c", build / "libcallbacks.so"
        source.write_text(SOURCE)
        compiler.shared_library([str(source)], path, directory=build, flags=["-O2"])
        by_cffi = cffi_module(compiler, build)
        return [*numbers(path, by_cffi, repeats), *pointers(path, by_cffi, repeats)]


def numbers(path: Path, module: Any, repeats: int) -> list[Row]:
    def same(value: float) -> float:
        return value

    ours = noodle.load(str(path), prototypes=PROTOTYPES).apply_many
    by_cffi = module.lib.apply_many
    callback = module.ffi.callback("double(double)", same)
    module.ffi.def_extern()(same)
    kind = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
    theirs = ctypes.CDLL(str(path)).apply_many
    theirs.argtypes, theirs.restype = [kind, ctypes.c_int], ctypes.c_double
    by_ctypes = kind(same)
    sides = {
        "ours": lambda: ours(same, CALLS),
        "cffi, def_extern": lambda: by_cffi(module.lib.same, CALLS),
        "cffi, callback": lambda: by_cffi(callback, CALLS),
        "ctypes": lambda: theirs(by_ctypes, CALLS),
    }
    return rows("double (*)(double)", sides, CALLS * (CALLS - 1) / 2, repeats)


def pointers(path: Path, module: Any, repeats: int) -> list[Row]:
    def compare(a: Any, b: Any) -> int:
        return (a[0] > b[0]) - (a[0] < b[0])  # type: ignore[no-any-return]

    ours = noodle.load(str(path), prototypes=PROTOTYPES).compare_many
    by_cffi = module.lib.compare_many
    callback = module.ffi.callback("int(int *, int *)", compare)
    module.ffi.def_extern()(compare)
    integer = ctypes.POINTER(ctypes.c_int)
    kind = ctypes.CFUNCTYPE(ctypes.c_int, integer, integer)
    theirs = ctypes.CDLL(str(path)).compare_many
    theirs.argtypes, theirs.restype = [kind, ctypes.c_int], ctypes.c_int
    by_ctypes = kind(compare)
    sides = {
        "ours": lambda: ours(compare, CALLS),
        "cffi, def_extern": lambda: by_cffi(module.lib.compare, CALLS),
        "cffi, callback": lambda: by_cffi(callback, CALLS),
        "ctypes": lambda: theirs(by_ctypes, CALLS),
    }
    return rows("int (*)(const int *, const int *)", sides, -CALLS, repeats)


def cffi_module(compiler: Compiler, directory: Path) -> Any:
    """Return a cffi module with the library's functions and two that lead to Python."""
    from cffi import FFI

    builder = FFI()
    builder.cdef(PROTOTYPES + EXTERN)
    builder.set_source(
        "callbacks_cffi",
        PROTOTYPES,
        libraries=["callbacks"],
        library_dirs=[str(directory)],
        extra_link_args=[f"-Wl,-rpath,{directory}"],
    )
    with environment("CC", shlex.join(compiler.command)):
        path = builder.compile(tmpdir=str(directory))
    return import_file("callbacks_cffi", Path(path))


def rows(
    what: str, sides: dict[str, Callable[[], Any]], expected: float, repeats: int
) -> list[Row]:
    """Return the rows of one function type, in nanoseconds for a callback."""
    times = interleave({name: timer(side, expected) for name, side in sides.items()}, repeats)
    return [
        Row(ITEM if budget else "context", what, "ns", times["ours"], times[peer], peer, budget)
        for peer, budget in BUDGETS.items()
    ]


def timer(side: Callable[[], Any], expected: float) -> Callable[[], float]:
    """Return what times one call of a side, in nanoseconds for a callback."""

    def timed() -> float:
        start = time.perf_counter_ns()
        result = side()
        taken = time.perf_counter_ns() - start
        if result != expected:
            raise WrongResultError(f"{result} instead of {expected}")
        return taken / CALLS

    return timed
