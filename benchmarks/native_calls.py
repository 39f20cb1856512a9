"""P2: a C function through a plan, beside cffi in API mode, ctypes and nanobind.

All call the same functions of the same shared library; see ``native_peers.py``. Numbers, a text,
bytes and arrays of a few items, so that what is timed is the call.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import noodle
from handle_calls import time_handle
from measure import BenchmarkError
from native_peers import cffi_module, ctypes_function, nanobind_module
from noodle.bridges.native.compilers import Compiler, find_compiler
from results import Budget, Row

ITEM = "P2"
CFFI, CTYPES = "cffi API mode", "ctypes"
BUDGETS = {CFFI: Budget("ratio", 1.3), CTYPES: Budget("ratio", 0.45)}

SOURCE = Path(__file__).with_name("scalars.c")
LIBM = "libm.so.6"

ENCODED = "function(argument_0.encode())"
FROM_BUFFER = "function(from_buffer('double[]', argument_0), argument_1)"


@dataclass(frozen=True)
class Case:
    """A C function, where it comes from, and a call of it.

    Args:
        name: Its name.
        library: Where it comes from.
        returns: What it returns, in C.
        parameters: What it takes, in C.
        args: What it is called with.
        expected: What it must return.
        statements: How peers are called that need their arguments made ready.
    """

    name: str
    library: str
    returns: str
    parameters: tuple[str, ...]
    args: tuple[Any, ...]
    expected: Any
    statements: dict[str, str] = field(default_factory=dict)

    @property
    def prototype(self) -> str:
        return f"{self.returns} {self.name}({', '.join(self.parameters) or 'void'});"


CASES = (
    Case("cos", LIBM, "double", ("double",), (0.5,), math.cos(0.5)),
    Case("add_three", "scalars", "double", ("double",) * 3, (1.5, 2.5, 3.5), 7.5),
    Case("add_integers", "scalars", "int32_t", ("int32_t",) * 2, (40, 2), 42),
    Case("forty_two", "scalars", "int32_t", (), (), 42),
    Case(
        *("text_length", "scalars", "size_t", ("const char *",), ("hello, world",), 12),
        statements={CFFI: ENCODED, CTYPES: ENCODED},
    ),
    Case("checksum", "scalars", "uint32_t", ("const uint8_t *", "size_t"), (b"ab", 2), 3105),
    Case(
        *("total", "scalars", "double", ("const double *", "size_t"), (np.ones(8), 8), 8.0),
        statements={CFFI: FROM_BUFFER},
    ),
    Case(
        *("double_all", "scalars", "void", ("double *", "size_t"), (np.zeros(8), 8), None),
        statements={CFFI: FROM_BUFFER},
    ),
)


def run(*, quick: bool) -> list[Row]:
    with tempfile.TemporaryDirectory() as directory:
        build = Path(directory)
        compiler = require_compiler()
        libraries = {LIBM: LIBM, "scalars": str(shared_library(compiler, build))}
        compiled = cffi_module(compiler, [case.prototype for case in CASES], build)
        bound = None if quick else nanobind_module(build)
        return [
            row
            for case in CASES
            for row in measure(case, libraries[case.library], compiled, bound, 5 if quick else 1000)
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


def measure(case: Case, library: str, compiled: Any, bound: Any, repeats: int) -> list[Row]:
    handle = getattr(noodle.load(library, prototypes=case.prototype), case.name)
    peers = {
        CFFI: getattr(compiled.lib, case.name),
        CTYPES: ctypes_function(library, case.name, case.returns, case.parameters),
    }
    if bound is not None:
        peers["nanobind"] = getattr(bound, case.name)
    names = {"from_buffer": compiled.ffi.from_buffer}
    times = time_handle(
        handle, peers, case.args, {}, case.expected, repeats, case.statements, names
    )
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
        for peer, budget in budgets(case, peers).items()
    ]


def budgets(case: Case, peers: dict[str, Any]) -> dict[str, Budget | None]:
    """Return the budget against each peer.

    ctypes spends its time on arguments. A call without any is mostly the release of the GIL, which
    alone takes longer than 0.45 of ctypes, so that the budget concerns calls that pass something.
    """
    found = {peer: BUDGETS.get(peer) for peer in peers}
    return found if case.parameters else {**found, CTYPES: None}
