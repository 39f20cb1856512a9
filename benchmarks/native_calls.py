"""P2: a C function on scalars through a plan, beside cffi in API mode and ctypes.

All three call the same function of the same shared library. The cffi module is the usual one:
``set_source`` with the library to link, compiled by ``FFI.compile``; ctypes knows ``argtypes`` and
``restype``.
"""

from __future__ import annotations

import ctypes
import math
import os
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import noodle
from handle_calls import time_handle
from measure import BenchmarkError
from noodle.bridges.native.compilers import Compiler, find_compiler
from results import Budget, Row

ITEM = "P2"
BUDGETS = {"cffi API mode": Budget("ratio", 1.3), "ctypes": Budget("ratio", 0.45)}

SOURCE = Path(__file__).with_name("scalars.c")
LIBM = "libm.so.6"
CTYPES = {"double": ctypes.c_double, "int32_t": ctypes.c_int32}


@dataclass(frozen=True)
class Case:
    """A C function, where it comes from, and a call of it."""

    name: str
    library: str
    returns: str
    parameters: tuple[str, ...]
    args: tuple[Any, ...]
    expected: Any

    @property
    def prototype(self) -> str:
        return f"{self.returns} {self.name}({', '.join(self.parameters) or 'void'});"


CASES = (
    Case("cos", LIBM, "double", ("double",), (0.5,), math.cos(0.5)),
    Case("add_three", "scalars", "double", ("double",) * 3, (1.5, 2.5, 3.5), 7.5),
    Case("add_integers", "scalars", "int32_t", ("int32_t",) * 2, (40, 2), 42),
    Case("forty_two", "scalars", "int32_t", (), (), 42),
)


def run(*, quick: bool) -> list[Row]:
    with tempfile.TemporaryDirectory() as directory:
        build = Path(directory)
        compiler = require_compiler()
        libraries = {LIBM: LIBM, "scalars": str(shared_library(compiler, build))}
        compiled = cffi_functions(compiler, build)
        return [
            row
            for case in CASES
            for row in measure(case, libraries[case.library], compiled, 5 if quick else 1000)
        ]


def require_compiler() -> Compiler:
    compiler = find_compiler()
    if compiler is None:
        raise BenchmarkError("there is no C compiler; pip install ziglang gives one")
    return compiler


def shared_library(compiler: Compiler, directory: Path) -> Path:
    path = directory / "libscalars.so"
    compiler.shared_library([str(SOURCE)], path, directory=directory, flags=["-O2"])
    return path


def measure(case: Case, library: str, compiled: Any, repeats: int) -> list[Row]:
    handle = getattr(noodle.load(library, prototypes=case.prototype), case.name)
    peers = {
        "cffi API mode": getattr(compiled, case.name),
        "ctypes": ctypes_function(case, library),
    }
    times = time_handle(handle, peers, case.args, {}, case.expected, repeats)
    return [
        Row(
            ITEM if budget else "context",
            case.prototype,
            "ns",
            times["ours"],
            times[peer],
            peer,
            budget,
        )
        for peer, budget in budgets(case).items()
    ]


def budgets(case: Case) -> dict[str, Budget | None]:
    """Return the budget against each peer.

    ctypes spends its time on arguments. A call without any is mostly the release of the GIL, which
    alone takes longer than 0.45 of ctypes, so that the budget concerns calls that pass a scalar.
    """
    return {**BUDGETS, "ctypes": BUDGETS["ctypes"] if case.parameters else None}


def ctypes_function(case: Case, library: str) -> Any:
    function: Any = getattr(ctypes.CDLL(library), case.name)
    function.argtypes = [CTYPES[name] for name in case.parameters]
    function.restype = CTYPES[case.returns]
    return function


def cffi_functions(compiler: Compiler, directory: Path) -> Any:
    """Return the ``lib`` of a cffi module with every function, linked the usual way."""
    from cffi import FFI

    builder = FFI()
    builder.cdef("\n".join(case.prototype for case in CASES))
    own = [case.prototype for case in CASES if case.library != LIBM]
    builder.set_source(
        "scalars_cffi",
        "\n".join(["#include <math.h>", "#include <stdint.h>", *own]),
        libraries=["m", "scalars"],
        library_dirs=[str(directory)],
        extra_link_args=[f"-Wl,-rpath,{directory}"],
    )
    with environment("CC", shlex.join(compiler.command)):
        path = builder.compile(tmpdir=str(directory))
    spec = spec_from_file_location("scalars_cffi", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.lib


@contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
