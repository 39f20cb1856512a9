"""A native library in a worker may do what it likes: a typed error, and the next call works."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import noodle
from noodle.errors import (
    DeadlineExceededError,
    MemoryLimitError,
    WorkerCrashedError,
)
from noodle.libraries import library_of
from noodle.workers.worker import Worker
from tests.bridges.native.conftest import compile_to
from tests.workers.echo import await_end

pytestmark = pytest.mark.usefixtures("repetition")

PROTOTYPES = """
    double add(double x, double y); long process(void); int crash(void); int divide(int x, int y);
    void run_illegal(void); void give_up(void); void leave(int code); void leave_at_once(int code);
    void kill_itself(int number); int overflow(int depth); void free_twice(void);
    void overrun(void); void spin(void); void sleep_for(unsigned seconds);
    void close_from(int first, int last); void ignore_signals(void); void restore_signals(void);
    void block_signals(void); int crash_and_survive(void); int split(void);
    void grow(void); int say(const char *text);
"""
LIMIT = 60.0
"""Seconds that any test may take on a busy machine."""

SOON = 1.0
"""Seconds within which an error follows its cause, or its deadline."""


@pytest.fixture(scope="session")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of ``faulty.c``."""
    source = Path(__file__).with_name("faulty.c")
    return compile_to(tmp_path_factory.mktemp("faulty") / "libfaulty.so", source, "-fno-builtin")


@contextmanager
def in_a_worker(path: Path, **options: Any) -> Iterator[ModuleType]:
    """Load the library into a worker that has just started and ends with the block."""
    library = noodle.load(str(path), prototypes=PROTOTYPES, placement="isolated", **options)
    try:
        with noodle.deadline(LIMIT):
            assert 3.0 == library.add(1.0, 2.0)
            yield library
    finally:
        noodle.unload(library)


@pytest.fixture
def library(faulty: Path, cache_directory: Path, monkeypatch: Any) -> Iterator[ModuleType]:
    """The library in a worker of its own."""
    monkeypatch.setenv("NOODLE_CACHE_DIR", str(cache_directory.parent))
    with in_a_worker(faulty) as library:
        yield library


@contextmanager
def raised_soon(kind: type[BaseException], after: float = 0.0) -> Iterator[pytest.ExceptionInfo]:
    """Expect an error within a second of now, or of a deadline ``after`` seconds from now."""
    started = time.monotonic()
    with pytest.raises(kind) as caught:
        yield caught
    assert time.monotonic() - started < after + SOON


def worker_of(library: ModuleType) -> Worker:
    """Return the worker in which the library is open."""
    worker: Worker = library_of(library)._loaded._module.pool.worker()
    return worker


def assert_recovers(library: ModuleType) -> None:
    assert 3.0 == library.add(1.0, 2.0)


@contextmanager
def in_calls(library: ModuleType, count: int = 1) -> Iterator[list[Future[None]]]:
    """Have other threads within a long call of the library each."""
    library.sleep_for(0)
    link = worker_of(library).link
    with ThreadPoolExecutor(count) as executor:
        calls = [executor.submit(library.sleep_for, 300) for _ in range(count)]
        while len(link.waits()) < count:
            time.sleep(0)
        yield calls


# ------------------------------------------------------------------------------------ Sudden ends

SUDDEN_ENDS = {
    "crash": ((), "signal SIGSEGV"),
    "divide": ((1, 0), "signal SIGFPE"),
    "run_illegal": ((), "signal SIG(ILL|TRAP)"),
    "give_up": ((), "signal SIGABRT"),
    "leave": ((3,), "exit code 3"),
    "leave_at_once": ((0,), "exit code 0"),
    "kill_itself": ((signal.SIGKILL,), "signal SIGKILL"),
    "overflow": ((0,), "signal SIGSEGV"),
    "free_twice": ((), "signal SIGABRT"),
    "overrun": ((), "signal SIG(ABRT|SEGV)"),
}


@pytest.mark.parametrize("name", SUDDEN_ENDS)
def test_a_sudden_end_names_signal_library_and_function(library: ModuleType, name: str):
    arguments, how = SUDDEN_ENDS[name]
    before = library.process()
    with raised_soon(WorkerCrashedError) as caught:
        getattr(library, name)(*arguments)
    assert caught.match(rf"libfaulty\.so\.{name}\b")
    assert caught.match(how)
    assert_recovers(library)
    assert before != library.process() != os.getpid()


@pytest.mark.parametrize("name", ["spin", "sleep_for", "crash_and_survive"])
def test_an_endless_call_ends_at_its_deadline(library: ModuleType, name: str):
    arguments = (300,) if name == "sleep_for" else ()
    assert_recovers(library)  # what is loaded anew takes its time, too
    with raised_soon(DeadlineExceededError, 0.2) as caught, noodle.deadline(0.2):
        getattr(library, name)(*arguments)
    assert caught.match(rf"libfaulty\.so\.{name} did not finish before its deadline")
    assert_recovers(library)


