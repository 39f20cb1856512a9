"""Workers of one program: started on demand, started anew after a crash, retired when idle."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from noodle import _host
from noodle.deadlines import remaining_seconds
from noodle.errors import (
    ForkedProcessError,
    InstanceUnavailableError,
    NoodleError,
    UsageError,
)
from noodle.workers import policies, registry
from noodle.workers import statistics as statistics  # counts what ended workers have done
from noodle.workers.program import Program
from noodle.workers.worker import Worker

__all__ = ["Pool", "RestartPolicy", "shut_down"]

RETIRED_SECONDS = 1.0
"""Chosen: ``idle_seconds`` of workers for which nothing is loaded any more."""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How often a worker that crashes is started anew.

    Args:
        first_delay: Seconds between a crash and the next start; doubled by each further crash.
        longest_delay: The longest such pause.
        crashes: After so many crashes within ``window`` seconds the worker is quarantined.
        window: See ``crashes``.
        quarantine: Seconds during which a quarantined worker is not started.
    """

    first_delay: float = 0.05
    longest_delay: float = 5.0
    crashes: int = 5
    window: float = 60.0
    quarantine: float = 60.0


class Pool:
    """Workers of one program.

    Args:
        program: What they run.
        size: How many there are at most; each is started when it is first needed.
        restart: What happens after a crash.
        idle_seconds: A worker without calls for so long is ended, unless an object of it is held
            here; None keeps it.
    """

    def __init__(
        self,
        program: Program,
        size: int = 1,
        *,
        restart: RestartPolicy | None = None,
        idle_seconds: float | None = None,
    ) -> None:
        self.program = program
        self.idle_seconds = idle_seconds
        self._places = [_Place(self, number, restart or RestartPolicy()) for number in range(size)]
        self.is_closed = False
        self._process = os.getpid()
        _pools.add(self)
        _register_exit()

    @property
    def size(self) -> int:
        """How many workers there are at most."""
        return len(self._places)

    def worker(self, index: int = 0) -> Worker:
        """Return a worker that can take calls, started now if need be.

        Args:
            index: Which one, from 0.

        Raises:
            ForkedProcessError: The pool belongs to the process that this one was forked from.
            InstanceUnavailableError: It crashed too often and is quarantined, or the process ends.
            DeadlineExceededError: It cannot be started before the deadline.
            MissingToolError: Its program cannot be run.
        """
        if self._process != os.getpid():
            raise ForkedProcessError(
                f"{self.program.name} belongs to the process that this one was forked from",
                remedy="load the library again in this process",
            )
        return self._places[index].worker()

    def warm(self) -> None:
        """Start every worker that does not run, all at once, and wait until they are ready."""
        threads = [
            threading.Thread(target=_ignore_failure, args=(place.worker,)) for place in self._places
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def workers(self) -> list[Worker]:
        """Return the workers that run."""
        found = [worker for place in self._places for worker in place.workers()]
        return [worker for worker in found if worker.alive]

    def retire(self) -> None:
        """End all workers once they are idle; a call starts one anew, and for a while."""
        self.idle_seconds = min(self.idle_seconds or RETIRED_SECONDS, RETIRED_SECONDS)
        for worker in self.workers():
            worker.idle_seconds = self.idle_seconds

    def close(self) -> None:
        """End all workers, for good."""
        self.is_closed = True
        self.stop()

    def stop(self) -> None:
        """End all workers; the next call starts them anew."""
        for worker in self.workers():
            worker.stop()


class _Place:
    """The place of one worker in its pool, with the history of its crashes."""

    def __init__(self, pool: Pool, number: int, restart: RestartPolicy) -> None:
        self.current: Worker | None = None
        self._pool = weakref.ref(pool)
        self._program = pool.program
        self._number = number
        self._restart = restart
        self._crashes: deque[float] = deque(maxlen=restart.crashes)
        self._quarantined_until = 0.0
        self._retiring: weakref.WeakSet[Worker] = weakref.WeakSet()
        self._lock = threading.Lock()

    def workers(self) -> list[Worker]:
        """Return the worker, and those before it that retire."""
        current = self.current
        return [*self._retiring, *([current] if current is not None else [])]

    def worker(self) -> Worker:
        current = self.current
        if current is not None and current.is_ready and _is_usable(current):
            return current
        with self._turn():
            current = self.current
            if current is None or not _is_usable(current):
                if current is not None:
                    self._account(current)
                self._pause()
                current = self._start()
            return self._await(current)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Be the only thread that starts this worker, or waits for its start."""
        limit = remaining_seconds()
        if not self._lock.acquire(timeout=-1 if limit is None else max(0.0, limit)):
            raise policies.not_ready(self._program.name, limit or 0.0)
        try:
            yield
        finally:
            self._lock.release()

    def _account(self, worker: Worker) -> None:
        self.current = None
        if worker.alive and worker.link.retires:
            self._retiring.add(worker)
            return
        worker.join()
        if not worker.is_stopping:
            self._note_crash()

    def _note_crash(self) -> None:
        now = time.monotonic()
        self._crashes.append(now)
        full = len(self._crashes) == self._restart.crashes
        if full and now - self._crashes[0] <= self._restart.window:
            self._quarantined_until = now + self._restart.quarantine
            self._crashes.clear()

    def _start(self) -> Worker:
        pool = self._pool()
        if pool is None or pool.is_closed:
            raise InstanceUnavailableError(
                f"{self._program.name} cannot be started: its library was unloaded",
                remedy="load the library again",
            )
        if policies.ends_with_process():
            raise SystemExit
        if registry.is_exiting():
            raise InstanceUnavailableError(
                f"{self._program.name} cannot be started: the process ends"
            )
        worker = Worker(self._program, self._number)
        worker.idle_seconds = pool.idle_seconds
        self.current = worker
        return worker

    def _await(self, worker: Worker) -> Worker:
        """Wait for the start; at the deadline it goes on, for the next call."""
        limit = remaining_seconds()
        try:
            is_ready = worker.wait_ready(limit)
        except NoodleError as error:
            self.current = None
            if not isinstance(error, UsageError):
                self._note_crash()
            if policies.ends_with_process():
                raise SystemExit from error
            raise
        if not is_ready:
            raise policies.not_ready(worker.name, limit or 0.0)
        return worker

    def _pause(self) -> None:
        """Wait until the worker may be started again."""
        now = time.monotonic()
        restart = self._restart
        if now < self._quarantined_until:
            raise InstanceUnavailableError(
                f"{self._program.name} is quarantined",
                expected=f"fewer than {restart.crashes} crashes in {restart.window:g} s",
                received=f"{restart.crashes} crashes",
                remedy=f"look at its crash reports; it is tried again in "
                f"{self._quarantined_until - now:.0f} s",
            )
        recent = sum(now - crash <= restart.window for crash in self._crashes)
        if recent == 0:
            return
        delay = min(restart.first_delay * 2 ** (recent - 1), restart.longest_delay)
        left = self._crashes[-1] + delay - now
        limit = remaining_seconds()
        if limit is not None and left > limit:
            raise policies.not_before_deadline(self._program.name, left, limit)
        if left > 0:
            time.sleep(left)


def _is_usable(worker: Worker) -> bool:
    return worker.alive and not worker.is_stopping and not worker.link.retires


def _ignore_failure(start: object) -> None:
    """Leave the error of a pre-warmed start to the call that needs the worker."""
    from contextlib import suppress

    with suppress(NoodleError):
        start()  # type: ignore[operator]


# ------------------------------------------------------------------------- The end, and forks

_pools: weakref.WeakSet[Pool] = weakref.WeakSet()
_is_registered = False


def _register_exit() -> None:
    global _is_registered
    if not _is_registered:
        atexit.register(_exit)
        os.register_at_fork(after_in_child=_forget_parent)
        _is_registered = True


def _exit() -> None:
    registry.note_exit()
    shut_down()
    _host.silence(1.0)


def shut_down(seconds: float = 0.5) -> None:
    """End all workers of this process: ask all, then kill those that have not ended in time."""
    workers = [worker for pool in list(_pools) for worker in pool.workers()]
    for worker in workers:
        worker.ask_to_stop()
    until = time.monotonic() + seconds
    for worker in workers:
        worker.stop(max(0.0, until - time.monotonic()))


def _forget_parent() -> None:
    """In the child of a fork: what the parent has stays the parent's."""
    _host.forked()
    _pools.clear()
    registry.forget_all()
