"""Reads what lies at pointers in this process: numbers, further pointers, texts."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from _cffi_backend import FFI

from noodle.bridges.native.native_types import C_NUMBERS
from noodle.bridges.native.pointers import AnyPointer, Pointer, own
from noodle.bridges.native.results import content_of, text_of
from noodle.errors import ArgumentTypeError, UsageError

__all__ = ["TextsPointer", "items_at", "read_items", "refuse_unreadable", "span_of"]

_FFI = FFI()


class TextsPointer(Pointer):
    """A pointer to texts, as ``char **argv``: its items are texts, and None where one is null."""

    __slots__ = ()

    def _items(self) -> Any:
        return _Texts(_FFI.cast("char **", self.cdata), self.origin)


class _Texts:
    def __init__(self, array: Any, origin: str) -> None:
        self._array = array
        self._origin = origin

    def __getitem__(self, index: int) -> str | None:
        return text_of(content_of(self._array[index]), self._origin)


class _Pointers:
    def __init__(self, pointer: Pointer, pointee: str) -> None:
        self._array = _FFI.cast("void **", pointer.cdata)
        self._pointee = pointee
        self._origin = pointer.origin

    def __getitem__(self, index: int) -> Pointer | None:
        found = self._array[index]
        return Pointer(found, self._pointee, self._origin) if found else None


def read_items(pointer: Pointer, index: int | slice, items: Any = None) -> Any:
    """Return the item at an index, or a list of the items of a slice.

    Args:
        pointer: Where they lie. How many there are, C alone knows.
        index: The index; a slice has an end.
        items: What reads them; None where the pointee tells.

    Raises:
        UsageError: It is not known what lies there, or where a slice ends.
    """
    items = items or _items_of(pointer)
    return items_at(items.__getitem__, index)


def items_at(read: Callable[[int], Any], index: int | slice) -> Any:
    """Return the item at an index, or a list of the items of a slice.

    Args:
        read: Gives an item.
        index: The index; a slice has an end.

    Raises:
        UsageError: It is not known where a slice ends.
    """
    if not isinstance(index, slice):
        return read(operator.index(index))
    return [read(i) for i in span_of(index)]


def span_of(index: slice) -> range:
    """Return the indexes of a slice.

    Raises:
        UsageError: It has no end, or counts from it.
    """
    if index.stop is None or (index.start or 0) < 0 or index.stop < 0:
        raise UsageError(
            "how many items lie at a pointer is known to C alone",
            expected="a slice with an end, such as pointer[:count]",
            received=f"[{index.start}:{index.stop}]",
        )
    return range(index.start or 0, index.stop, index.step or 1)


def _items_of(pointer: Pointer) -> Any:
    pointee = own(pointer, "pointee")
    if pointee in C_NUMBERS:
        return _FFI.cast(f"{C_NUMBERS[pointee]} *", pointer.cdata)
    refuse_unreadable(pointer)
    return _Pointers(pointer, pointee[4:-1])


def refuse_unreadable(pointer: AnyPointer) -> None:
    """Refuse a pointer to what has no items.

    Raises:
        ArgumentTypeError: It points neither to numbers nor to pointers.
    """
    pointee = own(pointer, "pointee")
    if pointee in C_NUMBERS or pointee.startswith("ptr<"):
        return
    name = pointee.partition(" ")[2]
    raise ArgumentTypeError(
        f"what lies at {pointer!r} cannot be read by index",
        expected="a pointer to numbers, texts or pointers",
        received=f"one to {pointee}",
        remedy=f"library.struct({name!r}).at(pointer)" if name else "pointer.content(size)",
    )
