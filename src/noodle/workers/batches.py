"""Batches: many calls of a worker's function in one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from noodle import _host
from noodle.errors import ForeignError
from noodle.workers.operations import Operation

__all__ = ["Prepare", "Row", "call_rows", "read_results"]

MOST_ROWS = 1 << 16
"""Chosen: of one request, so that the worker's loop turns between two of them."""

Row = Sequence[Any] | Mapping[str, Any]
Prepare = Callable[[Sequence[Row]], list[list[Any]] | None]
"""Turns rows into lists of positional arguments; None where each has to be called by itself."""


def call_rows(
    function: _host.RemoteFunction,
    rows: list[Row],
    prepare: Prepare,
    prepared_types: tuple[type, ...],
) -> list[Any]:
    """Call a function once for each row, in as few requests as can be.

    Args:
        function: The function, not a class; with several workers, one of them gets each request.
        rows: For each call its positional arguments as a tuple or list, or its keyword arguments
            as a dict.
        prepare: What all rows go through if one of them needs it, or if their lengths differ.
        prepared_types: Rows with an argument of these types need it; dicts always do, and what is
            no row.

    Returns:
        The results, in order.

    Raises:
        Exception: What the first row that failed raised, with a note that names the row.
    """
    parts = [rows[begin : begin + MOST_ROWS] for begin in range(0, len(rows), MOST_ROWS)]
    # All rows are looked at before the first call.
    requests = [_host.flatten_rows(part, prepared_types) or (None, prepare(part)) for part in parts]
    results: list[Any] = []
    for part, (arity, arguments) in zip(parts, requests, strict=True):
        if arguments is None:
            results += [_call_row(function, row) for row in part]
            continue
        answer = _host.request(function.reference(), Operation.BATCH, arity, arguments)
        done, failure = read_results(answer, len(part))
        results += done
        if failure is not None:
            failure.add_note(f"in row {len(results)} of a batch of {len(rows)}")
            raise failure
    return results


def _call_row(function: _host.RemoteFunction, row: Row) -> Any:
    return function(**row) if isinstance(row, Mapping) else function(*row)


def read_results(answer: Any, count: int) -> tuple[list[Any], BaseException | None]:
    """Return the results of a batch, and the error of the row after them.

    Args:
        answer: What the worker says.
        count: How many rows there were.

    Raises:
        ForeignError: It says something else.
    """
    done, *failure = answer if isinstance(answer, list) and answer else [None]
    if isinstance(done, list) and not failure and len(done) == count:
        return done, None
    if isinstance(done, list) and len(failure) == 1 and isinstance(failure[0], BaseException):
        return done, failure[0]
    raise ForeignError("the results of a batch came in a form that cannot be read")
