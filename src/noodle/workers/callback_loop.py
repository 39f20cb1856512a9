"""The event loop of asynchronous callbacks that belong to no call of this process.

They come to the thread that serves their worker, which has to go on at once: to hear of
the worker, to keep house, and to take the next callback. So they run on one thread for all workers,
which starts with the first of them and ends with the interpreter.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Awaitable
from contextlib import suppress
from contextvars import copy_context
from typing import Any

from noodle import _host
from noodle.errors import InputLimitError
from noodle.workers import callback_tasks, deadlocks, registry

__all__ = ["settle_later"]

EXIT_SECONDS = 1.0
"""Chosen: how long coroutines that were cancelled may clean up when the interpreter ends."""

MOST_WAITING = 100_000
"""Chosen: callbacks of a worker that run at a time; each takes a few kilobytes here."""


class _CallbackLoop:
    """The loop and its thread, and the tasks of each worker."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._tasks: dict[_host.Link, set[asyncio.Task[None]]] = {}
        self._counts: dict[_host.Link, int] = {}
        self._lock = threading.Lock()
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name="noodle callbacks", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------------- From other threads

    def begin(
        self,
        answer: _host.LaterAnswer,
        awaitable: Awaitable[Any],
        chain: _host.Chain,
        blocks: bool,
    ) -> None:
        """Have a task of the loop await something, in a copy of the running context."""
        link = answer.link
        self._count(link, 1)
        self._loop.call_soon_threadsafe(
            self._start, answer, awaitable, chain, blocks, context=copy_context()
        )

    def _count(self, link: _host.Link, more: int) -> None:
        with self._lock:
            count = self._counts.pop(link, 0)
            if count + more > MOST_WAITING:
                self._counts[link] = count
                raise _too_many(link)
            if count + more > 0:
                self._counts[link] = count + more

    def cancel_all(self, link: _host.Link) -> None:
        """Cancel the callbacks of a worker that has ended."""
        with suppress(RuntimeError):  # the loop was closed
            self._loop.call_soon_threadsafe(self._cancel_all, link)

    def end(self) -> None:
        """Cancel what runs, give it some time to clean up, and end the thread."""
        self._is_ending = True
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(2 * EXIT_SECONDS)

    def abandon(self) -> None:
        """In the child of a fork: leave what belongs to the parent as it is.

        The loop is not closed, as that would take descriptors out of the parent's poll.
        """
        self._is_ending = True
        for task in [task for tasks in self._tasks.values() for task in tasks]:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        if threading.current_thread() is self._thread:
            self._loop.stop()

    # ------------------------------------------------------------------------ On its thread

    def _run(self) -> None:
        while not self._is_ending:
            try:
                self._loop.run_forever()
            except BaseException as error:  # a task that a callback has started ended with it
                given = (type(error), error, error.__traceback__, self._thread)
                threading.excepthook(threading.ExceptHookArgs(given))
        if _current is self:
            self._close()

    def _close(self) -> None:
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        with suppress(Exception):
            if tasks:
                self._loop.run_until_complete(asyncio.wait(tasks, timeout=EXIT_SECONDS))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _start(
        self,
        answer: _host.LaterAnswer,
        awaitable: Awaitable[Any],
        chain: _host.Chain,
        blocks: bool,
    ) -> None:
        link = answer.link
        task = self._loop.create_task(_settle(answer, awaitable))
        self._tasks.setdefault(link, set()).add(task)

        def end(task: asyncio.Task[None]) -> None:
            chain.end()
            self._forget(link, task)
            if task.cancelled():  # before its first step
                close(awaitable)
                answer.give(None, callback_tasks.cancelled())

        task.add_done_callback(end)
        if blocks:
            task.add_done_callback(deadlocks.callback_begins(link, answer.chain_id))

    def _forget(self, link: _host.Link, task: asyncio.Task[None]) -> None:
        tasks = self._tasks[link]
        tasks.remove(task)
        if not tasks:
            del self._tasks[link]
        self._count(link, -1)

    def _cancel_all(self, link: _host.Link) -> None:
        for task in list(self._tasks.get(link, ())):
            task.cancel()


async def _settle(answer: _host.LaterAnswer, awaitable: Awaitable[Any]) -> None:
    """Await something and answer with what it gives; the task itself never fails."""
    try:
        with callback_tasks.cancellable(answer.link, answer.call_id, awaitable):
            result = await awaitable
    except asyncio.CancelledError:
        answer.give(None, callback_tasks.cancelled())
    except BaseException as error:
        answer.give(None, error)
    else:
        answer.give(result, None)


def close(awaitable: Awaitable[Any]) -> None:
    """Let a coroutine go that is not awaited."""
    if asyncio.iscoroutine(awaitable):
        awaitable.close()


def _too_many(link: _host.Link) -> InputLimitError:
    return InputLimitError(
        "a worker calls asynchronous callbacks faster than they end",
        expected=f"at most {MOST_WAITING:,} that run at a time",
        where=f"worker {link.name}",
        remedy="await them there",
    )


_current: _CallbackLoop | None = None
_has_ended = False
_of_parents: list[_CallbackLoop] = []
"""Kept for ever: see ``abandon``."""

_lock = threading.Lock()


def settle_later(
    answer: _host.LaterAnswer, awaitable: Awaitable[Any], chain: _host.Chain, blocks: bool
) -> None:
    """Run what an asynchronous callback gave to its end, on the thread for that.

    Args:
        answer: What is given the result.
        awaitable: A coroutine, or whatever else can be awaited.
        chain: What carries the chain in the running context; it ends with the callback.
        blocks: Whether the worker stands still until then, and serves no other chain.

    Raises:
        InputLimitError: Too many of that worker run already.
        CancelledError: The interpreter ends.
    """
    try:
        _running().begin(answer, awaitable, chain, blocks)
    except BaseException:
        close(awaitable)
        raise


def _running() -> _CallbackLoop:
    global _current
    with _lock:
        if _has_ended:
            raise callback_tasks.cancelled()
        if _current is None:
            _current = _CallbackLoop()
        return _current


def _end() -> None:
    global _has_ended
    with _lock:
        _has_ended = True
        running = _current
    if running is not None:
        running.end()


def _worker_ended(link: _host.Link) -> None:
    if _current is not None:
        _current.cancel_all(link)


def _forget_parent() -> None:
    """In the child of a fork: the loop and its thread are the parent's."""
    global _current, _lock
    _lock = threading.Lock()
    if _current is not None:
        _of_parents.append(_current)
        _current = None
        _of_parents[-1].abandon()


registry.when_ended(_worker_ended)
atexit.register(_end)  # before those who end the workers register: so it comes after them
os.register_at_fork(after_in_child=_forget_parent)
