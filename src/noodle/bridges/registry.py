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
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from noodle.calls import Bridge
from noodle.errors import NoodleError, UnknownBridgeError, did_you_mean

__all__ = ["ENTRY_POINT_GROUP", "BridgeRegistry", "BridgeStatus", "BridgeWarning"]

ENTRY_POINT_GROUP = "noodle.bridges"

FILE_PREFIX = "noodle_bridge_"

BUILTIN_BRIDGES = {
    "python": ("noodle.bridges.python", "PythonBridge"),
    "native": ("noodle.bridges.native", "NativeBridge"),
    "loopback": ("noodle.bridges.loopback", "LoopbackBridge"),
}
"""Module and class of each bridge that is part of Noodle; loaded when first needed."""

BridgeFactory = Callable[[], Bridge]


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
                return plugin()
            except Exception as error:
                self._report(name, f"{type(error).__name__}: {error}")
        raise UnknownBridgeError(
            f"no bridge {name!r}",
            expected=f"one of {', '.join(n for n in self.names() if n not in self._problems)}",
            received=f"{name} ({self._problems[name]})" if name in self._problems else name,
            remedy=did_you_mean(name, self.names()) or "noodle bridges",
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
        except NoodleError:
            return self._problems.get(name, "cannot be created")

    def _discovered(self) -> dict[str, BridgeFactory]:
        if self._plugins is None:
            found = dict(self._from_search_paths())
            found.update(self._from_entry_points() if self._entry_points else ())
            self._plugins = found
        return self._plugins

    def _from_entry_points(self) -> Iterable[tuple[str, BridgeFactory]]:
        from importlib.metadata import entry_points

        for entry_point in entry_points(group=ENTRY_POINT_GROUP):
            owner = entry_point.dist.name if entry_point.dist else "an unknown distribution"
            self._sources.setdefault(entry_point.name, f"entry point of {owner}")

            def load(entry: object = entry_point) -> Bridge:
                created: Bridge = entry.load()()  # type: ignore[attr-defined]
                return created

            yield entry_point.name, load

    def _from_search_paths(self) -> Iterable[tuple[str, BridgeFactory]]:
        for directory in self._search_paths:
            for file in sorted(directory.glob(f"{FILE_PREFIX}*.py")):
                name = file.stem.removeprefix(FILE_PREFIX)
                self._sources.setdefault(name, f"search path, {file.name}")
                yield name, functools.partial(_bridge_from_file, file)

    def _report(self, name: str, problem: str) -> None:
        if name not in self._problems:
            self._problems[name] = problem
            warnings.warn(
                f"the bridge plug-in {name!r} is broken and left out: {problem}",
                BridgeWarning,
                stacklevel=4,
            )


def _bridge_from_file(path: Path) -> Bridge:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    created: Bridge = module.create_bridge()
    return created
