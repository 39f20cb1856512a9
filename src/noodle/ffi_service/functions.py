"""What a program offers to callers: the functions that its own text declares at its top level."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import FunctionType, ModuleType
from typing import Any

from noodle.errors import ArityError, NameNotFoundError, SourceError, did_you_mean

__all__ = ["ProgramFunction", "ProgramFunctions"]

_NAMES_SHOWN = 5
"""Chosen: how many names of a list an error shows."""


@dataclass(frozen=True, slots=True)
class ProgramFunction:
    """A function that callers may use.

    Args:
        name: Its name.
        call: What runs it.
        parameters: The names of its parameters, in order.
        required: How many of them have no default value; these come first.
    """

    name: str
    call: Callable[..., Any]
    parameters: tuple[str, ...]
    required: int

    def require_arguments(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        """Refuse arguments that the parameters do not take.

        Raises:
            ArityError: Some are missing, or there are some that it does not have.
        """
        given, known = len(arguments), set(self.parameters)
        unknown = (name for name in keywords if name not in known)
        twice = (name for name in self.parameters[:given] if name in keywords)
        needed = self.parameters[given : self.required]
        missing = (name for name in needed if name not in keywords)
        if given > len(self.parameters):
            raise self._refusal(f"{given} arguments are too many", given, keywords)
        for what, names in (
            ("has no parameter", unknown),
            ("was given twice", twice),
            ("needs", missing),
        ):
            if wrong := _list(names):
                raise self._refusal(f"{what} {wrong}", given, keywords)

    def _refusal(self, what: str, given: int, keywords: Mapping[str, Any]) -> ArityError:
        named = f", {_list(keywords)} by name" if keywords else ""
        return ArityError(
            f"{self.name}: {what}",
            expected=f"{self.name}({', '.join(self.parameters)})",
            received=f"{given} by position{named}",
        )

    def listing(self) -> dict[str, Any]:
        """Return name and parameters as plain values."""
        parameters = [
            {"name": name, "required": position < self.required}
            for position, name in enumerate(self.parameters)
        ]
        return {"name": self.name, "parameters": parameters}


class ProgramFunctions:
    """The functions of a program that callers may use.

    Imported libraries are not among them, nor their functions under other names: what a caller may
    do is what the program's own functions do. Names that begin with ``_`` are the program's own.

    Args:
        program: The namespace of the program, which has run.

    Raises:
        SourceError: It declares no such function.
    """

    def __init__(self, program: ModuleType) -> None:
        self._functions = {
            name: _described(name, function) for name, function in _declared(program)
        }
        if not self._functions:
            raise SourceError(
                "the program has no functions that could be served",
                path=str(program.__file__),
                expected="a function at its top level whose name does not begin with _",
                received=_list(dir(program)) or "no names at all",
                remedy="write `fn name(…) { … }`",
            )

    def __len__(self) -> int:
        return len(self._functions)

    def find(self, name: str) -> ProgramFunction:
        """Return the function of a name.

        Raises:
            NameNotFoundError: There is none.
        """
        try:
            return self._functions[name]
        except KeyError:
            raise NameNotFoundError(
                f"there is no function {name!r}",
                expected=_list(self._functions),
                received=repr(name),
                remedy=did_you_mean(name, self._functions),
            ) from None

    def listing(self) -> list[dict[str, Any]]:
        """Return each function with its parameters, as plain values."""
        return [function.listing() for function in self._functions.values()]


def _declared(program: ModuleType) -> list[tuple[str, FunctionType]]:
    members = ((name, getattr(program, name)) for name in dir(program) if name[0] != "_")
    return [
        (name, member)
        for name, member in members
        if isinstance(member, FunctionType) and member.__globals__ is program.__dict__
    ]


def _described(name: str, function: FunctionType) -> ProgramFunction:
    # `inspect.signature` refuses what is no name in Python: `fn f(class) { }`.
    code = function.__code__
    parameters = code.co_varnames[: code.co_argcount]
    return ProgramFunction(
        name, function, parameters, len(parameters) - len(function.__defaults__ or ())
    )


def _list(names: Any) -> str:
    """Return the first of some names, and a sign for the others; ``""`` for none."""
    names = iter(names)
    shown = [name[:100] for name in islice(names, _NAMES_SHOWN)]
    return ", ".join([*shown, "…"] if next(names, None) is not None else shown)
