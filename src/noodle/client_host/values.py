"""Values on their way to the client and back: the wire format, with large arrays attached.

Arrays of at least 64 KiB travel behind the payload: sent from where they lie, received into the
memory in which they stay. Arrays of a dtype that JavaScript has no typed array for go by reference.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from noodle import _host, _wire
from noodle.client_host.client_objects import ClientObject, held_by
from noodle.client_host.failures import remote_error, too_large
from noodle.client_host.frames import ATTACHMENTS_MAX, FRAME_BYTES_MAX
from noodle.client_host.references import (
    CLIENT,
    FUNCTION,
    ByReference,
    Exported,
    Exports,
    Fields,
    Imports,
    Namespace,
)
from noodle.errors import ArgumentTypeError, InputLimitError
from noodle.libraries import Library
from noodle.values import qualified_name
from noodle.workers.arrays import array_over
from noodle.workers.references import undefined

__all__ = ["PLAIN", "Codec", "Message", "allocate"]

Message = tuple[bytes, Sequence[memoryview]]
"""A payload and its attachments."""

Description = tuple[int, int, int, int, int, tuple[int, ...], tuple[int, ...]]
"""Dtype, item size, time unit, count of units, flags, shape and strides of an array."""

PLAIN = frozenset({bool, int, float, str, bytes, type(None)})
"""Types whose values need no hook on their way."""

_BOOL = 1
_LAST_WITH_TYPED_ARRAY = 12
"""The dtypes of ``noodle/wire.h`` up to float64 are those of JavaScript's typed arrays."""
_READ_ONLY = 1


class Codec:
    """Writes and reads payloads; any thread.

    Args:
        exports: The objects of this process that the client holds.
        imports: The client's objects that this process holds.
    """

    def __init__(self, exports: Exports, imports: Imports) -> None:
        self._exports = exports
        self._imports = imports

    def encode(
        self, value: Any, library: Library | None = None, *, by_value: bool = False
    ) -> Message:
        """Return a value as a payload.

        Args:
            value: The value.
            library: Where objects in it come from, for the policy of calls on them.
            by_value: Whether everything in it has to go by value.

        Raises:
            InputLimitError: It contains itself, or is too large or too deep.
            ArgumentTypeError: It cannot go by value, and has to.
        """
        if type(value) in PLAIN:
            return _wire.encode(value), ()
        try:
            return self._encode(value, library, by_value)
        except _NoTypedArray:
            return self._encode(_with_references(value), library, by_value)
        except RecursionError:
            raise InputLimitError("the value is nested deeper than the limit") from None

    def _encode(self, value: Any, library: Library | None, by_value: bool) -> Message:
        encoding = _Encoding(self._exports, library)
        try:
            payload = _wire.encode(
                value,
                reference=_refuse_reference if by_value else encoding.reference,
                array=encoding.array,
                undefined=undefined,
            )
            encoding.check_size(len(payload))
        except BaseException as error:
            for entry in encoding.exported:
                self._exports.take_back(entry)
            if isinstance(error, _wire.WireError):
                raise InputLimitError(f"{error}") from None
            raise
        return payload, encoding.attachments

    def decode(self, payload: memoryview, attachments: Sequence[Any] = ()) -> Any:
        """Return the value of a payload.

        Raises:
            InputLimitError: It is malformed, or has what this end cannot hold.
            ReferenceReleasedError: It names an object that was released.
        """
        try:
            return _wire.decode(
                payload,
                reference=self._reference,
                array=_Attached(attachments).array if attachments else _inline_array,
                error=remote_error,
                undefined=undefined,
            )
        except _wire.WireError as error:
            raise InputLimitError(f"{error}") from None

    def _reference(
        self, owner: int, kind: int, sendings: int, number: int, incarnation: int, name: str
    ) -> Any:
        if owner == CLIENT:
            return self._imports.proxy(number, kind, sendings, name)
        held = self._exports.get(number, incarnation).object
        return held.module if isinstance(held, Namespace) else held


class _NoTypedArray(InputLimitError):
    """The value holds an array that JavaScript has no typed array for."""


