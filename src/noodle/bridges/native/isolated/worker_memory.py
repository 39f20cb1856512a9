"""Memory of a worker, read and written from here: structures, texts, items of pointers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noodle.bridges.native.pointers import WorkerPointer, place_of_pointer
from noodle.bridges.native.results import text_of
from noodle.bridges.native.structure_arrays import FieldArray
from noodle.bridges.native.structure_items import StructureItem
from noodle.errors import UsageError

if TYPE_CHECKING:
    from noodle.bridges.native.isolated.library import LibraryInWorker
    from noodle.bridges.native.structures import StructureObject, StructureType

__all__ = ["ReadablePointer", "StructureInWorker"]


class ReadablePointer(WorkerPointer):
    """A pointer whose memory can be read, by asking the worker.

    Args:
        place: See ``WorkerPointer``.
        pointee: See ``AnyPointer``.
        origin: See ``AnyPointer``.
        module: The library in its worker.
        texts: Whether it points to texts.
    """

    __slots__ = ("_module", "_texts")

    def __init__(
        self,
        place: tuple[int, int],
        pointee: str,
        origin: str,
        module: LibraryInWorker,
        *,
        texts: bool = False,
    ) -> None:
        super().__init__(place, pointee, origin, module.hold(place[1]))
        self._module = module
        self._texts = texts

    def __getitem__(self, index: int | slice) -> Any:
        one = not isinstance(index, slice)
        wanted = slice(index, index + 1) if not isinstance(index, slice) else index
        if wanted.stop is None or (not one and ((wanted.start or 0) < 0 or wanted.stop < 0)):
            raise UsageError(
                "how many items lie at a pointer is known to C alone",
                expected="a slice with an end, such as pointer[:count]",
                received=f"[{wanted.start}:{wanted.stop}]",
            )
        asked = [list(self.place), self.pointee, self._texts]
        span = [wanted.start or 0, wanted.stop, wanted.step or 1]
        found = [self._item(item) for item in self._module.ask("items", *asked, *span)]
        return found[0] if one else found

    def __iter__(self) -> Any:
        raise TypeError("how many items lie at a pointer is known to C alone: pointer[:count]")

    def content(self, size: int) -> bytes:
        """Return a copy of the bytes that lie there."""
        found: bytes = self._module.ask("content", list(self.place), size)
        return found

    def text(self) -> str:
        """Return the text that lies there, up to the NUL."""
        return text_of(self._module.ask("text", list(self.place)), self.origin) or ""

    def _item(self, item: Any) -> Any:
        if self._texts:
            return text_of(item, self.origin)
        if not isinstance(item, list):
            return item
        pointee = self.pointee[4:-1] or "void"
        return ReadablePointer((item[0], item[1]), pointee, self.origin, self._module)


class StructureInWorker(WorkerPointer):
    """A structure in a worker's memory: its fields are attributes, which the worker is asked for.

    It stands for a pointer to the structure as well. Arrays in it are given as copies.

    Args:
        place: See ``WorkerPointer``.
        origin: See ``AnyPointer``.
        type: What it is.
        module: The library in its worker.
    """

    __slots__ = ("__noodle_module__", "__noodle_type__")

    def __init__(
        self, place: tuple[int, int], origin: str, type: StructureType, module: LibraryInWorker
    ) -> None:
        for name, value in (
            ("place", place),
            ("pointee", str(type)),
            ("origin", origin),
            ("_hold", module.hold(place[1])),
            ("__noodle_type__", type),
            ("__noodle_module__", module),
        ):
            object.__setattr__(self, name, value)

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("__"):
            type = object.__getattribute__(self, "__noodle_type__")
            if name in type.places:
                return _field(self, type, name)
        return object.__getattribute__(self, name)

    def __getattr__(self, name: str) -> Any:
        raise self.__noodle_type__.no_field(name)

    def __setattr__(self, name: str, value: Any) -> None:
        type, module = self.__noodle_type__, self.__noodle_module__
        if name not in type.places:
            raise type.no_field(name)
        local = _copy(self)
        setattr(local, name, value)
        at = type.places[name]
        changed = type.content(local)[at.offset : at.offset + at.item.size]
        address, process = _place(self)
        kept = local.__noodle_memory__.kept.get(local.__noodle_address__ + at.offset)
        module.keep(address + at.offset, kept)
        module.ask("write", [address + at.offset, process], changed)

    def __noodle_shown__(self) -> str:
        origin = object.__getattribute__(self, "origin")
        return f"<pointer to {self.__noodle_type__} at {_place(self)[0]:#x} from {origin}>"

    def __repr__(self) -> str:
        return repr(_copy(self))

    def __dir__(self) -> list[str]:
        return [*self.__noodle_type__.places]


def _place(value: StructureInWorker) -> tuple[int, int]:
    address, process = place_of_pointer(value)
    return address, process


def _copy(value: StructureInWorker) -> StructureObject:
    type = value.__noodle_type__
    content = value.__noodle_module__.ask("content", list(_place(value)), type.size)
    copied: StructureObject = type.of_content(content)
    return copied


def _field(value: StructureInWorker, type: StructureType, name: str) -> Any:
    at = type.places[name]
    if isinstance(at.item, StructureItem):
        address, process = _place(value)
        origin = f"{type}.{name}"
        place = (address + at.offset, process)
        return StructureInWorker(place, origin, at.item.type, value.__noodle_module__)
    found = getattr(_copy(value), name)
    return tuple(found) if isinstance(found, FieldArray) else found
