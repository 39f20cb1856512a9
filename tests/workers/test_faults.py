"""What goes wrong in or around a real Node.js worker ends in a typed error, before the deadline."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import numpy
import pytest
from tests.workers.faults import LIMIT, Faults, in_thread, load_faults

import noodle
from noodle.errors import (
    CallDepthError,
    DeadlineExceededError,
    DeadlockError,
    ForeignError,
    InputLimitError,
    InstanceUnavailableError,
    MemoryLimitError,
    ReferenceReleasedError,
    RemoteCallError,
    SettingsError,
    WorkerCrashedError,
)
from noodle.workers.worker import Worker

pytestmark = pytest.mark.usefixtures("repetition")

CONTROL_BYTES, CHANNEL_BYTES = 4096, 4096 + 2 * 65536
"""Of the memory that host and worker share: the control block, then each channel's."""


@pytest.fixture
def faults() -> Iterator[Faults]:
    with noodle.deadline(LIMIT), load_faults() as faults:
        assert 3 == faults.add(1, 2)
        yield faults


def assert_recovers(faults: Faults) -> None:
    """The next call works, in a worker that is started anew where the old one has ended."""
    assert 3 == faults.add(1, 2)
    limit = time.monotonic() + LIMIT
    while faults.pool.worker().link.statistics()["in_flight"] and time.monotonic() < limit:
        assert 3 == faults.add(1, 2)
    assert 0 == faults.pool.worker().link.statistics()["in_flight"]


def await_count(faults: Faults, name: str, expected: int) -> None:
    """Make calls until one of the link's counters is what is expected."""
    limit = time.monotonic() + LIMIT
    while faults.pool.worker().link.statistics()[name] != expected:
        assert time.monotonic() < limit, faults.pool.worker().link.statistics()
        assert 3 == faults.add(1, 2)


def await_call(worker: Worker, name: str) -> None:
    """Wait until some thread waits for the answer to a call."""
    limit = time.monotonic() + LIMIT
    while name not in [called for _, called, _ in worker.link.waits()]:
        assert time.monotonic() < limit
        time.sleep(0.001)


# ------------------------------------------------------------------------- The end of a worker


@pytest.mark.parametrize(
    ("name", "argument", "told"),
    [
        ("exit", 0, "exit code 0"),
        ("exit", 3, "exit code 3"),
        ("kill", "SIGKILL", "signal SIGKILL"),
        ("kill", "SIGSEGV", "signal SIGSEGV"),
        ("kill", "SIGTERM", "signal SIGTERM"),
    ],
)
def test_a_worker_that_ends_in_a_call_says_how(
    faults: Faults, name: str, argument: Any, told: str
) -> None:
    with pytest.raises(WorkerCrashedError, match=told) as caught:
        getattr(faults, name)(argument)
    assert f"ended during {name}" in str(caught.value)
    assert_recovers(faults)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("throwUncaught", "nobody catches this"),
        ("rejectUnhandled", "nobody handles this"),
        ("abort", "JavaScript stack trace"),
    ],
)
def test_the_last_words_of_a_worker_are_in_its_crash_report(
    faults: Faults, name: str, told: str
) -> None:
    with pytest.raises(WorkerCrashedError) as caught:
        getattr(faults, name)()
    assert told in "\n".join(caught.value.__notes__)
    assert_recovers(faults)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_killed_from_outside_says_by_what(faults: Faults, number: signal.Signals) -> None:
    never, worker = faults.never, faults.pool.worker()

    def kill() -> None:
        await_call(worker, "never")
        os.kill(worker.pid, number)

    with in_thread(kill) as failures, pytest.raises(WorkerCrashedError, match=number.name):
        never()
    assert [] == failures
    assert_recovers(faults)


def test_a_stopped_worker_is_overdue_and_killed(faults: Faults) -> None:
    worker = faults.pool.worker()
    os.kill(worker.pid, signal.SIGSTOP)
    begin = time.monotonic()
    with pytest.raises(DeadlineExceededError), noodle.deadline(0.2):
        faults.add(1, 2)
    assert time.monotonic() - begin < 0.2 + 2
    assert worker.join(LIMIT)
    assert worker.exit is not None
    assert signal.SIGKILL == worker.exit.signal
    assert_recovers(faults)


