"""Memory of a worker, read and written from here: structures, texts, items of pointers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from noodle._callbacks import PointerBase
from noodle.bridges.native.pointed import items_at, refuse_unreadable, span_of
from noodle.bridges.native.pointers import WorkerPointer, own, place_of_pointer
from noodle.bridges.native.resources import WorkerBorrowedPointer, is_dependent
from noodle.bridges.native.results import text_of
from noodle.bridges.native.structure_arrays import FieldArray
from noodle.bridges.native.structure_items import StructureItem
from noodle.bridges.native.structure_pointers import PointerWithFields, with_fields

if TYPE_CHECKING:
    from noodle.bridges.native.isolated.library import LibraryInWorker
    from noodle.bridges.native.structure_objects import StructureObject
    from noodle.bridges.native.structures import StructureType

__all__ = [
    "FieldsThere",
    "TextsInWorker",
    "part_in_worker",
    "read_items",
    "structure_in_worker",
]


class TextsInWorker(WorkerPointer):
    """A pointer to texts, as ``char **argv``: its items are texts, and None where one is null."""

    __slots__ = ()


def read_items(pointer: WorkerPointer, index: int | slice, module: LibraryInWorker) -> Any:
    """Return the item at an index, or a list of the items of a slice.

    Args:
        pointer: Where they lie. How many there are, C alone knows.
        index: The index; a slice has an end.
        module: The library in the worker, which is asked.

    Raises:
        UsageError: It is not known what lies there, or where a slice ends.
    """
    if isinstance(pointer, FieldsThere):
        return items_at(partial(_structure_behind, pointer), index)
    is_texts = isinstance(pointer, TextsInWorker)
    if not is_texts:
        refuse_unreadable(pointer)
    span = span_of(index) if isinstance(index, slice) else range(index, index + 1)
    asked = [place_of_pointer(pointer), own(pointer, "pointee"), is_texts]
    found = module.ask("items", *asked, span.start, span.stop, span.step)
    items = [_item(pointer, item, module) for item in found]
    return items if isinstance(index, slice) else items[0]


def _structure_behind(pointer: FieldsThere, index: int) -> Any:
    address, process = own(pointer, "place")
    type = pointer.__noodle_type__
    place = (address + index * type.size, process)
    return part_in_worker(pointer, place, type, own(pointer, "origin"))


def _item(pointer: WorkerPointer, item: Any, module: LibraryInWorker) -> Any:
    origin, pointee = own(pointer, "origin"), own(pointer, "pointee")
    if isinstance(pointer, TextsInWorker):
        return text_of(item, origin)
    if not isinstance(item, list):
        return item
    return WorkerPointer((item[0], item[1]), pointee[4:-1] or "void", origin, module)


class FieldsThere(PointerWithFields):
    """The fields of a structure in a worker, which the worker is asked for.

    Arrays in it are given as copies. They are refused once it was released.
    """

    __slots__ = ()

    def __noodle_read__(self, name: str) -> Any:
        """Return the value of a field; see ``PointerWithFields``."""
        type = self.__noodle_type__
        at = type.places[name]
        if not isinstance(at.item, StructureItem):
            found = _copy(self)[name]
            return tuple(found) if isinstance(found, FieldArray) else found
        address, process = own(self, "place")
        place = (address + at.offset, process)
        return part_in_worker(self, place, at.item.type, f"{type}.{name}")

    def __noodle_write__(self, name: str, value: Any) -> None:
        """Change a field; see ``PointerWithFields``."""
        type, module = self.__noodle_type__, own(self, "_module")
        address, process = own(self, "place")
        local = _copy(self)
        setattr(local, name, value)
        at = type.places[name]
        changed = type.content(local)[at.offset : at.offset + at.item.size]
        kept = local.__noodle_memory__.kept.get(local.__noodle_address__ + at.offset)
        module.keep(address + at.offset, kept)
        module.ask("write", [address + at.offset, process], changed)

    def __noodle_content__(self) -> bytes:
        """Return the bytes of the structure."""
        size = self.__noodle_type__.size
        found: bytes = own(self, "_module").ask("content", list(own(self, "place")), size)
        return found

    def __noodle_shown__(self) -> str:
        """Return the pointer in messages, whatever lies there."""
        return super().__repr__()

    def __repr__(self) -> str:
        return super().__repr__() if is_dependent(type(self)) else repr(_copy(self))


def structure_in_worker(
    place: tuple[int, int], origin: str, type: StructureType, module: LibraryInWorker
) -> Any:
    """Return a structure in a worker's memory, which stands for a pointer to it as well.

    Args:
        place: See ``WorkerPointer``.
        origin: See ``WorkerPointer``.
        type: What it is.
        module: The library in its worker.
    """
    return with_fields(WorkerPointer(place, str(type), origin, module), type, FieldsThere)


def part_in_worker(
    whole: PointerBase, place: tuple[int, int], type: StructureType, origin: str
) -> Any:
    """Return a structure in another one, which ends with it where that has to be released.

    Args:
        whole: The other one.
        place: See ``WorkerPointer``.
        type: What it is.
        origin: See ``WorkerPointer``.
    """
    module = own(whole, "_module")
    if not is_dependent(whole.__class__):
        return structure_in_worker(place, origin, type, module)
    borrowed = WorkerBorrowedPointer(place, str(type), origin, (whole,), ends=True, module=module)
    return with_fields(borrowed, type, FieldsThere)


def _copy(value: FieldsThere) -> StructureObject:
    copied: StructureObject = value.__noodle_type__.of_content(value.__noodle_content__())
    return copied
