"""The registry of runtime bridges: Noodle's own, installed plug-ins, those on search paths.

A plug-in is a callable without arguments that returns a ``Bridge``. It is announced by an entry
point of the group ``noodle.bridges``, whose name is the scheme of its targets (``r`` for
``"r:stats"``), or is the function ``create_bridge`` of a file ``noodle_bridge_<scheme>.py`` on a
search path. A plug-in that is broken warns once and is listed with its reason; it never stops
anything else.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from noodle.calls import Bridge
from noodle.errors import UnknownBridgeError, did_you_mean

__all__ = ["ENTRY_POINT_GROUP", "BridgeRegistry", "BridgeStatus", "BridgeWarning"]

ENTRY_POINT_GROUP = "noodle.bridges"

FILE_PREFIX = "noodle_bridge_"

BUILTIN_BRIDGES = {
    "python": ("noodle.bridges.python", "PythonBridge"),
    "native": ("noodle.bridges.native", "NativeBridge"),
    "javascript": ("noodle.bridges.javascript", "JavaScriptBridge"),
    "loopback": ("noodle.bridges.loopback", "LoopbackBridge"),
}
"""Module and class of each bridge that is part of Noodle; loaded when first needed."""

BridgeFactory = Callable[[], Bridge]

_PARTS = ("name", "option_names", "missing", "load")
"""What every bridge has; see ``noodle.calls.Bridge``."""


class BridgeWarning(UserWarning):
    """A bridge plug-in is broken or hidden by another one; everything else goes on."""


@dataclass(frozen=True, slots=True)
class BridgeStatus:
    """What ``noodle bridges`` tells about one bridge.

    Args:
        name: The bridge's name, which is the scheme of its targets.
        source: Where it comes from: ``noodle``, an entry point, a search path, ``registered``.
        problem: Why it cannot be used, with what to type; None when it can.
    """

    name: str
    source: str
    problem: str | None


class BridgeRegistry:
    """Finds a bridge by name.

    Args:
        search_paths: Directories that may hold plug-in files.
        entry_points: Whether plug-ins of installed distributions are looked for.

    Registered bridges win over Noodle's own, those over entry points, those over search paths.
    """

    def __init__(
        self, *, search_paths: Iterable[str | Path] = (), entry_points: bool = True
    ) -> None:
        self._search_paths = tuple(Path(path) for path in search_paths)
        self._entry_points = entry_points
        self._bridges: dict[str, Bridge] = {}
        self._problems: dict[str, str] = {}
        self._sources: dict[str, str] = dict.fromkeys(BUILTIN_BRIDGES, "noodle")
        self._plugins: dict[str, BridgeFactory] | None = None
        self._lock = threading.RLock()

    def register(self, name: str, bridge: Bridge) -> None:
        """Add a bridge, in place of any other of that name.

        Args:
            name: The scheme of its targets.
            bridge: The adapter.
        """
        self._bridges[name] = bridge
        self._sources[name] = "registered"
        self._problems.pop(name, None)

    def names(self) -> list[str]:
        """Return the names of all bridges that are known, usable or not."""
        return sorted({*BUILTIN_BRIDGES, *self._discovered(), *self._bridges, *self._problems})

    def get(self, name: str) -> Bridge:
        """Return the bridge of that name, made on first use.

        Raises:
            UnknownBridgeError: There is none, or its plug-in is broken.
        """
        bridge = self._bridges.get(name)
        if bridge is None:
            # Without the lock, because making one may import code that asks for another.
            bridge = self._bridges.setdefault(name, self._create(name))
        return bridge

    def _create(self, name: str) -> Bridge:
        if name in BUILTIN_BRIDGES:
            module_name, class_name = BUILTIN_BRIDGES[name]
            factory = getattr(importlib.import_module(module_name), class_name)
            bridge: Bridge = factory()
            return bridge
        plugin = self._discovered().get(name)
        if plugin is not None:
            try:
                return _checked(plugin())
            except Exception as error:
                self._report(name, f"{type(error).__name__}: {error}")
        usable = [known for known in self.names() if known not in self._problems]
        raise UnknownBridgeError(
            f"no bridge {name!r}",
            expected=f"one of {', '.join(usable)}",
            received=f"{name} ({self._problems[name]})" if name in self._problems else name,
            remedy=did_you_mean(name, usable) or "noodle bridges",
        )

    def statuses(self) -> list[BridgeStatus]:
        """Return what is registered and found, and what each one still needs."""
        return [
            BridgeStatus(name, self._sources.get(name, "unknown"), self._problem(name))
            for name in self.names()
        ]

    def _problem(self, name: str) -> str | None:
        try:
            return self.get(name).missing()
        except Exception as error:  # a plug-in's own code may raise anything
            return self._problems.get(name) or f"{type(error).__name__}: {error}"

    def _discovered(self) -> dict[str, BridgeFactory]:
        hidden: list[str] = []
        with self._lock:
            if self._plugins is None:
                found: dict[str, BridgeFactory] = {}
                for name, source, factory in self._found():
                    winner = self._sources.setdefault(name, source)
                    if name in BUILTIN_BRIDGES or name in found:
                        hidden.append(f"{name!r} ({source}) is hidden by that of {winner}")
                    found.setdefault(name, factory)
                self._plugins = found
        for plugin in hidden:
            _warn(f"the bridge plug-in {plugin}")
        return self._plugins

    def _found(self) -> Iterator[tuple[str, str, BridgeFactory]]:
        """Yield name, source and factory of each plug-in, those that win first."""
        if self._entry_points:
            yield from _from_entry_points()
        for directory in self._search_paths:
            for file in sorted(directory.glob(f"{FILE_PREFIX}*.py")):
                factory = functools.partial(_bridge_from_file, file)
                yield file.stem.removeprefix(FILE_PREFIX), f"search path, {file.name}", factory

    def _report(self, name: str, problem: str) -> None:
        if self._problems.setdefault(name, problem) is problem:
            _warn(f"the bridge plug-in {name!r} is broken and left out: {problem}")


def _warn(text: str) -> None:
    warnings.warn(text, BridgeWarning, stacklevel=4)


def _checked(bridge: Bridge) -> Bridge:
    lacking = [part for part in _PARTS if not hasattr(bridge, part)]
    if lacking:
        raise TypeError(f"{type(bridge).__name__} is no bridge: it has no {', '.join(lacking)}")
    return bridge


def _from_entry_points() -> Iterator[tuple[str, str, BridgeFactory]]:
    from importlib.metadata import entry_points

    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        owner = entry_point.dist.name if entry_point.dist else "an unknown distribution"

        def load(entry: object = entry_point) -> Bridge:
            created: Bridge = entry.load()()  # type: ignore[attr-defined]
            return created

        yield entry_point.name, f"entry point of {owner}", load


def _bridge_from_file(path: Path) -> Bridge:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    created: Bridge = module.create_bridge()
    return created
