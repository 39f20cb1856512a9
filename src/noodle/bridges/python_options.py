"""The load options of Python libraries: those of workers, and those of environments."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from noodle.bridges.remote import options as shared

__all__ = ["WORKER_OPTIONS", "PythonOptions"]

WORKER_OPTIONS = frozenset(
    {
        "environment",
        "idle_seconds",
        "interpreter",
        "memory",
        "prewarm",
        "shared_memory",
        "workers",
    }
)
"""Those that only a library in workers has."""

LEAST_MEMORY = 64 * 10**6
"""Chosen: an interpreter has 10 MB of its own; below this it hardly imports a library."""


@dataclass(frozen=True, slots=True)
class PythonOptions:
    """How one library is loaded.

    Args:
        workers: How many Python processes share its calls.
        prewarm: Whether all of them are started, and import the library, before the load returns.
        idle_seconds: A process without calls for so long is ended; None keeps it.
        environment: Variables of the workers beside the usual ones, as sorted pairs.
        interpreter: The absolute path of another Python, whose packages are used as they are; None
            for the one that is running.
        memory: The most bytes that a process may have; None for no limit.
        shared_memory: The most bytes of shared arrays that it may be given at once; None for
            ``memory``, else half of the machine's memory.
        dependencies: Packages that the library needs beside itself, as PEP 508 requirements.
        from_source: The packages of its environment that are built from source.
        cache_directory: Where environments are kept; None for the user's cache.
        install: When packages may be installed: a word of ``noodle.settings.INSTALL_POLICIES``.
        offline: Whether they are installed from uv's cache alone.
    """

    workers: int = 1
    prewarm: bool = False
    idle_seconds: float | None = None
    environment: tuple[tuple[str, str], ...] = ()
    interpreter: str | None = None
    memory: int | None = None
    shared_memory: int | None = None
    dependencies: tuple[str, ...] = ()
    from_source: tuple[str, ...] = ()
    cache_directory: str | None = None
    install: str = "auto"
    offline: bool = False

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
    "prewarm": shared.flag,
    "idle_seconds": shared.seconds,
    "environment": shared.variables,
    "interpreter": _interpreter,
    "memory": _memory,
    "shared_memory": shared.size,
    "dependencies": shared.texts,
    "from_source": shared.texts,
    "cache_directory": shared.directory,
    "install": shared.install,
    "offline": shared.flag,
}
