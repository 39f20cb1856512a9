"""Compiled loops over arrays: made once for the types of a function, opened, and run."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from noodle.bridges.native.compilers import Compiler
from noodle.bridges.native.contents import Contents
from noodle.bridges.native.declarations import Declaration
from noodle.bridges.native.elf import ElfFile, NotElfError
from noodle.bridges.native.options import NativeOptions
from noodle.bridges.native.vectorized_source import loop_source
from noodle.build_cache import BuildCache, digest
from noodle.errors import CompilationError, MissingToolError, SettingsError, did_you_mean

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

__all__ = [
    "LEAST_FOR_THREADS",
    "ArrayLoop",
    "LoopOptions",
    "LoopSource",
    "compile_loop",
    "loop_options",
    "open_loop",
]

LEAST_FOR_THREADS = 4096
"""Chosen: elements for which threads are worth a look without being asked for."""

_FAST_LEVELS = ("O2", "O3")
_INLINED = ("-O3", "-fno-semantic-interposition", "-nostartfiles")
"""No other library's function takes the place of one that is called within the source; and none of
the C runtime's own start files, which have variables."""

_FLAGS = ("-fno-strict-aliasing", "-fvisibility=hidden", "-w")

Run = Callable[[int, int, int], int]
"""Takes the addresses of the loop's state and of a thread's part, and nanoseconds."""


@dataclass(frozen=True, slots=True)
class LoopSource:
    """A C source that the library was compiled from.

    Args:
        path: Its absolute path.
        identity: What tells its content, and that of its headers, from any other.
        unchanged: Returns whether they still have the content that the library was compiled from.
    """

    path: Path
    identity: str
    unchanged: Callable[[], bool]


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
        source: The C source that the library was compiled from; None where there is none.
    """

    compiler: Compiler | None
    cache: BuildCache
    optimization: str
    thread_safe: bool | frozenset[str] = False
    automatic: bool = False
    parallel: bool = False
    source: LoopSource | None = None

    def is_thread_safe(self, name: str) -> bool:
        """Return whether a function may run on several threads at once."""
        return self.thread_safe is True or (
            self.thread_safe is not False and name in self.thread_safe
        )


def loop_options(
    options: NativeOptions,
    contents: Contents,
    shown: str,
    compiler: Compiler | None,
    cache: BuildCache,
    source: LoopSource | None,
) -> LoopOptions:
    """Return how the functions of a library are called for the elements of arrays.

    Args:
        options: The options of its load.
        contents: What it has.
        shown: Its name in messages.
        compiler: What compiles loops.
        cache: Where they are kept.
        source: The C source that the library was compiled from.

    Raises:
        SettingsError: The options name a function that there is not.
    """
    named = options.thread_safe if isinstance(options.thread_safe, frozenset) else ()
    known = list(contents.functions) if named else []
    for name in sorted(named):
        if name not in known:
            raise SettingsError(
                f"option 'thread_safe' names a function that {shown} does not have",
                expected=f"one of {', '.join(known)}" if known else "no function",
                received=name,
                where="thread_safe",
                remedy=did_you_mean(name, known),
            )
    return LoopOptions(
        compiler,
        cache,
        options.optimization,
        thread_safe=options.thread_safe,
        automatic=options.auto_vectorize,
        parallel=options.parallel_execution,
        source=source,
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
    """Return the file of the loop for a function, compiled now if it was never before.

    The code of a function of a C source becomes part of its loop, where that changes nothing but
    the time: the compiler level asks for speed, and the source has no variables, of which the loop
    would have a second set. Other loops serve all functions of the same types.

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
    source = options.source
    if source is not None and options.optimization in _FAST_LEVELS:
        inlined = _inlined_loop(declaration, options, source, compiler)
        if inlined is not None:
            return inlined
    text = loop_source(declaration)
    return options.cache.get(
        f"loop_{digest(text, *_FLAGS, compiler.identity, options.optimization)}.so",
        lambda output: _compile(text, output, compiler, [f"-{options.optimization}"]),
    )


def _inlined_loop(
    declaration: Declaration, options: LoopOptions, source: LoopSource, compiler: Compiler
) -> Path | None:
    """Return the file of a loop that has the function's code in it, or None where it cannot."""
    if any(character in str(source.path) for character in '"\\\n'):
        return None
    text = loop_source(declaration, str(source.path))
    key = digest(text, source.identity, *_FLAGS, *_INLINED, compiler.identity)

    def build(output: Path) -> None:
        _compile(text, output, compiler, _INLINED)
        if not source.unchanged():
            raise CompilationError("the source has changed since it was loaded")

    try:
        file = options.cache.get(f"loop_{key}.so", build)
        return None if ElfFile(file).has_variables() else file
    except (CompilationError, NotElfError, OSError):
        return None


def _compile(text: str, output: Path, compiler: Compiler, flags: Sequence[str]) -> None:
    source = output.with_suffix(".c")
    source.write_text(text, encoding="utf-8")
    compiler.shared_library(
        [source.name],
        output,
        directory=output.parent,
        flags=[*_FLAGS, *flags],
        libraries=["-lm", "-Wl,-z,defs"],
    )


@cache
def open_loop(path: Path) -> Run:
    """Return what runs a compiled loop; it releases the GIL.

    It returns 1 when there is more to do; ``vectorized_source`` has both structures.

    Args:
        path: The loop's file.
    """
    run: Any = ctypes.CDLL(str(path), mode=os.RTLD_NOW | os.RTLD_LOCAL).noodle_run
    run.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    run.restype = ctypes.c_int
    return run  # type: ignore[no-any-return]
