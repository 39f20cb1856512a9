"""Deadlines: until when the calls of a block, or of one handle, have to be done.

A deadline belongs to the current context (``contextvars``): threads start without one, tasks
inherit it, and nested scopes can only shorten it. It is a point on CLOCK_MONOTONIC, so that changes
of the wall clock do not move it.

A call in this process cannot be interrupted. It is refused when the deadline has passed before it
starts, and when it returns late its result is dropped and the same error raised, so that a caller
can rely on never getting a late result. Only an isolated worker can be stopped in the middle.
"""

from __future__ import annotations

import math
import time
from contextvars import ContextVar, Token
from types import TracebackType

from noodle import _handle
from noodle.errors import DeadlineExceededError, SettingsError

__all__ = ["check_deadline", "deadline", "remaining_seconds"]

_current: ContextVar[tuple[float, float] | None] = ContextVar("noodle_deadline", default=None)
"""When the innermost scope ends, in monotonic seconds, and how many seconds it was given."""


class deadline:
    """Limit the time of all foreign calls in a ``with`` block.

    Args:
        seconds: How long the block may take, as a positive number; within another deadline the
            earlier one holds.

    Raises:
        SettingsError: ``seconds`` is not a positive, finite number.
    """

    def __init__(self, seconds: float) -> None:
        if type(seconds) not in (int, float) or not math.isfinite(seconds) or seconds <= 0:
            raise SettingsError(
                "a deadline must be a positive number of seconds",
                expected="a number above 0",
                received=repr(seconds),
                where="deadline",
            )
        self.seconds = float(seconds)
        self._tokens: list[Token[tuple[float, float] | None]] = []

    def __enter__(self) -> deadline:
        end = time.monotonic() + self.seconds
        outer = _current.get()
        innermost = outer if outer and outer[0] <= end else (end, self.seconds)
        self._tokens.append(_current.set(innermost))
        _handle.enter_deadline()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _handle.leave_deadline()
        _current.reset(self._tokens.pop())


def remaining_seconds() -> float | None:
    """Return the seconds until the current deadline (negative when it has passed), or None."""
    current = _current.get()
    return None if current is None else current[0] - time.monotonic()


def check_deadline(function: object = None) -> None:
    """Raise when the current deadline has passed.

    Args:
        function: What is about to be called, or has just returned; named in the error.

    Raises:
        DeadlineExceededError: The deadline has passed.
    """
    current = _current.get()
    if current is None:
        return
    late = time.monotonic() - current[0]
    if late > 0:
        name = getattr(function, "__name__", "the call")
        raise DeadlineExceededError(
            f"{name} did not finish before its deadline",
            expected=f"at most {current[1]:g} s",
            received=f"{current[1] + late:.3g} s",
            remedy="allow more time with noodle.deadline(seconds)",
        )


_handle.set_deadline_check(check_deadline)
