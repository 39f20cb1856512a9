"""The parts of the settings, typed, and where each value came from."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from noodle.errors import SettingsError, did_you_mean
from noodle.settings.secret import Secret
from noodle.settings.table import SETTINGS, find

__all__ = [
    "AuthenticationSettings",
    "AuthorizationSettings",
    "BridgeSettings",
    "FfiSettings",
    "OptimizationSettings",
    "SecuritySettings",
    "Settings",
    "default_cache_directory",
]


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    """A configured library.

    Args:
        path: The target that the name stands for; a path in it is absolute.
        version: The version asked for, as written, or ``""``.
        dependencies: Packages that the library needs beside itself.
        gpu_support: Whether it should use a GPU where there is one.
        optimization: The compiler's level for what Noodle compiles; None for its own choice.
        placement: Where it runs; None to decide by the target.
        prototypes: C prototypes of its functions, or ``""``.
        options: Further options for the runtime bridge, which checks them.
    """

    path: str
    version: str = ""
    dependencies: tuple[str, ...] = ()
    gpu_support: bool = False
    optimization: str | None = None
    placement: str | None = None
    prototypes: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OptimizationSettings:
    """What may be done to make calls faster.

    Args:
        auto_vectorize: Loop scalar native functions over arrays in compiled code.
        gpu_offload: Let the router use arms that run on a GPU.
        parallel_execution: Let loops and independent calls use several cores.
    """

    auto_vectorize: bool = False
    gpu_offload: bool = False
    parallel_execution: bool = False


@dataclass(frozen=True, slots=True)
class FfiSettings:
    """The configured libraries, in the order in which they are stated, and the optimisations."""

    bridges: Mapping[str, BridgeSettings] = field(default_factory=dict)
    optimization: OptimizationSettings = OptimizationSettings()


@dataclass(frozen=True, slots=True)
class AuthenticationSettings:
    """How callers prove who they are.

    Args:
        jwt_secret: The key that signs tokens, of any length; None where none is configured.
        token_expiry: Seconds that an access token is valid.
        refresh_token_expiry: Seconds that a refresh token is valid.
    """

    jwt_secret: Secret | None = None
    token_expiry: int = 3600
    refresh_token_expiry: int = 86400


@dataclass(frozen=True, slots=True)
class AuthorizationSettings:
    """What bridges and callers may do.

    Args:
        bridge_permissions: The capabilities of each bridge.
        user_roles: The bridges that each role may call; ``*`` is all of them.
    """

    bridge_permissions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    user_roles: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """The security configuration; without one, nothing is restricted."""

    authentication: AuthenticationSettings = AuthenticationSettings()
    authorization: AuthorizationSettings = AuthorizationSettings()


def default_cache_directory(environment: Mapping[str, str] | None = None) -> Path:
    """Return the user's cache directory for Noodle (XDG Base Directory Specification).

    Args:
        environment: The variables to look at; None for those of this process.
    """
    base = (os.environ if environment is None else environment).get("XDG_CACHE_HOME", "")
    return Path(base if os.path.isabs(base) else os.path.expanduser("~/.cache"), "noodle")


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its value, and where each came from.

    Args:
        ffi: The configured libraries and optimisations.
        security: The security configuration, or None where there is none.
        sample_every: One call in so many is timed.
        mode: What the router may do: one of ``MODES``.
        library_paths: Directories that are searched for native libraries, in order.
        bridge_paths: Directories that are searched for plug-in bridges, in order.
        cache_directory: Where compiled code is kept.
        placement: Where targets run that state no placement; None to decide by the target.
        deadline: Seconds that a call may take, or None.
        install: When a load may install packages: one of ``INSTALL_POLICIES``.
        offline: Whether packages are installed from caches alone.
        config_file: The file that was read, or None.
        places: For each stated setting, what returns the place; ``origin`` uses it.
    """

    ffi: FfiSettings = FfiSettings()
    security: SecuritySettings | None = None
    sample_every: int = 64
    mode: str = "off"
    library_paths: tuple[Path, ...] = ()
    bridge_paths: tuple[Path, ...] = ()
    cache_directory: Path = field(default_factory=default_cache_directory)
    placement: str | None = None
    deadline: float | None = None
    install: str = "auto"
    offline: bool = False
    config_file: Path | None = None
    places: Mapping[str, Callable[[], str]] = field(default_factory=dict, repr=False, compare=False)

    def origin(self, key: str) -> str:
        """Return where the value of a setting was stated.

        Args:
            key: A key such as ``sample_every`` or ``ffi.bridges.numpy.version``; for a table, the
                places of everything in it are listed.

        Returns:
            ``noodle.toml:4``, a variable's name, ``configure(...)`` or ``default``.

        Raises:
            SettingsError: There is no setting of that name.
        """
        stated = [
            place()
            for name, place in self.places.items()
            if name == key or name.startswith(f"{key}.")
        ]
        if not stated and find(tuple(key.split("."))) is None:
            raise SettingsError(
                f"there is no setting {key}",
                expected="a key of docs/settings.md",
                received=repr(key),
                remedy=did_you_mean(key, [setting.key for setting in SETTINGS]),
            )
        return ", ".join(dict.fromkeys(stated)) or "default"
