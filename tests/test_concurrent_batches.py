"""Batches whose calls run on several threads."""

from __future__ import annotations

import contextvars
import os
import threading
import time

import pytest

import noodle
from noodle.concurrent_batches import call_rows
from noodle.errors import DeadlineExceededError

PROCESSORS = len(os.sched_getaffinity(0))

several = pytest.mark.skipif(PROCESSORS < 2, reason="needs two processors")


def slow(row: int) -> int:
    time.sleep(0.002)
    return row * row


def test_results_are_in_the_order_of_their_rows() -> None:
    assert call_rows(slow, range(40)) == [n * n for n in range(40)]
    assert call_rows(slow, []) == []


@several
def test_as_many_calls_as_processors_run_at_a_time() -> None:
    barrier = threading.Barrier(PROCESSORS, timeout=20)

    def meet(row: int) -> int:
        slow(row)
        return barrier.wait() if row else -1

    found = call_rows(meet, range(1 + 5 * PROCESSORS))
    assert found[0] == -1
    assert sorted(found[1:]) == sorted(list(range(PROCESSORS)) * 5)


def test_calls_that_take_no_time_stay_on_the_thread_of_the_caller() -> None:
    # A machine that holds up one of them makes it look slow.
    tries = [set(call_rows(lambda _: threading.get_ident(), range(10_000))) for _ in range(5)]
    assert {threading.get_ident()} in tries


@several
def test_no_call_begins_after_an_error_and_that_of_the_first_row_is_raised() -> None:
    begun = []

    def fail(row: int) -> int:
        begun.append(row)
        slow(row)
        if row >= 3:
            raise ValueError(row)
        return row

    with pytest.raises(ValueError, match=r"^3$"):
        call_rows(fail, range(1000))
    assert len(begun) <= 3 + PROCESSORS


def test_calls_have_the_context_of_the_caller() -> None:
    variable = contextvars.ContextVar("variable", default=0)
    variable.set(7)

    def read(row: int) -> int:
        slow(row)
        return variable.get()

    assert call_rows(read, range(10)) == [7] * 10


def test_a_deadline_ends_the_batch() -> None:
    library = noodle.load(
        "libc.so.6",
        prototypes="int usleep(unsigned microseconds);",
        thread_safe=True,
        parallel_execution=True,
    )
    with pytest.raises(DeadlineExceededError), noodle.deadline(0.2):
        library.usleep.batch([(10_000,)] * 100_000)
