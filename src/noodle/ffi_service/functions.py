"""What a program offers to callers: the functions that its own text declares at its top level."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType, ModuleType
from typing import Any

from noodle.errors import ArityError, NameNotFoundError, SourceError, did_you_mean

__all__ = ["ProgramFunctions"]


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
        self._functions = dict(_declared_functions(program))
        if not self._functions:
            raise SourceError(
                "the program has no functions that could be served",
                path=str(program.__file__),
                expected="a function at its top level whose name does not begin with _",
                received=", ".join(dir(program)) or "no names at all",
                remedy="write `fn name(…) { … }`",
            )

    def __len__(self) -> int:
        return len(self._functions)

    def find(self, name: str) -> Callable[..., Any]:
        """Return the function of a name.

        Raises:
            NameNotFoundError: There is none.
        """
        try:
            return self._functions[name]
        except KeyError:
            raise NameNotFoundError(
                f"there is no function {name!r}",
                expected=", ".join(self._functions),
                received=repr(name),
                remedy=did_you_mean(name, self._functions),
            ) from None

    def require_arguments(
        self, name: str, arguments: Sequence[Any], keywords: Mapping[str, Any]
    ) -> None:
        """Refuse arguments that the function's parameters do not take.

        Raises:
            ArityError: Some are missing, or there are some that it does not have.
        """
        signature = inspect.signature(self.find(name))
        try:
            signature.bind(*arguments, **keywords)
        except TypeError as error:
            raise ArityError(
                f"{name} does not take these arguments: {error}",
                expected=f"{name}({', '.join(signature.parameters)})",
                received=f"{len(arguments)} by position"
                + (f", {', '.join(map(repr, keywords))} by name" if keywords else ""),
            ) from None

    def listing(self) -> list[dict[str, Any]]:
        """Return each function with its parameters, as plain values."""
        return [
            {"name": name, "parameters": _parameters(function)}
            for name, function in self._functions.items()
        ]


def _declared_functions(program: ModuleType) -> list[tuple[str, FunctionType]]:
    members = ((name, getattr(program, name)) for name in dir(program) if name[0] != "_")
    return [
        (name, member)
        for name, member in members
        if isinstance(member, FunctionType) and member.__globals__ is program.__dict__
    ]


def _parameters(function: FunctionType) -> list[dict[str, Any]]:
    return [
        {"name": parameter.name, "required": parameter.default is inspect.Parameter.empty}
        for parameter in inspect.signature(function).parameters.values()
    ]
