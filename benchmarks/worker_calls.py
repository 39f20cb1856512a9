"""P3: calls to a function in Node.js, in a process of its own, beside other ways to JavaScript."""

from __future__ import annotations

import subprocess
import tempfile
import time
from itertools import count

import noodle
from callers import node_variables
from latencies import BARE, Comparison, batch_rows
from measure import WrongResultError, interleave
from node_workers import SCALARS, worker_behind
from results import Budget, Row

ITEM = "P3"
START = Budget("ours", 150)  # milliseconds

COMPARISON = Comparison(
    ITEM,
    "add(float, float) in Node",
    "noodle",
    {
        "JSPyBridge": "JSPyBridge",
        "mini-racer": "mini-racer, in process",
        "PythonMonkey": "PythonMonkey, in process",
        "multiprocessing.Pipe": "multiprocessing.Pipe, to Python",
        BARE: "bare os.pipe, to Python",
    },
    ("mini-racer", "PythonMonkey"),
    "JSPyBridge",
    Budget("ratio", 1 / 150),
)


def run(*, quick: bool) -> list[Row]:
    add = noodle.load(str(SCALARS)).add
    link = worker_behind(add).link
    return [
        *COMPARISON.rows(quick=quick),
        *batch_rows(ITEM, add, lambda: link.calls, 1 if quick else 200),
        worker_start_row(1 if quick else 10),
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
