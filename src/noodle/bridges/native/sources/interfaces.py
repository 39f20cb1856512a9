"""What a source says of the functions and variables that it defines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from noodle.errors import PrototypeError

__all__ = ["Definition", "Interface", "LeftOut", "escaped", "read_interface", "unescaped"]

_ESCAPE = "noodle_named_"
"""Leads names that C could not declare, such as ``double``."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A function or variable that cannot be used.

    Args:
        name: The function or variable.
        where: ``file:line``.
        reason: Why not.
    """

    name: str
    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason} ({self.where})"


@dataclass(frozen=True, slots=True)
class Interface:
    """The functions and variables that a source defines.

    Args:
        prototypes: Those that can be used, as C declarations with the types that they need.
        left_out: The others.
    """

    prototypes: str = ""
    left_out: Sequence[LeftOut] = ()

    def refuse_empty(self, location: str, example: str) -> None:
        """Refuse a source of which no function can be called.

        Args:
            location: The source, as the user wrote it.
            example: A function that could be called.

        Raises:
            PrototypeError: It is such a source.
        """
        if self.prototypes:
            return
        listed = "; ".join(map(str, self.left_out))
        raise PrototypeError(
            f"{location!r} has no function that can be called",
            expected=f"at least one such as {example}",
            received=listed or "none",
            where=self.left_out[0].where if self.left_out else location,
            remedy=None if self.left_out else f"write {example}",
        )


class Definition(ABC):
    """A function or variable as C declares it, with where its types are to be found.

    Args:
        name: Its name.
        where: ``file:line``.
        prototype: Its declaration in C.
    """

    def __init__(self, name: str, where: str, prototype: str) -> None:
        self.name = name
        self.where = where
        self.prototype = prototype

    @abstractmethod
    def types_of(self, definitions: Sequence[Definition], *, opaque: bool) -> str:
        """Return the C declarations of the types that functions of its source need.

        Args:
            definitions: The functions and variables.
            opaque: Whether structures are declared without their fields.
        """

    @abstractmethod
    def refusal(self) -> str | None:
        """Return why it cannot be used, where that shows without reading it, or None."""


def read_interface(definitions: Sequence[Definition]) -> Interface:
    """Return the interface of the functions and variables of a source, all of which are exported.

    All are read at once where that goes, else one after another, to know which cannot be used.

    Args:
        definitions: The functions and variables.
    """
    together = _readable(definitions)
    if together is not None:
        return Interface(together)
    fine, left_out = list[Definition](), []
    for definition in definitions:
        reason = definition.refusal() or _reason(definition)
        if reason is None:
            fine.append(definition)
        else:
            left_out.append(LeftOut(definition.name, definition.where, reason))
    return Interface(_readable(fine) or "", left_out)


def _readable(definitions: Sequence[Definition]) -> str | None:
    """Return definitions with the types that they need, if they can be read, or None."""
    for opaque in (False, True):
        text = _text(definitions, opaque)
        if _problem(text) is None:
            return text
    return None


def _reason(definition: Definition) -> str | None:
    """Return why a function or variable cannot be used, or None when it can."""
    problem = None
    for opaque in (False, True):
        problem = _problem(_text([definition], opaque))
        if problem is None:
            return None
    return problem.removeprefix(f"{definition.name}: ") if problem else None


def _text(definitions: Sequence[Definition], opaque: bool) -> str:
    if not definitions:
        return ""
    types = definitions[0].types_of(definitions, opaque=opaque)
    return "\n".join([types, *(definition.prototype for definition in definitions)]).strip()


def _problem(text: str) -> str | None:
    from noodle.bridges.native.c_parser import parse_c

    try:
        parse_c(text)
    except PrototypeError as error:
        return error.summary
    return None


def escaped(name: str) -> str:
    """Return a name under which C can declare what has a keyword there for a name."""
    return _ESCAPE + name


def unescaped(name: str) -> str:
    """Return the own name of a function or variable."""
    return name.removeprefix(_ESCAPE)