def test_an_infinite_loop_is_overdue_and_killed(faults: Faults) -> None:
    worker, spin = faults.pool.worker(), faults.spin
    begun = noodle.zeros(1 << 14)  # the same memory on both sides
    while not begun[0]:  # on a busy machine its deadline may pass before that
        begin = time.monotonic()
        with pytest.raises(DeadlineExceededError, match="spin"), noodle.deadline(0.2):
            spin(begun)
    assert time.monotonic() - begin < 0.2 + 2
    assert worker.join(LIMIT)
    assert_recovers(faults)


def test_objects_of_a_worker_that_has_ended_are_refused(faults: Faults) -> None:
    thing = faults.Thing(4)
    assert 8 == thing.double()
    with pytest.raises(WorkerCrashedError):
        faults.exit(1)
    for use in (lambda: thing.double(), lambda: thing.value, lambda: str(thing)):
        with pytest.raises(ReferenceReleasedError, match="its worker has ended"):
            use()
    assert_recovers(faults)


def test_an_iterator_that_outlives_its_worker_ends_without_a_word(faults: Faults) -> None:
    numbers = iter(faults.count(1000))
    assert 0 == next(numbers)
    with pytest.raises(WorkerCrashedError):
        faults.exit(1)
    del numbers
    assert_recovers(faults)


def test_a_worker_that_keeps_ending_is_held_back_and_then_quarantined(faults: Faults) -> None:
    begin = time.monotonic()
    for _ in range(5):
        with pytest.raises(WorkerCrashedError):
            faults.exit(1)
    assert time.monotonic() - begin >= 0.05 + 0.1 + 0.2 + 0.4
    with pytest.raises(InstanceUnavailableError, match="quarantined"):
        faults.add(1, 2)


def test_a_heap_that_is_full_ends_the_worker_and_nothing_else() -> None:
    limits = {"NODE_OPTIONS": "--max-old-space-size=24 --max-semi-space-size=2"}
    with noodle.deadline(LIMIT), load_faults(**limits) as faults:
        with pytest.raises(WorkerCrashedError) as caught:
            faults.exhaust()
        assert "heap out of memory" in "\n".join(caught.value.__notes__)
        assert_recovers(faults)


@pytest.mark.parametrize("name", ["exhaust", "exhaustBuffers"])
def test_a_memory_limit_that_is_hit_is_named(name: str) -> None:
    with noodle.deadline(LIMIT), load_faults({"memory": "128MB"}) as faults:
        with pytest.raises(MemoryLimitError, match="at most 128 MB") as caught:
            getattr(faults, name)()
        assert f"ran out of memory during {name}" in str(caught.value)
        assert_recovers(faults)


def test_a_memory_limit_holds_between_calls_too() -> None:
    with noodle.deadline(LIMIT), load_faults({"memory": "100MB"}) as faults:
        worker = faults.pool.worker()
        faults.exhaustLater()
        assert worker.join(LIMIT)
        assert isinstance(worker.crash_report(None), MemoryLimitError)
        assert_recovers(faults)


def test_arrays_that_a_worker_is_given_count_against_its_memory() -> None:
    with noodle.deadline(LIMIT), load_faults({"memory": "100MB"}) as faults:
        with pytest.raises(InputLimitError, match="at most 100 MB"):
            faults.echo(numpy.zeros(20_000_000))
        assert 1e6 == len(faults.echo(numpy.zeros(1_000_000)))
        assert_recovers(faults)


def test_a_worker_within_its_memory_limit_is_left_alone() -> None:
    with noodle.deadline(LIMIT), load_faults({"memory": "64MB"}) as faults:
        worker = faults.pool.worker()
        for _ in range(50):
            faults.floats(100_000)
        assert_recovers(faults)
        assert worker is faults.pool.worker()


