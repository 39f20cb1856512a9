"""The load options that the native bridge understands."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from noodle.errors import SettingsError, did_you_mean

__all__ = ["NativeOptions"]

_LEVELS = ("O0", "O1", "O2", "O3", "Os")
_MODES = ("api", "abi")


@dataclass(frozen=True, slots=True)
class NativeOptions:
    """How one library is loaded.

    Args:
        mode: ``api`` calls through a compiled extension, ``abi`` through libffi; None takes the
            first that works.
        optimization: The compiler level for what is compiled: ``O0`` to ``O3``, or ``Os``.
        library_paths: Directories to search before all others.
        dependencies: Libraries or packages that must be there, under any distribution's name.
        cache_directory: Where compiled files are kept; None takes the bridge's own.
    """

    mode: str | None = None
    optimization: str = "O2"
    library_paths: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    cache_directory: str | None = None

    @classmethod
    def names(cls) -> frozenset[str]:
        """Return the names of the options."""
        return frozenset(field.name for field in fields(cls))

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> NativeOptions:
        """Check options as they were given.

        Args:
            options: Names and values.

        Raises:
            SettingsError: A name is unknown or a value is wrong.
        """
        for name in options:
            if name not in cls.names():
                raise SettingsError(
                    f"unknown option {name!r} for a native library",
                    expected=f"one of {', '.join(sorted(cls.names()))}",
                    received=str(name),
                    remedy=did_you_mean(str(name), cls.names()),
                )
        return cls(
            _chosen("mode", options.get("mode"), (None, *_MODES)),
            _level(options.get("optimization", "O2")),
            _texts("library_paths", options.get("library_paths", ())),
            _texts("dependencies", options.get("dependencies", ())),
            _directory(options.get("cache_directory")),
        )


def _chosen(name: str, value: Any, allowed: tuple[str | None, ...]) -> Any:
    if value in allowed and not isinstance(value, bool):
        return value
    raise SettingsError(
        f"option {name!r} has a wrong value",
        expected=f"one of {', '.join(filter(None, allowed))}",
        received=repr(value),
        where=name,
    )


def _level(value: Any) -> str:
    if value in ("Ofast", "-Ofast", "fast-math", "-ffast-math"):
        raise SettingsError(
            f"optimization {value!r} is refused: a library that is linked so makes the whole "
            "process round denormal numbers to zero",
            expected=f"one of {', '.join(_LEVELS)}",
            received=repr(value),
            where="optimization",
            remedy="optimization='O3'",
        )
    return str(_chosen("optimization", value, _LEVELS))


def _directory(value: Any) -> str | None:
    if value is None or isinstance(value, (str, os.PathLike)):
        return None if value is None else os.fspath(value)
    raise SettingsError(
        "option 'cache_directory' has a wrong value",
        expected="a directory",
        received=repr(value),
        where="cache_directory",
    )


def _texts(name: str, value: Any) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if isinstance(listed, (list, tuple)) and all(isinstance(t, (str, os.PathLike)) for t in listed):
        return tuple(map(os.fspath, listed))
    raise SettingsError(
        f"option {name!r} has a wrong value",
        expected="a list of texts",
        received=repr(value),
        where=name,
    )
