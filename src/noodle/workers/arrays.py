"""Arrays in memory that workers share, so that calls pass them without a copy.

An array made here lies in a segment of the host's arena: any worker that is given it sees the same
memory. Arrays below 64 KiB travel inside the messages and are made as NumPy makes them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from noodle import _host
from noodle.errors import ArgumentTypeError, MissingPackageError

if TYPE_CHECKING:
    import numpy

__all__ = ["array", "array_over", "empty", "is_shared", "zeros"]

_PLAIN = {
    1: "?",
    2: "i1",
    3: "<i2",
    4: "<i4",
    5: "<i8",
    6: "u1",
    7: "<u2",
    8: "<u4",
    9: "<u8",
    10: "<f2",
    11: "<f4",
    12: "<f8",
    13: "<c8",
    14: "<c16",
}
"""NumPy's texts by the closed list of dtypes in ``noodle/wire.h``; never what a worker wrote."""

_UNITS = ("", "Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as")


def empty(shape: int | Sequence[int], dtype: Any = float) -> numpy.ndarray[Any, Any]:
    """Return an array with undefined contents, in memory that workers share.

    Args:
        shape: Its length, or its lengths.
        dtype: Any dtype without Python objects.

    Raises:
        ArgumentTypeError: The dtype holds Python objects, which no other process can read.
        InputLimitError: There is no more shared memory.
    """
    made: numpy.ndarray[Any, Any] = _allocated(shape, dtype, zeroed=False)
    return made


def zeros(shape: int | Sequence[int], dtype: Any = float) -> numpy.ndarray[Any, Any]:
    """Return an array of zeros, in memory that workers share; ``empty`` has the rest."""
    made: numpy.ndarray[Any, Any] = _allocated(shape, dtype, zeroed=True)
    return made


def array(values: Any, dtype: Any = None) -> numpy.ndarray[Any, Any]:
    """Return a copy of an array or nested sequence, in memory that workers share."""
    source = _numpy().asarray(values, dtype=dtype)
    made: numpy.ndarray[Any, Any] = _allocated(source.shape, source.dtype, zeroed=False)
    made[...] = source
    return made


def is_shared(values: Any) -> bool:
    """Return whether an array lies in memory that workers share."""
    try:
        return _host.is_shared(values)
    except (TypeError, BufferError, ValueError):
        return False


def array_over(
    memory: _host.Memory,
    dtype: int,
    item_size: int,
    unit: int,
    unit_count: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
    read_only: bool,
) -> Any:
    """Return what a worker sent as an array: a NumPy array, or a memoryview without NumPy.

    Args:
        memory: What it lies in; lives as long as the result and every view of it.
        dtype: The number of its dtype in ``noodle/wire.h``.
        item_size: Bytes of an item.
        unit: The number of its unit of time; 0 for none.
        unit_count: How many of these units one step is.
        shape: Its lengths.
        strides: Bytes from one item to the next, along each axis.
        offset: Of the first item in ``memory``, in bytes.
        read_only: Whether it must not be written to.
    """
    text = _dtype_text(dtype, item_size, unit, unit_count)
    try:
        numpy = _numpy()
    except MissingPackageError:
        if math.prod(shape) * item_size == 0 or len(text) != 3:
            return memoryview(b"")
        view = memoryview(memory)[offset : offset + math.prod(shape) * item_size]
        return view.toreadonly() if read_only else view
    result = numpy.ndarray(shape, text, memory, offset, strides)
    if read_only:
        result.flags.writeable = False
    return result


def _dtype_text(dtype: int, item_size: int, unit: int, unit_count: int) -> str:
    if dtype in _PLAIN:
        return _PLAIN[dtype]
    if dtype in (15, 16):
        kind = "M8" if dtype == 15 else "m8"
        return f"<{kind}[{unit_count}{_UNITS[unit]}]" if unit else f"<{kind}"
    return f"S{item_size}" if dtype == 17 else f"<U{item_size // 4}"


def _allocated(shape: int | Sequence[int], dtype: Any, *, zeroed: bool) -> Any:
    numpy = _numpy()
    kind = numpy.dtype(dtype)
    lengths = (shape,) if isinstance(shape, int) else tuple(shape)
    if kind.hasobject:
        raise ArgumentTypeError(
            "an array of Python objects cannot be shared",
            expected="a dtype of numbers, texts or times",
            received=str(kind),
        )
    size = math.prod(lengths) * kind.itemsize
    if size < _host.SEGMENT_LEAST:
        return (numpy.zeros if zeroed else numpy.empty)(lengths, kind)
    return numpy.ndarray(lengths, kind, _host.allocate(size, zeroed))


def _numpy() -> Any:
    try:
        import numpy
    except ImportError:
        raise MissingPackageError(
            "arrays need NumPy", received="no NumPy", remedy="pip install 'noodle-ffi[arrays]'"
        ) from None
    return numpy
