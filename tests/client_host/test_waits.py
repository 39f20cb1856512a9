"""Threads that wait for the client and do what is offered meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from noodle.client_host.waits import Answer, Request, Wait

SECONDS = 20


def waiting(wait: Wait, seconds: float = SECONDS) -> tuple[threading.Thread, list[Answer | None]]:
    """Start a thread that waits, and what it gets in the end."""
    found: list[Answer | None] = []
    thread = threading.Thread(target=lambda: found.append(wait.wait(time.monotonic() + seconds)))
    thread.start()
    return thread, found


def test_the_answer_ends_the_waiting_and_a_second_one_is_dropped():
    wait = Wait("f", None)
    thread, found = waiting(wait)
    wait.settle(Answer(1))
    wait.settle(Answer(2))
    thread.join(SECONDS)
    assert found == [Answer(1)]


def test_what_is_offered_runs_on_the_thread_that_waits():
    wait = Wait("f", None)
    thread, _ = waiting(wait)
    ran: list[int] = []

    def work() -> None:
        ran.append(threading.get_ident())
        wait.free()

    for turn in range(20):
        end = time.monotonic() + SECONDS
        while not wait.offer(work):
            assert time.monotonic() < end
        while len(ran) <= turn:
            assert time.monotonic() < end
    wait.settle(Answer())
    thread.join(SECONDS)
    assert ran == [thread.ident] * 20


def test_a_busy_thread_refuses_until_its_work_is_about_to_answer():
    """Then the next request can be there before the work has quite ended."""
    wait = Wait("f", None)
    thread, _ = waiting(wait)
    answered, leave, order = threading.Event(), threading.Event(), []

    def first() -> None:
        wait.free()
        answered.set()
        leave.wait(SECONDS)
        order.append("first")

    assert wait.offer(first)
    answered.wait(SECONDS)
    assert wait.offer(lambda: order.append("second"))
    assert not wait.offer(lambda: order.append("third"))
    leave.set()
    wait.settle(Answer())
    thread.join(SECONDS)
    assert order == ["first", "second"]


def test_what_was_offered_before_the_answer_is_done_all_the_same():
    wait = Wait("f", None)
    ran: list[int] = []
    assert wait.offer(lambda: ran.append(1))
    wait.settle(Answer(5))
    assert not wait.offer(lambda: ran.append(2))
    assert wait.wait(None) == Answer(5)
    assert ran == [1]


def test_when_the_time_is_up_nothing_is_offered_any_more():
    wait = Wait("f", None)
    assert wait.wait(time.monotonic() - 1) is None
    assert not wait.offer(lambda: None)


@pytest.mark.parametrize("wait", [Wait("f", None, arrived=lambda: None)])
def test_a_task_of_the_event_loop_takes_no_offers(wait: Wait):
    assert not wait.offer(lambda: None)


def test_depth_counts_calls_and_callbacks():
    outer = Request(1)
    callback = Wait("f", outer)
    inner = Request(2, parent=callback)
    assert [outer.depth, callback.depth, inner.depth, Wait("g", inner).depth] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Request(1), False),
        (lambda: Request(2, parent=Wait("f", Request(1))), False),
        (lambda: Request(2, parent=Wait("f", None, on_loop=True)), True),
        (
            lambda: Request(3, parent=Wait("g", Request(2, parent=Wait("f", None, on_loop=True)))),
            True,
        ),
    ],
)
def test_a_call_knows_that_the_event_loop_waits_for_it(make: Callable[[], Request], expected: bool):
    assert make().waits_of_loop() is expected
