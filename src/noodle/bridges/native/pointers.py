"""Memory that a native function returned: an address that can be handed on, and nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

__all__ = ["AnyPointer", "Pointer", "WorkerPointer"]


class AnyPointer(ABC):
    """An address in native memory. It does not own the memory and cannot be read through.

    Null is None, never a pointer.

    Args:
        pointee: What lies there: an item type (``f64``), ``void``, or ``struct NAME``.
        origin: The function that returned it.
    """

    __slots__ = ("__weakref__", "origin", "pointee")

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

    Args:
        cdata: The address, as cffi's ``void *``.
        pointee: See ``AnyPointer``.
        origin: The function that returned it.
    """

    __slots__ = ("cdata",)

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

    def __eq__(self, other: object) -> bool:
        return self._raw() == other._raw() if isinstance(other, WorkerPointer) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._raw())
