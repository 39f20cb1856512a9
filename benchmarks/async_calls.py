"""P6: one asyncio.gather over many calls to Node.js, beside the same gather over bare futures.

A bare future is settled by the loop itself, so that what remains is asyncio's own part. JSPyBridge
has nothing that asyncio could await: its calls go one after another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import noodle
from callers import callers, sample, time_callers
from measure import WrongResultError, interleave
from node_workers import SCALARS
from results import Budget, Row

ITEM = "P6"
BUDGET = Budget("ours", 5, alternative=Budget("ratio", 1 / 0.4))  # microseconds: 200,000 calls/s

GATHERED = 10_000


def run(*, quick: bool) -> list[Row]:
    calls, repeats = (100, 1) if quick else (GATHERED, 30)
    module = noodle.load(str(SCALARS))
    return [
        gather_row("add", module.add, calls, repeats, BUDGET),
        gather_row("an async function", module.later, calls, repeats, None),
        *jspybridge_row(quick),
    ]


def gather_row(what: str, handle: Any, calls: int, repeats: int, budget: Budget | None) -> Row:
    expected = [number + 0.5 for number in range(calls)]

    def ours() -> Sequence[Awaitable[float]]:
        return [handle.aio(float(number), 0.5) for number in range(calls)]

    def bare() -> Sequence[Awaitable[float]]:
        return settled_later(expected)

    before = noodle.stats(handle).calls
    with asyncio.Runner() as runner:
        times = interleave(
            {
                "ours": gather_timer(runner, ours, expected),
                "bare": gather_timer(runner, bare, expected),
            },
            repeats,
        )
    counted = noodle.stats(handle).calls - before
    if counted != calls * (repeats + 1):
        raise WrongResultError(f"{calls * (repeats + 1)} calls made, {counted} counted")
    return Row(
        ITEM if budget else "context",
        f"one gather over {calls} calls of {what}, each",
        "µs",
        times["ours"],
        times["bare"],
        "bare futures",
        budget,
    )


def settled_later(results: Sequence[float]) -> list[asyncio.Future[float]]:
    """Return futures that the running loop settles, all at once, on its next turn."""
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in results]

    def settle() -> None:
        for future, result in zip(futures, results, strict=True):
            future.set_result(result)

    loop.call_soon(settle)
    return futures


def gather_timer(
    runner: asyncio.Runner,
    awaitables: Callable[[], Sequence[Awaitable[float]]],
    expected: Sequence[float],
) -> Callable[[], float]:
    """Return what makes and awaits all of them, and gives the microseconds of one."""

    async def gather() -> float:
        start = time.perf_counter_ns()
        results = await asyncio.gather(*awaitables())
        elapsed = time.perf_counter_ns() - start
        if results != expected:
            raise WrongResultError("the results of a gather are not those of its calls")
        return elapsed / 1e3 / len(expected)

    return lambda: runner.run(gather())


def jspybridge_row(quick: bool) -> list[Row]:
    with callers(("noodle", "JSPyBridge")) as started:
        figures = time_callers(started, "hot", quick=quick)
    if "JSPyBridge" not in figures:
        return []
    return [
        Row(
            "context",
            "calls one after another, each",
            "µs",
            sample(figures["noodle"], "mean"),
            sample(figures["JSPyBridge"], "mean"),
            "JSPyBridge",
        )
    ]
