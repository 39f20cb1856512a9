"""Arrays of the host: seen where they lie if that is shared memory, else copied."""

from __future__ import annotations

from typing import Any

__all__ = ["make_array"]

_DTYPES = (
    *("", "?", "i1", "<i2", "<i4", "<i8", "u1", "<u2", "<u4", "<u8"),
    *("<f2", "<f4", "<f8", "<c8", "<c16"),
)
"""NumPy's texts by the closed list of dtypes in ``noodle/wire.h``."""

_FORMATS = ("", "?", "b", "h", "i", "q", "B", "H", "I", "Q", "", "f", "d", "", "")
"""The formats of memoryviews, where they have one."""

_UNITS = ("", "Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as")


def make_array(
    address: int,
    size: int,
    lease: Any,
    dtype: int,
    item_size: int,
    unit: int,
    unit_count: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
    read_only: bool,
) -> Any:
    """Return what lies at an address as an array: of NumPy, or a memoryview without it.

    Args:
        address: Where the memory begins.
        size: Its bytes.
        lease: What keeps it; None for memory that ends with the message, and is copied.
        dtype: The number of its dtype.
        item_size: Bytes of an item.
        unit: The number of its unit of time; 0 for none.
        unit_count: How many of these units one step is.
        shape: Its lengths.
        strides: Bytes from one item to the next, along each axis.
        offset: Of the first item, in bytes.
        read_only: Whether it must not be written to.
    """
    memory = _copied(address, size) if lease is None else _exported(address, size, lease)
    numpy = _numpy or _load_numpy()
    if numpy is None:
        return _view(memory, dtype, item_size, shape, strides, offset, read_only)
    text = _dtype_text(dtype, item_size, unit, unit_count)
    result = numpy.ndarray(shape, text, memory, offset, strides)
    if read_only:
        result.flags.writeable = False
    return result


_numpy: Any = None


def _load_numpy() -> Any:
    """Return NumPy, or None where it is not installed.

    Another thread imports it: a call that is cancelled is interrupted, and an import that is
    interrupted would leave a NumPy behind that cannot be used and cannot be imported again.
    """
    from threading import Thread

    thread = Thread(target=_import_numpy, name="noodle numpy", daemon=True)
    thread.start()
    thread.join()
    return _numpy


def _import_numpy() -> None:
    global _numpy
    try:
        import numpy
    except ImportError:
        return
    _numpy = numpy


def _dtype_text(dtype: int, item_size: int, unit: int, unit_count: int) -> str:
    if dtype < len(_DTYPES):
        return _DTYPES[dtype]
    if dtype in (15, 16):
        kind = "M8" if dtype == 15 else "m8"
        return f"<{kind}[{unit_count}{_UNITS[unit]}]" if unit else f"<{kind}"
    return f"S{item_size}" if dtype == 17 else f"<U{item_size // 4}"


def _copied(address: int, size: int) -> bytearray:
    import ctypes

    return bytearray(ctypes.string_at(address, size))


def _exported(address: int, size: int, lease: Any) -> Any:
    """Return an object that exports shared memory.

    The lease hangs on it, and not on an array or memoryview: those hand out its buffer, and may end
    before what was made of them.
    """
    import ctypes

    exporter = (ctypes.c_char * size).from_address(address)
    exporter.lease = lease  # type: ignore[attr-defined]
    return exporter


def _view(
    memory: Any,
    dtype: int,
    item_size: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
    read_only: bool,
) -> memoryview:
    form = _FORMATS[dtype] if dtype < len(_FORMATS) else ""
    if not form:
        raise TypeError("an array of this type needs NumPy, which is not installed here")
    count, expected = 1, item_size
    for axis in range(len(shape) - 1, -1, -1):
        if shape[axis] > 1 and strides[axis] != expected:
            raise TypeError("an array that is not contiguous needs NumPy, which is not there")
        count *= shape[axis]
        expected *= shape[axis]
    cast: Any = memoryview(memory).cast("B")[offset : offset + count * item_size].cast
    view: memoryview = cast(form) if len(shape) == 1 or count == 0 else cast(form, list(shape))
    return view.toreadonly() if read_only else view