@pytest.mark.parametrize(
    "memory", ["much", "12 parsecs", 0, -1, "1MB", 63_000_000, 1.5e9, True, "9" * 40]
)
def test_a_memory_limit_that_cannot_be_is_refused(memory: object) -> None:
    with pytest.raises(SettingsError, match="'memory' has a wrong value"):
        noodle.load("node:path", memory=memory)


# ----------------------------------------------------------------------------- Deadlines, Ctrl-C


def test_an_interrupt_ends_a_call_and_leaves_the_worker(faults: Faults) -> None:
    pid = faults.pid()
    main = threading.main_thread().ident
    assert main is not None

    worker, sleep = faults.pool.worker(), faults.sleep

    def interrupt() -> None:
        await_call(worker, "sleep")
        signal.pthread_kill(main, signal.SIGINT)

    with in_thread(interrupt) as failures, pytest.raises(KeyboardInterrupt):
        sleep(LIMIT * 1000)
    assert [] == failures
    assert (pid, 3) == (faults.pid(), faults.add(1, 2))


def test_an_interrupt_ends_an_endless_loop_with_its_worker(faults: Faults) -> None:
    worker, spin = faults.pool.worker(), faults.spin
    main = threading.main_thread().ident
    assert main is not None
    begun = noodle.zeros(1 << 14)  # the same memory on both sides

    def interrupt() -> None:
        limit = time.monotonic() + LIMIT
        while not begun[0]:
            assert time.monotonic() < limit
            time.sleep(0.001)
        signal.pthread_kill(main, signal.SIGINT)

    with (
        in_thread(interrupt) as failures,
        pytest.raises(KeyboardInterrupt),
        noodle.deadline(LIMIT * 1000),
    ):
        spin(begun)
    assert [] == failures
    assert worker.join(LIMIT)
    assert_recovers(faults)


def test_promises_that_never_settle_cost_the_worker_nothing_but_themselves(faults: Faults) -> None:
    """Also more of them than there are channels."""
    worker, limit = faults.pool.worker(), time.monotonic() + LIMIT
    # On a busy machine some do not begin before their deadline, and have an answer.
    while worker.link.statistics()["unsettled"] < 80:
        assert time.monotonic() < limit, worker.link.statistics()
        with pytest.raises(DeadlineExceededError), noodle.deadline(0.01):
            faults.never()
    end = time.monotonic() + 1  # twice the grace
    while time.monotonic() < end:
        assert 3 == faults.add(1, 2)
    counts = worker.link.statistics()
    assert worker is faults.pool.worker()
    assert 80 <= counts["unsettled"] == counts["in_flight"]


def test_a_promise_that_settles_after_all_is_forgotten(faults: Faults) -> None:
    worker, wait = faults.pool.worker(), faults.waitForGate
    limit = time.monotonic() + LIMIT
    while not worker.link.statistics()["unsettled"]:
        assert time.monotonic() < limit, worker.link.statistics()
        # On a busy machine it passes before the call has begun; that is an answer.
        with pytest.raises(DeadlineExceededError), noodle.deadline(0.05):
            wait(7)
        while worker.link.statistics()["in_flight"] > worker.link.statistics()["unsettled"]:
            assert 3 == faults.add(1, 2)
    faults.openGate()
    await_count(faults, "in_flight", 0)
    assert_recovers(faults)


def await_begin(begun: Any) -> None:
    """Wait until JavaScript has written to memory that both sides have."""
    limit = time.monotonic() + LIMIT
    while not begun[0]:
        assert time.monotonic() < limit
        time.sleep(0.001)


