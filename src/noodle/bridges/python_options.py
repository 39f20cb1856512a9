"""The load options of Python libraries that run in workers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from noodle.bridges.remote import options as shared

__all__ = ["PythonOptions"]

LEAST_MEMORY = 64 * 10**6
"""Chosen: an interpreter has 10 MB of its own; below this it hardly imports a library."""


@dataclass(frozen=True, slots=True)
class PythonOptions:
    """How one library is loaded in workers.

    Args:
        workers: How many Python processes share its calls.
        environment: Variables of the workers beside the usual ones, as sorted pairs.
        interpreter: The absolute path of another Python, whose packages are used as they are; None
            for the one that is running.
        memory: The most bytes that a process may have; None for no limit.
        shared_memory: The most bytes of shared arrays that it may be given at once; None for
            ``memory``, else half of the machine's memory.
    """

    workers: int = 1
    environment: tuple[tuple[str, str], ...] = ()
    interpreter: str | None = None
    memory: int | None = None
    shared_memory: int | None = None

    @classmethod
    def names(cls) -> frozenset[str]:
        """Return the names of the options."""
        return frozenset(field.name for field in fields(cls))

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> PythonOptions:
        """Check options as they were given.

        Args:
            options: Names and values.

        Raises:
            SettingsError: A name is unknown or a value is wrong.
        """
        return cls(**shared.read(options, _CHECKS, cls.names(), "a Python library"))


def _interpreter(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, (str, os.PathLike)):
        raise shared.wrong(name, value, "the path of a Python interpreter")
    path = Path(value).expanduser()
    if not path.is_absolute() or not path.is_file():
        raise shared.wrong(name, value, "the absolute path of a Python interpreter that exists")
    return str(path)


def _memory(name: str, value: Any) -> int | None:
    return shared.size(name, value, LEAST_MEMORY)


_CHECKS: Mapping[str, Any] = {
    "workers": shared.count,
    "environment": shared.variables,
    "interpreter": _interpreter,
    "memory": _memory,
    "shared_memory": shared.size,
}
