"""Memory after very many calls and proxies: what twelve hours would leave behind, in a minute.

The resident memory of host and worker is read before and after, each time when both sides have
collected their garbage; a first part of the calls goes before, for pools and caches to fill.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from itertools import repeat
from types import ModuleType

import noodle
from measure import Sample, WrongResultError
from node_workers import SCALARS, resident_megabytes, worker_behind, worker_statistics
from noodle.workers.worker import Worker
from results import Budget, Row

ITEM = "leaks"
FLAT = Budget("difference", 4)
"""Chosen: megabytes; two bytes a call, where the smallest object that could leak has 16."""

NONE_LEFT = Budget("difference", 0)

SMALL_YOUNG_GENERATION = "--max-semi-space-size=1"
"""Else V8 lets it grow by some 30 MB in the first million of proxies, which hides a leak."""

CALLS = 2_000_000
PROXIES = 100_000
WARM_UP = 0.1


def run(*, quick: bool) -> list[Row]:
    share = 0.0005 if quick else 1
    module = noodle.load(str(SCALARS), environment={"NODE_OPTIONS": SMALL_YOUNG_GENERATION})
    worker = worker_behind(module.add)
    rows = [
        *memory_rows("calls", module, worker, make_calls, int(CALLS * share)),
        *memory_rows("proxies", module, worker, make_proxies, int(PROXIES * share)),
    ]
    worker.stop()
    return rows


def memory_rows(
    what: str,
    module: ModuleType,
    worker: Worker,
    make: Callable[[ModuleType, int], None],
    number: int,
) -> list[Row]:
    make(module, max(int(number * WARM_UP), 1))
    before = state(module, worker)
    make(module, number)
    after = state(module, worker)
    parts = (
        ("memory of the host", "MB", FLAT),
        ("memory of the worker", "MB", FLAT),
        ("objects that the worker keeps for the host", "objects", NONE_LEFT),
    )
    return [
        Row(
            ITEM,
            f"{part} after {number} {what}",
            unit,
            Sample((now,)),
            Sample((then,)),
            "before",
            budget,
        )
        for (part, unit, budget), now, then in zip(parts, after, before, strict=True)
    ]


def state(module: ModuleType, worker: Worker) -> tuple[float, float, float]:
    gc.collect()
    module.collectGarbage()
    objects = worker_statistics(worker)["objects"]
    return resident_megabytes(os.getpid()), resident_megabytes(worker.pid), float(objects)


def make_calls(module: ModuleType, number: int) -> None:
    add, result = module.add, 0.0
    for _ in repeat(None, number):
        result = add(result, 0.5)
    if result != number * 0.5:
        raise WrongResultError(f"{result!r} instead of {number * 0.5!r}")


def make_proxies(module: ModuleType, number: int) -> None:
    construct = module.Point
    last = None
    for index in range(number):
        last = construct(index)
    if last is None or last.x != number - 1:
        raise WrongResultError(f"the last of {number} objects has another x")
