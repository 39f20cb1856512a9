"""The threads of a host: who reads, who runs, and that someone always reads."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from noodle.client_host import threads
from noodle.client_host.threads import ServingThreads, Work

SECONDS = 20


class Source:
    """Gives threads what a test puts in, and tells which thread has read and run."""

    def __init__(self, most: int = 4) -> None:
        self.requests: queue.SimpleQueue[Work | Exception | None] = queue.SimpleQueue()
        self.reading = 0
        self.serving = ServingThreads(self._read, most)
        self.serving.start()

    def _read(self) -> Work | None:
        self.reading += 1
        assert self.reading == 1, "two threads read at a time"
        try:
            request = self.requests.get()
        finally:
            self.reading -= 1
        if isinstance(request, Exception):
            raise request
        return request

    def ask(self, run: Callable[[], Any], key: str = "key") -> queue.SimpleQueue[Any]:
        """Have something run; what it returns comes out of the queue."""
        results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.requests.put(Work(key, lambda: results.put(run())))
        return results

    def do(self, run: Callable[[], Any], key: str = "key") -> Any:
        return self.ask(run, key).get(timeout=SECONDS)


@pytest.fixture
def source() -> Iterator[Source]:
    source = Source()
    yield source
    source.requests.put(EOFError())
    assert source.serving.ended.wait(SECONDS)
    until(lambda: source.serving.counts()["threads"] == 0)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_what_was_quick_is_done_by_the_thread_that_reads(source: Source):
    def threads() -> int:
        return len({source.do(threading.get_ident) for _ in range(50)})

    threads()
    # What the machine holds up for once counts as slow once.
    assert 1 in [threads() for _ in range(10)]


def test_what_was_slow_is_done_while_another_thread_reads(source: Source):
    release = threading.Event()
    source.do(lambda: time.sleep(0.01), "slow")
    slow = source.ask(lambda: release.wait(SECONDS), "slow")
    assert source.do(lambda: "meanwhile", "other") == "meanwhile"
    release.set()
    assert slow.get(timeout=SECONDS)


def test_what_should_have_been_quick_and_is_not_holds_up_nobody(source: Source):
    for _ in range(10):
        source.do(lambda: None, "usually quick")
    release = threading.Event()
    slow = source.ask(lambda: release.wait(SECONDS), "usually quick")
    assert source.do(lambda: "meanwhile", "other") == "meanwhile"
    release.set()
    assert slow.get(timeout=SECONDS)


def test_no_more_run_at_a_time_than_may(source: Source):
    release = threading.Event()
    running = [source.ask(lambda: release.wait(SECONDS), f"slow {n}") for n in range(10)]
    until(lambda: source.serving.counts()["queued"] == 6)
    assert source.serving.counts()["running"] == 4
    release.set()
    assert all(results.get(timeout=SECONDS) for results in running)


def test_what_waits_for_the_client_takes_nobodys_turn(source: Source):
    """Four may run; ten wait, until an eleventh has run."""
    release = threading.Event()

    def wait() -> bool:
        with source.serving.waiting():
            return release.wait(SECONDS)

    waiting = [source.ask(wait, f"waits {n}") for n in range(10)]
    until(lambda: source.serving.counts()["running"] == 0 and source.requests.empty())
    assert source.do(lambda: "runs", "other") == "runs"
    release.set()
    assert all(results.get(timeout=SECONDS) for results in waiting)


def test_someone_reads_when_there_may_be_no_more_threads(
    source: Source, monkeypatch: pytest.MonkeyPatch
):
    """The limit is lowered, since a thousand threads would take long."""
    monkeypatch.setattr(threads, "THREADS_MOST", 2)
    release = threading.Event()

    def wait() -> bool:
        with source.serving.waiting():
            return release.wait(SECONDS)

    waiting = [source.ask(wait, f"waits {n}") for n in range(4)]
    until(lambda: source.serving.counts()["queued"] > 0)
    source.requests.put(Work("reads", release.set))
    source.requests.put(None)
    until(source.requests.empty)
    release.set()
    assert all(results.get(timeout=SECONDS) for results in waiting)


def test_threads_that_are_not_needed_any_more_end(source: Source):
    release = threading.Event()
    source.serving._most = 40
    running = [source.ask(lambda: release.wait(SECONDS), f"slow {n}") for n in range(40)]
    until(lambda: source.serving.counts()["running"] == 40)
    release.set()
    assert all(results.get(timeout=SECONDS) for results in running)
    until(lambda: source.serving.counts()["threads"] <= threads.IDLE_MOST + 2)


def test_an_idle_host_sleeps(source: Source):
    """Its watching thread too, some time after the last request."""
    for _ in range(5):
        source.do(lambda: None)
    until(lambda: source.serving._watch_sleeps)
    assert source.do(lambda: "awake") == "awake"


def test_the_thread_that_reads_knows_it(source: Source):
    assert not source.serving.is_reading()
    assert source.do(source.serving.is_reading) is False


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_while_reading_ends_the_host_rather_than_leaving_it_deaf(source: Source):
    source.requests.put(RuntimeError("a defect"))
    assert source.serving.ended.wait(SECONDS)
    for thread in threading.enumerate():  # it may have ended by now
        if thread.name == "noodle-client":
            thread.join(SECONDS)
