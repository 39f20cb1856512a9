"""Pointers to structures whose fields are known: the fields are attributes of the pointer."""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from _cffi_backend import FFI

from noodle._callbacks import PointerBase
from noodle.bridges.native.pointers import AnyPointer, own
from noodle.bridges.native.resources import BorrowedPointer
from noodle.bridges.native.structure_items import StructureItem, is_own_name

if TYPE_CHECKING:
    from noodle.bridges.native.structure_objects import StructureObject
    from noodle.bridges.native.structures import StructureType

__all__ = ["FieldsHere", "PointerWithFields", "part_of", "with_fields"]

_FFI = FFI()


class PointerWithFields(PointerBase, ABC):
    """What a class of pointers to a structure has before that of pointers without fields.

    A field goes before an attribute of the pointer of its name; ``pointer["NAME"]`` is always it.
    """

    __slots__ = ()
    __noodle_type__: StructureType

    @abstractmethod
    def __noodle_read__(self, name: str) -> Any:
        """Return the value of a field."""

    @abstractmethod
    def __noodle_write__(self, name: str, value: Any) -> None:
        """Change a field."""

    def __getattribute__(self, name: str) -> Any:
        is_own = name[:2] == "__" and is_own_name(name)
        if not is_own and name in own(self, "__noodle_type__").places:
            return own(self, "__noodle_read__")(name)
        return own(self, name)

    def __getattr__(self, name: str) -> Any:
        raise self.__noodle_type__.no_field(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.__noodle_type__.places:
            raise self.__noodle_type__.no_field(name)
        self.__noodle_write__(name, value)

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, str):
            return own(self, "read_at")(index)
        if index not in self.__noodle_type__.places:
            raise self.__noodle_type__.no_field(index)
        return self.__noodle_read__(index)

    def __setitem__(self, name: str, value: Any) -> None:
        self.__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return [*self.__noodle_type__.places, *(n for n in object.__dir__(self) if n[0] != "_")]


class FieldsHere(PointerWithFields):
    """The fields of a structure in this process. They are refused once it was released."""

    __slots__ = ()

    def __noodle_read__(self, name: str) -> Any:
        """Return the value of a field; a structure in it ends with it."""
        structure = _structure_at(self)
        place = self.__noodle_type__.places[name]
        if not isinstance(place.item, StructureItem):
            return structure[name]
        address = structure.__noodle_address__ + place.offset
        return part_of(self, place.item.type, place.item.where, address)

    def _items(self) -> _StructuresHere:
        return _StructuresHere(self)

    def __noodle_write__(self, name: str, value: Any) -> None:
        """Change a field; see ``PointerWithFields``."""
        setattr(_structure_at(self), name, value)

    @property
    def __noodle_pointer__(self) -> Any:
        return _structure_at(self).__noodle_pointer__

    @property
    def __noodle_address__(self) -> int:
        address: int = _structure_at(self).__noodle_address__
        return address

    @property
    def __noodle_memory__(self) -> Any:
        return _structure_at(self).__noodle_memory__


class _StructuresHere:
    """The structures that lie one behind another at a pointer, with which they end.

    Args:
        pointer: The pointer.
    """

    def __init__(self, pointer: FieldsHere) -> None:
        self._pointer = pointer

    def __getitem__(self, index: int) -> AnyPointer:
        first, type = self._pointer, self._pointer.__noodle_type__
        address = _structure_at(first).__noodle_address__ + index * type.size
        return part_of(first, type, own(first, "origin"), address)


def part_of(whole: PointerBase, type: StructureType, origin: str, address: int) -> AnyPointer:
    """Return a structure in memory that has to be released, which ends with it.

    Args:
        whole: The pointer to that memory.
        type: What lies there.
        origin: What it is called in messages.
        address: Where.
    """
    place = _FFI.cast("void *", address)
    pointer = BorrowedPointer(place, str(type), origin, (whole,), ends=True)
    return with_fields(pointer, type, FieldsHere, own(whole, "kept"))


def with_fields(
    pointer: AnyPointer,
    type: StructureType | None,
    fields: builtins.type[PointerWithFields],
    kept: dict[int, Any] | None = None,
) -> AnyPointer:
    """Return a pointer itself, which has the fields of a structure from now on.

    Args:
        pointer: The pointer.
        type: What it points to; where its fields are unknown, the pointer stays what it is.
        fields: How the fields are read and written.
        kept: What the structure's pointers lead to, where it is a part of another one's.
    """
    if type is None or not type.known:
        return pointer
    plain = builtins.type(pointer)
    if plain not in type.pointer_classes:
        members = {"__slots__": (), "__noodle_type__": type, "__module__": plain.__module__}
        type.pointer_classes[plain] = builtins.type(plain.__name__, (fields, plain), members)
    if hasattr(plain, "kept"):
        pointer.kept = {} if kept is None else kept  # type: ignore[attr-defined]
    pointer.__class__ = type.pointer_classes[plain]
    return pointer


def _structure_at(pointer: FieldsHere) -> StructureObject:
    """Return the structure that a pointer leads to.

    Raises:
        ReferenceReleasedError: It was released.
    """
    return pointer.__noodle_type__.owned(own(pointer, "cdata"), pointer, own(pointer, "kept"))
