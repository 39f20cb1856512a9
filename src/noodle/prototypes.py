"""Prototypes: what a function declares, how that is written, and which calls it accepts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from noodle.errors import PrototypeError
from noodle.values import ANY, ValueType, parse_type, refusal

__all__ = ["Parameter", "Prototype", "parse_prototype"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a prototype.

    Args:
        name: Its name; ``""`` when the declaration has none.
        type: Its declared type; ``any`` when nothing is known.
        optional: Whether a call may leave it out.
        positional: Whether it may be given by position.
        keyword: Whether it may be given by name.
    """

    name: str
    type: ValueType = ANY
    optional: bool = False
    positional: bool = True
    keyword: bool = True

    def __str__(self) -> str:
        text = f"{self.name}: {self.type}" if self.name else str(self.type)
        if self.name and self.type == ANY:
            text = self.name
        return f"{text}?" if self.optional else text


@dataclass(frozen=True, slots=True)
class Prototype:
    """What a function declares about its parameters and its result.

    Args:
        name: The function's name in its library.
        parameters: In order.
        returns: The type of the result.
        variadic: Whether further positional arguments are accepted.
        any_keyword: Whether keywords other than the parameters' names are accepted.
        readable: Whether the declaration is known; one that is not accepts every call.
    """

    name: str
    parameters: tuple[Parameter, ...] = ()
    returns: ValueType = ANY
    variadic: bool = False
    any_keyword: bool = False
    readable: bool = True

    def __str__(self) -> str:
        if not self.readable:
            return f"{self.name}(...), declaration unknown"
        parts = [str(parameter) for parameter in self.parameters]
        parts += ["..."] * self.variadic
        result = "" if self.returns == ANY else f": {self.returns}"
        return f"{self.name}({', '.join(parts)}){result}"

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any] | str:
        """Match arguments to parameters.

        Args:
            args: The positional arguments.
            kwargs: The keyword arguments.

        Returns:
            The arguments by parameter (``name``, or ``argument N`` where it has none; ``keyword
            NAME`` for one beyond the parameters that a positional-only parameter is named like),
            or, where they do not match, a text that says what was expected and what came.
        """
        positional = [parameter for parameter in self.parameters if parameter.positional]
        if len(args) > len(positional) and not self.variadic:
            return f"expected {self._count()}, got {len(args) + len(kwargs)}"
        bound = {
            parameter.name or f"argument {index}": argument
            for index, (parameter, argument) in enumerate(zip(positional, args, strict=False), 1)
        }
        named = [p.name for p in self.parameters if p.keyword and p.name]
        labels = {p.name or f"argument {index}" for index, p in enumerate(self.parameters, 1)}
        for name, argument in kwargs.items():
            if name not in named and not self.any_keyword:
                accepted = f"a keyword of ({', '.join(named)})" if named else "no keyword"
                return f"expected {accepted}, got {name}"
            if name in named and name in bound:
                return f"expected {name} once, got it by position and by keyword"
            label = name if name in named or name not in labels else f"keyword {name}"
            bound[label] = argument
        return self._missing(bound, len(args) + len(kwargs)) or bound

    def _missing(self, bound: Mapping[str, Any], count: int) -> str | None:
        for index, parameter in enumerate(self.parameters, 1):
            if not parameter.optional and (parameter.name or f"argument {index}") not in bound:
                return f"expected {self._count()}, got {count}: {parameter} is missing"
        return None

    def _count(self) -> str:
        required = sum(not parameter.optional for parameter in self.parameters)
        total = len(self.parameters)
        number = f"{required}" if required == total else f"{required} to {total}"
        if self.variadic:
            number = f"at least {required}"
        noun = "argument" if number in ("1", "at least 1") else "arguments"
        return f"{number} {noun} ({', '.join(map(str, self.parameters))})"

    def refusal(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
        """Say why this function does not accept the arguments, or return None when it does."""
        if not self.readable:
            return None
        bound = self.bind(args, kwargs)
        if isinstance(bound, str):
            return bound
        declared = {p.name or f"argument {i}": p.type for i, p in enumerate(self.parameters, 1)}
        for name, argument in bound.items():
            why = refusal(declared.get(name, ANY), argument)
            if why:
                return f"{name}: {why}"
        return None


_PROTOTYPE_TEXT = re.compile(r"\s*(?:fn\s+)?([^\W\d]\w*)\s*\((.*)\)\s*(?::\s*(.+?))?\s*", re.DOTALL)


def parse_prototype(text: str) -> Prototype:
    """Read a prototype in the language's form, such as ``dot(x: list, y: list): float``.

    Args:
        text: The name, the parameters with their types (``...`` at the end for any number more),
            and the type of the result where it is known.

    Raises:
        PrototypeError: The text has another form, or a type is unknown.
    """
    match = _PROTOTYPE_TEXT.fullmatch(text)
    if match is None:
        raise PrototypeError(
            "a prototype cannot be read",
            expected="name(parameter: type, ...): type",
            received=text.strip() or "nothing",
        )
    name, inside, returns = match.groups()
    parts = [part.strip() for part in inside.split(",")] if inside.strip() else []
    variadic = parts[-1:] == ["..."]
    parameters = tuple(_parse_parameter(part) for part in parts[: len(parts) - variadic])
    if len({parameter.name for parameter in parameters}) < len(parameters):
        raise PrototypeError(
            f"a prototype of {name} names a parameter twice",
            expected="a name of its own for each parameter",
            received=inside.strip(),
        )
    return Prototype(name, parameters, parse_type(returns) if returns else ANY, variadic)


def _parse_parameter(text: str) -> Parameter:
    name, colon, type_text = (part.strip() for part in text.partition(":"))
    if not name.isidentifier():
        raise PrototypeError(
            "a parameter of a prototype has no name",
            expected="a parameter as name: type, or just its name",
            received=text or "nothing",
        )
    return Parameter(name, parse_type(type_text, where=text) if colon else ANY)
