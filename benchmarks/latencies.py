"""Rows about the latency of one call at a time to another process, ours beside that of others.

Each call is timed and checked by itself; a figure is the median call of a timing. The other side's
process, and the calls that the handle counts, are checked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from callers import Caller, Figures, callers, sample, time_callers
from measure import Sample, WrongResultError, interleave
from processors import ONE_PROCESSOR, QUOTA, NoQuotaError, quota_group
from results import Budget, Row

HOT = Budget("ours", 1.5)  # microseconds
PARKED = Budget("ours", 20)  # microseconds
BATCHED = Budget("ours", 0.4)  # microseconds
ONE_CROSSING = Budget("ours", 1)
BATCH = 1000
BARE = "os.pipe"


@dataclass(frozen=True)
class Comparison:
    """What is compared, and what it is judged by.

    Args:
        item: The item of the budget.
        what: The call.
        ours: Our name among the libraries of ``callers.py``.
        peers: What to call each of the others.
        in_process: Those of them that run in this process.
        against: The peer that ours is judged by; empty for none.
        limit: Our share of its time when the call is hot, or None.
    """

    item: str
    what: str
    ours: str
    peers: Mapping[str, str]
    in_process: Sequence[str]
    against: str
    limit: Budget | None

    def elsewhere(self) -> tuple[str, ...]:
        """Return ours and those that call another process."""
        others = (name for name in self.peers if name not in (*self.in_process, BARE))
        return (self.ours, *others)

    def rows(self, *, quick: bool) -> list[Row]:
        """Time calls of all kinds."""
        with callers((self.ours, *self.peers)) as started:
            rows = [*self._hot(started, quick), *self._parked(started, quick)]
            starts = self._starts(started)
        return [
            *rows,
            *self._placed("both sides on one core", ONE_PROCESSOR, quick),
            *self._under_quota(quick),
            *starts,
        ]

    def _hot(self, started: Mapping[str, Caller], quick: bool) -> list[Row]:
        chosen = {name: caller for name, caller in started.items() if name != BARE}
        alone = time_callers(chosen, "hot", quick=quick, repeats=20)
        busy = time_callers(chosen, "busy", quick=quick)
        beside = "the same beside a Python thread that computes"
        return [
            *self._latency(self.what, alone, HOT, self.limit),
            *self._latency(beside, busy, HOT, self.limit),
        ]

    def _parked(self, started: Mapping[str, Caller], quick: bool) -> list[Row]:
        chosen = {name: started[name] for name in (*self.elsewhere(), BARE) if name in started}
        figures = time_callers(chosen, "parked", quick=quick, repeats=20)
        return self._latency("the same, the worker asleep", figures, PARKED)

    def _placed(self, what: str, place: str, quick: bool) -> list[Row]:
        """Time calls where spinning helps nobody: each side sleeps while the other works."""
        with callers(self.elsewhere(), place) as started:
            figures = time_callers(started, "hot", quick=quick)
        return self._latency(f"the same, {what}", figures, PARKED)

    def _under_quota(self, quick: bool) -> list[Row]:
        what = f"both sides in {QUOTA:.0%} of a core"
        try:
            with quota_group() as place:
                return self._placed(what, place, quick)
        except NoQuotaError as error:
            print(f"{what} is not available: {error}", flush=True)
            return []

    def _latency(
        self,
        what: str,
        figures: Mapping[str, Sequence[Figures]],
        budget: Budget,
        limit: Budget | None = None,
    ) -> list[Row]:
        all_ours = figures[self.ours]
        ours = sample(all_ours, "p50")
        rows = [Row(self.item, what, "µs", ours, budget=budget)]
        for name, title in self.peers.items():
            if name in figures:
                own = limit if name == self.against else None
                item = self.item if own else "context"
                theirs = sample(figures[name], "p50")
                rows.append(Row(item, what, "µs", ours, theirs, title, own))
        for field, title in (("mean", "mean of all calls"), ("p99", "99th percentile")):
            rows.append(Row("context", f"{what}: {title}", "µs", sample(all_ours, field)))
        return rows

    def _starts(self, started: Mapping[str, Caller]) -> list[Row]:
        """Compare what passes between a bare Python and the first result, once for each library."""
        ours = Sample((started[self.ours].start_milliseconds,))
        return [
            Row(
                "context",
                "from start to the first result, once",
                "ms",
                ours,
                Sample((started[name].start_milliseconds,)),
                title,
            )
            for name, title in self.peers.items()
            if name in started and name != BARE
        ]


def batch_rows(item: str, add: Any, counted: Callable[[], int], repeats: int) -> list[Row]:
    """Compare a batch with calls in a loop, and count its messages.

    Args:
        item: The item of the budget.
        add: The function.
        counted: Returns the calls that its link has counted.
        repeats: Timings of each.
    """
    rows = [(float(number), 0.5) for number in range(BATCH)]
    expected = [number + 0.5 for number, _ in rows]
    times = interleave(
        {
            "batch": calls_timer(lambda: add.batch(rows), expected),
            "loop": calls_timer(lambda: [add(a, b) for a, b in rows], expected),
        },
        repeats,
    )
    before = counted()
    add.batch(rows)
    what = f"a batch of {BATCH} calls"
    messages = Sample((float(counted() - before),))
    return [
        Row(item, what, "µs", times["batch"], times["loop"], "calls in a loop", BATCHED),
        Row(item, f"{what}: messages", "messages", messages, budget=ONE_CROSSING),
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
