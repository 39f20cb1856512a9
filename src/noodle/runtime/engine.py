"""The engine: the one place that puts settings, bridges, stages and the dispatcher together.

``noodle.load`` and its companions use the default engine, which is made on first use from the
environment and the nearest ``noodle.toml``, or by ``configure``.
"""

from __future__ import annotations

import sys
import sysconfig
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from noodle.bridges.registry import BridgeRegistry, BridgeStatus
from noodle.calls import Bridge, Stage
from noodle.errors import PlacementError, SettingsError
from noodle.ffi_dispatcher import FfiDispatcher
from noodle.libraries import Library
from noodle.planner import Planner
from noodle.runtime.configuration import SettingsConfiguration
from noodle.settings import SecuritySettings, Settings, resolve
from noodle.stages import AuthorisationStage, DeadlineStage, OptimisationStage

__all__ = [
    "Engine",
    "bridge",
    "configure",
    "default_engine",
    "load",
    "pin",
    "provide",
    "use",
    "with_pins",
]


class Engine:
    """Loads libraries and runs their functions under one configuration.

    Args:
        settings: The configuration.
        registry: Finds bridges; by default Noodle's own and the installed plug-ins.
        stages: The parts of the call path, outermost first; by default those of ``noodle.stages``.

    Raises:
        SettingsError: A setting differs from what is pinned for this process.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        registry: BridgeRegistry | None = None,
        stages: Sequence[Stage] | None = None,
    ) -> None:
        _refuse_unpinned(settings)
        self.settings = settings
        self.registry = registry or BridgeRegistry(search_paths=settings.bridge_paths)
        self.dispatcher = FfiDispatcher(
            self.registry,
            Planner(default_stages(settings) if stages is None else stages),
            configuration=SettingsConfiguration(settings),
            admit=_admission(settings.security),
            sample_every=settings.sample_every,
        )

    def load(
        self, target: str, *, directory: str | Path | None = None, **options: Any
    ) -> ModuleType:
        """Load a target and return its namespace; see ``FfiDispatcher.load``.

        Args:
            target: What to load, or the name of a configured library.
            directory: Against which a relative path is resolved; the working directory by default.
            options: Options of the load.
        """
        return self.dispatcher.load(target, directory=directory or Path.cwd(), **options)

    def unload(self, name: str | ModuleType) -> None:
        """Forget a loaded library and end its workers; see ``FfiDispatcher.unload``."""
        self.dispatcher.unload(name)

    def close(self) -> None:
        """Forget every loaded library and end all of their workers."""
        for library in self.dispatcher.libraries():
            self.dispatcher.unload(library.module)

    def bridge(self, name: str | ModuleType) -> Library:
        """Return a loaded or configured library; see ``FfiDispatcher.bridge``."""
        return self.dispatcher.bridge(name)

    def register(self, name: str, bridge: Bridge) -> None:
        """Add a runtime bridge for the targets ``name:…``."""
        self.registry.register(name, bridge)

    def provide(
        self, name: str, members: Mapping[str, Any], *, version: str | None = None
    ) -> ModuleType:
        """Serve plain callables as a library, for tests; see ``LoopbackBridge.provide``.

        What was provided under that name before is replaced.

        Args:
            name: The library's name.
            members: Callables, values, and mappings of these as submodules.
            version: The version that it claims to have.

        Returns:
            Its namespace, as ``load("loopback:<name>")`` gives it.
        """
        from noodle.bridges.loopback import LoopbackBridge

        loopback = self.registry.get("loopback")
        assert isinstance(loopback, LoopbackBridge)
        loopback.provide(name, members, version=version)
        return self.dispatcher.reload(f"loopback:{name}")

    def bridges(self) -> list[BridgeStatus]:
        """Return every known runtime bridge, where it comes from and what it lacks."""
        return self.registry.statuses()


def default_stages(settings: Settings) -> tuple[Stage, ...]:
    """Return the stages that the settings ask for, in the order in which a call passes them."""
    security = settings.security
    roles = security.authorization.user_roles if security else None
    return (
        AuthorisationStage(roles),
        OptimisationStage(settings.mode),
        DeadlineStage(settings.deadline),
    )


_UNRESTRICTED = {"inprocess": "in this process", "isolated": "in a process without a sandbox"}
"""The placements that hold a library to nothing."""


def _admission(security: SecuritySettings | None) -> Any:
    if security is None:
        return None

    def admit(library: str, placement: str) -> None:
        permissions = security.authorization.bridge_permissions.get(library, ())
        if "system" not in permissions and placement in _UNRESTRICTED:
            raise PlacementError(
                f"{library} may not run {_UNRESTRICTED[placement]}",
                expected="the permission system",
                received=f"permissions {', '.join(permissions) or 'none'}, placement {placement}",
                where=f"security.authorization.bridge_permissions.{library}",
                remedy="only a sandbox can hold a library to fewer permissions",
            )

    return admit


_lock = threading.Lock()
_default: Engine | None = None
_pins: Mapping[str, Any] = {}


def configure(
    ffi: Mapping[str, Any] | None = None,
    security: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Engine:
    """Make an engine from settings and let ``noodle.load`` use it from now on.

    Args:
        ffi: The specification's ``ffi_config``: libraries by name, and optimisation switches.
        security: The specification's ``security_config``; None for none.
        settings: Further settings by name (``docs/settings.md``).

    Returns:
        The engine. Handles made by an earlier one keep working as they were.

    Raises:
        SettingsError: A key is unknown or a value wrong; all of them are listed. Or it is one that
            this process does not let be changed: ``install`` under ``noodle serve``.
    """
    arguments = with_pins(settings)
    if ffi is not None:
        arguments["ffi"] = ffi
    if security is not None:
        arguments["security"] = security
    return use(Engine(resolve(arguments=arguments, start_directory=program_directory())))


def pin(**settings: Any) -> None:
    """Give settings of this process a value that nobody can change from now on.

    Args:
        settings: Settings by name.
    """
    global _pins
    _pins = {**_pins, **settings}


def with_pins(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings, and the pinned ones where they state none; the engine refuses others."""
    return {**_pins, **settings}


