"""Calls into a worker and callbacks out of it, each with a real process at the other end."""

from __future__ import annotations

import gc
import io
import math
import signal
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.workers.echo import (
    IN_C,
    Functions,
    echo_pool,
    functions_of,
    reaches,
    statistics,
)

import noodle
from noodle.errors import (
    CallDepthError,
    DeadlineExceededError,
    ForeignError,
    InputLimitError,
    RemoteCallError,
    WorkerCrashedError,
)
from noodle.workers.pool import Pool


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -1,
        2**53 + 1,
        2**70,
        1.5,
        math.inf,
        -0.0,
        "text",
        "\ud800",
        b"bytes",
        [1, [2.5, None]],
        {"a": {"b": [1]}},
        {1, 2},
    ],
)
def test_a_value_comes_back_as_it_was_sent(function: Functions, value: object):
    result = function("echo")(value)
    assert (type(value), repr(value)) == (type(result), repr(result))


def test_nan_comes_back_as_nan(function: Functions):
    assert math.isnan(function("echo")(math.nan))


@pytest.mark.parametrize("size", [60_000, 65_504, 65_505, 200_000, 3_000_000])
def test_a_message_longer_than_a_ring_travels_in_a_segment(function: Functions, size: int):
    value = bytes(range(256)) * (size // 256 + 1)
    assert value == function("echo")(value)


@IN_C
def test_segments_of_long_messages_are_lent_only_for_the_call(pool: Pool, function: Functions):
    function("echo")(b"x" * 1_000_000)
    function("add")(1.0, 2.0)
    assert 0 == statistics(pool)["lent_segments"]


def test_a_structure_that_contains_itself_is_refused(function: Functions):
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(InputLimitError, match="it contains itself"):
        function("echo")(loop)
    assert 1 == function("echo")(1)


def test_what_a_failed_message_refers_to_is_taken_back(pool: Pool, function: Functions):
    loop: list[Any] = []
    loop.append(loop)
    function("echo")(1)
    with pytest.raises(InputLimitError):
        function("echo")([print, noodle.deadline, loop])
    assert 0 == statistics(pool)["exported_objects"]


@IN_C
def test_an_error_keeps_type_text_and_frames(function: Functions):
    with pytest.raises(RemoteCallError) as caught:
        function("fail")("RangeError", "too far")
    assert isinstance(caught.value, ValueError)
    assert ("test", "RangeError", "too far") == (
        caught.value.language,
        caught.value.type_name,
        caught.value.message,
    )
    assert (("echo_worker.c", 7, None, "fail"),) == caught.value.frames
    shown = "".join(traceback.format_exception(caught.value))
    assert 'File "<echo_worker.c>", line 7, in fail' in shown


# ------------------------------------------------------------------------------- Callbacks


def test_callbacks_of_a_call_run_on_the_thread_that_waits(function: Functions):
    threads: list[int] = []

    def note(value: int) -> int:
        threads.append(threading.get_ident())
        return value + 1

    call = function("call")
    with ThreadPoolExecutor(4) as executor:
        futures = [executor.submit(call, note, number) for number in range(20)]
        assert [number + 1 for number in range(20)] == [future.result() for future in futures]
    assert threading.get_ident() not in threads
    assert 2 == call(note, 1)
    assert threading.get_ident() == threads[-1]


def test_calls_and_callbacks_nest_on_one_chain(function: Functions):
    call = function("call")

    def descend(depth: int) -> int:
        return 0 if depth == 0 else 1 + call(descend, depth - 1)

    assert 20 == call(descend, 20)


def test_calls_that_nest_without_end_are_a_typed_error(function: Functions):
    call = function("call")

    def forever() -> object:
        return call(forever)

    with pytest.raises(CallDepthError, match="nested too deeply"):
        call(forever)
    assert 1 == function("echo")(1)


def test_an_exception_of_a_callback_comes_back_through_the_worker(function: Functions):
    def fail() -> None:
        raise KeyError("lost")

    with pytest.raises(KeyError) as caught:
        function("call")(fail)
    assert KeyError is type(caught.value)
    assert "fail" in [entry.name for entry in caught.traceback]


def test_requests_that_no_call_waits_for_run_on_the_serving_thread(function: Functions):
    done = threading.Event()
    names: list[str] = []

    def note() -> None:
        names.append(threading.current_thread().name)
        done.set()

    function("keep")(note)
    function("fire")()
    assert done.wait(10)
    assert ["noodle echo"] == names


def lets_all_go(pool: Pool) -> bool:
    """Whether the worker has no object of this process any more; one in Python may say so late."""
    add = functions_of(pool)("add")
    return reaches(0, lambda: 3 - int(add(1.0, 2.0)) - statistics(pool)["exported_objects"])


def test_a_function_stays_alive_until_the_worker_lets_it_go(pool: Pool, function: Functions):
    def note() -> None:
        raise AssertionError

    function("keep")(note)
    assert 1 == statistics(pool)["exported_objects"]
    function("release")()
    assert lets_all_go(pool)


def test_the_same_function_is_sent_under_one_id(pool: Pool, function: Functions):
    function("keep")(test_an_error_keeps_type_text_and_frames)
    function("keep")(test_an_error_keeps_type_text_and_frames)
    assert 1 == statistics(pool)["exported_objects"]
    function("release")()
    assert lets_all_go(pool)


def test_a_call_from_encoding_does_not_clobber_the_outer_one(function: Functions):
    """Writing arguments may run Python code, which may call on the same channel."""
    add = function("add")

    class Number(float):
        pass

    class Mapping(dict[str, float]):
        pass

    class Late:
        def __del__(self) -> None:
            results.append(add(1.0, 2.0))

    results: list[float] = []
    gc.collect()
    late = Late()
    late_list = [late]
    del late
    values = [Number(1.5), Mapping(a=late_list.pop() and 2.0)]
    assert [1.5, {"a": 2.0}] == function("echo")(values)
    assert [3.0] == results


# ------------------------------------------------------------------- Deadlines, interrupts


def test_a_deadline_ends_the_wait_and_cancels_the_call(pool: Pool, function: Functions):
    begin = time.monotonic()
    with pytest.raises(DeadlineExceededError, match="sleep did not finish"), noodle.deadline(0.1):
        function("sleep")(0.3)
    assert time.monotonic() - begin < 0.3
    assert reaches(1, function("cancels"))
    assert pool.worker().alive


def test_late_replies_are_taken_by_the_serving_thread(pool: Pool, function: Functions):
    with pytest.raises(DeadlineExceededError), noodle.deadline(0.1):
        function("sleep")(0.2)
    assert 3.0 == function("add")(1.0, 2.0)
    until = time.monotonic() + 10
    while statistics(pool)["late_replies"] == 0 and time.monotonic() < until:
        function("add")(1.0, 2.0)
    assert (1, 0) == (statistics(pool)["late_replies"], statistics(pool)["in_flight"])


@IN_C
@pytest.mark.parametrize(("stuck", "arguments"), [("sleep", (60.0,)), ("stop", ())])
def test_a_call_that_ignores_its_deadline_costs_the_worker_its_life(
    echo_worker: Path, stuck: str, arguments: tuple[float, ...]
):
    with echo_pool(echo_worker, grace_seconds=0.1) as pool:
        function = functions_of(pool)
        worker = pool.worker()
        with pytest.raises(DeadlineExceededError), noodle.deadline(0.2):
            function(stuck)(*arguments)
        assert worker.join(10)
        assert signal.SIGKILL == worker.exit.signal
        assert "grace" in (worker.link.broken or "")
        assert 3.0 == function("add")(1.0, 2.0)
        assert worker is not pool.worker()


def test_an_interrupt_ends_the_wait_of_the_main_thread(pool: Pool, function: Functions):
    sleep, add = function("sleep"), function("add")
    add(1.0, 2.0)
    main = threading.main_thread().ident
    timer = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        sleep(0.5)
    assert time.monotonic() - begin < 0.45
    timer.join()
    assert 3.0 == add(1.0, 2.0)
    assert reaches(1, function("cancels"))
    assert pool.worker().alive


# -------------------------------------------------------------------------------- Channels


@IN_C
def test_a_call_that_goes_on_after_an_interrupt_costs_the_worker_its_life(
    pool: Pool, function: Functions
):
    """Nothing else can end an endless loop, which would keep the worker for ever."""
    sleep, worker = function("sleep"), pool.worker()
    main = threading.main_thread().ident
    timer = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        sleep(60.0)
    timer.join()
    assert worker.join(10)
    assert "after an interrupt" in (worker.link.broken or "")
    assert 3.0 == function("add")(1.0, 2.0)


@IN_C
def test_an_interrupt_of_a_call_that_has_not_begun_disturbs_nobody(pool: Pool, function: Functions):
    """Another thread's call keeps the worker busy for longer than the grace."""
    sleep, add, worker = function("sleep"), function("add"), pool.worker()
    add(1.0, 2.0)
    sleep(0.0)
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(sleep(1.5)))
    thread.start()
    while not worker.link.in_flight:
        continue
    main = threading.main_thread().ident
    timer = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        add(1.0, 2.0)
    timer.join()
    thread.join()
    assert ([None], 3.0) == (results, add(1.0, 2.0))
    assert worker is pool.worker()