def test_what_waits_and_what_has_not_begun_costs_a_busy_worker_nothing(faults: Faults) -> None:
    """While the code of another call runs, the worker cannot say that a call only waits."""
    worker, add, waits, busy = faults.pool.worker(), faults.add, faults.neverFrom, faults.busyFrom
    waits_begun, busy_begun = noodle.zeros(1 << 14), noodle.zeros(1 << 14)

    def give_up() -> None:
        with pytest.raises(DeadlineExceededError), noodle.deadline(1):
            waits(waits_begun)

    def compute() -> None:
        busy(busy_begun, 2500)  # five times the grace

    with in_thread(give_up) as first:
        await_begin(waits_begun)
        with in_thread(compute) as second:
            await_begin(busy_begun)
            with pytest.raises(DeadlineExceededError), noodle.deadline(0.1):
                add(1, 2)
    assert ([], []) == (first, second)
    await_count(faults, "unsettled", 1)
    assert worker is faults.pool.worker()


def test_a_busy_call_beside_others_is_killed_when_its_own_deadline_has_passed(
    faults: Faults,
) -> None:
    worker, never, spin = faults.pool.worker(), faults.never, faults.spin

    def wait() -> None:
        with pytest.raises(WorkerCrashedError, match="grace after its deadline"):
            never()

    begun = noodle.zeros(1 << 14)  # the same memory on both sides
    with in_thread(wait) as failures:
        await_call(worker, "never")
        while not begun[0]:  # on a busy machine its deadline may pass before that
            with pytest.raises(DeadlineExceededError), noodle.deadline(0.2):
                spin(begun)
    assert [] == failures
    assert worker.join(LIMIT)
    assert_recovers(faults)


def test_a_deadline_passes_within_a_nested_call(faults: Faults) -> None:
    begin = time.monotonic()
    with pytest.raises(DeadlineExceededError), noodle.deadline(0.3):
        faults.call(lambda: faults.never())
    assert time.monotonic() - begin < 0.3 + 2


def test_a_promise_that_needs_the_loop_of_a_blocked_worker_is_a_deadlock(faults: Faults) -> None:
    with pytest.raises(DeadlockError, match="stands still until the callback"):
        faults.call(lambda: faults.sleep(1))
    assert_recovers(faults)


