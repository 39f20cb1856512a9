"""P1: what a handle adds to a function in this process."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import noodle
import python_functions
from measure import Sample, WrongResultError, call_timer, time_statements
from results import Budget, Row

ITEM = "P1"
BUDGET = Budget("difference", 30)  # nanoseconds


@dataclass(frozen=True)
class Case:
    """A call, and where Noodle finds the function: its library's target and its name there."""

    what: str
    target: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    keywords: Mapping[str, Any] = field(default_factory=dict)


CASES = (
    Case("Python function, 1 argument", "python_functions", python_functions.identity, (1.5,)),
    Case(
        "Python function, 3 arguments",
        "python_functions",
        python_functions.add_three,
        (1.5, 2.5, 3.5),
    ),
    Case(
        "Python function, 1 argument and 2 keywords",
        "python_functions",
        python_functions.scale,
        (1.5,),
        {"factor": 2.0, "offset": 1.0},
    ),
    Case("builtin, math.sqrt", "math", math.sqrt, (2.25,)),
    Case("ufunc on two floats, numpy.add", "numpy", np.add, (1.5, 2.25)),
)


def run(*, quick: bool) -> list[Row]:
    return [measure(case, repeats=5 if quick else 1000) for case in CASES]


def measure(case: Case, repeats: int) -> Row:
    handle = getattr(noodle.load(case.target), case.function.__name__)
    times = time_handle(
        handle,
        {"bare": case.function},
        case.args,
        case.keywords,
        case.function(*case.args, **case.keywords),
        repeats,
    )
    return Row(ITEM, case.what, "ns", times["ours"], times["bare"], "bare function", BUDGET)


def time_handle(
    handle: Any,
    peers: Mapping[str, Callable[..., Any]],
    args: tuple[Any, ...],
    keywords: Mapping[str, Any],
    expected: Any,
    repeats: int,
    statements: Mapping[str, str] | None = None,
    names: Mapping[str, Any] | None = None,
) -> dict[str, Sample]:
    """Time a handle (as ``ours``) beside its peers, and check that it counted each of its calls.

    Args:
        handle: The handle.
        peers: The other callables, by name.
        args: The positional arguments of every call.
        keywords: Its keyword arguments.
        expected: What every call returns.
        repeats: Timings of each.
        statements: How peers are called that need their arguments made ready; see ``call_timer``.
        names: What such a statement uses.
    """
    before = noodle.stats(handle)
    timers = {
        name: call_timer(function, args, keywords, expected, (statements or {}).get(name), names)
        for name, function in {"ours": handle, **peers}.items()
    }
    times = time_statements(timers, repeats)
    after = noodle.stats(handle)
    made, counted = timers["ours"].executions, after.calls - before.calls
    if counted != made or after.errors != before.errors:
        raise WrongResultError(f"{handle!r}: {made} calls made, {counted} counted")
    return times