def test_more_threads_than_channels_queue_for_one(echo_worker: Path):
    with echo_pool(echo_worker, channels=3) as pool:
        add = functions_of(pool)("add")

        def work(number: int) -> float:
            return sum(add(float(number), 1.0) for _ in range(50))

        with ThreadPoolExecutor(12) as executor:
            results = list(executor.map(work, range(12)))
        assert [50.0 * (number + 1) for number in range(12)] == results


def test_a_channel_of_an_idle_thread_is_taken_over(echo_worker: Path):
    with echo_pool(echo_worker, channels=2) as pool:
        add = functions_of(pool)("add")
        add(1.0, 1.0)
        done = threading.Event()
        results: list[float] = []

        def stay() -> None:
            results.append(add(1.0, 2.0))
            done.wait(10)

        threads = [threading.Thread(target=stay) for _ in range(5)]
        for thread in threads:
            thread.start()
        until = time.monotonic() + 10
        while len(results) < 5 and time.monotonic() < until:
            results and add(2.0, 2.0)
        done.set()
        for thread in threads:
            thread.join()
        assert [3.0] * 5 == results


def test_a_channel_is_recycled_when_its_thread_ends(pool: Pool, function: Functions):
    add = function("add")
    add(1.0, 1.0)
    for _ in range(100):
        thread = threading.Thread(target=add, args=(1.0, 2.0))
        thread.start()
        thread.join()
    add(1.0, 1.0)
    assert statistics(pool)["channels"] <= 4


