"""What a library is known to have: read from prototypes, or kept in a compiled extension."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from noodle.bridges.native.declarations import Declaration, Declarations, Variable
from noodle.bridges.native.native_types import Enumeration, Structure

__all__ = ["Address", "Contents", "DeclaredContents"]


@dataclass(frozen=True, slots=True)
class Address:
    """A constant that is a pointer.

    Args:
        number: The address; 0 for null.
    """

    number: int


class Contents(Protocol):
    """What there is. Nothing is read before it is asked for: a header may declare thousands."""

    @property
    def headers(self) -> str:
        """The headers that it was read from, or ``""``."""

    @property
    def assignable(self) -> bool:
        """Whether there are variables that may be changed."""

    @property
    def functions(self) -> Sequence[str]:
        """The names of the functions."""

    @property
    def variables(self) -> Sequence[str]:
        """The names of the variables."""

    @property
    def constants(self) -> Sequence[str]:
        """The names of the constants."""

    @property
    def structures(self) -> Sequence[str]:
        """The names of the structures and unions."""

    @property
    def calls_back(self) -> bool:
        """Whether C code may call functions that it was given, as arguments or in structures."""

    @property
    def unbound(self) -> Mapping[str, str]:
        """The exported names that are declared and cannot be used, with the reasons."""

    def function(self, name: str) -> Declaration | None:
        """Return the function of that name, or None."""

    def variable(self, name: str) -> Variable | None:
        """Return the variable of that name, or None."""

    def constant(self, name: str) -> Any:
        """Return the value of a constant, an ``Address`` or None where there is none."""

    def structure(self, name: str) -> Structure | None:
        """Return the structure of that name (``struct NAME``), or None."""

    def enumeration(self, name: str) -> Enumeration | None:
        """Return the enumeration of that name (``enum NAME``), or None."""

    def lacks(self, name: str) -> bool:
        """Return whether the headers declare a function of that name that is not exported."""

    def macro(self, name: str) -> str | None:
        """Return what a macro with parameters calls, ``""`` for no function; None for no macro."""

    def definition(self, name: str) -> tuple[int, str] | None:
        """Return the C text that defines a type, and its place among the others; None for none."""


class DeclaredContents:
    """What prototypes declare.

    Args:
        declarations: What was read.
    """

    headers = ""
    constants: Sequence[str] = ()
    unbound: Mapping[str, str] = {}

    def __init__(self, declarations: Declarations | None = None) -> None:
        self._declarations = declarations or Declarations(())
        self._functions = {d.name: d for d in self._declarations.functions}
        self._variables = {v.name: v for v in self._declarations.variables}

    @property
    def assignable(self) -> bool:
        """Whether there are variables that may be changed."""
        return any(variable.writable for variable in self._variables.values())

    @property
    def calls_back(self) -> bool:
        """Whether C code may call functions that it was given, as arguments or in structures."""
        return self._declarations.calls_back

    @property
    def functions(self) -> Sequence[str]:
        """The names of the functions."""
        return list(self._functions)

    @property
    def variables(self) -> Sequence[str]:
        """The names of the variables."""
        return list(self._variables)

    @property
    def structures(self) -> Sequence[str]:
        """The names of the structures and unions."""
        return list(self._declarations.structures)

    def function(self, name: str) -> Declaration | None:
        """Return the function of that name, or None."""
        return self._functions.get(name)

    def variable(self, name: str) -> Variable | None:
        """Return the variable of that name, or None."""
        return self._variables.get(name)

    def constant(self, name: str) -> Any:
        """Return None: prototypes have no constants."""
        return None

    def structure(self, name: str) -> Structure | None:
        """Return the structure of that name (``struct NAME``), or None."""
        return self._declarations.structures.get(name)

    def enumeration(self, name: str) -> Enumeration | None:
        """Return the enumeration of that name (``enum NAME``), or None."""
        return self._declarations.enumerations.get(name)

    def macro(self, name: str) -> str | None:
        """Return None: prototypes have no macros."""
        return None

    def definition(self, name: str) -> tuple[int, str] | None:
        """Return None: what prototypes define is not kept as text."""
        return None

    def lacks(self, name: str) -> bool:
        """Return False: all that prototypes declare must be there."""
        return False
