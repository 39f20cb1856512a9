"""What a Python worker says of modules and their members, as far as it is in order.

A worker may answer anything, and so may a library by what it makes of ``__signature__``,
``__name__`` or ``__version__``. What cannot be read is unknown.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from noodle.bridges.python import declared_type
from noodle.prototypes import Parameter, Prototype

__all__ = ["Declared", "Facts", "read_declared", "read_facts", "read_names"]

_KINDS = inspect.Parameter
_VARIADIC = (_KINDS.VAR_POSITIONAL, _KINDS.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Declared:
    """The parameters of a function or class, and the type of its result.

    Args:
        parameters: Name, number of the kind, default as text or None, name of the type or None.
        result: The name of the type, or None.
        signature: The same as ``inspect.signature`` should show it.
    """

    parameters: tuple[tuple[str, int, str | None, str | None], ...]
    result: str | None
    signature: inspect.Signature

    def prototype(self, name: str) -> Prototype:
        """Return what calls are checked against."""
        parameters = tuple(
            Parameter(
                parameter,
                declared_type(type_name),
                optional=default is not None,
                positional=kind != _KINDS.KEYWORD_ONLY,
                keyword=kind != _KINDS.POSITIONAL_ONLY,
            )
            for parameter, kind, default, type_name in self.parameters
            if kind not in _VARIADIC
        )
        found = {kind for _, kind, _, _ in self.parameters}
        return Prototype(
            name,
            parameters,
            declared_type(self.result),
            variadic=_KINDS.VAR_POSITIONAL in found,
            any_keyword=_KINDS.VAR_KEYWORD in found,
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a module.

    Args:
        distribution: The name of what installed it, or None.
        version: Its version, or None.
        interpreter: The path of the Python that has it.
        documentation: Its docstring, or None.
    """

    distribution: str | None
    version: str | None
    interpreter: str
    documentation: str | None


class _Default:
    """A default value, as its worker shows it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def read_declared(details: Any) -> Declared | None:
    """Return what a function declares, or None where that cannot be read."""
    listed = details.get("parameters") if isinstance(details, dict) else None
    if not isinstance(listed, list) or not all(map(_is_parameter, listed)):
        return None
    parameters = tuple((name, kind, default, type_) for name, kind, default, type_ in listed)
    try:
        signature = inspect.Signature([_shown(*parameter) for parameter in parameters])
    except ValueError:  # a name, or an order, that Python does not have
        return None
    return Declared(parameters, _text(details.get("result")), signature)


def _is_parameter(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 4:
        return False
    name, kind, *texts = value
    return (
        isinstance(name, str)
        and type(kind) is int
        and 0 <= kind <= _KINDS.VAR_KEYWORD
        and all(text is None or isinstance(text, str) for text in texts)
    )


def _shown(name: str, kind: int, default: str | None, _: str | None) -> inspect.Parameter:
    return inspect.Parameter(
        name,
        inspect._ParameterKind(kind),
        default=inspect.Parameter.empty if default is None else _Default(default),
    )


def read_names(details: Any) -> Sequence[str]:
    """Return the names of an exception class and of those that it derives from."""
    if not isinstance(details, list):
        return ()
    return [name for name in details if isinstance(name, str)]


def read_facts(details: Any, documentation: str | None, interpreter: str) -> Facts:
    """Return what a worker says of a module.

    Args:
        details: What it says.
        documentation: The module's docstring.
        interpreter: What Python it was started with, where it does not say so itself.
    """
    told = details if isinstance(details, dict) else {}
    return Facts(
        _text(told.get("distribution")),
        _text(told.get("version")),
        _text(told.get("interpreter")) or interpreter,
        documentation,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
