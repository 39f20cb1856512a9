"""What crosses between this process and its workers, counted: calls, copies, shared memory."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from noodle import _host
from noodle.errors import NoodleError
from noodle.workers import registry
from noodle.workers.operations import Operation
from noodle.workers.worker import Worker, worker_of

__all__ = ["WorkerStatistics", "worker_statistics"]

ASK_SECONDS = 0.5
"""Chosen: how long workers that have nothing to do may take to tell their own counts."""


@dataclass(frozen=True, slots=True)
class WorkerStatistics:
    """What this process and its workers have counted, those that have ended included.

    Args:
        workers: Workers that live.
        calls: Calls made to workers.
        callbacks: Requests that workers made of this process.
        in_flight: Calls without an answer, those that nobody waits for included.
        unsettled: Of these, the ones that were given up and only wait for something over there.
        late_replies: Answers that came after their call was given up.
        copies: Arrays that this process copied on their way, in either direction.
        copied_bytes: Their bytes.
        copies_by_workers: Arrays that workers copied on their way, as far as they have told: one
            that is busy is not asked.
        copied_bytes_by_workers: Their bytes.
        shared_bytes: Bytes of arrays that crossed without a copy.
        lent_segments: Segments that workers have now.
        lent_bytes: Their bytes.
        live_references: Objects of workers that proxies here stand for.
        exported_objects: Objects of this process that workers refer to.
        leased_segments: Segments in use.
        leased_bytes: Their bytes.
        free_segments: Segments that are kept for the next array.
        free_bytes: Their bytes.
    """

    workers: int
    calls: int
    callbacks: int
    in_flight: int
    unsettled: int
    late_replies: int
    copies: int
    copied_bytes: int
    copies_by_workers: int
    copied_bytes_by_workers: int
    shared_bytes: int
    lent_segments: int
    lent_bytes: int
    live_references: int
    exported_objects: int
    leased_segments: int
    leased_bytes: int
    free_segments: int
    free_bytes: int


_LASTING = ("calls", "callbacks", "late_replies", "copies", "copied_bytes", "shared_bytes")
"""Counts that stay when a worker ends; the others are of what it has then no more."""

_PRESENT = (
    "in_flight",
    "unsettled",
    "lent_segments",
    "lent_bytes",
    "live_references",
    "exported_objects",
)
_ARENA = ("leased_segments", "leased_bytes", "free_segments", "free_bytes")


def worker_statistics() -> WorkerStatistics:
    """Return what this process and its workers have counted so far."""
    links = registry.links()
    counts: Counter[str] = Counter()
    _ask(filter(None, map(worker_of, links)))
    for link in links:
        counts.update(link.statistics())
        counts.update(_told(link))
    with _lock:
        counts.update(_ended)
    arena = _host.arena_statistics()
    return WorkerStatistics(
        workers=len(links),
        copies_by_workers=counts["copies_by_workers"],
        copied_bytes_by_workers=counts["copied_bytes_by_workers"],
        **{name: counts[name] for name in (*_LASTING, *_PRESENT)},
        **{name: arena[name] for name in _ARENA},
    )


_lock = threading.Lock()
_ended: Counter[str] = Counter()
_asked: set[int] = set()
_last_told: dict[int, Counter[str]] = {}
"""By a worker's incarnation: the counts that it told last."""


def _ask(workers: Iterable[Worker]) -> None:
    """Have workers tell their counts, for as long as that may take.

    Without a deadline, which would cost a worker its life; so each has a thread, and is not asked
    again before it has answered.
    """
    threads = [
        threading.Thread(target=_hear, args=(worker,), daemon=True)
        for worker in workers
        if worker.link.state == "parked" and worker.health().scheduled
    ]
    end = time.monotonic() + ASK_SECONDS
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))


def _hear(worker: Worker) -> None:
    number = worker.link.incarnation
    with _lock:
        if number in _asked:
            return
        _asked.add(number)
    try:
        with suppress(NoodleError, SystemExit):
            told = _host.request(worker.root(), Operation.STATISTICS)
            counts = Counter(
                copies_by_workers=_count(told, "copies_in") + _count(told, "copies_out"),
                copied_bytes_by_workers=_count(told, "copied_in_bytes")
                + _count(told, "copied_out_bytes"),
            )
            with _lock:
                _last_told[number] = counts
    finally:
        with _lock:
            _asked.discard(number)


def _count(told: object, name: str) -> int:
    """Return a number that a worker tells, or 0 where it tells none."""
    count = told.get(name) if isinstance(told, dict) else None
    return count if type(count) is int else 0


def _told(link: _host.Link) -> Counter[str]:
    with _lock:
        return _last_told.get(link.incarnation, Counter())


def _note_end(link: _host.Link) -> None:
    counts = link.statistics()
    with _lock:
        _ended.update({name: counts[name] for name in _LASTING})
        _ended.update(_last_told.pop(link.incarnation, {}))


registry.when_ended(_note_end)
