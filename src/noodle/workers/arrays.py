"""Arrays in memory that workers share, so that calls pass them without a copy.

An array made here lies in a segment of the host's arena: any worker that is given it sees the same
memory. Arrays below 64 KiB travel inside the messages and are made as NumPy makes them.

Arrays are NumPy's where NumPy is installed. Without it they are ``Array``: an exporter for the
buffer protocol (``memoryview(values)``) and DLPack, which keeps the memory while anybody reads it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from operator import index
from typing import TYPE_CHECKING, Any

from noodle import _host
from noodle._host import Array
from noodle.errors import ArgumentTypeError, MissingPackageError
from noodle.values import describe

if TYPE_CHECKING:
    import numpy

__all__ = ["Array", "array", "array_over", "empty", "exporter", "is_shared", "zeros"]

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
        dtype: Any dtype without Python objects; without NumPy ``bool``, ``int``, ``float``,
            ``complex``, or NumPy's text for a type, such as ``"f4"``.

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
    """Return a copy of an array or nested sequence, in memory that workers share.

    Raises:
        MissingPackageError: NumPy is not installed.
    """
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


def exporter(values: Any) -> Array:
    """Return what exports an array's shared memory by itself: the buffer protocol and DLPack.

    It needs no NumPy. Whoever reads from it, such as a tensor of another library, keeps the memory.

    Args:
        values: An array in memory that workers share, or a view of one.

    Raises:
        ArgumentTypeError: It lies in other memory.
        ReferenceReleasedError: It was released.
    """
    if isinstance(values, Array):
        return values
    memory = _host.memory_of(values)
    if memory is None:
        raise ArgumentTypeError(
            "only an array in shared memory has an exporter",
            expected="an array of noodle.empty, noodle.zeros or noodle.array, or of a worker",
            received=type(values).__name__,
        )
    place = values.__array_interface__
    start = memoryview(memory)
    offset = place["data"][0] - _host.address_of(start)
    return Array(
        memory, place["typestr"], values.shape, values.strides, offset, not values.flags.writeable
    )


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
    """Return what a worker sent as an array: a NumPy array, or an ``Array`` without NumPy.

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
    numpy = _find_numpy()
    if numpy is None:
        return Array(memory, text, shape, strides, offset, read_only)
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
    numpy = _find_numpy()
    lengths = _lengths(shape)
    if numpy is None:
        return _allocated_without_numpy(lengths, dtype, zeroed)
    kind = numpy.dtype(dtype)
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


def _lengths(shape: Any) -> tuple[int, ...]:
    """Return the lengths of a shape as plain integers, NumPy's among them."""
    try:
        whole = hasattr(shape, "__index__") and not getattr(shape, "shape", ())
        return (index(shape),) if whole else tuple(map(index, shape))
    except TypeError:
        raise ArgumentTypeError(
            "this is no shape of an array",
            expected="a whole number, or several",
            received=describe(shape),
        ) from None


_NAMES = {bool: "|b1", int: "<i8", float: "<f8", complex: "<c16"}


def _allocated_without_numpy(lengths: tuple[int, ...], dtype: Any, zeroed: bool) -> Array:
    text = _NAMES.get(dtype, dtype)
    size = _item_size(text)
    if size == 0:
        raise ArgumentTypeError(
            "this dtype needs NumPy",
            expected="bool, int, float, complex, or a text such as 'f4'",
            received=str(dtype),
            remedy="pip install 'noodle-ffi[arrays]'",
        )
    return Array(_host.allocate(max(1, math.prod(lengths) * size), zeroed), text, lengths)


def _item_size(text: Any) -> int:
    """Return the bytes of an item by NumPy's text for its type, or 0 for what is no number."""
    plain = text.lstrip("<|=") if isinstance(text, str) else ""
    known = {"?": 1, **{name.lstrip("<"): int(name.lstrip("<")[1:] or 1) for name in _NUMBERS}}
    return known.get(plain, 0)


_NUMBERS = ("b1", *(text for text in _PLAIN.values() if text != "?"))


@cache
def _find_numpy() -> Any:
    """Return NumPy, or None where it is not installed."""
    try:
        import numpy
    except ImportError:
        return None
    return numpy


def _numpy() -> Any:
    numpy = _find_numpy()
    if numpy is None:
        raise MissingPackageError(
            "arrays need NumPy", received="no NumPy", remedy="pip install 'noodle-ffi[arrays]'"
        )
    return numpy
