"""What native functions take for memory, in the words of type checkers: stubs name these types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from noodle.bridges.native.pointers import AnyPointer as Pointer

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["CText", "HasArrayInterface", "Memory", "Pointer"]


class HasArrayInterface(Protocol):
    """An array of NumPy, or what offers its memory in the same way."""

    @property
    def __array_interface__(self) -> Any:
        """Where the memory is, and what lies there."""


if TYPE_CHECKING:
    Memory = Buffer | HasArrayInterface | Pointer
    CText = str | bytes | bytearray | Pointer | None
else:
    Memory = CText = object
