"""Calls of the client, and threads that wait for the client while they do one.

A call that JavaScript makes within a callback runs on the thread that waits for that callback, so
that it finds its locks and its context there.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Answer", "Request", "Wait", "current_request"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client answered, or what came instead.

    Args:
        value: The result.
        error: What to raise; None for a result.
    """

    value: Any = None
    error: BaseException | None = None


@dataclass(slots=True, eq=False)
class Request:
    """A call of the client.

    Args:
        call_id: Its number.
        operation: What it asks.
        number: Of which object.
        arguments: With what.
        parent: The callback during which the client makes it, if that is still waited for.
        end: Until when the client waits, on the monotonic clock; None for no limit.
    """

    call_id: int
    operation: int = 0
    number: int = 0
    arguments: list[Any] = field(default_factory=list)
    parent: Wait | None = None
    end: float | None = None
    waits: list[Wait] = field(default_factory=list)
    """What it waits for at present."""
    raised: list[tuple[BaseException, int]] = field(default_factory=list)
    """Errors of callbacks, with the callback's number, that may pass through it."""
    is_guest: bool = False
    """Whether it runs on the thread that waits for ``parent``, and keeps that busy."""
    cancel: Callable[[], None] | None = None
    """Ends what it has running on the event loop."""
    cancelled: bool = False
    by_reference: bool = False
    """Whether the result is to stay here, although it could go by value."""
    by_value: bool = False
    """Whether the result is to go by value, or not at all."""

    @property
    def depth(self) -> int:
        """How many calls and callbacks it is nested in, itself included."""
        return 1 if self.parent is None else self.parent.depth + 1

    @property
    def key(self) -> tuple[int, int | str]:
        """What takes about as long each time: the operation, and the member or else the object."""
        named = self.arguments and isinstance(self.arguments[0], str)
        return self.operation, self.arguments[0] if named else self.number

    def leave(self) -> None:
        """Let the thread that it runs on be offered other work."""
        if self.is_guest and self.parent is not None:
            self.is_guest = False
            self.parent.free()

    def waits_of_loop(self) -> bool:
        """Return whether the event loop stands still until this call has ended."""
        at = self.parent
        while at is not None and not at.on_loop:
            at = at.request.parent if at.request else None
        return at is not None


@dataclass(slots=True, eq=False)
class Wait:
    """One thread, or one task of the event loop, that waits for one answer.

    Args:
        what: What was asked, for messages.
        request: The client's call during which it is asked; None outside of calls.
        on_loop: Whether it is the event loop's thread that stands still.
        arrived: Called when the answer is there, where no thread waits for it.
    """

    what: str
    request: Request | None
    on_loop: bool = False
    arrived: Callable[[], None] | None = None
    failures: dict[int, BaseException] = field(default_factory=dict)
    """Exceptions of nested calls by call id: they may come back as what the callback threw."""
    answer: Answer | None = None
    _mutex: threading.Lock = field(default_factory=threading.Lock)
    _wake: threading.Lock = field(default_factory=threading.Lock)
    _inbox: deque[Callable[[], None]] = field(default_factory=deque)
    _busy: bool = False

    def __post_init__(self) -> None:
        self._wake.acquire()

    @property
    def depth(self) -> int:
        """How many calls and callbacks it is nested in, itself included."""
        return 1 if self.request is None else self.request.depth + 1

    def settle(self, answer: Answer) -> None:
        """Bring the answer; what comes second is dropped."""
        with self._mutex:
            if self.answer is not None:
                return
            self.answer = answer
            if self.arrived is None:
                self._rouse()
        if self.arrived is not None:
            self.arrived()

    def offer(self, work: Callable[[], None]) -> bool:
        """Have the waiting thread do something, if it is not busy; return whether it will."""
        with self._mutex:
            if self._busy or self.answer is not None or self.arrived is not None:
                return False
            self._busy = True
            self._inbox.append(work)
            self._rouse()
            return True

    def free(self) -> None:
        """Take offers again: what was offered has no more to do than to send its answer.

        The answer may bring the next request at once, which must find its thread free.
        """
        with self._mutex:
            self._busy = False

    def _rouse(self) -> None:
        if self._wake.locked():
            self._wake.release()

    def wait(self, end: float | None) -> Answer | None:
        """Do what is offered until the answer is there; return it, or None when the time is up.

        Args:
            end: Until when, on the monotonic clock; None for no limit. What is offered may take
                longer.
        """
        while self.answer is None:
            timeout = -1 if end is None else max(end - time.monotonic(), 0)
            if not self._wake.acquire(timeout=timeout):
                return self._give_up()
            self._work_off()
        self._work_off()  # what was offered before the answer came
        return self.answer

    def _work_off(self) -> None:
        while self._inbox:
            self._inbox.popleft()()

    def _give_up(self) -> Answer | None:
        """Take no more offers; do those that came meanwhile."""
        with self._mutex:
            answer = self.answer
            self.answer = answer or Answer()
        self._work_off()
        return answer


current_request: ContextVar[Request | None] = ContextVar("noodle_client_request", default=None)
"""The client's call that this thread or task works for."""
