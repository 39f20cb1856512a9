"""How Python values become what a worker is sent for the arguments of a native function."""

from __future__ import annotations

from typing import Any

from _cffi_backend import FFI

from noodle.bridges.native.argument_rules import Argument, Converter, Refusal
from noodle.bridges.native.arguments import argument_of
from noodle.bridges.native.declarations import DeclaredParameter
from noodle.bridges.native.memory_arguments import is_address, pointer_refusal
from noodle.bridges.native.native_types import C_NUMBERS
from noodle.bridges.native.pointers import Pointer, WorkerPointer, place_of_pointer, points_to
from noodle.errors import ArgumentTypeError

__all__ = ["SentArgument"]


class SentArgument:
    """One parameter's rules: those of this process, but for pointers, which are the worker's.

    Args:
        parameter: The parameter.
        shown: Its name in messages.
        rules: Its rules in this process; None for those of its type.
    """

    def __init__(
        self, parameter: DeclaredParameter, shown: str, rules: Argument | None = None
    ) -> None:
        self._native = parameter.type
        self.rules = rules or argument_of(parameter, shown)
        name = parameter.type.type.name
        self._takes_pointers = name == "ptr" or (name == "str" and parameter.type.from_c)

    @property
    def writes(self) -> bool:
        """Whether the function may write to the memory that it is given."""
        return self._native.writes

    def refuse(self, value: Any) -> Refusal | None:
        """Say why the value does not fit, or return None when it does."""
        if self._takes_pointers and isinstance(value, WorkerPointer):
            return pointer_refusal(self._native, value)
        if isinstance(value, Pointer) or is_address(value):
            expected = f"{self._native.type}, of this process's memory an array or bytes"
            received = "a pointer of this process, which means nothing to its worker"
            remedy = "load both libraries in the same worker, or both in this process"
            return Refusal(ArgumentTypeError, expected, received, remedy)
        return self.rules.refuse(value)

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        """Return what makes a value of this type ready; see ``shares`` for memory."""
        if self.lends(python_type):
            return self.rules.converter(python_type, compiled=compiled)
        if issubclass(python_type, WorkerPointer) and not self._native.by_value:
            return self._place
        if python_type is type(None):
            return None
        if issubclass(python_type, (Pointer, FFI.CData)):
            return _reject
        # Texts and memory are made ready here; the worker's compiled functions check numbers alone.
        checked_there = compiled and self._native.type.name in C_NUMBERS
        return self.rules.converter(python_type, compiled=checked_there)

    def shares(self, python_type: type) -> bool:
        """Return whether the converter of this type gives the value's own memory."""
        own = issubclass(python_type, (Pointer, WorkerPointer, FFI.CData))
        own = own or self.lends(python_type) or self._native.by_value
        return not own and self.rules.shares(python_type)

    def lends(self, python_type: type) -> bool:
        """Return whether values of this type are functions; see ``Argument``."""
        return self.rules.lends(python_type)

    def note(self, python_type: type) -> str | None:
        """Return what ``explain`` should tell about the conversion of this type, or None."""
        if not self.shares(python_type):
            return self.rules.note(python_type)
        back = " and back" if self.writes else ""
        return f"copied to the worker{back}, unless it lies in memory of noodle.empty"

    def _place(self, value: WorkerPointer) -> list[int]:
        if not points_to(value, self._native.pointee):
            raise TypeError
        return place_of_pointer(value)


def _reject(_: Any) -> Any:
    raise TypeError
