"""Maps: a function is called for each element of arrays or sequences, as a batch of calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from itertools import zip_longest
from typing import Any

from noodle.errors import ArgumentTypeError, ArityError, ShapeError
from noodle.prototypes import Prototype

__all__ = ["is_array", "map_elements"]


def is_array(value: Any) -> bool:
    """Return whether a value is an array of NumPy's, or is one to NumPy."""
    return hasattr(type(value), "__array_interface__")


def map_elements(
    batch: Callable[[Iterable[Sequence[Any]]], list[Any]],
    name: str,
    arrays: Sequence[Any],
    prototype: Prototype,
) -> Any:
    """Return the results for each element, as an array if there is one among the arguments.

    Args:
        batch: Calls the function for each row of arguments.
        name: The function's name in errors.
        arrays: For each parameter an array or a sequence.
        prototype: What the function declares.

    Raises:
        ArityError: There are none, and the function has parameters.
        ArgumentTypeError: An argument is neither.
        ShapeError: The shapes or lengths do not fit each other; nothing was called.
    """
    if not arrays:
        _refuse_none(name, prototype)
    if any(map(is_array, arrays)):
        rows, shape = _broadcast_rows(name, arrays)
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
    return batch(_rows_side_by_side(name, arrays))


def _refuse_none(name: str, prototype: Prototype) -> None:
    why = prototype.refusal((), {})
    if why is not None:
        raise ArityError(
            f"a map of {name} has nothing to go through",
            expected="an array or a sequence for each parameter",
            received="no arguments",
            where=f"map of {name}",
            remedy=str(prototype),
        )


def _rows_side_by_side(name: str, arrays: Sequence[Any]) -> Iterable[tuple[Any, ...]]:
    """Return the arguments of each call, from sequences that must be equally long."""
    if not all(isinstance(array, Sized) for array in arrays):
        return _rows_to_the_end(name, arrays)
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise _not_equally_long(name, f"lengths {', '.join(map(str, lengths))}")
    return zip(*arrays, strict=True)


_END = object()


def _rows_to_the_end(name: str, arrays: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    for index, row in enumerate(zip_longest(*arrays, fillvalue=_END)):
        ended = [str(place) for place, value in enumerate(row, 1) if value is _END]
        if ended:
            received = f"an end of argument {', '.join(ended)} after {index}"
            raise _not_equally_long(name, received)
        yield row


def _not_equally_long(name: str, received: str) -> ShapeError:
    return ShapeError(
        f"the sequences for a map of {name} are not equally long",
        expected="as many elements in each",
        received=received,
        where=f"map of {name}",
        remedy="map(values, [x] * len(values)) for one value beside a sequence",
    )


def _broadcast_rows(
    name: str, arrays: Sequence[Any]
) -> tuple[Iterable[list[Any]], tuple[int, ...]]:
    """Return the arguments of each call, NumPy numbers and texts as Python's own, and the shape."""
    import numpy

    def plain(value: Any) -> Any:
        is_plain = isinstance(value, numpy.generic) and value.dtype.kind in "biufcSU"
        return value.item() if is_plain else value

    try:
        rows = numpy.broadcast(*arrays)
    except ValueError as error:
        raise ShapeError(
            f"the arrays for a map of {name} have shapes that do not fit each other",
            expected="shapes that NumPy can broadcast: lengths from the last on, equal or 1",
            received=", ".join(str(numpy.shape(array)) for array in arrays),
            where=f"map of {name}",
        ) from error
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