def test_a_handles_own_deadline_ends_an_endless_call(library: ModuleType):
    with raised_soon(DeadlineExceededError, 0.2):
        library.spin.options(deadline=0.2)()
    assert_recovers(library)


def test_an_awaited_call_ends_at_its_deadline(library: ModuleType):
    import asyncio

    async def main() -> None:
        with noodle.deadline(0.2):
            await library.spin.aio()

    with raised_soon(DeadlineExceededError, 0.2):
        asyncio.run(main())
    assert_recovers(library)


def test_an_awaited_call_learns_of_a_crash(library: ModuleType):
    import asyncio

    async def main() -> None:
        await library.crash.aio()

    with raised_soon(WorkerCrashedError) as caught:
        asyncio.run(main())
    assert caught.match("SIGSEGV")
    assert_recovers(library)


def test_a_batch_learns_of_a_crash(library: ModuleType):
    with raised_soon(WorkerCrashedError) as caught:
        library.divide.batch([(6, 2), (6, 0)])
    assert caught.match("signal SIGFPE")
    assert_recovers(library)


# ------------------------------------------------------------------- What happens to the worker


def test_a_worker_that_is_killed_within_a_call_is_an_error(library: ModuleType):
    process = library.process()
    with in_calls(library) as (call,):
        os.kill(process, signal.SIGKILL)
        with raised_soon(WorkerCrashedError) as caught:
            call.result(LIMIT)
    assert caught.match(r"libfaulty\.so\.sleep_for")
    assert caught.match("signal SIGKILL")
    assert_recovers(library)


def test_a_worker_that_is_stopped_within_a_call_ends_at_the_deadline(library: ModuleType):
    running = worker_of(library)
    with in_calls(library) as (call,):
        os.kill(running.pid, signal.SIGSTOP)
        with raised_soon(DeadlineExceededError, 0.2), noodle.deadline(0.2):
            library.add(1.0, 2.0)
        with pytest.raises(WorkerCrashedError):
            call.result(LIMIT)
    assert running.join(10)
    assert_recovers(library)


def test_every_thread_learns_of_a_crash(library: ModuleType):
    with in_calls(library, 3) as waiting:
        with pytest.raises(WorkerCrashedError):
            library.crash()
        assert [WorkerCrashedError] * 3 == [type(one.exception(LIMIT)) for one in waiting]
    assert_recovers(library)


# -------------------------------------------------------------------- Descriptors and signals


def test_a_library_that_closes_descriptors_leaves_the_channel(library: ModuleType):
    process = library.process()
    library.close_from(3, 500)
    assert_recovers(library)
    assert process == library.process()


def test_one_that_closes_all_of_them_ends_its_worker_and_no_more(library: ModuleType):
    running = worker_of(library)
    with suppress(WorkerCrashedError):  # what was answered before is an answer
        library.close_from(3, 65_536)
    assert running.join(10)
    assert_recovers(library)


@pytest.mark.parametrize("name", ["ignore_signals", "restore_signals", "block_signals"])
def test_a_library_that_changes_signal_handlers_can_still_be_ended(library: ModuleType, name: str):
    getattr(library, name)()
    running = worker_of(library)
    assert_recovers(library)
    end = time.monotonic() + LIMIT
    while True:  # on a busy machine its deadline may pass before it has begun
        with raised_soon(DeadlineExceededError, 0.2), noodle.deadline(0.2):
            library.spin()
        if running.join(2):
            break
        assert time.monotonic() < end
    assert_recovers(library)
    with raised_soon(WorkerCrashedError):
        library.give_up()
    assert_recovers(library)


def test_a_child_that_the_library_forks_neither_serves_nor_answers(library: ModuleType):
    process = library.process()
    child = library.split()
    assert child > 0
    assert await_end(child)
    assert process == library.process()


# -------------------------------------------------------------------------- Limits and reports


def test_a_library_that_takes_too_much_memory_is_ended(faulty: Path):
    with in_a_worker(faulty, memory="200 MB") as library:
        with raised_soon(MemoryLimitError, 5.0) as caught:
            library.grow()
        assert caught.match(r"ran out of memory during .*libfaulty\.so\.grow")
        assert "at most 200 MB" == caught.value.expected
        assert_recovers(library)


def test_a_crash_under_a_memory_limit_names_the_limit(faulty: Path):
    """What asked for memory in vain may be the reason for any end."""
    with in_a_worker(faulty, memory="200 MB") as library:
        with raised_soon(WorkerCrashedError) as caught:
            library.crash()
        assert caught.match(r"libfaulty\.so\.crash")
        assert "may have at most 200 MB of memory" in "".join(caught.value.__notes__)
        assert_recovers(library)


def test_the_report_has_what_the_library_printed_last(library: ModuleType):
    library.say("the last words\n")
    with raised_soon(WorkerCrashedError) as caught:
        library.crash()
    assert "the last words" in "".join(caught.value.__notes__)
