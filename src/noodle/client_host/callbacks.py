"""What this process asks of the client: calls of its functions, members of its objects."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

from noodle import _host
from noodle.client_host import failures
from noodle.client_host.client_objects import ClientFunction, ClientObject, Held
from noodle.client_host.event_loop import EventLoop
from noodle.client_host.frames import Frame, FrameWriter, Kind
from noodle.client_host.references import CLASS, FUNCTION, Exports, Imports
from noodle.client_host.threads import ServingThreads
from noodle.client_host.values import Codec
from noodle.client_host.waits import Answer, Wait, current_request
from noodle.deadlines import remaining_seconds
from noodle.workers.operations import Operation

__all__ = ["Callbacks"]


class Callbacks:
    """Asks the client, and takes its answers; any thread.

    Args:
        writer: Sends frames.
        exports: The objects that the client holds.
        threads: The threads of the host.
        loop: Where coroutines run.
    """

    def __init__(
        self, writer: FrameWriter, exports: Exports, threads: ServingThreads, loop: EventLoop
    ) -> None:
        self._writer = writer
        self._threads = threads
        self._loop = loop
        self.imports = Imports(self._new_proxy)
        self.codec = Codec(exports, self.imports)
        self._waits: dict[int, Wait] = {}
        self._ids = count(1)
        self.made = 0
        self.forked = False

    def __len__(self) -> int:
        """Return how many answers are waited for."""
        return len(self._waits)

    def waiting(self, call_id: int) -> Wait | None:
        """Return what waits for the answer to a callback, or None when nothing does any more."""
        return self._waits.get(call_id)

    def fail_all(self) -> None:
        """Let go what waits: the client is gone."""
        for wait in list(self._waits.values()):
            wait.settle(Answer(error=failures.client_gone(wait.what)))

    # -------------------------------------------------------------------------- answers

    def take_answer(self, frame: Frame) -> None:
        """Bring a REPLY or an ERROR to where it is waited for."""
        wait = self._waits.pop(frame.call_id, None)
        try:
            # Also when nobody waits any more: what it refers to is released then.
            value = self.codec.decode(frame.payload, frame.attachments)
        except Exception as error:
            if wait is not None:
                wait.settle(Answer(error=failures.unreadable(wait.what, error)))
            return
        if wait is not None:
            wait.settle(Answer(value) if frame.kind is Kind.REPLY else _failed(wait, frame, value))

    def refuse_answer(self, call_id: int, error: BaseException) -> bool:
        """Let go what waits for an answer that could not be taken; return whether any did."""
        wait = self._waits.pop(call_id, None)
        if wait is not None:
            wait.settle(Answer(error=error))
        return wait is not None

    # ------------------------------------------------------------------------- requests

    def request(self, what: str, operation: Operation, number: int, *arguments: Any) -> Any:
        """Ask something of a client's object, and wait; nested calls run here meanwhile.

        Args:
            what: Its name, for messages.
            operation: What to do with it.
            number: The object.
            arguments: Those of the operation.

        Raises:
            DeadlineExceededError: The deadline of the call has passed.
            CallDepthError: Calls and callbacks are nested too deeply.
            RemoteCallError: The client's code has thrown.
        """
        if self._threads.is_reading():
            raise failures.reader_asks(what)
        wait = Wait(what, current_request.get(), on_loop=self._loop.is_this_thread())
        call_id, end = self._ask(wait, operation, number, arguments)
        with self._threads.waiting():
            answer = wait.wait(end)
        self._forget(wait, call_id)
        if answer is None:
            self._writer.write(Kind.CANCEL, call_id=call_id)
            raise failures.overdue(what)
        return _result(answer)

    async def request_later(
        self, what: str, operation: Operation, number: int, *arguments: Any
    ) -> Any:
        """Ask the same without blocking the running event loop."""
        import asyncio

        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()

        def tell() -> None:
            loop.call_soon_threadsafe(arrived.set)

        wait = Wait(what, current_request.get(), arrived=tell)
        call_id, _ = self._ask(wait, operation, number, arguments)
        try:
            await arrived.wait()
        except asyncio.CancelledError:
            self._writer.write(Kind.CANCEL, call_id=call_id)
            raise
        finally:
            self._forget(wait, call_id)
        return _result(wait.answer or Answer())

    def _ask(
        self, wait: Wait, operation: Operation, number: int, arguments: tuple[Any, ...]
    ) -> tuple[int, float | None]:
        """Send a request; return its number and until when it may take."""
        self._admit(wait)
        seconds = remaining_seconds()
        end = None if seconds is None else time.monotonic() + seconds
        message = self.codec.encode([operation, number, *arguments])
        call_id = next(self._ids)
        self._waits[call_id] = wait
        if wait.request is not None:
            wait.request.waits.append(wait)
        self.made += 1
        try:
            self._writer.write(
                Kind.CALLBACK,
                *message,
                call_id=call_id,
                context=wait.request.call_id if wait.request else 0,
                deadline_ns=0 if end is None else int(end * 1e9),
            )
            self.send_releases()
        except OSError:
            wait.settle(Answer(error=failures.client_gone(wait.what)))
        return call_id, end

    def _admit(self, wait: Wait) -> None:
        if self.forked:
            raise failures.forked(wait.what)
        if wait.depth > _host.DEPTH_MAX:
            raise failures.too_deep(wait.depth)
        if wait.request is not None and wait.request.cancelled:
            raise failures.cancelled()

    def _forget(self, wait: Wait, call_id: int) -> None:
        self._waits.pop(call_id, None)
        if wait.request is not None:
            wait.request.waits.remove(wait)

    def send_releases(self) -> None:
        """Tell the client what of its objects was let go."""
        released = self.imports.released()
        if released:
            self._writer.write(Kind.RELEASE, *self.codec.encode(released))

    def _new_proxy(self, held: Held, kind: int, name: str) -> ClientObject:
        is_callable = FUNCTION <= kind <= CLASS
        return (ClientFunction if is_callable else ClientObject)(self, held, name)


def _failed(wait: Wait, frame: Frame, value: Any) -> Answer:
    """Return the answer for an ERROR: an exception of a nested call comes back as itself."""
    passed = wait.failures.get(frame.context)
    error = passed if passed is not None else failures.thrown(wait.what, value)
    if wait.request is not None:
        wait.request.raised.append((error, frame.call_id))
    return Answer(error=error)


def _result(answer: Answer) -> Any:
    if answer.error is not None:
        raise answer.error
    return answer.value
