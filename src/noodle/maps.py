"""Maps: a function is called for each element of arrays or sequences, as a batch of calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from noodle.errors import ArgumentTypeError

__all__ = ["is_array", "map_elements"]


def is_array(value: Any) -> bool:
    """Return whether a value is an array of NumPy's, or is one to NumPy."""
    return hasattr(type(value), "__array_interface__")


def map_elements(
    batch: Callable[[Iterable[Sequence[Any]]], list[Any]], name: str, arrays: Sequence[Any]
) -> Any:
    """Return the results for each element, as an array if there is one among the arguments.

    Args:
        batch: Calls the function for each row of arguments.
        name: The function's name in errors.
        arrays: For each parameter an array or a sequence.

    Raises:
        ArgumentTypeError: An argument is neither.
        ValueError: The shapes or lengths do not fit each other; nothing was called.
    """
    if any(map(is_array, arrays)):
        rows, shape = _broadcast_rows(arrays)
        return _array_of(batch(rows), shape)
    for index, array in enumerate(arrays):
        if not isinstance(array, Iterable):
            raise ArgumentTypeError(
                f"a map of {name} needs a sequence for each parameter",
                expected="an array or a sequence",
                received=type(array).__name__,
                where=f"argument {index + 1}",
                remedy="map(values, [x] * len(values))",
            )
    return batch(zip(*arrays, strict=True))


def _broadcast_rows(arrays: Sequence[Any]) -> tuple[Iterable[list[Any]], tuple[int, ...]]:
    """Return the arguments of each call, NumPy numbers and texts as Python's own, and the shape."""
    import numpy

    def plain(value: Any) -> Any:
        is_plain = isinstance(value, numpy.generic) and value.dtype.kind in "biufcSU"
        return value.item() if is_plain else value

    rows = numpy.broadcast(*arrays)
    return ([plain(value) for value in row] for row in rows), rows.shape


def _array_of(results: Sequence[Any], shape: tuple[int, ...]) -> Any:
    """Return the results as an array, of dtype ``object`` unless another holds them exactly."""
    import numpy

    kinds = {type(result) for result in results}
    numbers = (numpy.number, numpy.bool_)
    # An array of text drops NULs at the end; an array of integers beyond 64 bits becomes float.
    if kinds == {str} and not any(result.endswith("\0") for result in results):
        return numpy.array(results).reshape(shape)
    if all(kind in (bool, int, float, complex) or issubclass(kind, numbers) for kind in kinds):
        array = numpy.array(results)
        if array.dtype.kind in ("biu" if kinds and kinds <= {bool, int} else "biufc"):
            return array.reshape(shape)
    array = numpy.empty(len(results), dtype=object)
    for index, result in enumerate(results):  # assigning them at once would take lists apart
        array[index] = result
    return array.reshape(shape)
