"""Resolution: the statements of every source, checked, merged and built into ``Settings``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from noodle.errors import SettingsError, did_you_mean
from noodle.settings.config_file import ConfigFile, find_config, read_config
from noodle.settings.kinds import ValueRefusal, describe_type, describe_value
from noodle.settings.parts import (
    AuthenticationSettings,
    AuthorizationSettings,
    BridgeSettings,
    FfiSettings,
    OptimizationSettings,
    SecuritySettings,
    Settings,
    default_cache_directory,
)
from noodle.settings.table import SETTINGS, TREE, VARIABLE_PREFIX, Key, Setting, dotted, find

__all__ = ["OTHER_VARIABLES", "resolve"]

OTHER_VARIABLES = (
    "NOODLE_DEBUG",
    "NOODLE_NODE",
    "NOODLE_PYTHON",
    "NOODLE_PYTHON_DOWNLOADS",
    "NOODLE_UV",
)
"""Environment variables that are no settings: each is read where it has its effect."""

# Kubernetes gives every container variables about each service, so that a service whose name
# begins with "noodle" would otherwise look like a mistyped setting.
_SERVICE_VARIABLE = re.compile(
    r"\w+_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_[A-Z]+)?)?)"
)

_SHORT_VARIABLES = {
    setting.variable.removeprefix(VARIABLE_PREFIX): setting
    for setting in SETTINGS
    if "<" not in setting.key
}

_REPORTED_PROBLEMS = 20  # chosen: as many as fit a screen

_Part = TypeVar("_Part")


def resolve(
    *,
    arguments: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    config_file: str | Path | None = None,
    start_directory: str | Path | None = None,
) -> Settings:
    """Read every source of settings and return the values that win.

    Args:
        arguments: What ``configure`` was given, by key; ``ffi`` and ``security`` are tables.
        environment: The environment variables; None for those of this process.
        config_file: The configuration file; None to look for the nearest.
        start_directory: Where to begin to look; None for the working directory.

    Raises:
        SettingsError: A source cannot be read, or states unknown keys or wrong values; the message
            lists them all.
    """
    variables = os.environ if environment is None else environment
    working_directory = _working_directory()
    merge = _Merge()
    file = _config_file(working_directory, config_file, start_directory)
    if file:
        merge.add_tables(file.tables, file.path.parent, file.place)
    merge.add_variables(variables, working_directory)
    if arguments is not None:
        merge.add_tables(arguments, working_directory, lambda key: "configure(...)")
    if merge.problems:
        raise _error(merge.problems)
    return _build(merge, file.path if file else None, default_cache_directory(variables))


def _working_directory() -> Path:
    try:
        return Path.cwd()
    except OSError:
        raise SettingsError(
            "the working directory no longer exists", remedy="cd into one that does"
        ) from None


def _config_file(
    working_directory: Path, named: str | Path | None, start: str | Path | None
) -> ConfigFile | None:
    if named is not None:
        return read_config(Path(named))
    beginning = working_directory / (start or "")
    found = find_config(beginning)
    return read_config(found, relative_to=beginning) if found else None


class _Problem(NamedTuple):
    """A statement that cannot be used, where it stands, and what to write."""

    text: str
    place: str
    remedy: str | None = None


@dataclass
class _Merge:
    """The statements so far: sources are added from the lowest to the highest.

    Args:
        values: The typed values by key.
        tables: Every table that has been stated, in order, also an empty one.
        places: What returns the place of each value; called only when somebody asks.
        problems: What cannot be used.
    """

    values: dict[Key, Any] = field(default_factory=dict)
    tables: dict[Key, None] = field(default_factory=dict)
    places: dict[str, Callable[[], str]] = field(default_factory=dict)
    problems: list[_Problem] = field(default_factory=list)

    def add_tables(
        self, tables: Mapping[str, Any], base: Path, place: Callable[[Key], str]
    ) -> None:
        """Add a source that states its keys as nested tables."""
        for key, node, raw in self._leaves(tables, TREE, (), place):
            self._add(key, node, raw, base, partial(place, key))

    def add_variables(self, environment: Mapping[str, str], base: Path) -> None:
        """Add the environment variables; an empty one counts as unset."""
        for variable in sorted(environment):
            if not variable.startswith(VARIABLE_PREFIX) or variable in OTHER_VARIABLES:
                continue
            key, setting = _setting_of_variable(variable)
            if setting and environment[variable]:
                raw = setting.kind.from_text(environment[variable])
                self._add(key, setting, raw, base, partial(str, variable))
            elif not setting and not _SERVICE_VARIABLE.fullmatch(variable):
                self.problems.append(_unknown_variable(variable))

    def _leaves(
        self, table: Any, node: Mapping[str, Any], above: Key, place: Callable[[Key], str]
    ) -> Iterator[tuple[Key, Setting, Any]]:
        if not isinstance(table, Mapping):
            self.problems.append(_wrong_value(above, "a table", table, place))
            return
        self.tables[above] = None
        for name, raw in table.items():
            key = (*above, str(name))
            below = node.get(name, node.get("*")) if isinstance(name, str) else None
            if below is None or not key[-1].strip():
                self.problems.append(_unknown_key(key, node, place))
            elif isinstance(below, Setting):
                yield key, below, raw
            elif raw is not None:
                yield from self._leaves(raw, below, key, place)

    def _add(
        self, key: Key, setting: Setting, raw: Any, base: Path, place: Callable[[], str]
    ) -> None:
        try:
            self.values[key] = setting.kind.read(raw, base)
        except ValueRefusal as refusal:
            received = None if _is_confidential(key) else refusal.received
            problem = _wrong_value(key, setting.kind.expected, raw, lambda _: place(), received)
            self.problems.append(problem._replace(remedy=refusal.remedy))
            return
        self.tables.update(dict.fromkeys(key[:depth] for depth in range(len(key))))
        self.places[dotted(key)] = place


def _setting_of_variable(variable: str) -> tuple[Key, Setting | None]:
    name = variable.removeprefix(VARIABLE_PREFIX)
    if name in _SHORT_VARIABLES:
        setting = _SHORT_VARIABLES[name]
        return tuple(setting.key.split(".")), setting
    key = tuple(name.lower().split("__"))
    found = find(key) if all(key) and name.isupper() else None
    if not isinstance(found, Setting) or "<" not in found.key:
        return key, None
    return key, found


def _is_confidential(key: Key) -> bool:
    """Whether a value that stands here by mistake may be a secret, and must not be shown."""
    return key[0] == "security" and key[:2] != ("security", "authorization")


def _wrong_value(
    key: Key,
    expected: str,
    raw: Any,
    place: Callable[[Key], str],
    received: str | None = None,
) -> _Problem:
    if not key:
        return _Problem(f"settings: expected {expected}, received {describe_type(raw)}", place(key))
    received = received or (describe_type if _is_confidential(key) else describe_value)(raw)
    return _Problem(f"{dotted(key)}: expected {expected}, received {received}", place(key))


def _unknown_key(key: Key, node: Mapping[str, Any], place: Callable[[Key], str]) -> _Problem:
    if "*" in node:
        return _Problem(f"{dotted(key)}: expected a name that is a text and not empty", place(key))
    near = did_you_mean(key[-1], node) or _elsewhere(key[-1]) or f"one of {', '.join(node)}"
    return _Problem(f"{dotted(key)}: there is no such setting", place(key), near)


def _elsewhere(name: str) -> str | None:
    keys = [setting.key for setting in SETTINGS if setting.key.endswith(f".{name}")]
    return " or ".join(keys) or None


def _unknown_variable(variable: str) -> _Problem:
    known = [*OTHER_VARIABLES, *(setting.variable for setting in SETTINGS)]
    near = did_you_mean(variable, known, limit=1)
    return _Problem(f"{variable}: no setting has this variable", "the environment", near)


def _error(problems: list[_Problem]) -> SettingsError:
    if len(problems) == 1:
        (problem,) = problems
        return SettingsError(problem.text, where=problem.place, remedy=problem.remedy)
    lines = [f"{len(problems)} settings cannot be used"]
    for text, place, remedy in problems[:_REPORTED_PROBLEMS]:
        lines.append(f"  {text} ({place}{f'; try {remedy}' if remedy else ''})")
    hidden = len(problems) - _REPORTED_PROBLEMS
    if hidden > 0:
        lines.append(f"  and {hidden} more")
    return SettingsError("\n".join(lines))


# --- building ---------------------------------------------------------------------------------


def _build(merge: _Merge, file: Path | None, cache_directory: Path) -> Settings:
    stated = _in_table(merge, ())
    return Settings(
        ffi=FfiSettings(
            bridges=MappingProxyType(_bridges(merge)),
            optimization=_part(merge, OptimizationSettings, ("ffi", "optimization")),
        ),
        security=_security(merge),
        config_file=file,
        places=MappingProxyType(merge.places),
        **{"cache_directory": cache_directory, **stated},
    )


def _in_table(merge: _Merge, table: Key) -> dict[str, Any]:
    return {key[-1]: value for key, value in merge.values.items() if key[:-1] == table}


def _part(merge: _Merge, part: Callable[..., _Part], table: Key) -> _Part:
    return part(**_in_table(merge, table))


def _bridges(merge: _Merge) -> dict[str, BridgeSettings]:
    tables = [key for key in merge.tables if len(key) == 3 and key[:2] == ("ffi", "bridges")]
    return {table[-1]: _bridge(merge, table) for table in tables}


def _bridge(merge: _Merge, table: Key) -> BridgeSettings:
    options = MappingProxyType(_in_table(merge, (*table, "options")))
    return BridgeSettings(**{"path": table[-1], **_in_table(merge, table)}, options=options)


def _security(merge: _Merge) -> SecuritySettings | None:
    if ("security",) not in merge.tables:
        return None
    authorization = ("security", "authorization")
    return SecuritySettings(
        authentication=_part(merge, AuthenticationSettings, ("security", "authentication")),
        authorization=AuthorizationSettings(
            bridge_permissions=MappingProxyType(
                _in_table(merge, (*authorization, "bridge_permissions"))
            ),
            user_roles=MappingProxyType(_in_table(merge, (*authorization, "user_roles"))),
        ),
    )
