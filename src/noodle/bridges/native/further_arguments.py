"""Functions that take further arguments (``...``), with types that the user declares."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from noodle.bridges.native.c_types import CTypes, Unfit
from noodle.bridges.native.declarations import Declaration, DeclaredParameter
from noodle.bridges.native.native_types import NativeType
from noodle.errors import PrototypeError, did_you_mean
from noodle.values import ValueType

__all__ = ["FurtherArguments"]

_NAME = "noodle_variadic_"
_PROMOTED = {
    **dict.fromkeys(("i8", "u8", "i16", "u16", "bool"), "i32"),
    "f32": "f64",
}
"""What C makes of a further argument of a small type."""


class FurtherArguments:
    """The declared types, and the functions that they belong to.

    Args:
        declared: C types separated by commas, by the function's name or ``NAME as ALIAS``.

    Raises:
        PrototypeError: A name is none.
    """

    def __init__(self, declared: Sequence[tuple[str, str]]) -> None:
        self._declared = [(*_names(key), types) for key, types in declared]
        self._types: dict[int, list[DeclaredParameter]] = {}
        self._functions: dict[str, Declaration] = {}

    @property
    def symbols(self) -> frozenset[str]:
        """The functions that types are declared for."""
        return frozenset(symbol for symbol, _, _ in self._declared)

    def lines(self) -> list[str]:
        """Return declarations by which the parser reads the types, each in one line."""
        return [
            f"void {_NAME}{index}({' '.join(types.split())});"
            for index, (_, _, types) in enumerate(self._declared)
        ]

    def is_one(self, node: Any) -> bool:
        """Return whether a node is one of those declarations."""
        return bool(node.name) and node.name.startswith(_NAME)

    def learn(self, node: Any, types: CTypes) -> None:
        """Take the types of one of those declarations."""
        index = int(node.name.removeprefix(_NAME))
        try:
            listed = [
                DeclaredParameter(name, _promoted(native))
                for name, native in types.parameters(node.type)
            ]
        except Unfit as unfit:
            raise self.unreadable(index, str(unfit)) from unfit
        by_value = [parameter.type for parameter in listed if parameter.type.by_value]
        if by_value:
            raise self.unreadable(index, f"{by_value[0].c} is a structure by value")
        self._types[index] = listed

    def add(self, function: Declaration) -> None:
        """Note a function that takes further arguments."""
        self._functions[function.name] = function

    def declarations(self) -> list[Declaration]:
        """Return the functions with their further parameters.

        Raises:
            PrototypeError: There is no such function, or it takes no further arguments.
        """
        return [
            self._declaration(index, symbol, alias)
            for index, (symbol, alias, _) in enumerate(self._declared)
        ]

    def _declaration(self, index: int, symbol: str, alias: str) -> Declaration:
        function = self._functions.get(symbol)
        if function is None:
            raise PrototypeError(
                f"{symbol} takes no further arguments, or is not declared",
                expected=f"one of {', '.join(sorted(self._functions)) or 'none'}",
                received=symbol,
                where="variadic",
                remedy=did_you_mean(symbol, self._functions)
                or f"declare it: int {symbol}(int, ...);",
            )
        parameters = (*function.parameters, *self._types[index])
        names = [parameter.name for parameter in parameters if parameter.name]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise self.unreadable(index, f"there are two parameters {twice[0]}")
        fixed = len(function.parameters)
        return replace(
            function, name=alias, parameters=parameters, variadic=False, symbol=symbol, fixed=fixed
        )

    def unreadable(self, index: int, reason: str) -> PrototypeError:
        """Return the error for types that cannot be read.

        Args:
            index: Which of the lines they are in.
            reason: What is wrong with them.
        """
        symbol, _, types = self._declared[index]
        return PrototypeError(
            f"the types of further arguments of {symbol} cannot be read: {reason}",
            expected="C types separated by commas, such as double, const char *",
            received=types,
            where=f"variadic[{symbol!r}]",
            remedy="name types of C or of the headers; void * stands for any pointer",
        )


def _names(key: str) -> tuple[str, str]:
    match = re.fullmatch(r"\s*([A-Za-z_]\w*)(?:\s+as\s+([A-Za-z_]\w*))?\s*", key)
    if match is None:
        raise PrototypeError(
            "the name of a function with further arguments cannot be read",
            expected="NAME, or NAME as ALIAS",
            received=key,
            where="variadic",
        )
    return match[1], match[2] or match[1]


def _promoted(native: NativeType) -> NativeType:
    name = _PROMOTED.get(native.type.name)
    return replace(native, type=ValueType(name)) if name else native
