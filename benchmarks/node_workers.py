"""A worker of Node.js behind a handle: its link, what it has counted, and its process."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import noodle
from noodle import _host
from noodle.bridges.remote.functions import reference_of
from noodle.workers.operations import Operation
from noodle.workers.worker import Worker, worker_of

SCALARS = Path(__file__).with_name("scalars.cjs")


def worker_behind(handle: Any) -> Worker:
    """Return the worker that a function's calls go to."""
    link = _host.facts(reference_of(noodle.raw(handle)))[0]
    assert link is not None
    worker = worker_of(link)
    assert worker is not None
    return worker


def worker_statistics(worker: Worker) -> dict[str, int]:
    """Return what the process itself has counted."""
    counted: dict[str, int] = _host.request(worker.root(), Operation.STATISTICS)
    return counted


def copied_bytes(worker: Worker) -> int:
    """Return the bytes of arrays that either side has copied."""
    there = worker_statistics(worker)
    here: int = worker.link.statistics()["copied_bytes"]
    return here + there["copied_in_bytes"] + there["copied_out_bytes"]


def resident_megabytes(process: int) -> float:
    """Return the memory that a process has touched, shared pages in full."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def private_megabytes(process: int) -> float:
    """Return the memory that a process shares with no other: what one more of its kind takes."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    fields = [line.split() for line in lines]
    kibibytes = sum(int(field[1]) for field in fields if field[0].startswith("Private_"))
    return kibibytes * 1024 / 1e6


def processor_milliseconds(process: int) -> float:
    """Return the processor time that all threads of a process have used."""
    return time.clock_gettime_ns((~process << 3) | _CPUCLOCK_SCHED) / 1e6


_CPUCLOCK_SCHED = 2
"""The kind of clock in the number of a process's CPU-time clock; see clock_getcpuclockid(3)."""
