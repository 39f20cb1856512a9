"""What is counted of all workers together."""

from __future__ import annotations

import gc
import threading
import time
from pathlib import Path

import numpy
from tests.workers.echo import Functions, echo_pool, functions_of
from tests.workers.faults import LIMIT, load_faults

import noodle
from noodle.workers.pool import Pool
from noodle.workers.python_program import SCRIPT


def test_copies_and_what_was_not_copied_are_counted(function: Functions) -> None:
    fill = function("fill")
    before = noodle.stats()
    fill(noodle.zeros(20_000), 1.0)
    fill(numpy.zeros(20_000), 1.0)
    fill(numpy.zeros(30_000), 1.0)
    after = noodle.stats()
    assert (2, 400_000) == (after.copies - before.copies, after.copied_bytes - before.copied_bytes)
    assert 160_000 == after.shared_bytes - before.shared_bytes
    assert 3 <= after.calls - before.calls


def test_copies_that_a_worker_makes_are_counted() -> None:
    with noodle.deadline(LIMIT), load_faults() as faults:
        faults.add(1, 2)
        before = noodle.stats()
        faults.floats(100_000)
        faults.echo(numpy.asfortranarray(noodle.zeros((300, 300))))
        limit = time.monotonic() + LIMIT
        while noodle.stats().copies_by_workers == before.copies_by_workers:
            assert time.monotonic() < limit
        after = noodle.stats()
    assert 800_000 <= after.copied_bytes_by_workers - before.copied_bytes_by_workers


def test_what_a_worker_has_is_counted_while_it_has_it(pool: Pool, function: Functions) -> None:
    gc.collect()  # what earlier tests left is given back by now, not in between
    before = noodle.stats()
    thing, values = function("object")(), noodle.zeros(20_000)
    # The one in C never gives anything back; the one in Python what it does not keep.
    function("keep" if SCRIPT in pool.program.command else "echo")(values)
    after = noodle.stats()
    assert (1, before.workers) == (after.lent_segments - before.lent_segments, after.workers)
    assert after.lent_bytes - before.lent_bytes >= values.nbytes
    assert after.live_references > before.live_references
    assert after.leased_bytes - before.leased_bytes >= values.nbytes
    pool.stop()
    ended = noodle.stats()
    assert (before.in_flight, before.lent_segments) == (ended.in_flight, ended.lent_segments)
    assert ended.calls >= after.calls
    assert ended.workers == before.workers - 1
    del thing


def test_a_busy_worker_holds_no_count_up(echo_worker: Path) -> None:
    with echo_pool(echo_worker) as pool:
        sleep = functions_of(pool)("sleep")
        sleep(0.0)
        thread = threading.Thread(target=sleep, args=(1.5,))
        thread.start()
        while not pool.worker().link.in_flight:
            continue
        assert 1 <= noodle.stats().in_flight
        assert "sleep" in [name for _, name, _ in pool.worker().link.waits()]
        thread.join()
