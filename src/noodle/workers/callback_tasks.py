"""Asynchronous callbacks that run here, and that their worker can cancel.

A worker cancels on channel 0, so it may do so before the callback has begun: what is cancelled then
is remembered, and ends before its first step. Used from any thread.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any

from noodle import _host

__all__ = ["begin", "cancel", "cancellable", "cancelled", "end"]

MOST_REMEMBERED = 1000
"""Chosen: cancellations of a worker that have met no callback; most have come too late for it."""

_running: dict[tuple[_host.Link, int], asyncio.Task[Any]] = {}
_early: weakref.WeakKeyDictionary[_host.Link, dict[int, None]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def begin(link: _host.Link, call_id: int, task: asyncio.Task[Any]) -> bool:
    """Note the task of a callback; return False if that was cancelled before it began.

    Args:
        link: The worker that asked for it.
        call_id: Its number there.
        task: What to cancel.
    """
    with _lock:
        if was_cancelled(link, call_id):
            return False
        _running[link, call_id] = task
    return True


def was_cancelled(link: _host.Link, call_id: int) -> bool:
    """Return, once, whether a callback was cancelled before it began."""
    early = _early.get(link, {})
    if call_id not in early:
        return False
    del early[call_id]
    return True


def end(link: _host.Link, call_id: int) -> None:
    """Note that a callback has ended."""
    with _lock:
        _running.pop((link, call_id), None)


def cancel(link: _host.Link, call_id: int) -> None:
    """Cancel a callback, for whose result the worker does not wait any more."""
    with _lock:
        task = _running.get((link, call_id))
        if task is None:
            early = _early.setdefault(link, {})
            early[call_id] = None
            if len(early) > MOST_REMEMBERED:
                del early[next(iter(early))]
            return
    loop = task.get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(task.cancel)


@contextmanager
def cancellable(link: _host.Link, call_id: int, awaitable: Any) -> Iterator[None]:
    """Let the running task, which is about to await a callback's result, be cancelled."""
    task = asyncio.current_task()
    assert task is not None
    if not begin(link, call_id, task):
        if asyncio.iscoroutine(awaitable):
            awaitable.close()
        raise cancelled()
    try:
        yield
    finally:
        end(link, call_id)


def _renew_lock() -> None:
    """In the child of a fork: another thread may have held it."""
    global _lock
    _lock = threading.Lock()


def cancelled() -> CancelledError:
    """Return the error with which a cancelled callback is answered."""
    return CancelledError("the callback was cancelled: nobody waits for it any more")


os.register_at_fork(after_in_child=_renew_lock)
