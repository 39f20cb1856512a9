from __future__ import annotations

import threading
import weakref
from concurrent.futures import CancelledError

import pytest

from noodle.errors import InstanceUnavailableError, InternalError
from noodle.ffi_service.call_threads import CallThreads

WAIT_SECONDS = 30.0


def test_as_many_calls_run_at_a_time_as_are_allowed():
    threads = CallThreads(3, queued_most=10)
    together = threading.Barrier(3)
    futures = [threads.submit(lambda: together.wait(WAIT_SECONDS)) for _ in range(3)]
    assert {0, 1, 2} == {future.result(WAIT_SECONDS) for future in futures}


def test_no_more_calls_run_at_a_time_than_are_allowed():
    threads = CallThreads(2, queued_most=100)
    lock, running, most = threading.Lock(), 0, 0

    def call() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.001)
        with lock:
            running -= 1

    for future in [threads.submit(call) for _ in range(100)]:
        future.result(WAIT_SECONDS)
    assert 2 >= most


def test_a_call_that_nobody_waits_for_keeps_its_thread_until_it_ends():
    threads = CallThreads(1, queued_most=1)
    release = threading.Event()
    first = threads.submit(lambda: release.wait(WAIT_SECONDS))
    first.cancel()
    second = threads.submit(lambda: 2)
    with pytest.raises(InstanceUnavailableError, match="too many calls wait already"):
        threads.submit(lambda: 3)
    assert threads.is_full
    release.set()
    assert 2 == second.result(WAIT_SECONDS)


def test_a_call_that_is_cancelled_before_it_begins_never_runs():
    threads = CallThreads(1, queued_most=2)
    release = threading.Event()
    threads.submit(lambda: release.wait(WAIT_SECONDS))
    ran: list[int] = []
    assert threads.submit(lambda: ran.append(1)).cancel()
    last = threads.submit(lambda: None)
    release.set()
    last.result(WAIT_SECONDS)
    assert [] == ran


def test_where_no_thread_can_be_started_calls_are_refused_and_later_ones_run(
    monkeypatch: pytest.MonkeyPatch,
):
    threads = CallThreads(1, queued_most=3)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(InstanceUnavailableError):
            threads.submit(lambda: 1)
    assert 2 == threads.submit(lambda: 2).result(WAIT_SECONDS)


def refuse(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("kind", [ValueError, StopIteration, SystemExit, CancelledError])
def test_what_a_call_raises_in_spite_of_all_is_a_defect_and_the_thread_goes_on(
    kind: type[BaseException],
):
    threads = CallThreads(1, queued_most=3)

    def call() -> None:
        raise kind("no")

    error = threads.submit(call).exception(WAIT_SECONDS)
    assert isinstance(error, InternalError)
    assert 1 == threads.submit(lambda: 1).result(WAIT_SECONDS)


class Thing:
    """Something that a call holds."""


def test_a_thread_keeps_nothing_of_a_call_that_has_ended():
    threads = CallThreads(1, queued_most=1)
    thing = Thing()
    gone = threading.Event()
    weakref.finalize(thing, gone.set)
    future = threads.submit(lambda held=thing: None)
    future.result(WAIT_SECONDS)
    del thing, future
    assert gone.wait(WAIT_SECONDS)
