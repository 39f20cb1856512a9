"""What a worker of Node.js costs while nobody calls it: memory, and processor time."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import noodle
from callers import node_variables
from measure import Sample
from node_workers import (
    SCALARS,
    private_megabytes,
    processor_milliseconds,
    resident_megabytes,
    worker_behind,
)
from results import Budget, Row

ITEM = "idle"
ALMOST_NOTHING = Budget("ours", 2)
"""Chosen: milliseconds of processor time a second, 0.2 % of one processor."""

WORKERS = 4
WATCHED_SECONDS = 2.0
SETTLE_SECONDS = 2.0
"""Chosen: for what the start of a worker leaves to do, such as to compile its code."""


def run(*, quick: bool) -> list[Row]:
    before = resident_megabytes(os.getpid())
    workers = [
        worker_behind(add)
        for number in range(1 if quick else WORKERS)
        for add in [noodle.load(str(SCALARS), environment={"BENCHMARK_IDLE": str(number)}).add]
        if add(1.5, 2.25) == 3.75
    ]
    host = resident_megabytes(os.getpid()) - before
    with bare_nodes(len(workers)) as nodes:
        rows = [
            Row(
                "context",
                "memory that one more worker takes",
                "MB",
                Sample(tuple(private_megabytes(worker.pid) for worker in workers)),
                Sample(tuple(private_megabytes(node) for node in nodes)),
                "node that waits",
            ),
            Row(
                "context", "memory that it takes in the host", "MB", Sample((host / len(workers),))
            ),
        ]
    time.sleep(0 if quick else SETTLE_SECONDS)
    watched = 0.2 if quick else WATCHED_SECONDS
    rows.append(idle_row([worker.pid for worker in workers], watched, 1 if quick else 5))
    for worker in workers:
        worker.stop()
    return rows


def idle_row(workers: list[int], seconds: float, repeats: int) -> Row:
    return Row(
        ITEM,
        "processor time of an idle worker and its part of the host, a second",
        "ms",
        Sample(tuple(used_while_idle(workers, seconds) for _ in range(repeats))),
        budget=ALMOST_NOTHING,
    )


def used_while_idle(workers: list[int], seconds: float) -> float:
    """Return the milliseconds a second that host and workers use together, for each worker."""
    processes = [os.getpid(), *workers]
    start, before = time.perf_counter(), sum(map(processor_milliseconds, processes))
    time.sleep(seconds)
    used = sum(map(processor_milliseconds, processes)) - before
    return used / (time.perf_counter() - start) / len(workers)


@contextmanager
def bare_nodes(number: int) -> Iterator[list[int]]:
    """Start Node.js processes that have loaded the same file and wait for input."""
    node = node_variables()["NODE_BIN"]
    program = f"require({str(SCALARS)!r}); process.stdin.resume(); console.log('ready')"
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [node, "-e", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
            )
            for _ in range(number)
        ]
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        yield [process.pid for process in processes]
