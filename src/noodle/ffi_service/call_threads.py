"""The threads that calls run on: as many as are needed, up to a limit, and a bounded queue."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeVar

from noodle.errors import InstanceUnavailableError, InternalError

__all__ = ["CallThreads"]

Result = TypeVar("Result")


class CallThreads:
    """Runs calls on threads that do not keep the process alive.

    A thread is free again only when its call has really ended, whether or not somebody still waits
    for the result. ``concurrent.futures`` has no such threads: the interpreter waits for its own at
    the end, and a call that never ends would keep a service that was told to end.

    Args:
        most: How many calls may run at a time.
        queued_most: How many more may wait for a thread.
    """

    def __init__(self, most: int, queued_most: int) -> None:
        self._most = most
        self._unfinished_most = most + queued_most
        self._lock = threading.Lock()
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._threads = 0
        self._unfinished = 0

    @property
    def is_full(self) -> bool:
        """Whether another call would be refused."""
        return self._unfinished >= self._unfinished_most

    def submit(self, call: Callable[[], Result]) -> Future[Result]:
        """Have a call run as soon as a thread is free.

        Args:
            call: What to do; it should raise nothing, and what it raises is an InternalError.

        Returns:
            Its future; cancelling it works as long as the call has not begun.

        Raises:
            InstanceUnavailableError: Too many wait already, or no thread can be started.
        """
        future: Future[Result] = Future()
        with self._lock:
            if self.is_full or not self._has_thread_for_one_more():
                raise InstanceUnavailableError(
                    "too many calls wait already",
                    expected=f"at most {self._unfinished_most} unfinished calls",
                    remedy="call again later",
                )
            self._unfinished += 1
            self._queue.put(lambda: _settle(future, call))
        return future

    def _has_thread_for_one_more(self) -> bool:
        """Start a thread where all are busy and another is allowed; return whether there is any."""
        if self._unfinished >= self._threads and self._threads < self._most:
            name = f"noodle-service-{self._threads + 1}"
            with suppress(RuntimeError):  # the system allows no more
                threading.Thread(target=self._run, name=name, daemon=True).start()
                self._threads += 1
        return self._threads > 0

    def _run(self) -> None:
        while True:
            work = self._queue.get()
            work()
            del work  # what a call was given and gave must not live until the next one
            with self._lock:
                self._unfinished -= 1


def _settle(future: Future[Result], call: Callable[[], Result]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # a future of asyncio does not take every class
        future.set_exception(InternalError(f"a call raised {type(error).__name__}"))
    else:
        future.set_result(result)
