"""What native functions take for memory, in the words of type checkers: stubs name these types."""

from __future__ import annotations

from typing import Any, Protocol

from noodle.bridges.native.pointers import AnyPointer as Pointer

__all__ = ["CText", "HasArrayInterface", "HasBuffer", "Memory", "Pointer"]


class HasBuffer(Protocol):
    """What offers its memory by the buffer protocol (PEP 688), such as bytes."""

    def __buffer__(self, flags: int, /) -> memoryview:
        """The memory."""


class HasArrayInterface(Protocol):
    """An array of NumPy, or what offers its memory in the same way."""

    @property
    def __array_interface__(self) -> Any:
        """Where the memory is, and what lies there."""


Memory = HasBuffer | HasArrayInterface | Pointer
"""What a pointer may point to."""

CText = str | bytes | bytearray | Pointer | None
"""What a ``char *`` may be."""
