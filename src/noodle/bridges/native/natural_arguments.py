"""The rules of parameters whose texts, lengths and null pointers are annotated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from noodle.bridges.native.annotations import BYTES
from noodle.bridges.native.argument_rules import Argument, Converter, Refusal
from noodle.bridges.native.declarations import DeclaredParameter
from noodle.bridges.native.library_types import LibraryTypes
from noodle.bridges.native.memory_arguments import MemoryArgument, TextArgument
from noodle.bridges.native.native_types import NativeType
from noodle.bridges.native.natural_plans import NaturalPlan, encoding_of
from noodle.errors import ArgumentTypeError
from noodle.values import ValueType, describe

__all__ = ["counted_converter", "number_parameter", "rule_maker"]


def rule_maker(
    plan: NaturalPlan, types: LibraryTypes
) -> Callable[[DeclaredParameter, str], Argument]:
    """Return what gives the rules of a function's parameters in this process.

    Args:
        plan: What is done around the function's calls.
        types: The types of its library.
    """

    def rule(parameter: DeclaredParameter, shown: str) -> Argument:
        found = _rule(plan, types, parameter, shown)
        if not _forbids_null(plan, parameter):
            return found
        return _NotNull(found, parameter.type, shown, _allowing_null(plan, parameter))

    return rule


def number_parameter(parameter: DeclaredParameter, type_name: str) -> DeclaredParameter:
    """Return the parameter that stands for the number at which a pointer points.

    Args:
        parameter: The pointer.
        type_name: The number's type.
    """
    return replace(parameter, type=NativeType(ValueType(type_name), type_name))


def counted_converter(rule: Argument) -> Callable[[Any, int], Any] | None:
    """Return what gives the memory of an array that must have so many items, or None.

    Args:
        rule: The array's rules.
    """
    rule = rule.rules if isinstance(rule, _NotNull) else rule
    return rule.counted if isinstance(rule, MemoryArgument) else None


def _rule(
    plan: NaturalPlan, types: LibraryTypes, parameter: DeclaredParameter, shown: str
) -> Argument:
    native = parameter.type
    encoding = encoding_of(plan.annotations, parameter.name)
    if native.type.name == "str" and parameter.name in (plan.annotations.lengths or {}):
        return _CountedText(native, shown, encoding or "utf-8")
    if native.type.name == "str" and encoding:
        return _EncodedText(native, shown, encoding)
    return types.rule(parameter, shown, plan.declaration.name)


def _forbids_null(plan: NaturalPlan, parameter: DeclaredParameter) -> bool:
    nullable = plan.annotations.nullable
    if not parameter.is_pointer or nullable is None or nullable is True:
        return False
    return nullable is False or parameter.name not in nullable


def _allowing_null(plan: NaturalPlan, parameter: DeclaredParameter) -> str:
    """Return the option by which a pointer may be null, beside those that may be already."""
    nullable = plan.annotations.nullable
    names = [*(nullable if isinstance(nullable, tuple) else ()), parameter.name]
    listed = ", ".join(f'"{name}"' for name in names)
    return f'functions={{"{plan.declaration.name}": {{"nullable": [{listed}]}}}}'


class _NotNull:
    """The rules of a pointer that must not be null.

    Args:
        rules: Those of the pointer.
        native: Its type.
        shown: Its name in messages.
        allowing: The option that allows null.
    """

    def __init__(self, rules: Argument, native: NativeType, shown: str, allowing: str) -> None:
        self.rules = rules
        self._native = native
        self.shown = shown
        self._allowing = allowing

    def refuse(self, value: Any) -> Refusal | None:
        """Say why a value does not fit; see ``Argument``."""
        if value is None:
            expected = f"{self._native.c.strip()}, not null"
            remedy = f"give a value: null is forbidden here; {self._allowing} allows it"
            return Refusal(ArgumentTypeError, expected, "None", remedy)
        return self.rules.refuse(value)

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        """Return what makes a value ready; see ``Argument``."""
        return self.rules.converter(python_type, compiled=compiled)

    def shares(self, python_type: type) -> bool:
        """Return whether that is its own memory; see ``Argument``."""
        return self.rules.shares(python_type)

    def lends(self, python_type: type) -> bool:
        """Return whether values of this type are functions; see ``Argument``."""
        return self.rules.lends(python_type)

    @property
    def shape(self) -> Any:
        """What a function is given and returns; only a function pointer has it."""
        return self.rules.shape  # type: ignore[attr-defined]

    def note(self, python_type: type) -> str | None:
        """Return what ``explain`` should tell; see ``Argument``."""
        return self.rules.note(python_type)


class _Encoded:
    """How text becomes bytes.

    Args:
        encoding: The encoding; ``bytes`` where only bytes are taken.
        shown: The parameter's name in messages.
        nul: Whether a character NUL may be in the text.
    """

    def __init__(self, encoding: str, shown: str, *, nul: bool) -> None:
        self.encoding = encoding
        self._shown = shown
        self._nul = nul

    def __call__(self, value: str) -> bytes:
        """Return the bytes of a text; a TypeError asks for the reason."""
        if self.refusal(value):
            raise TypeError
        return str.encode(value, self.encoding)

    def refusal(self, value: str) -> Refusal | None:
        """Say why a text cannot be handed over, or return None when it can."""
        if self.encoding == BYTES:
            return Refusal(
                ArgumentTypeError, "bytes or None", describe(value), f"{self._shown}.encode()"
            )
        if "\0" in value and not self._nul:
            expected = "text without the character NUL, which ends a C string"
            received = f"NUL at index {value.index(chr(0))}"
            return Refusal(ArgumentTypeError, expected, received)
        try:
            str.encode(value, self.encoding)
        except UnicodeEncodeError as error:
            received = f"U+{ord(value[error.start]):04X} at index {error.start}"
            expected = f"text that {self.encoding} can encode"
            return Refusal(ArgumentTypeError, expected, received)
        return None


class _EncodedText(TextArgument):
    """A C string of a stated encoding."""

    def __init__(self, native: NativeType, shown: str, encoding: str) -> None:
        super().__init__(native, shown)
        self._encoded = _Encoded(encoding, self.shown, nul=False)

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        """Return what makes a value ready; see ``Argument``."""
        if issubclass(python_type, str):
            return self._encoded
        return super().converter(python_type, compiled=compiled)

    def note(self, python_type: type) -> str | None:
        """Return what ``explain`` should tell, or None."""
        if issubclass(python_type, str):
            return f"encoded as {self._encoded.encoding}"
        return super().note(python_type)

    def _text_refusal(self, value: str) -> Refusal | None:
        return self._encoded.refusal(value)


class _CountedText(MemoryArgument):
    """Characters whose number another parameter has: text, bytes, or a buffer of bytes."""

    def __init__(self, native: NativeType, shown: str, encoding: str) -> None:
        super().__init__(replace(native, type=ValueType("ptr", ValueType("u8"))), shown)
        self._encoded = _Encoded(encoding, self.shown, nul=True)

    def refuse(self, value: Any) -> Refusal | None:
        """Say why a value does not fit; see ``Argument``."""
        return self._encoded.refusal(value) if isinstance(value, str) else super().refuse(value)

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        """Return what makes a value ready; see ``Argument``."""
        if issubclass(python_type, str):
            return self._encoded
        return super().converter(python_type, compiled=compiled)

    def shares(self, python_type: type) -> bool:
        """Return whether that is its own memory; see ``Argument``."""
        return not issubclass(python_type, str) and super().shares(python_type)
