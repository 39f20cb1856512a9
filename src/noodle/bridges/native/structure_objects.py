"""Structures as Python objects: their fields are attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from noodle.bridges.native.structures import StructureType

__all__ = ["StructureObject", "made_object"]


class StructureObject:
    """A structure: its fields are attributes; ``structure["NAME"]`` is one whatever its name.

    It lies in memory of its own, in that of another structure or array, which it keeps alive, or in
    the library's, of which nobody here knows how long it stays. Structures are equal when they are
    of one type and their fields are.
    """

    __slots__ = ("__noodle_address__", "__noodle_memory__", "__noodle_pointer__", "__weakref__")
    __noodle_type__: StructureType

    def __getattr__(self, name: str) -> Any:
        raise self.__noodle_type__.no_field(name)

    def __setattr__(self, name: str, value: Any) -> None:
        place = self.__noodle_type__.places.get(name)
        if place is None:
            raise self.__noodle_type__.no_field(name)
        place.item.write(self.__noodle_address__ + place.offset, value, self.__noodle_memory__)

    def __getitem__(self, name: Any) -> Any:
        if not isinstance(name, str):
            return self.__noodle_type__.beside(self, name)
        place = self.__noodle_type__.places.get(name)
        if place is None:
            raise self.__noodle_type__.no_field(name)
        return place.item.read(self.__noodle_address__ + place.offset, self.__noodle_memory__)

    def __setitem__(self, name: str, value: Any) -> None:
        self.__setattr__(name, value)

    def __iter__(self) -> Any:
        raise TypeError(f"a {self.__noodle_type__} is not iterated over: its fields have names")

    def __delattr__(self, name: str) -> None:
        raise TypeError(f"a field of {self.__noodle_type__} cannot be deleted")

    def __dir__(self) -> list[str]:
        return [*self.__noodle_type__.places]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StructureObject):
            return NotImplemented
        if self.__noodle_type__ is not other.__noodle_type__:
            return False
        here, there = self.__noodle_address__, other.__noodle_address__
        own, others = self.__noodle_memory__, other.__noodle_memory__
        return all(
            place.item.told(here + place.offset, own)
            == place.item.told(there + place.offset, others)
            for place in self.__noodle_type__.places.values()
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        start, memory = self.__noodle_address__, self.__noodle_memory__
        shown = (
            f"{name}={place.item.shown(start + place.offset, memory)}"
            for name, place in self.__noodle_type__.places.items()
        )
        return f"{self.__noodle_type__.name}({', '.join(shown)})"

    def __copy__(self) -> StructureObject:
        return self.__noodle_type__.copied(self.__noodle_pointer__[0], self.__noodle_memory__)

    def __reduce__(self) -> Any:
        raise TypeError("a structure in native memory is not pickled")


_set_pointer = StructureObject.__noodle_pointer__.__set__  # type: ignore[attr-defined]
_set_address = StructureObject.__noodle_address__.__set__  # type: ignore[attr-defined]
_set_memory = StructureObject.__noodle_memory__.__set__  # type: ignore[attr-defined]


def made_object(kind: type[StructureObject], pointer: Any, address: int, memory: Any) -> Any:
    """Return a structure.

    Args:
        kind: Its class.
        pointer: Where it is, as cffi's pointer to it.
        address: The same as a number.
        memory: What it lies in.
    """
    made = object.__new__(kind)
    _set_pointer(made, pointer)
    _set_address(made, address)
    _set_memory(made, memory)
    return made
