"""A wait for a worker ends when it must, whatever the worker and the callbacks do meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
from tests.workers.faults import LIMIT, Faults, load_faults

import noodle
from noodle.errors import DeadlineExceededError, ForkedProcessError


@pytest.fixture
def faults() -> Iterator[Faults]:
    with noodle.deadline(LIMIT), load_faults() as faults:
        assert 3 == faults.add(1, 2)
        yield faults


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


def test_a_worker_that_calls_back_without_end_is_killed_after_the_grace(faults: Faults) -> None:
    before = faults.pid()
    with pytest.raises(DeadlineExceededError), noodle.deadline(0.2):
        faults.callForever(lambda: None)
    assert before != faults.pid()


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
