"""The event loop on which coroutines of libraries run: one for all calls, on its own thread.

``asyncio`` is imported with the first coroutine: it would take a sixth of a host's start.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from noodle.deadlines import deadline, finish_in_time

if TYPE_CHECKING:
    import asyncio

__all__ = ["EventLoop"]

Settle = Callable[[Any, BaseException | None], None]
"""Takes the result, or the error in its place."""


class EventLoop:
    """Runs coroutines; started with the first one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def is_this_thread(self) -> bool:
        """Return whether the calling thread is the loop's."""
        return threading.current_thread() is self._thread

    def run(
        self, awaitable: Awaitable[Any], seconds: float | None, settle: Settle
    ) -> Callable[[], None]:
        """Begin to run something in the caller's context, and return what cancels it.

        Args:
            awaitable: A coroutine, or what else can be awaited.
            seconds: How long it may take; None for no limit.
            settle: Called on the loop's thread when it has ended.
        """
        loop = self._running()
        tasks: list[asyncio.Task[Any]] = []

        def begin() -> None:
            task = loop.create_task(_in_time(awaitable, seconds))
            tasks.append(task)
            task.add_done_callback(lambda done: _settle(done, settle))

        def cancel() -> None:
            for task in tasks:
                task.cancel()

        def cancel_later() -> None:
            loop.call_soon_threadsafe(cancel)

        loop.call_soon_threadsafe(begin)
        return cancel_later

    def _running(self) -> asyncio.AbstractEventLoop:
        import asyncio

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="noodle-client-loop", daemon=True
                )
                self._thread.start()
            return self._loop


async def _in_time(awaitable: Awaitable[Any], seconds: float | None) -> Any:
    if seconds is None:
        return await awaitable
    with deadline(seconds):
        return await finish_in_time(awaitable)


def _settle(task: asyncio.Task[Any], settle: Settle) -> None:
    if task.cancelled():
        settle(None, InterruptedError("the caller does not wait any more"))
    else:
        error = task.exception()
        settle(None if error is not None else task.result(), error)
