"""The load options that the JavaScript bridge understands."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from noodle.errors import SettingsError, did_you_mean
from noodle.sizes import EXAMPLES, format_size, parse_size

__all__ = ["JavaScriptOptions"]

MOST_WORKERS = 64
"""Chosen: more than a machine has cores for."""

LEAST_MEMORY = 64 * 10**6
"""Chosen: Node.js alone has 10 MB of its own; below this it hardly runs a package."""

_INT64 = ("bigint", "number")
_READONLY = ("copy", "map")


@dataclass(frozen=True, slots=True)
class JavaScriptOptions:
    """How one library is loaded.

    Args:
        workers: How many Node processes share its calls.
        int64: What arrays of 64-bit integers become: ``bigint``, or ``number`` with a check of the
            range.
        readonly: What read-only arrays become: ``copy``, or ``map`` for the same memory, where an
            attempt to write ends the worker.
        allow_scripts: The packages whose install scripts may run.
        environment: Variables of the worker beside the usual ones, as sorted pairs.
        cache_directory: Where packages are installed; None for the user's cache.
        memory: The most bytes that a Node process may have; None for no limit.
        shared_memory: The most bytes of shared arrays that it may be given at once; None for
            ``memory``, else half of the machine's memory.
    """

    workers: int = 1
    int64: str = "bigint"
    readonly: str = "copy"
    allow_scripts: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    cache_directory: str | None = None
    memory: int | None = None
    shared_memory: int | None = None

    @classmethod
    def names(cls) -> frozenset[str]:
        """Return the names of the options."""
        return frozenset(field.name for field in fields(cls))

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> JavaScriptOptions:
        """Check options as they were given.

        Args:
            options: Names and values.

        Raises:
            SettingsError: A name is unknown or a value is wrong.
        """
        for name in options:
            if name not in cls.names():
                raise SettingsError(
                    f"unknown option {name!r} for a JavaScript library",
                    expected=f"one of {', '.join(sorted(cls.names()))}",
                    received=str(name),
                    remedy=did_you_mean(str(name), cls.names()),
                )
        return cls(**{name: _CHECKS[name](name, value) for name, value in options.items()})


def _wrong(name: str, value: Any, expected: str) -> SettingsError:
    return SettingsError(
        f"option {name!r} has a wrong value", expected=expected, received=repr(value), where=name
    )


def _count(name: str, value: Any) -> int:
    if type(value) is int and 1 <= value <= MOST_WORKERS:
        return value
    raise _wrong(name, value, f"a whole number from 1 to {MOST_WORKERS}")


def _int64(name: str, value: Any) -> str:
    return _chosen(name, value, _INT64)


def _readonly(name: str, value: Any) -> str:
    return _chosen(name, value, _READONLY)


def _chosen(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    if isinstance(value, str) and value in allowed:
        return value
    raise _wrong(name, value, f"one of {', '.join(allowed)}")


def _texts(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, (list, tuple)) and all(isinstance(text, str) for text in value):
        return tuple(sorted(set(value)))
    raise _wrong(name, value, "a list of texts")


def _variables(name: str, value: Any) -> tuple[tuple[str, str], ...]:
    if isinstance(value, Mapping) and all(_is_variable(*pair) for pair in value.items()):
        return tuple(sorted(value.items()))
    raise _wrong(name, value, "a mapping of names to texts")


def _is_variable(name: Any, value: Any) -> bool:
    texts = isinstance(name, str) and isinstance(value, str)
    return texts and bool(name) and "=" not in name and "\0" not in name + value


def _directory(name: str, value: Any) -> str | None:
    if value is None or isinstance(value, (str, os.PathLike)):
        return None if value is None else str(os.fspath(value))
    raise _wrong(name, value, "a directory")


def _size(name: str, value: Any, least: int = 1) -> int | None:
    if value is None:
        return None
    size = parse_size(value)
    if size is None:
        raise _wrong(name, value, EXAMPLES)
    if size < least:
        raise _wrong(name, value, f"at least {format_size(least)}")
    return size


def _memory(name: str, value: Any) -> int | None:
    return _size(name, value, LEAST_MEMORY)


_CHECKS: Mapping[str, Any] = {
    "workers": _count,
    "int64": _int64,
    "readonly": _readonly,
    "allow_scripts": _texts,
    "environment": _variables,
    "cache_directory": _directory,
    "memory": _memory,
    "shared_memory": _size,
}
