"""A wait for a worker ends when it must, whatever the worker and the callbacks do meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator

import pytest
from tests.workers.faults import LIMIT, Faults, load_faults

import noodle
from noodle.errors import (
    DeadlineExceededError,
    ForeignError,
    ForkedProcessError,
    WorkerCrashedError,
)


@pytest.fixture
def faults() -> Iterator[Faults]:
    with noodle.deadline(LIMIT), load_faults() as faults:
        assert 3 == faults.add(1, 2)
        yield faults


@pytest.fixture
def other() -> Iterator[Faults]:
    with noodle.deadline(LIMIT), load_faults() as other:
        assert 3 == other.add(1, 2)
        yield other


def test_a_worker_that_calls_back_without_end_is_left_at_the_deadline(faults: Faults) -> None:
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1

    begin = time.monotonic()
    with pytest.raises(DeadlineExceededError), noodle.deadline(0.3):
        faults.callForever(count)
    assert time.monotonic() - begin < 2
    assert calls > 1


@pytest.mark.parametrize("own_loop", [False, True])
def test_an_event_loop_within_a_callback_is_woken_by_every_answer(
    faults: Faults, own_loop: bool
) -> None:
    async def ask() -> list[int]:
        return [await faults.sleep.aio(5, i) + faults.add(i, 0) for i in range(4)]

    callback = (lambda: asyncio.run(ask())) if own_loop else ask
    assert [0, 2, 4, 6] == faults.callUnblocked(callback)
    assert 3 == faults.add(1, 2)


def test_a_fork_in_a_callback_leaves_the_channel_to_the_parent(faults: Faults) -> None:
    children = []

    def fork() -> int:
        children.append(os.fork())
        return 7

    try:
        answer = faults.call(fork)
    except ForkedProcessError:
        os._exit(0 if children == [0] else 2)
    if 0 in children:
        os._exit(3)
    assert 7 == answer
    _, status = os.waitpid(children[0], 0)
    assert 0 == os.waitstatus_to_exitcode(status)
    assert [3] * 100 == [faults.add(1, 2) for _ in range(100)]


def test_an_object_outlives_an_answer_that_names_it_and_cannot_be_written(faults: Faults) -> None:
    kept = faults.shared()
    with pytest.raises(ForeignError):
        faults.sharedAndUnsendable()
    assert 5 == kept(2, 3)


def test_what_a_loop_awaits_fails_when_its_worker_ends_during_a_call_to_another(
    faults: Faults, other: Faults
) -> None:
    process = faults.pid()

    async def main() -> None:
        future = faults.never.aio()
        await asyncio.sleep(0)
        os.kill(process, signal.SIGKILL)
        assert 5 == other.sleep(100, 5)
        await future

    with pytest.raises(WorkerCrashedError):
        asyncio.run(main())


def test_a_wait_sleeps_although_the_worker_that_called_back_has_ended(
    faults: Faults, other: Faults
) -> None:
    process, used = faults.pid(), []

    def call_another() -> int:
        os.kill(process, signal.SIGKILL)
        begin = time.thread_time()
        answer = int(other.sleep(500, 5))
        used.append(time.thread_time() - begin)
        return answer

    with pytest.raises(WorkerCrashedError):
        faults.call(call_another)
    assert used[0] < 0.1