def test_a_callback_that_does_not_block_its_worker_blocks_no_other_call(
    faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noodle.workers.deadlocks.reentry_timeout", 0.3)
    entered, leave = threading.Event(), threading.Event()

    def wait() -> str:
        entered.set()
        assert leave.wait(LIMIT)
        return "left"

    results: list[object] = []
    with in_thread(lambda: results.append(faults.callUnblocked(wait))) as failures:
        try:
            assert entered.wait(LIMIT)
            assert "slept" == faults.sleep(600, "slept")
        finally:
            leave.set()
    assert ([], ["left"]) == (failures, results)


# ------------------------------------------------------------------------------------ Chains


def test_calls_nest_host_node_host_node(faults: Faults) -> None:
    def down(depth: int) -> int:
        return faults.call(down, depth - 1) + 1 if depth else 0

    assert 30 == down(30)
    with pytest.raises(CallDepthError):
        down(100)
    assert_recovers(faults)


def test_calls_that_wait_for_each_other_are_a_deadlock() -> None:
    both = threading.Barrier(2, timeout=LIMIT)
    with noodle.deadline(LIMIT), load_faults() as here, load_faults() as there:
        here.add(1, 2), there.add(1, 2)

        def across(one: Faults, other: Faults) -> Any:
            return one.call(lambda: (both.wait(), other.add(1, 2))[1])

        with in_thread(lambda: across(there, here)) as failures:
            try:
                across(here, there)
            except DeadlockError as error:
                failures.append(error)
        assert DeadlockError in map(type, failures)
        assert (3, 3) == (here.add(1, 2), there.add(1, 2))


def test_eight_threads_get_their_own_answers(faults: Faults) -> None:
    wrong: list[tuple[int, int]] = []

    def run(base: int) -> None:
        with noodle.deadline(LIMIT):
            for i in range(1000):
                if base + i != faults.add(base, i):
                    wrong.append((base, i))
                if i % 50 == 0 and 2 * i != faults.call(lambda n: 2 * n, i):
                    wrong.append((base, i))

    threads = [threading.Thread(target=run, args=(base * 10_000,)) for base in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == wrong
    assert_recovers(faults)


class Refused(Exception):
    """Raised by callbacks."""


def test_an_exception_of_a_callback_comes_back_as_it_is(faults: Faults) -> None:
    def refuse() -> None:
        raise Refused("no")

    for call in (faults.call, faults.callLater, faults.callUnblocked):
        with pytest.raises(Refused, match="no"):
            call(refuse)
    assert_recovers(faults)


# ------------------------------------------------------------------------------------- Values


def test_numbers_cross_without_a_change(faults: Faults) -> None:
    values = [
        math.inf,
        -math.inf,
        2**53 - 1,
        2**53 + 1,
        -(2**53) - 1,
        2**63,
        2**64,
        2**70,
        -(2**70),
    ]
    assert values == [faults.echo(value) for value in values]
    assert math.isnan(faults.echo(math.nan))
    assert -1.0 == math.copysign(1, faults.echo(-0.0))
    nan, *others = faults.numbers()
    assert math.isnan(nan)
    assert [math.inf, -math.inf, -0.0, 2**53 - 1, 2**53 + 1, 2**70, -(2**70), 5e-324] == others
    assert -1.0 == math.copysign(1, others[2])
    told = faults.texts(math.nan, math.inf, -0.0, 2**53 + 1, 2**70)
    assert ["NaN", "Infinity", "-0", str(2**53 + 1), str(2**70)] == told
    assert ["number", "bigint", "bigint"] == faults.types(2**53 - 1, 2**53 + 1, 2**70)


def test_lone_surrogates_cross_without_a_change(faults: Faults) -> None:
    assert "a\ud800b" == faults.lone() == faults.echo("a\ud800b")
    assert [0x61, 0xD800, 0x62] == faults.codes("a\ud800b")
    assert [0xD83D, 0xDE00] == faults.codes("\U0001f600")


def test_cycles_are_a_clear_error_both_ways(faults: Faults) -> None:
    for name in ("cyclicList", "cyclicObject", "cyclicMap"):
        with pytest.raises(RemoteCallError, match="contains itself"):
            getattr(faults, name)()
    items: list[Any] = []
    items.append({"items": items})
    with pytest.raises(InputLimitError, match="contains itself"):
        faults.echo(items)
    assert_recovers(faults)


@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_what_is_too_deep_is_refused_both_ways(faults: Faults, depth: int) -> None:
    with pytest.raises(RemoteCallError, match="deeper than the limit"):
        faults.nested(depth)
    items: list[Any] = []
    for _ in range(depth):
        items = [items]
    with pytest.raises(InputLimitError, match="deeper than the limit"):
        faults.echo(items)
    while items:
        items = items[0]
    assert_recovers(faults)


def test_whatever_is_thrown_is_an_error(faults: Faults) -> None:
    for index in range(faults.thrownCount()):
        with pytest.raises(RemoteCallError):
            faults.throwValue(index)
    for name in ("getter", "recurse"):
        with pytest.raises(RemoteCallError):
            getattr(faults, name)()
    assert_recovers(faults)


@pytest.mark.parametrize("length", [65_500, 65_536, 65_537, 1_000_003, 20_000_001])
def test_a_message_longer_than_a_ring_arrives_whole(faults: Faults, length: int) -> None:
    assert "x" * length == faults.text(length)
    content = os.urandom(length // 2).hex()
    assert content == faults.echo(content)


# ------------------------------------------------------------------------------ Hostile memory


def test_a_worker_that_scribbles_over_its_channel_harms_nobody(
    faults: Faults, repetition: int
) -> None:
    """Each call gives its answer or a typed error in time, and the next worker is a sound one."""
    random = Random(repetition)
    for _ in range(10):
        block = random.choice([0, *(CONTROL_BYTES + i * CHANNEL_BYTES for i in range(3))])
        position = block + random.randrange(6000)
        try:
            with noodle.deadline(2):
                faults.corrupt(random.randbytes(random.choice([1, 8, 64, 4096])), position)
                for number in range(20):
                    assert number + 1 == faults.add(number, 1)
        except ForeignError:
            break
    faults.pool.stop()
    assert_recovers(faults)
