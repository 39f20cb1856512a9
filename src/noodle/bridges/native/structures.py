"""Structures and unions of a library as objects with attributes, and as arrays of NumPy."""

from __future__ import annotations

from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import _cffi_backend
from _cffi_backend import FFI

from noodle.bridges.native.native_types import C_NUMBERS, Field, Structure
from noodle.bridges.native.pointed import items_at
from noodle.bridges.native.pointers import AnyPointer, points_to
from noodle.bridges.native.structure_arrays import (
    ArrayItem,
    array_at,
    dtype_of,
    is_array,
    numpy_for,
)
from noodle.bridges.native.structure_items import (
    BitsItem,
    CharactersItem,
    Item,
    Memory,
    NumberItem,
    Place,
    PointerItem,
    StructureItem,
    is_own_name,
)
from noodle.bridges.native.structure_objects import StructureObject, made_object
from noodle.errors import ArgumentTypeError, NameNotFoundError, UsageError, did_you_mean
from noodle.values import describe

if TYPE_CHECKING:
    from noodle.bridges.native.library_types import LibraryTypes

__all__ = ["StructureType"]

_FFI = FFI()


class StructureType:
    """A structure or union that a library declares. Calling it makes one, filled with zeros.

    ``isinstance(value, type)`` says whether a value is such a structure.

    Args:
        structure: What it is.
        types: The types of the library.
    """

    def __init__(self, structure: Structure, types: LibraryTypes) -> None:
        self._structure = structure
        self._types = types

    @property
    def name(self) -> str:
        """Its name, without ``struct`` or ``union``."""
        return self._structure.name.partition(" ")[2]

    @property
    def known(self) -> bool:
        """Whether its fields are known; else there are only pointers to it."""
        return self._structure.fields is not None and self._structure.size is not None

    @property
    def passable(self) -> bool:
        """Whether it can be passed by value."""
        nested = [p.item.type for p in self.places.values() if isinstance(p.item, StructureItem)]
        fields = self._structure.fields or ()
        plain = all(field.name in self.places and not field.bits for field in fields)
        return self._structure.kind == "struct" and plain and all(n.passable for n in nested)

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self._structure.size or 0

    @property
    def alignment(self) -> int:
        """Its alignment in bytes."""
        return self._structure.alignment or 1

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of its fields."""
        return tuple(self.places)

    @cached_property
    def places(self) -> dict[str, Place]:
        """Its fields by name."""
        return {
            field.name: Place(self._item(field), field.offset, field.bits)
            for field in self._structure.fields or ()
            if field.offset is not None and self._types.is_known(field.type)
        }

    @cached_property
    def dtype(self) -> Any:
        """The type that an array of such structures has in NumPy. Bit-fields are not in it."""
        return dtype_of(self)

    @cached_property
    def c_type(self) -> Any:
        """The structure as a type of cffi."""
        kind = self._structure.kind
        made = getattr(_cffi_backend, f"new_{kind}_type")(self._structure.name)
        fields = [
            (field.name, self._types.field_type(field), -1, field.offset)
            for field in self._structure.fields or ()
            if field.name in self.places and not field.bits
        ]
        complete: Any = _cffi_backend.complete_struct_or_union
        complete(made, fields, None, self.size, self.alignment)
        return made

    @cached_property
    def _pointer_type(self) -> Any:
        return _cffi_backend.new_pointer_type(self.c_type)

    @cached_property
    def _class(self) -> type[StructureObject]:
        members: dict[str, Any] = {"__slots__": (), "__noodle_type__": self, "__module__": "C"}
        attributes = {n: place for n, place in self.places.items() if not is_own_name(n)}
        members |= {name: property(_reader(name, place)) for name, place in attributes.items()}
        return type(self.name, (StructureObject,), members)

    def __call__(self, /, *values: Any, **fields: Any) -> StructureObject:
        """Return a new structure.

        Args:
            values: The values of its first fields; the others are zero.
            fields: Those of others, by name.

        Raises:
            NameNotFoundError: There is no such field.
            ArgumentError: A value does not fit, or there are too many.
        """
        self._require_known()
        if len(values) > len(self.places):
            raise ArgumentTypeError(
                f"{self} has fewer fields",
                expected=f"at most {len(self.places)} values",
                received=f"{len(values)} values",
                where=str(self),
            )
        made = self._in(_cffi_backend.newp(self._pointer_type), None)
        for name, value in (*zip(self.places, values, strict=False), *fields.items()):
            setattr(made, name, value)
        return made

    def at(self, place: Any) -> Any:
        """Return the structure that lies somewhere, which is not copied.

        Args:
            place: A pointer; an array of NumPy's with one item at least; writable memory; the
                structure itself.

        Raises:
            ArgumentError: It is none of these, or too small.
        """
        self._require_known()
        if self.holds(place) and not isinstance(place, AnyPointer):
            return place
        if isinstance(place, AnyPointer) and points_to(place, self._structure.name):
            return self._types.structure_at(self, place)
        if is_array(place) and place.dtype == self.dtype and place.size:
            return self.within(place.__array_interface__["data"][0], Memory(place))
        try:
            bytewise = memoryview(place).itemsize == 1
            found: Any = _FFI.from_buffer("char[]", place, True) if bytewise else b""
        except (TypeError, BufferError, ValueError):
            found = b""
        if len(found) < self.size:
            raise ArgumentTypeError(
                f"there is no {self}",
                expected=f"a pointer to {self}, or {self.size} bytes of writable memory",
                received=describe(place),
                where=str(self),
            )
        return self._in(_FFI.cast(self._pointer_type, found), found)

    def array(self, count: int, at: Any = None) -> Any:
        """Return an array of NumPy's with that many structures.

        Args:
            count: How many.
            at: A pointer, or a structure that the library has: the array shows what lies there
                (in a worker, it is a copy). Without it, the array is a new one, filled with zeros.

        Raises:
            ArgumentTypeError: There are no structures of the library's.
        """
        self._require_known()
        if at is None:
            return numpy_for(str(self)).zeros(count, self.dtype)
        return array_at(self, count, at)

    def beside(self, structure: StructureObject, index: Any) -> Any:
        """Return the structure behind another one of the library's, or those of a slice.

        Args:
            structure: The first one.
            index: How many structures behind it; C alone knows how many there are.

        Raises:
            UsageError: The first one is not the library's, or the slice has no end.
        """
        memory, start = structure.__noodle_memory__, structure.__noodle_address__
        if not memory.of_library:
            raise ArgumentTypeError(
                f"a {self} has no items",
                expected=f"the name of a field: one of {', '.join(self.places)}",
                received=describe(index),
                where=str(self),
                remedy=f"library.{self._structure.kind}({self.name!r}).array(count) for several",
            )
        return items_at(lambda place: self.within(start + place * self.size, memory), index)

    def of_content(self, content: bytes) -> StructureObject:
        """Return a new structure with this content.

        Args:
            content: As many bytes as it has.
        """
        made = self._in(_cffi_backend.newp(self._pointer_type), None)
        _FFI.buffer(made.__noodle_pointer__)[:] = content
        return made

    def content(self, value: StructureObject) -> bytes:
        """Return the bytes of a structure."""
        return bytes(_FFI.buffer(value.__noodle_pointer__))

    def view(self, address: Any, owner: Any = None) -> StructureObject | None:
        """Return the structure at an address of cffi's, in the library's memory; None for null.

        Args:
            address: The address.
            owner: What it keeps alive.
        """
        if not address:
            return None
        return self._made(_FFI.cast(self._pointer_type, address), Memory(owner, of_library=True))

    def owned(self, address: Any, owner: Any, kept: dict[int, Any]) -> StructureObject:
        """Return the structure at an address of cffi's, in memory that has an owner.

        Args:
            address: The address.
            owner: The pointer with which it ends, which it keeps alive.
            kept: What its pointers lead to, as ``Memory`` has it.
        """
        memory = Memory(owner, owner)
        memory.kept = kept
        return self._made(_FFI.cast(self._pointer_type, address), memory)

    @cached_property
    def pointer_classes(self) -> dict[type, type]:
        """The classes of pointers to it that have its fields, by those without."""
        return {}

    def within(self, address: int, memory: Memory) -> StructureObject:
        """Return the structure at an address in memory that it keeps alive."""
        return self._made(_FFI.cast(self._pointer_type, address), memory)

    def copied(self, content: Any, memory: Memory | None = None) -> StructureObject:
        """Return a copy of a structure of cffi's in memory of its own.

        Args:
            content: The structure.
            memory: What it lies in; what its pointers lead to is kept alive for the copy too.
        """
        place = _cffi_backend.newp(self._pointer_type)
        place[0] = content
        made = self._in(place, None)
        if memory:
            source = int(_FFI.cast("uintptr_t", _FFI.addressof(content)))
            self._keep(memory, source, made.__noodle_memory__, made.__noodle_address__)
        return made

    def copy(self, value: StructureObject, address: int, memory: Memory) -> None:
        """Copy a structure of this type to an address, with what its pointers lead to."""
        _FFI.cast(self._pointer_type, address)[0] = value.__noodle_pointer__[0]
        self._keep(value.__noodle_memory__, value.__noodle_address__, memory, address)

    def _keep(self, source: Memory, start: int, memory: Memory, address: int) -> None:
        for at in range(self.size):
            kept = source.kept.get(start + at)
            if kept is not None:
                memory.kept[address + at] = kept
            else:
                memory.kept.pop(address + at, None)

    def _in(self, pointer: Any, source: Any) -> StructureObject:
        return self._made(pointer, Memory((pointer, source)))

    def _made(self, pointer: Any, memory: Memory) -> StructureObject:
        made: StructureObject = made_object(
            self._class, pointer, int(_FFI.cast("uintptr_t", pointer)), memory
        )
        return made

    def _item(self, field: Field) -> Item:
        where = f"{self._structure.name}.{field.name}"
        native = field.type
        if field.bits:
            return BitsItem(native, where, field.bits, field.shift)
        dimensions = list(field.dimensions)
        if dimensions and native.c.removeprefix("const ") == "char":
            item = CharactersItem(native, where, dimensions.pop())
            return self._arrays(field, dimensions, item)
        if native.by_value:
            nested = self._types.structure(native.structure)
            assert nested
            return self._arrays(field, dimensions, StructureItem(native, where, nested))
        if native.type.name in C_NUMBERS:
            return self._arrays(field, dimensions, NumberItem(native, where))
        return self._arrays(field, dimensions, PointerItem(native, where, self._types))

    def _arrays(self, field: Field, dimensions: list[int], item: Item) -> Item:
        for length in reversed(dimensions):
            item = ArrayItem(field.type, item.where, item, length)
        return item

    def _require_known(self) -> None:
        if not self.known:
            raise UsageError(
                f"the fields of {self} are not declared",
                expected="its declaration, with the fields",
                received="its name alone",
                where=str(self),
                remedy="hand on the pointers that the library gives",
            )

    def no_field(self, name: str) -> NameNotFoundError:
        """Return the error for a field that there is not."""
        return NameNotFoundError(
            f"{self} has no field {name!r}",
            expected=f"one of {', '.join(self.places)}",
            received=name,
            where=str(self),
            remedy=did_you_mean(name, self.places),
        )

    def __instancecheck__(self, value: object) -> bool:
        return self.holds(value)

    def holds(self, value: object) -> bool:
        """Return whether a value is such a structure, here or in a worker."""
        return getattr(type(value), "__noodle_type__", None) is self

    def is_row(self, value: Any) -> bool:
        """Return whether a value is an item of a structured array of NumPy's, of this type."""
        if self.holds(value) or not is_array(value):
            return False
        return bool(value.shape == () and value.dtype == self.dtype)

    def __str__(self) -> str:
        return self._structure.name

    def __repr__(self) -> str:
        return f"<{self._structure.name}, {self.size} bytes>"


def _reader(name: str, place: Place) -> Any:
    if type(place.item) is NumberItem:
        return attrgetter(f"__noodle_pointer__.{name}")

    def read(value: StructureObject) -> Any:
        return place.item.read(value.__noodle_address__ + place.offset, value.__noodle_memory__)

    return read
