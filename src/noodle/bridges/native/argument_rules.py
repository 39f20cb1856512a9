"""What the rules of all parameters have in common, and how they say no."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from noodle.bridges.native.native_types import NativeType
from noodle.errors import ArgumentError, ArgumentTypeError
from noodle.values import describe, refusal

__all__ = ["Argument", "Converter", "Kind", "Refusal"]

Converter = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a value does not fit a parameter.

    Args:
        error: The class of the error to raise.
        expected: What would fit.
        received: What came.
        remedy: What to type instead, or None.
    """

    error: type[ArgumentError]
    expected: str
    received: str
    remedy: str | None = None


class Argument(Protocol):
    """One parameter's rules."""

    def refuse(self, value: Any) -> Refusal | None:
        """Say why the value does not fit, or return None when it does."""

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        """Return what makes a value of this type ready for the call, or None when it is ready.

        Args:
            python_type: The exact type of the value.
            compiled: Whether the call goes through a compiled extension, which checks numbers and
                takes texts and buffers itself.
        """

    def shares(self, python_type: type) -> bool:
        """Return whether the converter of this type gives the value's own memory."""

    def lends(self, python_type: type) -> bool:
        """Return whether values of this type are functions that are lent for the time of a call."""

    def note(self, python_type: type) -> str | None:
        """Return what ``explain`` should tell about the conversion of this type, or None."""


class Kind(ABC):
    """What the kinds of parameters share.

    Args:
        native: The parameter's type.
        shown: Its name in messages and remedies; of a field of a structure ``STRUCTURE.FIELD``.
    """

    def __init__(self, native: NativeType, shown: str) -> None:
        self.native = native
        structure, _, name = shown.rpartition(".")
        self.is_field = bool(structure)
        self.shown = name if name.isidentifier() else "a"

    def refuse(self, value: Any) -> Refusal | None:
        """Say why a value does not fit; see ``Argument``."""
        return self._explained(refusal(self.native.type, value), value)

    def _explained(self, why: str | None, value: Any) -> Refusal | None:
        if why is None:
            return None
        expected, _, received = why.removeprefix("expected ").partition(", got ")
        return Refusal(ArgumentTypeError, expected, received, self._remedy(value))

    @abstractmethod
    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        """Return what makes a value ready; see ``Argument``."""

    def shares(self, python_type: type) -> bool:
        """Return whether that is its own memory; see ``Argument``."""
        return False

    def lends(self, python_type: type) -> bool:
        """Return whether values of this type are functions; see ``Argument``."""
        return False

    def note(self, python_type: type) -> str | None:
        """Return what ``explain`` should tell, or None."""
        return "memory shared without a copy" if self.shares(python_type) else None

    def _remedy(self, value: Any) -> str | None:
        return None

    def _type_refusal(self, value: Any, remedy: str | None = None) -> Refusal:
        return Refusal(ArgumentTypeError, str(self.native.type), describe(value), remedy)
