"""Structures as the arguments of native functions: by pointer, by value, in arrays of NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from _cffi_backend import FFI

from noodle.bridges.native.argument_rules import Converter, Kind, Refusal
from noodle.bridges.native.memory_arguments import MemoryArgument
from noodle.bridges.native.native_types import NativeType
from noodle.bridges.native.pointers import AnyPointer
from noodle.bridges.native.structure_arrays import bytes_of, is_array
from noodle.bridges.native.structure_fields import fields_refusal
from noodle.bridges.native.structure_objects import StructureObject
from noodle.bridges.native.structures import StructureType
from noodle.errors import ArgumentTypeError
from noodle.values import describe

__all__ = ["AnyMemoryArgument", "StructureArgument", "StructureByValue"]

SHOWN_FIELDS = 4
"""Chosen: as many fields fit into a line of a message."""

_FFI = FFI()
_BYTES = _FFI.typeof("char[]")


class AnyMemoryArgument(MemoryArgument):
    """A pointer to anything, which may be a structure."""

    def refuse(self, value: Any) -> Refusal | None:
        """Say why a value does not fit; see ``Argument``."""
        return None if isinstance(value, StructureObject) else super().refuse(value)

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        """Return what makes a value ready; see ``Argument``."""
        if issubclass(python_type, StructureObject):
            return _memory_of
        return super().converter(python_type, compiled=compiled)

    @property
    def counted(self) -> Callable[[Any, int], Any]:
        """What gives memory that must have so many bytes; see ``MemoryArgument``."""
        return self._counted

    def _counted(self, value: Any, least: int) -> Any:
        if not isinstance(value, StructureObject):
            return self._shared(value, least)
        if bytes_of(value) < least:
            raise TypeError
        return _memory_of(value)


class StructureArgument(MemoryArgument):
    """A pointer to structures whose fields are known: one of them, an array of NumPy's, null.

    Args:
        native: The parameter's type.
        shown: Its name in messages and remedies.
        type: The structure.
    """

    def __init__(self, native: NativeType, shown: str, type: StructureType) -> None:
        super().__init__(native, shown)
        self.structure = type

    def refuse(self, value: Any) -> Refusal | None:
        """Say why a value does not fit; see ``Argument``."""
        if self.structure.holds(value):
            return None
        if isinstance(value, dict):
            return fields_refusal(self.structure, value)
        if is_array(value):
            return self._array_refusal(value)
        refused = super().refuse(value)
        if refused is None or isinstance(value, AnyPointer):
            return refused
        expected = (
            f"{self.structure}, a dict of its fields, an array of its dtype, a pointer, or None"
        )
        return Refusal(ArgumentTypeError, expected, _described(value), _making(self.structure))

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        """Return what makes a value ready; see ``Argument``."""
        if issubclass(python_type, StructureObject):
            return self._structure
        if hasattr(python_type, "__array_interface__"):
            return self._array
        return super().converter(python_type, compiled=compiled)

    def shares(self, python_type: type) -> bool:
        """Return whether that is its own memory; see ``Argument``."""
        return issubclass(python_type, StructureObject) or super().shares(python_type)

    @property
    def counted(self) -> Callable[[Any, int], Any]:
        """What gives the memory of so many structures; see ``MemoryArgument``."""
        return self._counted

    def _counted(self, value: Any, least: int) -> Any:
        is_one = isinstance(value, StructureObject)
        ready = self._structure(value) if is_one else self._array(value)
        if bytes_of(value) < least * self.structure.size:
            raise TypeError
        return ready

    def _structure(self, value: StructureObject) -> Any:
        if value.__noodle_type__ is not self.structure:
            raise TypeError
        return _memory_of(value)

    def _array(self, value: Any) -> Any:
        if self._array_refusal(value):
            raise TypeError
        content = value.reshape(-1).view("u1")
        if self.native.writes:
            return _FFI.from_buffer(_BYTES, content, True)
        return _FFI.from_buffer(_BYTES, content)

    def _array_refusal(self, value: Any) -> Refusal | None:
        if value.dtype != self.structure.dtype:
            expected = f"an array with the dtype of {self.structure}: {self.structure.dtype}"
            received = f"one with dtype {value.dtype}"
            return Refusal(
                ArgumentTypeError,
                expected,
                received,
                _making(self.structure, ".array(count)"),
            )
        if not value.flags.c_contiguous:
            remedy = f"np.ascontiguousarray({self.shown})"
            return Refusal(ArgumentTypeError, "adjacent items", "an array with gaps", remedy)
        if self.native.writes and not value.flags.writeable:
            received, remedy = "an array that is read-only", self._writable_remedy(value)
            return Refusal(ArgumentTypeError, "writable memory", received, remedy)
        return None


class StructureByValue(Kind):
    """A structure that is copied into the call.

    Args:
        native: The parameter's type.
        shown: Its name in messages and remedies.
        type: The structure.
    """

    def __init__(self, native: NativeType, shown: str, type: StructureType) -> None:
        super().__init__(native, shown)
        self.structure = type

    def refuse(self, value: Any) -> Refusal | None:
        """Say why a value does not fit; see ``Argument``."""
        if self.structure.holds(value) or self.structure.is_row(value):
            return None
        if isinstance(value, dict):
            return fields_refusal(self.structure, value)
        expected = f"{self.structure}, a dict of its fields, or an item of an array of its dtype"
        return Refusal(ArgumentTypeError, expected, _described(value), _making(self.structure))

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        """Return what makes a value ready; see ``Argument``."""
        return self._content

    def _content(self, value: Any) -> Any:
        if not self.structure.holds(value):
            if not self.structure.is_row(value):
                raise TypeError
            value = self.structure.of_content(value.tobytes())
        return value.__noodle_pointer__[0]


def _making(type: StructureType, how: str = "") -> str:
    """Return what to type for a structure.

    Args:
        type: What it is.
        how: What follows; else the values of its first fields.
    """
    kind, _, name = str(type).partition(" ")
    values = [f"{field}=…" for field in type.fields[:SHOWN_FIELDS]]
    values += ["…"] * (len(type.fields) > SHOWN_FIELDS)
    given = f"({', '.join(values)})"
    return f'library.{kind}("{name}"){how or given}'


def _described(value: Any) -> str:
    if isinstance(value, StructureObject):
        return str(value.__noodle_type__)
    return describe(value)


def _memory_of(value: StructureObject) -> Any:
    """Return the address of a structure, whose memory the value keeps alive."""
    return value.__noodle_pointer__