def test_calls_go_on_beside_a_busy_thread(function: Functions):
    """Waits of microseconds keep the GIL; given up at once, each would take a switch interval."""
    add = function("add")
    is_over = threading.Event()

    def spin() -> None:
        while not is_over.is_set():
            sum(range(1000))

    busy = threading.Thread(target=spin)
    busy.start()
    try:
        assert [3.0] * 300 == [add(1.0, 2.0) for _ in range(300)]
    finally:
        is_over.set()
        busy.join()


# --------------------------------------------------------------------------- Broken workers


@IN_C
@pytest.mark.parametrize("way", ["garbage", "wrong_id", "bad"])
def test_a_worker_that_breaks_the_protocol_is_ended(pool: Pool, function: Functions, way: str):
    with pytest.raises(WorkerCrashedError, match="it was killed"):
        function(way)()
    assert 3.0 == function("add")(1.0, 2.0)


def test_an_uncaught_error_of_a_worker_is_shown(
    function: Functions, monkeypatch: pytest.MonkeyPatch
):
    told = io.StringIO()
    monkeypatch.setattr(sys, "stderr", told)
    function("uncaught")()
    end = time.monotonic() + 10
    while "nobody waited\n" not in told.getvalue() and time.monotonic() < end:
        continue
    assert "Uncaught in the worker echo:\n" in told.getvalue()
    assert "nobody waited\n" in told.getvalue()


def test_a_worker_killed_in_the_middle_of_a_call_is_reported(pool: Pool, function: Functions):
    worker = pool.worker()
    killer = threading.Timer(0.1, worker.link.kill)
    killer.start()
    with pytest.raises(WorkerCrashedError, match="ended during sleep"):
        function("sleep")(30.0)
    killer.join()
    assert signal.SIGKILL == worker.exit.signal


def test_every_thread_learns_of_the_end(pool: Pool, function: Functions):
    sleep = function("sleep")
    worker = pool.worker()
    with ThreadPoolExecutor(4) as executor:
        futures = [executor.submit(sleep, 30.0) for _ in range(4)]
        until = time.monotonic() + 10
        while statistics(pool)["in_flight"] < 4 and time.monotonic() < until:
            worker.health()
        worker.link.kill()
        errors = [future.exception(10) for future in futures]
    assert [WorkerCrashedError] * 4 == [type(error) for error in errors]
    assert all(isinstance(error, ForeignError) for error in errors)
