"""The load options that the native bridge understands."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from noodle.bridges.python_options import LEAST_MEMORY
from noodle.bridges.remote import options as shared
from noodle.errors import SettingsError

__all__ = ["ANNOTATING", "WORKER_OPTIONS", "NativeOptions", "further_types"]

WORKER_OPTIONS = frozenset(
    {"worker", "prewarm", "idle_seconds", "environment", "memory", "shared_memory"}
)
"""Those that only a library in a worker has."""

ANNOTATING = (
    "functions",
    "errors",
    "encoding",
    "message",
    "free",
    "nullable",
    "codes",
    "infer",
)
"""Those that say something of functions."""

_LEVELS = ("O0", "O1", "O2", "O3", "Os")
_MODES = ("api", "abi")


@dataclass(frozen=True, slots=True)
class NativeOptions:
    """How one library is loaded.

    Args:
        mode: ``api`` calls through a compiled extension, ``abi`` through libffi; None takes the
            first that works.
        optimization: The compiler level of C sources: ``O0`` to ``O3``, or ``Os``.
        library_paths: Directories to search before all others.
        dependencies: Libraries or packages that must be there, under any distribution's name.
        cache_directory: Where compiled files are kept; None takes the bridge's own.
        header: The headers that declare its functions.
        include_paths: Directories to search for headers before all others.
        defines: Macros that are defined before the headers are read, as sorted pairs.
        variadic: The C types of further arguments (``...``), as sorted pairs of the function's
            name, or ``NAME as ALIAS``, and types separated by commas.
        thread_safe: The functions that may run on several threads at once; True for all.
        auto_vectorize: Whether a function of numbers is called for the elements of arrays that it
            is given.
        parallel_execution: Whether such a loop over a thread-safe function, and a batch of its
            calls, uses all processors.
        functions: Annotations by function, as ``annotations`` has them.
        errors: How functions say that they failed, where their results fit.
        encoding: The encoding of all texts.
        message: The function that gives the text of a failure.
        free: The functions that release objects, or by the structure that they release.
        nullable: Whether pointers may be null.
        codes: The library's names for numbers.
        infer: Whether annotations are inferred from the declarations.
        annotations: The file that says the same; None for the one beside the header or program, if
            there is one, False for none.
        worker: The name of the worker that it runs in, with the others that name it; None for a
            worker of its own.
        prewarm: Whether its worker is started, and opens the library, before the load returns; it
            always is, for what the library says of itself is checked then.
        idle_seconds: A worker without calls for so long is ended; None keeps it.
        environment: Variables of the worker beside the usual ones, as sorted pairs.
        memory: The most bytes that the worker may have; None for no limit.
        shared_memory: The most bytes of shared arrays that it may be given at once; None for
            ``memory``, else half of the machine's memory.
    """

    mode: str | None = None
    optimization: str = "O2"
    library_paths: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    cache_directory: str | None = None
    header: tuple[str, ...] = ()
    include_paths: tuple[str, ...] = ()
    defines: tuple[tuple[str, str], ...] = ()
    variadic: tuple[tuple[str, str], ...] = ()
    thread_safe: bool | frozenset[str] = False
    auto_vectorize: bool = False
    parallel_execution: bool = False
    functions: Any = None
    errors: Any = None
    encoding: Any = None
    message: Any = None
    free: Any = None
    nullable: Any = None
    codes: Any = None
    infer: Any = None
    annotations: str | bool | None = None
    worker: str | None = None
    prewarm: bool = False
    idle_seconds: float | None = None
    environment: tuple[tuple[str, str], ...] = ()
    memory: int | None = None
    shared_memory: int | None = None

    @classmethod
    def names(cls) -> frozenset[str]:
        """Return the names of the options."""
        return frozenset(field.name for field in fields(cls))

    def said(self) -> dict[str, Any]:
        """Return the annotations among the options; their values are checked with the functions."""
        found = {name: getattr(self, name) for name in ANNOTATING}
        return {name: value for name, value in found.items() if value is not None}

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> NativeOptions:
        """Check options as they were given.

        Args:
            options: Names and values.

        Raises:
            SettingsError: A name is unknown or a value is wrong.
        """
        return cls(**shared.read(options, _CHECKS, cls.names(), "a native library"))


def _mode(name: str, value: Any) -> str | None:
    return None if value is None else shared.chosen(name, value, _MODES)


def _level(name: str, value: Any) -> str:
    if value in ("Ofast", "-Ofast", "fast-math", "-ffast-math"):
        raise SettingsError(
            f"optimization {value!r} is refused: a library that is linked so makes the whole "
            "process round denormal numbers to zero",
            expected=f"one of {', '.join(_LEVELS)}",
            received=repr(value),
            where="optimization",
            remedy="optimization='O3'",
        )
    return shared.chosen(name, value, _LEVELS)


def _texts(name: str, value: Any) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if isinstance(listed, (list, tuple)) and all(isinstance(t, (str, os.PathLike)) for t in listed):
        return tuple(map(os.fspath, listed))
    raise shared.wrong(name, value, "a list of texts")


def _thread_safe(name: str, value: Any) -> bool | frozenset[str]:
    if isinstance(value, bool):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(text, str) for text in value):
        return frozenset(value)
    raise shared.wrong(name, value, "true, or a list of functions' names")


def _worker(name: str, value: Any) -> str | None:
    if value is None or (isinstance(value, str) and re.fullmatch(r"[\w.-]{1,40}", value)):
        return value
    raise shared.wrong(name, value, "a name of letters, digits, '_', '.' and '-'")


def _said(name: str, value: Any) -> Any:
    return value


def _file(name: str, value: Any) -> str | bool | None:
    return value if value is False else shared.directory(name, value)


def _memory(name: str, value: Any) -> int | None:
    return shared.size(name, value, LEAST_MEMORY)


def _headers(name: str, value: Any) -> tuple[str, ...]:
    listed = _texts(name, value)
    if all(header and not set(header) & set('<>"\n\\') for header in listed):
        return listed
    raise shared.wrong(name, value, 'the name of a header, such as "zlib.h" or "./own.h"')


def _defines(name: str, value: Any) -> tuple[tuple[str, str], ...]:
    listed = value if isinstance(value, Mapping) else dict.fromkeys(_texts(name, value), 1)
    pairs = [(macro, "" if text is None else str(text)) for macro, text in listed.items()]
    fits = all(
        isinstance(macro, str) and re.fullmatch(r"[A-Za-z_]\w*", macro) and "\n" not in text
        for macro, text in pairs
    )
    if not fits:
        raise shared.wrong(name, value, "macros and their values, such as {'NDEBUG': 1}")
    return tuple(sorted(pairs))


def _variadic(name: str, value: Any) -> tuple[tuple[str, str], ...]:
    expected = "C types by function, such as {'snprintf': 'double, const char *'}"
    if not isinstance(value, Mapping) or not all(isinstance(function, str) for function in value):
        raise shared.wrong(name, value, expected)
    pairs = {function: further_types(name, types, expected) for function, types in value.items()}
    return tuple(sorted(pairs.items()))


def further_types(
    name: str, value: Any, expected: str = "C types, such as 'double, const char *'"
) -> str:
    """Return the types of further arguments, separated by commas.

    Args:
        name: The option's name.
        value: One text, or a list of types.
        expected: What the option takes, in messages.

    Raises:
        SettingsError: It is neither.
    """
    listed = [value] if isinstance(value, str) else value
    if isinstance(listed, (list, tuple)) and all(isinstance(text, str) for text in listed):
        return ", ".join(listed)
    raise shared.wrong(name, value, expected)


_CHECKS: Mapping[str, Any] = {
    "mode": _mode,
    "optimization": _level,
    "library_paths": _texts,
    "dependencies": _texts,
    "cache_directory": shared.directory,
    "header": _headers,
    "include_paths": _texts,
    "defines": _defines,
    "variadic": _variadic,
    "thread_safe": _thread_safe,
    "auto_vectorize": shared.flag,
    "parallel_execution": shared.flag,
    **dict.fromkeys(ANNOTATING, _said),
    "annotations": _file,
    "worker": _worker,
    "prewarm": shared.flag,
    "idle_seconds": shared.seconds,
    "environment": shared.variables,
    "memory": _memory,
    "shared_memory": shared.size,
}
