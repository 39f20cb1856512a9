"""The load options that the JavaScript bridge understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from noodle.bridges.remote import options as shared

__all__ = ["JavaScriptOptions"]

LEAST_MEMORY = 64 * 10**6
"""Chosen: Node.js alone has 10 MB of its own; below this it hardly runs a package."""

_INT64 = ("bigint", "number")
_READONLY = ("copy", "map")


@dataclass(frozen=True, slots=True)
class JavaScriptOptions:
    """How one library is loaded.

    Args:
        workers: How many Node processes share its calls.
        prewarm: Whether all of them are started, and import the module, before the load returns.
        idle_seconds: A process without calls for so long is ended; None keeps it.
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
        install: When packages may be installed: a word of ``noodle.settings.INSTALL_POLICIES``.
        offline: Whether they are installed from npm's downloads alone.
    """

    workers: int = 1
    prewarm: bool = False
    idle_seconds: float | None = None
    int64: str = "bigint"
    readonly: str = "copy"
    allow_scripts: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    cache_directory: str | None = None
    memory: int | None = None
    shared_memory: int | None = None
    install: str = "auto"
    offline: bool = False

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
        return cls(**shared.read(options, _CHECKS, cls.names(), "a JavaScript library"))


def _int64(name: str, value: Any) -> str:
    return shared.chosen(name, value, _INT64)


def _readonly(name: str, value: Any) -> str:
    return shared.chosen(name, value, _READONLY)


def _scripts(name: str, value: Any) -> tuple[str, ...]:
    return tuple(sorted(set(shared.texts(name, value))))


def _memory(name: str, value: Any) -> int | None:
    return shared.size(name, value, LEAST_MEMORY)


_CHECKS: Mapping[str, Any] = {
    "workers": shared.count,
    "prewarm": shared.flag,
    "idle_seconds": shared.seconds,
    "int64": _int64,
    "readonly": _readonly,
    "allow_scripts": _scripts,
    "environment": shared.variables,
    "cache_directory": shared.directory,
    "memory": _memory,
    "shared_memory": shared.size,
    "install": shared.install,
    "offline": shared.flag,
}
