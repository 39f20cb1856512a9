"""P5: arrays as arguments of a function in Node.js, in shared memory and from elsewhere.

An array that is born in shared memory is passed in place, so that its size must not matter; any
other one is copied in once. Both sides' counters of copies are checked.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

import noodle
from measure import Sample, WrongResultError, call_timer, interleave, time_statements
from node_workers import SCALARS, copied_bytes, worker_behind
from noodle import _host
from results import Budget, Row

ITEM = "P5"
SIZE_DOES_NOT_MATTER = Budget("ratio", 1.2)
NO_COPY = Budget("ours", 0)
RECYCLED = Budget("ratio", 1 / 0.7)
FIRST_TOUCH = Budget("ratio", 1 / 0.1)

HELD_BY_NODE = 8
"""Arrays that a worker keeps after their last use; native/node/segments.c."""

FLOATS_A_MEGABYTE = (1 << 20) // 8


def run(*, quick: bool) -> list[Row]:
    module = noodle.load(str(SCALARS))
    large = 4 if quick else 256
    return [
        *born_shared(module, large, 3 if quick else 1000),
        copied_in(module, large, 1 if quick else 15, recycled=True),
        copied_in(module, large, 1 if quick else 15, recycled=False),
    ]


def born_shared(module: ModuleType, megabytes: int, repeats: int) -> list[Row]:
    timers = {}
    worker = worker_behind(module.first)
    before = copied_bytes(worker)
    for size in (1, megabytes):
        values = noodle.zeros(size * FLOATS_A_MEGABYTE)
        module.write(values, 0, 2.5)
        if values[0] != 2.5:
            raise WrongResultError("what JavaScript wrote is not in the array")
        timers[f"{size} MB"] = call_timer(module.first, (values,), {}, 2.5)
    times = time_statements(timers, repeats)
    copied = copied_bytes(worker) - before
    what = f"call with {megabytes} MB born in shared memory"
    calls = sum(timer.executions for timer in timers.values())
    return [
        Row(
            ITEM,
            what,
            "ns",
            times[f"{megabytes} MB"],
            times["1 MB"],
            "1 MB",
            SIZE_DOES_NOT_MATTER,
        ),
        Row(
            ITEM,
            f"copied in {calls} such calls" if calls < 1000 else "copied in all such calls",
            "bytes",
            Sample((float(copied),)),
            budget=NO_COPY,
        ),
    ]


def copied_in(module: ModuleType, megabytes: int, repeats: int, *, recycled: bool) -> Row:
    """Time a call with an array of ordinary memory beside the same copy within this process."""
    values = np.full(megabytes * FLOATS_A_MEGABYTE, 2.5)
    target = np.zeros_like(values)
    others = [noodle.zeros(FLOATS_A_MEGABYTE) for _ in range(HELD_BY_NODE)]

    def call() -> float:
        give_back_segments(module, others)
        if not recycled:
            _host.trim()
        before = _host.arena_statistics()
        start = time.perf_counter_ns()
        result = module.first(values)
        elapsed = time.perf_counter_ns() - start
        after = _host.arena_statistics()
        counted = "recycled" if recycled else "created"
        if result != 2.5 or after[counted] != before[counted] + 1:
            raise WrongResultError(f"{result!r} instead of 2.5, or no {counted} segment: {after}")
        return elapsed / 1e6

    def copy() -> float:
        start = time.perf_counter_ns()
        np.copyto(target, values)
        return (time.perf_counter_ns() - start) / 1e6

    if recycled:
        module.first(values)
    sides: dict[str, Callable[[], float]] = {"ours": call, "memcpy": copy}
    times = interleave(sides, repeats)
    memory = "recycled" if recycled else "new"
    return Row(
        ITEM,
        f"call with {megabytes} MB copied into {memory} memory",
        "ms",
        times["ours"],
        times["memcpy"],
        "memcpy",
        RECYCLED if recycled else FIRST_TOUCH,
    )


def give_back_segments(module: ModuleType, others: Sequence[np.ndarray[Any, Any]]) -> None:
    """Let both sides drop the arrays that nobody uses any more.

    Node.js keeps the last few for a while, in case that they come again; the others take their
    place.
    """
    gc.collect()
    for values in others:
        module.first(values)
    module.collectGarbage()
    module.processId()  # takes what the worker has let go
