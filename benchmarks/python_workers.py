"""P4: calls to a function in another Python, beside other ways to one; arrays, as P5 has them."""

from __future__ import annotations

import noodle
from latencies import BARE, Comparison, batch_rows
from measure import Sample, WrongResultError, call_timer, time_statements
from node_workers import worker_behind
from python_sides import SCALARS
from results import Budget, Row

ITEM = "P4"
SIZE_DOES_NOT_MATTER = Budget("ratio", 1.2)
NO_COPY = Budget("ours", 0)
FLOATS_A_MEGABYTE = (1 << 20) // 8

COMPARISON = Comparison(
    ITEM,
    "add(float, float) in another Python",
    "noodle, isolated Python",
    {
        "rpyc": "rpyc",
        "execnet": "execnet",
        "Appose": "Appose, a task a call",
        "multiprocessing.Pipe": "multiprocessing.Pipe",
        BARE: "bare os.pipe",
    },
    (),
    "rpyc",
    Budget("ratio", 1 / 80),
)


def run(*, quick: bool) -> list[Row]:
    module = noodle.load(str(SCALARS), placement="isolated")
    link = worker_behind(module.add).link
    return [
        *COMPARISON.rows(quick=quick),
        *batch_rows(ITEM, module.add, lambda: link.calls, 1 if quick else 200),
        *array_rows(module.first, 4 if quick else 256, 3 if quick else 1000),
    ]


def array_rows(first: object, megabytes: int, repeats: int) -> list[Row]:
    """Time calls with arrays that are born in shared memory, whose size must not matter."""
    timers = {}
    link = worker_behind(first).link
    before = link.statistics()["copied_bytes"]
    for size in (1, megabytes):
        values = noodle.zeros(size * FLOATS_A_MEGABYTE)
        values[0] = 2.5
        timers[size] = call_timer(first, (values,), {}, 2.5)
    times = time_statements({f"{size} MB": timer for size, timer in timers.items()}, repeats)
    copied = link.statistics()["copied_bytes"] - before
    if copied < 0:
        raise WrongResultError("the counter of copies has gone back")
    ours = times[f"{megabytes} MB"]
    return [
        Row(
            ITEM,
            f"call with {megabytes} MB born in shared memory",
            "ns",
            ours,
            times["1 MB"],
            "1 MB",
            SIZE_DOES_NOT_MATTER,
        ),
        Row(ITEM, "copied in all such calls", "bytes", Sample((float(copied),)), budget=NO_COPY),
    ]
