"""Batches whose calls run on several threads, for functions that keep nothing between calls.

Worth it where the function gives up the GIL and takes longer than the GIL takes to change hands.
That is measured with the first calls of each batch, which run on the caller's thread.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import Any

__all__ = ["call_rows"]

_ALONE = 0.0005
"""Chosen: seconds on the caller's thread before others are started, which costs about as much."""

_LEAST = 0.00005
"""Chosen: seconds that a call must take; below, threads spend their time waiting for the GIL."""

Row = Any


def call_rows(call: Callable[[Row], Any], rows: Sequence[Row]) -> list[Any]:
    """Call for each row, on all processors that this process may use, and return the results.

    Args:
        call: Calls the function with the arguments of a row. It is called on several threads at
            once, each with a copy of the caller's context.
        rows: The arguments of each call.

    Raises:
        BaseException: What a call raised, of the first row where several did. No call begins
            after it; those of a few rows behind it may have run.
    """
    results = _call_alone(call, rows)
    if len(results) < len(rows):
        _Batch(call, rows, results).finish()
    return results


def _call_alone(call: Callable[[Row], Any], rows: Sequence[Row]) -> list[Any]:
    """Return the results of all rows, or of the first ones where the others are worth threads."""
    results = []
    threads_help = len(os.sched_getaffinity(0)) > 1
    start = time.perf_counter()
    for row in rows:
        results.append(call(row))
        if threads_help and (taken := time.perf_counter() - start) > _ALONE:
            if taken > _LEAST * len(results):
                return results
            threads_help = False
    return results


class _Batch:
    """The rest of a batch.

    Args:
        call: Calls the function with the arguments of a row.
        rows: The arguments of each call.
        results: Those of the first rows; the others are added.
    """

    def __init__(self, call: Callable[[Row], Any], rows: Sequence[Row], results: list[Any]) -> None:
        self._call = call
        self._rows = rows
        self._results = results
        self._next = itertools.count(len(results))  # taken from under the GIL, so never twice
        self._errors: dict[int, BaseException] = {}
        self._stopped = False
        results += [None] * (len(rows) - len(results))

    def finish(self) -> None:
        helpers = min(len(os.sched_getaffinity(0)), len(self._rows)) - 1
        with ThreadPoolExecutor(max(helpers, 1), thread_name_prefix="noodle batch") as executor:
            with suppress(RuntimeError):  # no more threads: the others do its share
                for _ in range(helpers):
                    executor.submit(copy_context().run, self._work)
            try:
                self._work()
            except BaseException:  # an interrupt between two calls
                self._stopped = True
                raise
        if self._errors:
            raise self._errors[min(self._errors)]

    def _work(self) -> None:
        while not self._stopped:
            place = next(self._next)
            if place >= len(self._rows):
                return
            try:
                self._results[place] = self._call(self._rows[place])
            except BaseException as error:
                self._errors[place] = error
                self._stopped = True
