"""Compiled loops over arrays: made once for the types of a function, opened, and run."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from noodle.bridges.native.compilers import Compiler
from noodle.bridges.native.declarations import Declaration
from noodle.bridges.native.vectorized_source import loop_source
from noodle.build_cache import BuildCache, digest
from noodle.errors import MissingToolError

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

__all__ = ["LEAST_FOR_THREADS", "ArrayLoop", "LoopOptions", "compile_loop", "open_loop"]

LEAST_FOR_THREADS = 4096
"""Chosen: elements for which threads are worth a look without being asked for."""

_FLAGS = ("-fno-strict-aliasing", "-fvisibility=default", "-w")

Run = Callable[[Any, Any, int], int]


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How the functions of one library are called for the elements of arrays.

    Args:
        compiler: What compiles loops; None where there is none.
        cache: Where they are kept.
        optimization: The compiler level.
        thread_safe: The functions that may run on several threads at once; True for all.
        automatic: Whether calling such a function with arrays calls it for their elements.
        parallel: Whether several processors are used where nothing else is asked for.
    """

    compiler: Compiler | None
    cache: BuildCache
    optimization: str
    thread_safe: bool | frozenset[str] = False
    automatic: bool = False
    parallel: bool = False

    def is_thread_safe(self, name: str) -> bool:
        """Return whether a function may run on several threads at once."""
        return self.thread_safe is True or (
            self.thread_safe is not False and name in self.thread_safe
        )


class ArrayLoop(Protocol):
    """What calls one function for the elements of arrays, wherever its library is loaded."""

    @property
    def options(self) -> LoopOptions:
        """How that is done."""

    def apply(self, arrays: list[Array], out: Array | None, threads: int) -> Array:
        """Call the function for each element.

        Args:
            arrays: One for each parameter, of its type but perhaps in another byte order; their
                shapes can be broadcast.
            out: Where the results go, of the broadcast shape; None to make an array.
            threads: The most threads that may be used.

        Returns:
            ``out``, or the new array.
        """


def compile_loop(declaration: Declaration, options: LoopOptions) -> Path:
    """Return the file of the loop for a function's types, compiled now if it was never before.

    Args:
        declaration: The function.
        options: Compiler, level and cache.

    Raises:
        MissingToolError: There is no compiler.
        CompilationError: The compiler failed.
    """
    compiler = options.compiler
    if compiler is None:
        raise MissingToolError(
            f"a C compiler is needed to map {declaration.name} over arrays",
            where=f"{declaration.name}.map",
            remedy="apt install gcc, or pip install ziglang; batch(rows) and map over lists "
            "need none",
        )
    text = loop_source(declaration)
    name = f"loop_{digest(text, *_FLAGS, compiler.identity, options.optimization)}.so"

    def build(output: Path) -> None:
        source = output.with_suffix(".c")
        source.write_text(text, encoding="utf-8")
        flags = [f"-{options.optimization}", *_FLAGS]
        compiler.shared_library([source.name], output, directory=output.parent, flags=flags)

    return options.cache.get(name, build)


@cache
def open_loop(path: Path) -> Run:
    """Return what runs a compiled loop; it releases the GIL.

    It takes the loop's state, the part of a thread and nanoseconds, and returns 1 when there is
    more to do; ``vectorized_source`` has both structures.

    Args:
        path: The loop's file.
    """
    run: Any = ctypes.CDLL(str(path), mode=os.RTLD_NOW | os.RTLD_LOCAL).noodle_run
    run.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    run.restype = ctypes.c_int
    return run  # type: ignore[no-any-return]