def _refuse_unpinned(settings: Settings) -> None:
    for name, pinned in _pins.items():
        value = getattr(settings, name)
        if value != pinned:
            raise SettingsError(
                f"the setting {name} cannot be changed in this process",
                expected=str(pinned),
                received=str(value),
                where=name,
                remedy="leave it out",
            )


def use(engine: Engine) -> Engine:
    """Make an engine the default one and return it."""
    global _default
    with _lock:
        _default = engine
    return engine


def default_engine() -> Engine:
    """Return the engine in use, made from the environment and ``noodle.toml`` on first use."""
    global _default
    with _lock:
        if _default is None:
            _default = Engine(resolve(arguments=with_pins({}), start_directory=program_directory()))
        return _default


def program_directory() -> Path:
    """Return the directory of the running script, or the working directory.

    Programs in the interpreter's scripts directory (``pytest``, ``noodle``) are tools that work on
    the working directory.
    """
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if file is None or getattr(main, "__spec__", None) is not None:
        return Path.cwd()
    directory = Path(file).resolve().parent
    scripts = Path(sysconfig.get_path("scripts")).resolve()
    return Path.cwd() if directory == scripts else directory


def load(target: str, **options: Any) -> ModuleType:
    """Load a library and return its namespace, whose functions are governed handles.

    Args:
        target: What to load: ``"numpy"``, ``"libm.so.6"``, ``"./kernel.c"``, a configured name.
        options: ``placement``, ``version``, ``prototypes`` (C text) and those of the bridge.

    Returns:
        A module whose functions are handles; classes and constants are the library's own.

    Raises:
        UsageError: The target, an option or the installation is not in order.
        ForeignError: The library failed while it was loaded.
    """
    return default_engine().load(target, **options)


def unload(name: str | ModuleType) -> None:
    """Forget a loaded library and end its workers.

    Args:
        name: Its name, its target with the version, or the namespace that ``load`` gave.

    Raises:
        UnknownBridgeError: No library of that name is loaded.
        AmbiguousTargetError: Several have that name.
    """
    default_engine().unload(name)


def bridge(name: str | ModuleType) -> Library:
    """Return a loaded or configured library; see ``Library`` for what it offers."""
    return default_engine().bridge(name)


def provide(name: str, members: Mapping[str, Any], *, version: str | None = None) -> ModuleType:
    """Serve plain callables as ``loopback:<name>``, for tests; see ``Engine.provide``."""
    return default_engine().provide(name, members, version=version)
