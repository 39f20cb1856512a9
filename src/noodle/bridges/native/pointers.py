"""Addresses in native memory: what functions return, and what callbacks are given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from noodle._callbacks import PointerBase

if TYPE_CHECKING:
    from noodle.bridges.native.isolated.library import LibraryInWorker

__all__ = ["AnyPointer", "Pointer", "WorkerPointer", "own", "place_of_pointer", "points_to"]

own = object.__getattribute__
"""Gives an attribute of a pointer itself, whatever fields the structure there has."""


class AnyPointer(PointerBase, ABC):
    """An address in native memory, which it does not own.

    Null is None, never a pointer.

    Args:
        pointee: What lies there: an item type (``f64``), ``void``, or ``struct NAME``.
        origin: The function that returned it.
    """

    __slots__ = ()

    def __init__(self, pointee: str, origin: str) -> None:
        self.pointee = pointee
        self.origin = origin

    @property
    @abstractmethod
    def address(self) -> int:
        """The address as a number."""

    @abstractmethod
    def content(self, size: int) -> bytes:
        """Return a copy of the bytes that lie there."""

    @abstractmethod
    def text(self) -> str:
        """Return the text that lies there, up to the NUL."""

    @abstractmethod
    def write(self, content: bytes | bytearray | memoryview) -> None:
        """Copy bytes to where it leads. How many fit there, C alone knows."""

    def __repr__(self) -> str:
        pointee, address, origin = (own(self, name) for name in ("pointee", "address", "origin"))
        return f"<pointer to {pointee} at {address:#x} from {origin}>"

    def __reduce__(self) -> Any:
        raise TypeError("a pointer to native memory means nothing in another process")


class Pointer(AnyPointer):
    """An address in this process. Pointers are equal when their addresses are.

    What lies there can be read; whether it is still there, C alone knows.

    Args:
        cdata: The address, as cffi's ``void *``.
        pointee: See ``AnyPointer``.
        origin: The function that returned it.
    """

    __slots__ = ()

    def __init__(self, cdata: Any, pointee: str, origin: str) -> None:
        super().__init__(pointee, origin)
        self.cdata = cdata

    @property
    def address(self) -> int:
        """The address as a number."""
        from _cffi_backend import FFI

        return int(FFI().cast("uintptr_t", self.__noodle_raw__()))

    def __noodle_raw__(self) -> Any:
        """Return the address as cffi's, also where it must not be used any more."""
        return own(self, "cdata")

    def read_at(self, index: int | slice) -> Any:
        """Return the item at an index, or a list of the items of a slice; ``pointer[index]``."""
        from noodle.bridges.native.pointed import read_items

        return read_items(self, index, own(self, "_items")())

    def _items(self) -> Any:
        return None

    def __iter__(self) -> Any:
        raise TypeError("how many items lie at a pointer is known to C alone: pointer[:count]")

    def content(self, size: int) -> bytes:
        """Return a copy of the bytes that lie there."""
        from _cffi_backend import FFI

        return bytes(FFI().buffer(FFI().cast("char *", own(self, "cdata")), size))

    def write(self, content: bytes | bytearray | memoryview) -> None:
        """Copy bytes to where it leads. How many fit there, C alone knows."""
        from _cffi_backend import FFI

        given = memoryview(content).tobytes()
        FFI().memmove(FFI().cast("char *", own(self, "cdata")), given, len(given))

    def memory(self, size: int) -> memoryview:
        """Return what lies there as writable memory of that many bytes, without a copy."""
        from _cffi_backend import FFI

        from noodle.bridges.native.shown_memory import ShownMemory

        shown = ShownMemory(self)
        place = FFI().gc(FFI().cast("char *", own(self, "cdata")), lambda _: shown)
        return memoryview(FFI().buffer(place, size))

    def text(self) -> str:
        """Return the text that lies there, up to the NUL."""
        from _cffi_backend import FFI

        from noodle.bridges.native.results import content_of, text_of

        return (
            text_of(content_of(FFI().cast("char *", own(self, "cdata"))), own(self, "origin")) or ""
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Pointer):
            return NotImplemented
        return bool(self.__noodle_raw__() == other.__noodle_raw__())

    def __hash__(self) -> int:
        return hash(self.__noodle_raw__())


class WorkerPointer(AnyPointer):
    """An address in a worker. It means something only there, and ends with the worker.

    Pointers are equal when their addresses in one worker are.

    Args:
        place: The address, and the number of the process that it is in.
        pointee: See ``AnyPointer``.
        origin: The function that returned it.
        module: The library in the worker, which is not ended for idleness meanwhile.
    """

    __slots__ = ("_hold", "_module", "place")

    def __init__(
        self, place: tuple[int, int], pointee: str, origin: str, module: LibraryInWorker
    ) -> None:
        super().__init__(pointee, origin)
        self.place = place
        self._reach(module, place)

    def _reach(self, module: LibraryInWorker, place: tuple[int, int]) -> None:
        self._module = module
        self._hold = module.hold(place[1])

    @property
    def address(self) -> int:
        """The address as a number."""
        return self.__noodle_raw__()[0]

    def __noodle_raw__(self) -> tuple[int, int]:
        """Return the place, also where it must not be used any more."""
        place: tuple[int, int] = own(self, "place")
        return place

    def read_at(self, index: int | slice) -> Any:
        """Return the item at an index, or a list of the items of a slice; ``pointer[index]``."""
        from noodle.bridges.native.isolated.worker_memory import read_items

        return read_items(self, index, own(self, "_module"))

    def __iter__(self) -> Any:
        raise TypeError("how many items lie at a pointer is known to C alone: pointer[:count]")

    def content(self, size: int) -> bytes:
        """Return a copy of the bytes that lie there."""
        found: bytes = own(self, "_module").ask("content", place_of_pointer(self), size)
        return found

    def write(self, content: bytes | bytearray | memoryview) -> None:
        """Copy bytes to where it leads. How many fit there, C alone knows."""
        own(self, "_module").ask("write", place_of_pointer(self), memoryview(content).tobytes())

    def text(self) -> str:
        """Return the text that lies there, up to the NUL."""
        from noodle.bridges.native.results import text_of

        found = own(self, "_module").ask("text", place_of_pointer(self))
        return text_of(found, own(self, "origin")) or ""

    def __noodle_shown__(self) -> str:
        """Return the pointer in messages, whatever lies there."""
        return repr(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WorkerPointer):
            return NotImplemented
        return self.__noodle_raw__() == other.__noodle_raw__()

    def __hash__(self) -> int:
        return hash(self.__noodle_raw__())


def points_to(pointer: AnyPointer, pointee: str) -> bool:
    """Return whether it may stand for a pointer to that; ``void`` fits everything, as in C."""
    found = own(pointer, "pointee")
    return pointee == found or "void" in (pointee, found)


def place_of_pointer(pointer: WorkerPointer) -> list[int]:
    """Return what is sent for a pointer: its place."""
    return list(own(pointer, "place"))
