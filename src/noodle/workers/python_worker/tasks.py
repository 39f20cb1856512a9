"""Coroutines: awaited on one event loop, on a thread of its own, thousands at a time."""

from __future__ import annotations

import contextvars
import threading
from typing import Any

from . import core

__all__ = ["await_result", "cancel", "current", "loop", "settle"]

_current: contextvars.ContextVar[int | None] = contextvars.ContextVar("call", default=None)
"""The call that the running coroutine belongs to, also in what it starts."""

_lock = threading.Lock()
_loop: Any = None
_tasks: dict[int, Any] = {}
_waiting: list[tuple[Any, int]] = []


def current() -> int | None:
    """Return the id of the call that the running coroutine belongs to, or None."""
    return _current.get()


def loop() -> Any:
    """Return the worker's event loop, started when it is first needed."""
    global _loop
    if _loop is None:
        import asyncio

        with _lock:
            if _loop is None:
                made = asyncio.new_event_loop()
                made.set_exception_handler(_report)
                threading.Thread(target=_run, args=(made,), name="noodle loop", daemon=True).start()
                _loop = made
    return _loop


def _run(made: Any) -> None:
    import asyncio

    asyncio.set_event_loop(made)
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
    running = loop()
    _waiting.append((coroutine, call))
    if len(_waiting) == 1:  # otherwise the loop is woken already
        running.call_soon_threadsafe(_start_waiting)


def _start_waiting() -> None:
    started = _waiting[:]
    del _waiting[: len(started)]
    if _waiting:
        _loop.call_soon(_start_waiting)
    for coroutine, call in started:
        context = contextvars.copy_context()
        context.run(_current.set, call)
        _tasks[call] = context.run(_loop.create_task, coroutine)
        _tasks[call].add_done_callback(lambda task, call=call: _finish(task, call))


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
    _loop.call_soon_threadsafe(_cancel, call)


def _cancel(call: int) -> None:
    task = _tasks.get(call)
    if task is not None:
        task.cancel()


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
