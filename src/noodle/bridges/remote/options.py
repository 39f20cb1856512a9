"""Checks of the load options that bridges to workers have in common."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from noodle.errors import SettingsError, did_you_mean
from noodle.settings import INSTALL_POLICIES
from noodle.sizes import EXAMPLES, format_size, parse_size

__all__ = [
    "chosen",
    "count",
    "directory",
    "flag",
    "install",
    "read",
    "seconds",
    "size",
    "texts",
    "variables",
    "wrong",
]

MOST_WORKERS = 64
"""Chosen: more than a machine has cores for."""

MOST_SECONDS = 1e9
"""Chosen: thirty years, which is for ever."""


def read(
    options: Mapping[str, Any], checks: Mapping[str, Any], known: Iterable[str], library: str
) -> dict[str, Any]:
    """Return checked options.

    Args:
        options: Names and values, as they were given.
        checks: What checks a value, and puts it into its form, by the option's name.
        known: The names that there are.
        library: What the library is called in messages, such as ``a Python library``.

    Raises:
        SettingsError: A name is unknown or a value is wrong.
    """
    names = list(known)
    for name in options:
        if name not in names:
            raise SettingsError(
                f"unknown option {name!r} for {library}",
                expected=f"one of {', '.join(sorted(names))}",
                received=str(name),
                remedy=did_you_mean(str(name), names),
            )
    return {name: checks[name](name, value) for name, value in options.items()}


def wrong(name: str, value: Any, expected: str) -> SettingsError:
    """Return the error for a wrong value."""
    return SettingsError(
        f"option {name!r} has a wrong value", expected=expected, received=repr(value), where=name
    )


def count(name: str, value: Any) -> int:
    """Check a number of workers."""
    if type(value) is int and 1 <= value <= MOST_WORKERS:
        return value
    raise wrong(name, value, f"a whole number from 1 to {MOST_WORKERS}")


def seconds(name: str, value: Any) -> float | None:
    """Check a time, which is not 0."""
    if value is None:
        return None
    if type(value) in (int, float) and 0 < value <= MOST_SECONDS:
        return float(value)
    raise wrong(name, value, "a number of seconds above 0")


def variables(name: str, value: Any) -> tuple[tuple[str, str], ...]:
    """Check environment variables; return them as sorted pairs."""
    if isinstance(value, Mapping) and all(_is_variable(*pair) for pair in value.items()):
        return tuple(sorted(value.items()))
    raise wrong(name, value, "a mapping of names to texts")


def _is_variable(name: Any, value: Any) -> bool:
    texts = isinstance(name, str) and isinstance(value, str)
    return texts and bool(name) and "=" not in name and "\0" not in name + value


def directory(name: str, value: Any) -> str | None:
    """Check a directory's path."""
    if value is None or isinstance(value, (str, os.PathLike)):
        return None if value is None else str(os.fspath(value))
    raise wrong(name, value, "a directory")


def chosen(name: str, value: Any, allowed: Sequence[str]) -> str:
    """Check that a value is one of some words."""
    if isinstance(value, str) and value in allowed:
        return value
    raise wrong(name, value, f"one of {', '.join(allowed)}")


def texts(name: str, value: Any) -> tuple[str, ...]:
    """Check a list of texts."""
    if isinstance(value, (list, tuple)) and all(isinstance(text, str) for text in value):
        return tuple(value)
    raise wrong(name, value, "a list of texts")


def flag(name: str, value: Any) -> bool:
    """Check what is true or false."""
    if isinstance(value, bool):
        return value
    raise wrong(name, value, "true or false")


def install(name: str, value: Any) -> str:
    """Check when packages may be installed."""
    return chosen(name, value, INSTALL_POLICIES)


def size(name: str, value: Any, least: int = 1) -> int | None:
    """Check a number of bytes, such as ``"512 MB"``."""
    if value is None:
        return None
    found = parse_size(value)
    if found is None:
        raise wrong(name, value, EXAMPLES)
    if found < least:
        raise wrong(name, value, f"at least {format_size(least)}")
    return found
