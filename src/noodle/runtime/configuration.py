"""What the settings say about a library that is being loaded: target, options, dependencies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from noodle.library_requests import LoadDefaults
from noodle.runtime.gpus import gpu_note
from noodle.settings import BridgeSettings, Settings
from noodle.targets import Target

__all__ = ["SettingsConfiguration"]


class SettingsConfiguration:
    """Answers the dispatcher's questions from the settings.

    Args:
        settings: The configuration of the engine.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def names(self) -> Sequence[str]:
        """The configured names, in the order in which they are stated."""
        return list(self._settings.ffi.bridges)

    def target(self, name: str) -> str | None:
        """Return the target that a configured name stands for, or None."""
        bridge = self._settings.ffi.bridges.get(name)
        return bridge.path if bridge else None

    def defaults(self, name: str, target: Target) -> LoadDefaults:
        """Return what holds for a load where the caller says nothing else.

        Args:
            name: The configured name, or the text of the target.
            target: The target that is about to be loaded.
        """
        bridge = self._settings.ffi.bridges.get(name)
        options = self._bridge_options(bridge, target)
        notes = tuple(self._notes(bridge, target))
        if bridge is None:
            return LoadDefaults(placement=self._settings.placement, options=options, notes=notes)
        return LoadDefaults(
            version=bridge.version,
            placement=bridge.placement or self._settings.placement,
            options={**options, **bridge.options},
            notes=notes,
        )

    def _bridge_options(self, bridge: BridgeSettings | None, target: Target) -> dict[str, Any]:
        if target.bridge == "native":
            return self._native_options(bridge)
        if target.bridge not in ("javascript", "python"):
            return {}
        options: dict[str, Any] = {
            "cache_directory": str(self._settings.cache_directory),
            "install": self._settings.install,
            "offline": self._settings.offline,
        }
        if bridge is not None and target.bridge == "python":
            options["dependencies"] = list(bridge.dependencies)
        return options

    def _native_options(self, bridge: BridgeSettings | None) -> dict[str, Any]:
        optimization = self._settings.ffi.optimization
        options: dict[str, Any] = {
            "cache_directory": str(self._settings.cache_directory),
            "auto_vectorize": optimization.auto_vectorize,
            "parallel_execution": optimization.parallel_execution,
        }
        if self._settings.library_paths:
            options["library_paths"] = [str(path) for path in self._settings.library_paths]
        if bridge is not None:
            if bridge.optimization:
                options["optimization"] = bridge.optimization
            options["dependencies"] = list(bridge.dependencies)
            if bridge.prototypes:
                options["prototypes"] = bridge.prototypes
        return options

    def _notes(self, bridge: BridgeSettings | None, target: Target) -> Iterable[str]:
        """Yield what becomes of the switches that are on, where that does not show by itself."""
        if bridge is not None and bridge.gpu_support:
            yield gpu_note()
        optimization = self._settings.ffi.optimization
        if optimization.gpu_offload:
            yield "gpu_offload: on, but no arm that runs on a GPU is registered"
        native = target.bridge == "native"
        if optimization.auto_vectorize and not native:
            yield "auto_vectorize: concerns scalar native functions only"
        if optimization.parallel_execution and not native:
            yield "parallel_execution: concerns thread-safe native functions only"
        if bridge is None or not bridge.optimization:
            return
        if not native:
            yield f"optimization: {bridge.optimization} concerns what Noodle compiles only"
        elif target.kind in ("file", "library"):
            level = bridge.optimization
            yield f"optimization: {level} for what Noodle compiles; the library is as it was built"
