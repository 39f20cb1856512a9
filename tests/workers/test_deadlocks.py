"""Calls that wait for each other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.workers.echo import IN_C, PYTHON_ECHO, echo_pool, functions_of

from noodle.errors import DeadlockError, WorkerBlockedError
from noodle.workers import deadlocks


@IN_C
def test_a_cycle_of_waits_is_an_error(echo_worker: Path):
    """A blocked in a callback that calls B, B blocked in a callback that calls A."""
    both = threading.Barrier(2, timeout=10)

    def across(other: Callable[..., object]) -> object:
        both.wait()
        return other(1.0, 2.0)

    with echo_pool(echo_worker) as first, echo_pool(echo_worker) as second:
        here, there = functions_of(first), functions_of(second)
        adds = (here("add"), there("add"))
        calls = (here("call"), there("call"))
        for add in adds:
            add(1.0, 2.0)
        with ThreadPoolExecutor(2) as executor:
            futures = [
                executor.submit(calls[0], lambda: across(adds[1])),
                executor.submit(calls[1], lambda: across(adds[0])),
            ]
            errors = [future.exception(30) for future in futures]
        assert DeadlockError in [type(error) for error in errors]
        assert [3.0, 3.0] == [add(1.0, 2.0) for add in adds]


@IN_C
def test_a_worker_blocked_in_a_callback_of_another_chain_is_an_error(
    echo_worker: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(deadlocks, "reentry_timeout", 0.5)
    entered, leave = threading.Event(), threading.Event()

    def block() -> None:
        entered.set()
        leave.wait(30)

    with echo_pool(echo_worker) as pool:
        function = functions_of(pool)
        add = function("add")
        add(1.0, 2.0)
        with ThreadPoolExecutor(1) as executor:
            future = executor.submit(function("call"), block)
            try:
                assert entered.wait(10)
                with pytest.raises(WorkerBlockedError, match="add waits for echo"):
                    add(1.0, 2.0)
            finally:
                leave.set()
            assert future.result(10) is None
        assert 3.0 == add(1.0, 2.0)


def test_python_workers_go_on_while_their_threads_wait_for_each_other():
    """Each calling thread has a thread there, so a cycle of workers is none of waits."""
    both = threading.Barrier(2, timeout=30)

    def across(other: Callable[..., object]) -> object:
        both.wait()
        return other(1.0, 2.0)

    with echo_pool(PYTHON_ECHO) as first, echo_pool(PYTHON_ECHO) as second:
        here, there = functions_of(first), functions_of(second)
        adds = (here("add"), there("add"))
        for add in adds:
            add(1.0, 2.0)
        with ThreadPoolExecutor(2) as executor:
            futures = [
                executor.submit(here("call"), lambda: across(adds[1])),
                executor.submit(there("call"), lambda: across(adds[0])),
            ]
            assert [3.0, 3.0] == [future.result(30) for future in futures]


def test_waiting_for_a_slow_call_is_no_deadlock(echo_worker: Path):
    with echo_pool(echo_worker) as pool:
        function = functions_of(pool)
        with ThreadPoolExecutor(2) as executor:
            slow = executor.submit(function("sleep"), 0.5)
            assert 3.0 == executor.submit(function("add"), 1.0, 2.0).result(10)
            assert slow.result(10) is None
