"""P3: calls to a function in Node.js, in a process of its own, beside other ways to JavaScript.

Latencies are of one call at a time, each timed and checked by itself; a figure is the median call
of a timing. The other side's process, and the calls that the handle counts, are checked.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

import noodle
from callers import Caller, Figures, callers, node_variables, sample, time_callers
from measure import Sample, WrongResultError, interleave
from node_workers import SCALARS, worker_behind
from processors import ONE_PROCESSOR, QUOTA, NoQuotaError, quota_group
from results import Budget, Row

ITEM = "P3"
HOT = Budget("ours", 1.5)  # microseconds
AGAINST_JSPYBRIDGE = Budget("ratio", 1 / 150)
PARKED = Budget("ours", 20)  # microseconds
START = Budget("ours", 150)  # milliseconds
BATCHED = Budget("ours", 0.4)  # microseconds
ONE_CROSSING = Budget("ours", 1)

BARE = "os.pipe"
PEERS = ("JSPyBridge", "mini-racer", "PythonMonkey", "multiprocessing.Pipe", BARE)
WHERE = {
    "JSPyBridge": "JSPyBridge",
    "mini-racer": "mini-racer, in process",
    "PythonMonkey": "PythonMonkey, in process",
    "multiprocessing.Pipe": "multiprocessing.Pipe, to Python",
    BARE: "bare os.pipe, to Python",
}
OTHER_PROCESSES = ("noodle", "JSPyBridge", "multiprocessing.Pipe")

HOT_CALL = "add(float, float) in Node"
BATCH = 1000


def run(*, quick: bool) -> list[Row]:
    with callers(("noodle", *PEERS)) as started:
        rows = [*hot_rows(started, quick), *parked_rows(started, quick)]
        starts = start_rows(started)
    return [
        *rows,
        *placed_rows("both sides on one core", ONE_PROCESSOR, quick),
        *quota_rows(quick),
        *batch_rows(1 if quick else 200),
        worker_start_row(1 if quick else 10),
        *starts,
    ]


def hot_rows(started: Mapping[str, Caller], quick: bool) -> list[Row]:
    chosen = {name: caller for name, caller in started.items() if name != BARE}
    alone = time_callers(chosen, "hot", quick=quick, repeats=20)
    busy = time_callers(chosen, "busy", quick=quick)
    return [
        *latency_rows(HOT_CALL, alone, HOT),
        *latency_rows("the same beside a Python thread that computes", busy, HOT),
    ]


def parked_rows(started: Mapping[str, Caller], quick: bool) -> list[Row]:
    chosen = {name: started[name] for name in (*OTHER_PROCESSES, BARE) if name in started}
    figures = time_callers(chosen, "parked", quick=quick, repeats=20)
    return latency_rows("the same, the worker asleep", figures, PARKED, None)


def placed_rows(what: str, place: str, quick: bool) -> list[Row]:
    """Time calls where spinning helps nobody, so that each side sleeps while the other works."""
    with callers(OTHER_PROCESSES, place) as started:
        figures = time_callers(started, "hot", quick=quick)
    return latency_rows(f"the same, {what}", figures, PARKED, None)


def quota_rows(quick: bool) -> list[Row]:
    what = f"both sides in {QUOTA:.0%} of a core"
    try:
        with quota_group() as place:
            return placed_rows(what, place, quick)
    except NoQuotaError as error:
        print(f"{what} is not available: {error}", flush=True)
        return []


def latency_rows(
    what: str,
    figures: Mapping[str, Sequence[Figures]],
    budget: Budget,
    against_jspybridge: Budget | None = AGAINST_JSPYBRIDGE,
) -> list[Row]:
    all_ours = figures["noodle"]
    ours = sample(all_ours, "p50")
    rows = [Row(ITEM, what, "µs", ours, budget=budget)]
    for name in PEERS:
        if name in figures:
            limit = against_jspybridge if name == "JSPyBridge" else None
            item = ITEM if limit else "context"
            theirs = sample(figures[name], "p50")
            rows.append(Row(item, what, "µs", ours, theirs, WHERE[name], limit))
    for field, title in (("mean", "mean of all calls"), ("p99", "99th percentile")):
        rows.append(Row("context", f"{what}: {title}", "µs", sample(all_ours, field)))
    return rows


def start_rows(started: Mapping[str, Caller]) -> list[Row]:
    """Compare what passes between a bare Python and the first result, once for each library."""
    ours = Sample((started["noodle"].start_milliseconds,))
    return [
        Row(
            "context",
            "from start to the first result, once",
            "ms",
            ours,
            Sample((started[name].start_milliseconds,)),
            WHERE[name],
        )
        for name in PEERS
        if name in started and name != BARE
    ]


def worker_start_row(repeats: int) -> Row:
    """Time a new worker until its first result, beside Node.js that only starts and ends."""
    numbers = count()

    def start_worker() -> float:
        start = time.perf_counter_ns()
        add = noodle.load(str(SCALARS), environment={"BENCHMARK": str(next(numbers))}).add
        result = add(1.5, 2.25)
        elapsed = time.perf_counter_ns() - start
        if result != 3.75:
            raise WrongResultError(f"{result!r} instead of 3.75")
        worker_behind(add).stop()
        return elapsed / 1e6

    with tempfile.NamedTemporaryFile(suffix=".cjs") as empty:
        command = [node_variables()["NODE_BIN"], empty.name]

        def run_node() -> float:
            start = time.perf_counter_ns()
            subprocess.run(command, check=True)
            return (time.perf_counter_ns() - start) / 1e6

        times = interleave({"ours": start_worker, "node": run_node}, repeats)
    return Row(
        ITEM,
        "a new worker until its first result",
        "ms",
        times["ours"],
        times["node"],
        "node that runs nothing",
        START,
    )


def batch_rows(repeats: int) -> list[Row]:
    add = noodle.load(str(SCALARS)).add
    rows = [(float(number), 0.5) for number in range(BATCH)]
    expected = [number + 0.5 for number, _ in rows]
    times = interleave(
        {
            "batch": calls_timer(lambda: add.batch(rows), expected),
            "loop": calls_timer(lambda: [add(a, b) for a, b in rows], expected),
        },
        repeats,
    )
    link = worker_behind(add).link
    before = link.calls
    add.batch(rows)
    what = f"a batch of {BATCH} calls"
    return [
        Row(ITEM, what, "µs", times["batch"], times["loop"], "calls in a loop", BATCHED),
        Row(
            ITEM,
            f"{what}: messages",
            "messages",
            Sample((float(link.calls - before),)),
            budget=ONE_CROSSING,
        ),
    ]


def calls_timer(run: Callable[[], list[Any]], expected: list[Any]) -> Callable[[], float]:
    """Return what makes a batch of calls and gives the microseconds of one."""

    def timer() -> float:
        start = time.perf_counter_ns()
        results = run()
        elapsed = time.perf_counter_ns() - start
        if results != expected:
            raise WrongResultError("the results of a batch are not those of its calls")
        return elapsed / 1e3 / len(expected)

    return timer
