"""What a caller wants loaded, and when two such requests mean the same library."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from noodle.calls import Bridge, LoadRequest
from noodle.errors import SettingsError, did_you_mean
from noodle.prototypes import Prototype
from noodle.targets import Target
from noodle.values import describe

__all__ = [
    "COMMON_OPTIONS",
    "Configuration",
    "LibraryRequest",
    "LoadDefaults",
    "NoConfiguration",
    "check_options",
    "load_request",
]

COMMON_OPTIONS = ("prototypes", "placement", "version")
"""The options of a load that every bridge has."""


@dataclass(frozen=True, slots=True)
class LibraryRequest:
    """What a caller wants loaded.

    Args:
        name: The library's name: the configured one, else the target's location. It decides who
            may call the library, and is therefore not the caller's to choose.
        target: The target.
        directory: Against which a relative path is resolved.
        options: What the caller states.
    """

    name: str
    target: Target
    directory: Path
    options: Mapping[str, Any]

    @property
    def key(self) -> Hashable:
        """What is equal for requests of the same library, wherever and however they are written.

        The directory matters only where something may be relative to it.
        """
        own_options = self.options.keys() - set(COMMON_OPTIONS)
        anchored = self.target.is_path or self.target.kind == "plugin" or own_options
        place = os.path.abspath(self.directory) if anchored else None
        return self.name, self.target, place, _frozen(self.options)


@dataclass(frozen=True, slots=True)
class LoadDefaults:
    """What holds for a load where the caller says nothing else.

    Args:
        version: The version, as written; ``""`` for any.
        placement: Where it runs; None to decide by the target.
        options: Options for the bridge.
        notes: What ``explain`` should tell.
    """

    version: str = ""
    placement: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Configuration(Protocol):
    """What the dispatcher asks about a library before it loads it."""

    @property
    def names(self) -> Sequence[str]:
        """The configured names, in order of preference."""

    def target(self, name: str) -> str | None:
        """Return the target that a configured name stands for, or None."""

    def defaults(self, name: str, target: Target) -> LoadDefaults:
        """Return the defaults of a load; raises when a dependency is missing."""


class NoConfiguration:
    """A configuration that names nothing."""

    names: Sequence[str] = ()

    def target(self, name: str) -> str | None:
        """Return None."""
        return None

    def defaults(self, name: str, target: Target) -> LoadDefaults:
        """Return the defaults of an unconfigured library."""
        return LoadDefaults()


def load_request(request: LibraryRequest, defaults: LoadDefaults) -> tuple[str | None, LoadRequest]:
    """Return the placement that is asked for, if one is, and what the bridge is asked.

    Args:
        request: What the caller wants.
        defaults: What holds where the caller says nothing else.
    """
    target = request.target
    options = {**defaults.options, **request.options}
    placement = options.pop("placement", None) or defaults.placement
    placement = None if placement == "auto" else placement
    return placement, LoadRequest(
        library=request.name,
        location=target.location,
        kind=target.kind,
        requirement=options.pop("version", None) or target.requirement or defaults.version,
        interpreter=target.interpreter,
        prototypes=options.pop("prototypes", None),
        directory=str(request.directory),
        options=options,
    )


class _Identity:
    """A key that is equal only for the same object, which it keeps alive."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self._value is other._value

    def __hash__(self) -> int:
        return id(self._value)


def _frozen(value: Any) -> Hashable:
    """Return a key that is equal for values of equal types and content."""
    if isinstance(value, Mapping):
        return Mapping, frozenset((_frozen(key), _frozen(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return Sequence, tuple(map(_frozen, value))
    if isinstance(value, Set):
        return Set, frozenset(map(_frozen, value))
    try:
        hash(value)
    except Exception:  # a value's own code may raise anything
        return _Identity(value)
    return type(value), value


def check_options(bridge: Bridge, options: Mapping[str, Any], *, where: str) -> None:
    """Refuse options that a load cannot have; the values of a bridge's own are its to check.

    Args:
        bridge: The bridge that is to load.
        options: The options by name.
        where: The target, for the error.

    Raises:
        SettingsError: A name is unknown, or a common option has a value of a wrong type.
    """
    known = {*COMMON_OPTIONS, *bridge.option_names}
    for option, value in options.items():
        if option not in known:
            raise SettingsError(
                f"the {bridge.name} bridge has no option {option!r}",
                expected=f"one of {', '.join(sorted(known))}",
                received=option,
                where=where,
                remedy=did_you_mean(option, known),
            )
        if option in COMMON_OPTIONS and not (value is None or _fits(option, value)):
            raise SettingsError(
                f"the option {option!r} has a wrong value",
                expected="declarations in C, as a text" if option == "prototypes" else "a text",
                received=describe(value),
                where=where,
                remedy=f'write {option}="…"',
            )


def _fits(option: str, value: object) -> bool:
    if option == "prototypes" and isinstance(value, (list, tuple)):
        return all(isinstance(prototype, Prototype) for prototype in value)
    return isinstance(value, str)
