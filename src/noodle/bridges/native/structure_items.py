"""What lies in structures: how each kind of field or item is read and written, by its address."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from _cffi_backend import FFI

from noodle.bridges.native.arguments import argument_of
from noodle.bridges.native.callbacks import Callback
from noodle.bridges.native.declarations import DeclaredParameter
from noodle.bridges.native.native_types import C_NUMBERS, NativeType
from noodle.bridges.native.pointers import AnyPointer
from noodle.bridges.native.results import text_of
from noodle.bridges.native.structure_fields import made_for, made_of
from noodle.errors import ArgumentError, ArgumentRangeError, ArgumentTypeError
from noodle.values import FLOAT_TYPES, INTEGER_RANGES, describe

if TYPE_CHECKING:
    from noodle.bridges.native.library_types import LibraryTypes
    from noodle.bridges.native.structures import StructureType

__all__ = [
    "BitsItem",
    "CharactersItem",
    "Item",
    "Memory",
    "NumberItem",
    "Place",
    "PointerItem",
    "StructureItem",
    "is_own_name",
    "refuse_value",
]

_FFI = FFI()


class Memory:
    """Memory that structures lie in.

    Args:
        source: What it belongs to, which this keeps alive; None for memory of the library.
        owner: The pointer with which it ends; None where it does not end while this lives.
        of_library: Whether it is the library's, which alone knows how far it goes.
    """

    __slots__ = ("kept", "of_library", "owner", "source")

    def __init__(
        self, source: Any, owner: AnyPointer | None = None, *, of_library: bool = False
    ) -> None:
        self.source = source
        self.owner = owner
        self.of_library = of_library
        self.kept: dict[int, Any] = {}
        """By address, what Python objects the pointers in it lead to."""


class Item(ABC):
    """One kind of field or item.

    Args:
        native: Its type.
        where: The field in messages.
    """

    size = 8
    shift = 0
    """How many bits of the first byte lie below it."""

    def __init__(self, native: NativeType, where: str) -> None:
        self.native = native
        self.where = where

    @abstractmethod
    def read(self, address: int, memory: Memory) -> Any:
        """Return the value at an address."""

    @abstractmethod
    def write(self, address: int, value: Any, memory: Memory) -> None:
        """Put a value there.

        Raises:
            ArgumentError: It does not fit.
        """

    def told(self, address: int, memory: Memory) -> Any:
        """Return what tells values apart: the value, but of a pointer where it leads."""
        return self.read(address, memory)

    def shown(self, address: int, memory: Memory) -> str:
        """Return the value as messages show it."""
        return repr(self.read(address, memory))

    def interface(self) -> Any:
        """Return what NumPy calls the type."""
        return "<u8"


@dataclass(frozen=True, slots=True)
class Place:
    """A field in its structure.

    Args:
        item: How it is read and written.
        offset: Where it begins, in bytes.
        bits: Its width, for a bit-field.
    """

    item: Item
    offset: int
    bits: int = 0

    @property
    def span(self) -> tuple[int, int]:
        """Where it begins and ends, in bits."""
        start = self.offset * 8 + self.item.shift
        return start, start + (self.bits or self.item.size * 8)


class NumberItem(Item):
    """A number."""

    def __init__(self, native: NativeType, where: str) -> None:
        super().__init__(native, where)
        self._pointer = _FFI.typeof(f"{C_NUMBERS[native.type.name]} *")
        self.size = _FFI.sizeof(C_NUMBERS[native.type.name])
        self._rules = argument_of(DeclaredParameter(where, native), where)
        name = native.type.name
        self._exact: type = {True: int, False: float}[name in INTEGER_RANGES]
        if name in ("f32", "bool"):
            self._exact = type(None)

    def read(self, address: int, memory: Memory) -> Any:
        """Return the number at an address."""
        return _FFI.cast(self._pointer, address)[0]

    def write(self, address: int, value: Any, memory: Memory) -> None:
        """Put a number there; see ``Item``."""
        _FFI.cast(self._pointer, address)[0] = self.checked(value)

    def checked(self, value: Any) -> Any:
        """Return the number for a value.

        Raises:
            ArgumentError: It does not fit.
        """
        if type(value) is self._exact and self._exact is float:
            return value
        refused = self._rules.refuse(value)
        if refused:
            raise refuse_value(self.where, refused)
        return float(value) if self.native.type.name in FLOAT_TYPES else int(value)

    def interface(self) -> str:
        """Return what NumPy calls the type."""
        name = self.native.type.name
        return "|b1" if name == "bool" else f"<{name[0]}{self.size}"


class BitsItem(Item):
    """A bit-field.

    Args:
        native: Its type.
        where: The field in messages.
        bits: Its width.
        shift: How many bits of the first byte lie below it.
    """

    def __init__(self, native: NativeType, where: str, bits: int, shift: int) -> None:
        super().__init__(native, where)
        self._bits, self.shift = bits, shift
        self.size = (shift + bits + 7) // 8
        self._signed = native.type.name[0] == "i"

    def read(self, address: int, memory: Memory) -> Any:
        """Return the number in the bits."""
        whole = int.from_bytes(_FFI.buffer(_FFI.cast("char *", address), self.size)[:], "little")
        value = whole >> self.shift & (1 << self._bits) - 1
        if self._signed and value >> self._bits - 1:
            value -= 1 << self._bits
        return bool(value) if self.native.type.name == "bool" else value

    def write(self, address: int, value: Any, memory: Memory) -> None:
        """Put a number into the bits; see ``Item``."""
        low = -(1 << self._bits - 1) if self._signed else 0
        high = low + (1 << self._bits) - 1
        expected = f"an integer from {low} to {high}"
        if not hasattr(value, "__index__"):
            raise _misfit(self.where, expected, value)
        if not low <= int(value) <= high:
            raise _misfit(self.where, expected, value, ArgumentRangeError)
        place = _FFI.buffer(_FFI.cast("char *", address), self.size)
        mask = ((1 << self._bits) - 1) << self.shift
        whole = int.from_bytes(place[:], "little") & ~mask | int(value) << self.shift & mask
        place[:] = whole.to_bytes(self.size, "little")


class CharactersItem(Item):
    """An array of characters, which holds a text up to its NUL.

    Args:
        native: The type of a character.
        where: The field in messages.
        length: How many there are.
    """

    def __init__(self, native: NativeType, where: str, length: int) -> None:
        super().__init__(native, where)
        self.size = length

    def read(self, address: int, memory: Memory) -> str:
        """Return the text."""
        content = _FFI.buffer(_FFI.cast("char *", address), self.size)[:]
        return text_of(content.split(b"\0", 1)[0], self.where) or ""

    def write(self, address: int, value: Any, memory: Memory) -> None:
        """Put a text there, and NUL behind it; see ``Item``."""
        content = value.encode() if isinstance(value, str) else value
        if not isinstance(content, (bytes, bytearray)) or len(content) > self.size:
            raise _misfit(self.where, f"text or bytes, at most {self.size} of them", value)
        place = _FFI.buffer(_FFI.cast("char *", address), self.size)
        place[:] = bytes(content).ljust(self.size, b"\0")

    def interface(self) -> str:
        """Return what NumPy calls the type."""
        return f"|S{self.size}"


class StructureItem(Item):
    """A structure in a structure.

    Args:
        native: Its type.
        where: The field in messages.
        type: What it is.
    """

    def __init__(self, native: NativeType, where: str, type: StructureType) -> None:
        super().__init__(native, where)
        self.type = type
        self.size = type.size

    def read(self, address: int, memory: Memory) -> Any:
        """Return the structure itself, not a copy."""
        return self.type.within(address, memory)

    def write(self, address: int, value: Any, memory: Memory) -> None:
        """Copy a structure of the same type there; see ``Item``."""
        if isinstance(value, dict):
            value = made_of(self.type, value)
        if self.type.is_row(value):
            value = self.type.of_content(value.tobytes())
        if not self.type.holds(value):
            expected = f"{self.type}, a dict of its fields, or an item of an array of its dtype"
            raise _misfit(self.where, expected, value)
        self.type.copy(value, address, memory)

    def interface(self) -> Any:
        """Return what NumPy calls the type."""
        return self.type.dtype


class PointerItem(Item):
    """A pointer: to memory, a text, a structure or a function. What it leads to is kept alive.

    Args:
        native: Its type.
        where: The field in messages.
        types: The types of the library.
    """

    def __init__(self, native: NativeType, where: str, types: LibraryTypes) -> None:
        super().__init__(native, where)
        self._types = types
        self._result = types.result(native, where)
        self._rules: Any = None

    def read(self, address: int, memory: Memory) -> Any:
        """Return what the pointer leads to: the object that was put there, a text, a pointer."""
        found = _FFI.cast("void **", address)[0]
        value, ready = memory.kept.get(address, (None, None))
        if value is not None and _FFI.cast("void *", ready) == found:
            return value
        return self._result(found) if self._result else found

    def told(self, address: int, memory: Memory) -> Any:
        """Return what tells values apart: a text, else where the pointer leads."""
        if self.native.type.name == "str":
            return self.read(address, memory)
        return int(_FFI.cast("uintptr_t *", address)[0])

    def shown(self, address: int, memory: Memory) -> str:
        """Return the value as messages show it: of a structure where it is, for it may be this."""
        if not self.native.structure:
            return repr(self.read(address, memory))
        place = self.told(address, memory)
        return f"<{self.native.structure} at {place:#x}>" if place else "None"

    def write(self, address: int, value: Any, memory: Memory) -> None:
        """Let the pointer lead to something; see ``Item``."""
        value, ready = self._ready(value)
        _FFI.cast("void **", address)[0] = _FFI.cast("void *", ready)
        if value is None or isinstance(value, AnyPointer):
            memory.kept.pop(address, None)
        else:
            memory.kept[address] = (value, ready)

    def _ready(self, value: Any) -> tuple[Any, Any]:
        if self.native.callback and callable(value) and not isinstance(value, Callback):
            value = Callback(value)
        # Rules of functions that take structures that contain them: not before they are needed.
        self._rules = self._rules or self._types.rule(
            DeclaredParameter(self.where, self.native), self.where
        )
        value = made_for(self._rules, value)
        refused = self._rules.refuse(value)
        if refused:
            raise refuse_value(self.where, refused)
        converter = self._rules.converter(type(value), compiled=False)
        return value, self._types.kept(converter(value) if converter else value)


def is_own_name(name: str) -> bool:
    """Return whether Python means something by a name, so that no field has it as an attribute."""
    return len(name) > 4 and name.startswith("__") and name.endswith("__")


def refuse_value(where: str, refused: Any) -> Exception:
    """Return the error for a value that a field does not take.

    Args:
        where: The field in messages.
        refused: Why.
    """
    error: Exception = refused.error(
        f"{where} does not accept the value",
        expected=refused.expected,
        received=refused.received,
        where=where,
        remedy=refused.remedy,
    )
    return error


def _misfit(
    where: str, expected: str, value: Any, error: type[ArgumentError] = ArgumentTypeError
) -> ArgumentError:
    return error(
        f"{where} does not accept the value",
        expected=expected,
        received=describe(value),
        where=where,
    )
