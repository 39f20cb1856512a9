"""Deadlines: until when the calls of a block, or of one handle, have to be done.

A deadline belongs to the current context (``contextvars``): threads start without one, tasks
inherit it, and nested scopes can only shorten it. It ends with its block, also for a task that
outlives the block. It is a point on CLOCK_MONOTONIC, so that changes of the wall clock do not move
it.

A call in this process cannot be interrupted. It is refused when the deadline has passed before it
starts, and when it returns late its result is dropped and the same error raised, so that a caller
can rely on never getting a late result. A coroutine is cancelled where it waits. Apart from that
only an isolated worker can be stopped in the middle.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from noodle import _handle
from noodle.errors import DeadlineExceededError, SettingsError
from noodle.values import describe

if TYPE_CHECKING:
    from asyncio import Future

__all__ = [
    "check_deadline",
    "deadline",
    "end_in_time",
    "finish_in_time",
    "remaining_seconds",
    "scope_variable",
]

Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class _Scope:
    """One ``with`` block of a deadline.

    Args:
        end: When it has to be done, in monotonic seconds.
        seconds: How many seconds it was given.
        outer: The scope that it was opened in.
        open: Whether the block is still running; contexts copied from it see it end.
    """

    end: float
    seconds: float
    outer: _Scope | None
    open: bool = True


_innermost: ContextVar[_Scope | None] = ContextVar("noodle_deadline", default=None)


def _open_scopes() -> Iterator[_Scope]:
    scope = _innermost.get()
    while scope is not None:
        if scope.open:
            yield scope
        scope = scope.outer


def _current() -> _Scope | None:
    if _innermost.get() is None:
        return None
    return min(_open_scopes(), key=lambda scope: scope.end, default=None)


class deadline:
    """Limit the time of all foreign calls in a ``with`` block.

    Args:
        seconds: How long the block may take, as a positive number; within another deadline the
            earlier one holds. The object can be used again, also nested and on several threads.

    Raises:
        SettingsError: ``seconds`` is not a positive, finite number.
    """

    def __init__(self, seconds: float) -> None:
        if type(seconds) is bool or not _is_duration(seconds):
            raise SettingsError(
                "a deadline must be a positive number of seconds",
                expected="a number above 0",
                received=describe(seconds),
                where="deadline",
            )
        self.seconds = float(seconds)
        self._scopes: list[_Scope] = []

    def __enter__(self) -> deadline:
        scope = _Scope(time.monotonic() + self.seconds, self.seconds, next(_open_scopes(), None))
        self._scopes.append(scope)
        _innermost.set(scope)
        _handle.enter_deadline()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A generator may be closed in another context than the one in which it opened the scope.
        scope = next((s for s in _open_scopes() if s in self._scopes), self._scopes[-1])
        self._scopes.remove(scope)
        scope.open = False
        _handle.leave_deadline()
        _innermost.set(next(_open_scopes(), None))


def _is_duration(seconds: object) -> bool:
    try:
        return isinstance(seconds, (int, float)) and 0 < float(seconds) < math.inf
    except OverflowError:
        return False


def remaining_seconds() -> float | None:
    """Return the seconds until the current deadline (negative when it has passed), or None."""
    current = _current()
    return None if current is None else current.end - time.monotonic()


def scope_variable() -> ContextVar[Any]:
    """Return the variable that is None while no deadline is set, for callers that only ask that."""
    return _innermost


def check_deadline(function: object = None) -> None:
    """Raise when the current deadline has passed.

    Args:
        function: What is about to be called, or has just returned; named in the error.

    Raises:
        DeadlineExceededError: The deadline has passed.
    """
    current = _current()
    if current is None:
        return
    if time.monotonic() > current.end:
        raise _overdue(current, function)


def _overdue(scope: _Scope, function: object) -> DeadlineExceededError:
    name = getattr(function, "__qualname__", "<locals>")
    if "<locals>" in name:
        name = getattr(function, "__name__", "the call")
    return DeadlineExceededError(
        f"{name} did not finish before its deadline",
        expected=f"at most {scope.seconds:g} s",
        received=f"{scope.seconds + time.monotonic() - scope.end:.6g} s",
        remedy="allow more time with noodle.deadline(seconds)",
    )


def end_in_time(future: Future[Any], function: object = None) -> Future[Any]:
    """Have a future fail at the current deadline, wherever it is awaited; return it.

    Args:
        future: A future of an asyncio loop. With a method ``give_up`` it is given the error, else
            it is cancelled.
        function: What it belongs to; named in the error.
    """
    scope = _current()
    if scope is None:
        return future

    def expire() -> None:
        if not future.done():
            getattr(future, "give_up", future.cancel)(_overdue(scope, function))

    left = max(0.0, scope.end - time.monotonic())
    timer = future.get_loop().call_later(left, expire)
    future.add_done_callback(lambda _: timer.cancel())
    return future


async def finish_in_time(awaitable: Awaitable[Result], function: object = None) -> Result:
    """Await something within the current deadline, and cancel it when the deadline passes.

    Args:
        awaitable: A coroutine or future of the running asyncio loop.
        function: What it belongs to; named in the error.

    Raises:
        DeadlineExceededError: It did not end in time.
    """
    import asyncio

    try:
        async with asyncio.timeout(remaining_seconds()):
            result = await awaitable
    except TimeoutError:
        check_deadline(function)
        raise
    check_deadline(function)
    return result


_handle.set_deadline_check(check_deadline)
