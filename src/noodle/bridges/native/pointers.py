"""Addresses in native memory: what functions return, and what callbacks are given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from noodle._callbacks import PointerBase

__all__ = ["AnyPointer", "Pointer", "WorkerPointer", "place_of_pointer"]


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

    def points_to(self, pointee: str) -> bool:
        """Return whether it may stand for a pointer to that; ``void`` fits everything, as in C."""
        return pointee == self.pointee or "void" in (pointee, self.pointee)

    def __repr__(self) -> str:
        return f"<pointer to {self.pointee} at {self.address:#x} from {self.origin}>"

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

        return int(FFI().cast("uintptr_t", self._raw()))

    def _raw(self) -> Any:
        """Return the address as cffi's, also where it must not be used any more."""
        return self.cdata

    def read_at(self, index: int | slice) -> Any:
        """Return the item at an index, or a list of the items of a slice; ``pointer[index]``."""
        from noodle.bridges.native.pointed import read_items

        return read_items(self, index, self._items())

    def _items(self) -> Any:
        return None

    def __iter__(self) -> Any:
        raise TypeError("how many items lie at a pointer is known to C alone: pointer[:count]")

    def content(self, size: int) -> bytes:
        """Return a copy of the bytes that lie there."""
        from _cffi_backend import FFI

        return bytes(FFI().buffer(FFI().cast("char *", self.cdata), size))

    def memory(self, size: int) -> memoryview:
        """Return what lies there as writable memory of that many bytes, without a copy."""
        from _cffi_backend import FFI

        return memoryview(FFI().buffer(FFI().cast("char *", self.cdata), size))

    def text(self) -> str:
        """Return the text that lies there, up to the NUL."""
        from _cffi_backend import FFI

        from noodle.bridges.native.results import content_of, text_of

        return text_of(content_of(FFI().cast("char *", self.cdata)), self.origin) or ""

    def __eq__(self, other: object) -> bool:
        return bool(self._raw() == other._raw()) if isinstance(other, Pointer) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._raw())


class WorkerPointer(AnyPointer):
    """An address in a worker. It means something only there, and ends with the worker.

    Pointers are equal when their addresses in one worker are.

    Args:
        place: The address, and the number of the process that it is in.
        pointee: See ``AnyPointer``.
        origin: The function that returned it.
        hold: What keeps the worker from being ended for idleness, or None.
    """

    __slots__ = ("_hold", "place")

    def __init__(
        self, place: tuple[int, int], pointee: str, origin: str, hold: object = None
    ) -> None:
        super().__init__(pointee, origin)
        self.place = place
        self._hold = hold

    @property
    def address(self) -> int:
        """The address as a number."""
        return self._raw()[0]

    def _raw(self) -> tuple[int, int]:
        """Return the place, also where it must not be used any more."""
        return self.place

    def __noodle_shown__(self) -> str:
        """Return the pointer in messages, whatever lies there."""
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return self._raw() == other._raw() if isinstance(other, WorkerPointer) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._raw())


def place_of_pointer(pointer: WorkerPointer) -> list[int]:
    """Return what is sent for a pointer: its place, whatever fields a structure there has."""
    return list(object.__getattribute__(pointer, "place"))
