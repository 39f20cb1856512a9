"""The worker's half of memory that the host reads and writes by address."""

from __future__ import annotations

from typing import Any

from _cffi_backend import FFI

from noodle.bridges.native.isolated.places import PROCESS, address_at, place_of
from noodle.bridges.native.pointed import read_items
from noodle.bridges.native.pointers import Pointer
from noodle.bridges.native.results import content_of

__all__ = ["KeptText", "ServedMemory"]

_FFI = FFI()


class KeptText:
    """A text that stays where it is for as long as the host refers to it.

    Args:
        content: Its bytes.
    """

    def __init__(self, content: bytes) -> None:
        self._content = _FFI.new("char[]", content)

    def place(self) -> list[int] | None:
        """Return where it is."""
        return place_of(self._content)


class ServedMemory:
    """What the host asks of a library's memory. Places are addresses of this process."""

    process = PROCESS

    def content(self, place: list[int], size: int) -> bytes:
        """Return the bytes at a place."""
        return bytes(_FFI.buffer(_FFI.cast("char *", address_at(*place)), size))

    def write(self, place: list[int], content: bytes) -> None:
        """Put bytes at a place."""
        _FFI.buffer(_FFI.cast("char *", address_at(*place)), len(content))[:] = content

    def text(self, place: list[int]) -> bytes | None:
        """Return what lies at a place, up to the NUL."""
        return content_of(_FFI.cast("char *", address_at(*place)))

    def items(
        self, place: list[int], pointee: str, texts: bool, start: int, stop: int, step: int
    ) -> list[Any]:
        """Return items of a pointer: numbers, texts as bytes, pointers as places."""
        address = address_at(*place)
        span = range(start, stop, step)
        if texts:
            array = _FFI.cast("char **", address)
            return [content_of(array[index]) for index in span]
        pointer = Pointer(address, pointee, "")
        found = [read_items(pointer, index) for index in span]
        return [place_of(one.cdata) if isinstance(one, Pointer) else one for one in found]

    def keep_text(self, content: bytes) -> KeptText:
        """Return a text in this process's memory."""
        return KeptText(content)
