"""Pools: start on demand, restart, quarantine, retirement, several workers."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.workers.echo import Functions, echo_pool, echo_program, functions_of

import noodle
from noodle.errors import DeadlineExceededError, InstanceUnavailableError, WorkerCrashedError
from noodle.workers.pool import Pool, RestartPolicy


def test_a_worker_is_started_by_the_first_call(echo_worker: Path):
    with echo_pool(echo_worker) as pool:
        add = functions_of(pool)("add")
        assert [] == pool.workers()
        add(1.0, 2.0)
        assert 1 == len(pool.workers())


def test_a_worker_that_crashed_is_started_anew_by_the_next_call(pool: Pool, function: Functions):
    add = function("add")
    assert 3.0 == add(1.0, 2.0)
    before = pool.worker().pid
    with pytest.raises(WorkerCrashedError):
        function("crash")()
    assert 3.0 == add(1.0, 2.0)
    assert before != pool.worker().pid


def test_restarts_are_held_back(echo_worker: Path):
    with echo_pool(echo_worker, restart=RestartPolicy(first_delay=0.2)) as pool:
        function = functions_of(pool)
        with pytest.raises(WorkerCrashedError):
            function("crash")()
        begin = time.monotonic()
        function("add")(1.0, 2.0)
        assert 0.1 < time.monotonic() - begin


def test_a_restart_does_not_outlast_the_deadline(echo_worker: Path):
    with echo_pool(echo_worker, restart=RestartPolicy(first_delay=30, longest_delay=30)) as pool:
        function = functions_of(pool)
        with pytest.raises(WorkerCrashedError):
            function("crash")()
        early = pytest.raises(DeadlineExceededError, match="before the deadline")
        with early, noodle.deadline(0.5):
            function("add")(1.0, 2.0)


def test_a_worker_that_keeps_crashing_is_quarantined(echo_worker: Path):
    with echo_pool(echo_worker, restart=RestartPolicy(first_delay=0.0, crashes=3)) as pool:
        crash = functions_of(pool)("crash")
        for _ in range(3):
            with pytest.raises(WorkerCrashedError):
                crash()
        with pytest.raises(InstanceUnavailableError, match="echo is quarantined"):
            crash()


def test_quarantine_ends(echo_worker: Path):
    policy = RestartPolicy(first_delay=0.0, crashes=1, quarantine=0.2)
    with echo_pool(echo_worker, restart=policy) as pool:
        function = functions_of(pool)
        with pytest.raises(WorkerCrashedError):
            function("crash")()
        begin = time.monotonic()
        until = begin + 10
        result = None
        while result is None and time.monotonic() < until:
            try:
                result = function("add")(1.0, 2.0)
            except InstanceUnavailableError:
                continue
        assert 3.0 == result
        assert 0.1 < time.monotonic() - begin


def test_an_idle_worker_is_ended_and_comes_back(echo_worker: Path):
    with echo_pool(echo_worker, idle_seconds=0.1) as pool:
        add = functions_of(pool)("add")
        add(1.0, 2.0)
        worker = pool.worker()
        assert worker.join(10)
        assert 0 == worker.exit.code
        assert 3.0 == add(1.0, 2.0)


def test_calls_go_to_the_worker_with_least_to_do(echo_worker: Path):
    with echo_pool(echo_worker, 2) as pool:
        pool.warm()
        assert 2 == len(pool.workers())
        sleep = functions_of(pool)("sleep")
        with ThreadPoolExecutor(2) as executor:
            for _ in range(2):
                list(executor.map(sleep, [0.2, 0.2]))
        assert all(worker.link.calls > 2 for worker in pool.workers())


def test_warming_leaves_errors_to_the_calls():
    from noodle.errors import MissingToolError
    from noodle.workers.program import Program

    pool = Pool(Program("broken", ("/nowhere/node",)))
    pool.warm()
    with pytest.raises(MissingToolError):
        pool.worker()


def test_stopped_workers_are_no_crash(echo_worker: Path):
    pool = Pool(echo_program(echo_worker), restart=RestartPolicy(crashes=1))
    first = pool.worker()
    pool.stop()
    assert 0 == first.exit.code
    assert first is not pool.worker()
    pool.stop()
