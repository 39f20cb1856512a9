"""Coroutines: awaited on one event loop, on a thread of its own, thousands at a time."""

from __future__ import annotations

import contextvars
import threading
from typing import Any

from . import core

__all__ = ["await_result", "cancel", "current", "settle"]

_current: contextvars.ContextVar[int | None] = contextvars.ContextVar("call", default=None)
"""The call that the running coroutine belongs to, also in what it starts."""

_loop: Any = None
_is_starting = False
_tasks: dict[int, Any] = {}
_waiting: list[tuple[Any, int]] = []
_cancelled: list[int] = []


def current() -> int | None:
    """Return the id of the call that the running coroutine belongs to, or None."""
    return _current.get()


def _run() -> None:
    """Be the thread of the loop. Calls do not wait for its start: what comes meanwhile is kept."""
    global _loop
    import asyncio

    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    made.set_exception_handler(_report)
    made.call_soon(_start_waiting)
    _loop = made
    made.run_forever()


def _report(made: Any, details: dict[str, Any]) -> None:
    """Tell the host of an exception that no coroutine was waiting for."""
    error = details.get("exception")
    if isinstance(error, Exception):
        core.uncaught(error)
    else:
        made.default_exception_handler(details)


def await_result(coroutine: Any, call: int) -> None:
    """Run a coroutine, and answer its call when it ends.

    Args:
        coroutine: The coroutine.
        call: The id of the call.
    """
    _waiting.append((coroutine, call))
    _wake(len(_waiting) == 1)


def _wake(is_asleep: bool) -> None:
    """Have the loop look at what is waiting, or start it."""
    global _is_starting
    if _loop is not None:
        if is_asleep:
            _loop.call_soon_threadsafe(_start_waiting)
    elif not _is_starting:
        _is_starting = True
        threading.Thread(target=_run, name="noodle loop", daemon=True).start()


def _start_waiting() -> None:
    while _waiting:
        started = _waiting[:]
        for coroutine, call in started:
            context = contextvars.copy_context()
            context.run(_current.set, call)
            task = _tasks[call] = context.run(_loop.create_task, coroutine)
            task.add_done_callback(lambda task, call=call: _finish(task, call))
        del _waiting[: len(started)]
    while _cancelled:
        call = _cancelled.pop()
        task = _tasks.get(call)
        if task is not None:
            task.cancel()
            _loop.call_soon(_tell_pending, call)


def _tell_pending(call: int) -> None:
    """Say that a cancelled coroutine waits: that this runs shows that none of its code does."""
    if call in _tasks:
        core.pending(call)


def _finish(task: Any, call: int) -> None:
    from .errors import Cancelled

    _tasks.pop(call, None)
    if task.cancelled():
        core.fail(call, Cancelled())
        return
    error = task.exception()
    if error is None:
        core.answer(call, task.result())
    else:
        core.fail(call, error)


def cancel(call: int) -> None:
    """Cancel the task of a call, of which nobody waits for the answer."""
    _cancelled.append(call)
    _wake(True)


def settle(future: Any, value: Any, failed: bool) -> None:
    """Give a future its answer, from whatever thread has taken it."""
    future.get_loop().call_soon_threadsafe(_settle, future, value, failed)


def _settle(future: Any, value: Any, failed: bool) -> None:
    if future.done():
        return
    if failed:
        future.set_exception(value)
    else:
        future.set_result(value)
