"""Memory that a native function returned: an address that can be handed on, and nothing else."""

from __future__ import annotations

from typing import Any

__all__ = ["Pointer"]


class Pointer:
    """An address in native memory. It does not own the memory and cannot be read through.

    Pointers are equal when their addresses are. Null is None, never a ``Pointer``.

    Args:
        cdata: The address, as cffi's ``void *``.
        pointee: What lies there: an item type (``f64``), ``void``, or ``struct NAME``.
        origin: The function that returned it.
    """

    __slots__ = ("__weakref__", "cdata", "origin", "pointee")

    def __init__(self, cdata: Any, pointee: str, origin: str) -> None:
        self.cdata = cdata
        self.pointee = pointee
        self.origin = origin

    @property
    def address(self) -> int:
        """The address as a number."""
        from _cffi_backend import FFI

        return int(FFI().cast("uintptr_t", self.cdata))

    def points_to(self, pointee: str) -> bool:
        """Return whether it may stand for a pointer to that; ``void`` fits everything, as in C."""
        return pointee == self.pointee or "void" in (pointee, self.pointee)

    def __eq__(self, other: object) -> bool:
        return self.cdata == other.cdata if isinstance(other, Pointer) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.cdata)

    def __repr__(self) -> str:
        return f"<pointer to {self.pointee} at {self.address:#x} from {self.origin}>"

    def __reduce__(self) -> Any:
        raise TypeError("a pointer to native memory means nothing in another process")