class _Encoding:
    """What one value collects while it is written."""

    __slots__ = ("_exports", "_library", "attachments", "exported")

    def __init__(self, exports: Exports, library: Library | None) -> None:
        self._exports = exports
        self._library = library
        self.attachments: list[memoryview] = []
        self.exported: list[Exported] = []

    def reference(self, value: Any) -> Fields:
        if isinstance(value, ClientObject):
            return (CLIENT, FUNCTION, 0, held_by(value).number, 0, "")
        if type(value) is ByReference:
            value = value.object
        entry, fields = self._exports.send(value, self._library)
        self.exported.append(entry)
        return fields

    def array(self, value: Any, description: Description) -> tuple[int, int] | None:
        dtype, item_size, _, _, _, shape, strides = description
        if dtype > _LAST_WITH_TYPED_ARRAY:
            raise _NoTypedArray("an array of this item type cannot be sent")
        size = math.prod(shape) * item_size
        if size < _host.SEGMENT_LEAST or len(self.attachments) == ATTACHMENTS_MAX:
            return None
        if strides != _c_order(shape, item_size):
            return None
        self.attachments.append(memoryview(value).cast("B"))
        return len(self.attachments) - 1, 0

    def check_size(self, payload_bytes: int) -> None:
        size = payload_bytes + sum(attachment.nbytes for attachment in self.attachments)
        if size > FRAME_BYTES_MAX:
            raise too_large(size)


def _refuse_reference(value: Any) -> NoReturn:
    raise ArgumentTypeError(
        f"an object of {qualified_name(type(value))} cannot be copied to JavaScript",
        expected="numbers, texts, times, arrays of numbers, and lists, maps and sets of these",
        remedy="ask it for a value that it can give, such as obj.tolist()",
    )


class _Attached:
    """The attachments of one message, for the arrays in it."""

    __slots__ = ("_attachments",)

    def __init__(self, attachments: Sequence[Any]) -> None:
        self._attachments = attachments

    def array(
        self, description: Description, memory: bytearray | None, segment: int, offset: int
    ) -> Any:
        if memory is None:
            memory = _attached(self._attachments, description, segment, offset)
        return _array(description, memory)


def _inline_array(
    description: Description, memory: bytearray | None, segment: int, offset: int
) -> Any:
    return _Attached(()).array(description, memory, segment, offset)


def _c_order(shape: Sequence[int], item_size: int) -> tuple[int, ...]:
    """Return the strides of packed items, last axis fastest."""
    strides = []
    for length in reversed(shape):
        strides.append(item_size)
        item_size *= length
    return tuple(reversed(strides))


def _attached(
    attachments: Sequence[Any], description: Description, segment: int, offset: int
) -> Any:
    """Return the memory of an array that was attached, if it is exactly what it should be."""
    dtype, item_size, _, _, _, shape, strides = description
    memory = attachments[segment] if segment < len(attachments) else b""
    fits = (
        dtype <= _LAST_WITH_TYPED_ARRAY
        and item_size == _ITEM_SIZES[dtype]
        and min(shape, default=0) >= 0
        and strides == _c_order(shape, item_size)
        and (offset, len(memory)) == (0, math.prod(shape) * item_size)
    )
    if not fits or (dtype == _BOOL and bytes(memory).translate(None, b"\0\1")):
        raise InputLimitError(
            "an array in the message contradicts itself",
            expected="packed items of its dtype in the attachment that it names",
        )
    return memory


def allocate(size: int) -> Any:
    """Return memory for an array that comes: NumPy's, which the kernel backs with large pages."""
    try:
        import numpy
    except ImportError:
        return bytearray(size)
    return numpy.empty(size, numpy.uint8)


_ITEM_SIZES = (0, 1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 4, 8)
"""Bytes by the dtypes of ``noodle/wire.h``."""


def _array(description: Description, memory: Any) -> Any:
    dtype, item_size, unit, unit_count, flags, shape, strides = description
    read_only = bool(flags & _READ_ONLY)
    return array_over(memory, dtype, item_size, unit, unit_count, shape, strides, 0, read_only)


def _with_references(value: Any) -> Any:
    """Return a value in which arrays without a typed array go by reference."""
    if isinstance(value, (list, tuple)):
        return [_with_references(item) for item in value]
    if isinstance(value, dict):
        return {key: _with_references(item) for key, item in value.items()}
    return ByReference(value) if _lacks_typed_array(value) else value


def _lacks_typed_array(value: Any) -> bool:
    if isinstance(value, memoryview):
        return True
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.ndarray):
        return False
    return value.dtype.kind not in "biuf" or value.dtype.itemsize > 8
