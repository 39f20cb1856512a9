"""The connection to a client: takes its calls, and answers them."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from inspect import isawaitable
from typing import Any, NoReturn

from noodle import _host
from noodle.client_host import failures
from noodle.client_host.callbacks import Callbacks
from noodle.client_host.event_loop import EventLoop
from noodle.client_host.exceptions import encode_exception
from noodle.client_host.frames import (
    FRAME_BYTES_MAX,
    STREAM_VERSION,
    Frame,
    FrameReader,
    FrameTooLarge,
    FrameWriter,
    Kind,
    MalformedFrame,
    Subject,
)
from noodle.client_host.references import ByReference, Exports
from noodle.client_host.threads import ServingThreads, Work
from noodle.client_host.values import PLAIN, Message, allocate
from noodle.client_host.waits import Answer, Request, current_request
from noodle.deadlines import check_deadline, deadline
from noodle.libraries import Library

__all__ = ["Connection", "Perform"]

Perform = Callable[[Request], tuple[Any, Library | None]]
"""Does what a call asks; returns the result and the library that it comes from."""


class Connection:
    """One client.

    Args:
        stream: A blocking stream socket; shut down at the end, and closed by the caller.
        exports: The objects that the client holds.
        perform: Does what a call asks.
        threads: How many calls may run at a time.
    """

    def __init__(
        self, stream: socket.socket, exports: Exports, perform: Perform, *, threads: int
    ) -> None:
        self._stream = stream
        self._exports = exports
        self._perform = perform
        self._reader = FrameReader(stream, FRAME_BYTES_MAX, allocate)
        self._writer = FrameWriter(stream)
        self._threads = ServingThreads(self._read, threads)
        self._loop = EventLoop()
        self._callbacks = Callbacks(self._writer, exports, self._threads, self._loop)
        self._codec = self._callbacks.codec
        self._requests: dict[int, Request] = {}
        self._greeted = False
        self._calls = 0
        self._errors = 0

    def serve(self, greeting: list[Any]) -> None:
        """Serve the client until it goes.

        Args:
            greeting: What READY tells it, behind the version of the stream.
        """
        os.register_at_fork(after_in_child=self._after_fork)
        self._control(Subject.READY, STREAM_VERSION, *greeting)
        self._threads.start()
        self._threads.ended.wait()
        self._callbacks.fail_all()
        with suppress(OSError):  # the client may have closed its end
            self._stream.shutdown(socket.SHUT_RDWR)

    def statistics(self) -> dict[str, int]:
        """Return what was counted since the start, and what there is at present."""
        return {
            "calls": self._calls,
            "errors": self._errors,
            "callbacks": self._callbacks.made,
            **self._threads.counts(),
            "waiting": len(self._callbacks),
            "references": len(self._exports),
            "client_references": len(self._callbacks.imports),
            "received_bytes": self._reader.received_bytes,
            "sent_bytes": self._writer.sent_bytes,
        }

    # ------------------------------------------------------------------------ what comes in

    def _read(self) -> Work | None:
        """Read one frame and return what has to be done for it, if that takes a thread.

        Raises:
            EOFError: Nothing comes any more, or nothing that could be understood.
        """
        try:
            frame = self._reader.read()
        except FrameTooLarge as large:
            self._refuse_frame(large)
            return None
        except (MalformedFrame, OSError) as error:
            self._refuse(str(error))
        if frame is None:
            raise EOFError
        if not self._greeted and frame.kind is not Kind.CONTROL:
            self._refuse("the first frame is no greeting")
        if frame.kind is Kind.CALL:
            return self._take_call(frame)
        _TAKE[frame.kind](self, frame)
        return None

    def _take_call(self, frame: Frame) -> Work | None:
        request = Request(frame.call_id, parent=self._callbacks.waiting(frame.context))
        try:
            content = self._codec.decode(frame.payload, frame.attachments)
            request.operation, request.number, request.arguments = failures.parts(content)
            if request.depth > _host.DEPTH_MAX:
                raise failures.too_deep(request.depth)
        except Exception as error:
            self._fail(request, error)
            return None
        if frame.deadline_ns:
            request.end = frame.deadline_ns / 1e9
        self._requests[request.call_id] = request
        self._calls += 1

        def run() -> None:
            self._run(request)

        if request.parent is not None:
            request.is_guest = True
            if request.parent.offer(run):
                return None
            request.is_guest = False
        return Work(request.key, run)

    def _take_answer(self, frame: Frame) -> None:
        self._callbacks.take_answer(frame)

    def _take_cancel(self, frame: Frame) -> None:
        request = self._requests.get(frame.call_id)
        if request is None:
            return
        request.cancelled = True
        if request.cancel is not None:
            request.cancel()
        for wait in list(request.waits):
            wait.settle(Answer(error=failures.cancelled()))

    def _take_release(self, frame: Frame) -> None:
        for number, sendings in self._pairs(frame):
            self._exports.release(number, sendings)

    def _pairs(self, frame: Frame) -> list[tuple[int, int]]:
        try:
            pairs = self._codec.decode(frame.payload)
            return [(int(number), int(sendings)) for number, sendings in pairs]
        except Exception:
            self._refuse("a RELEASE that is no list of pairs")

    def _take_control(self, frame: Frame) -> None:
        try:
            subject, *details = self._codec.decode(frame.payload)
        except Exception:
            self._refuse("a CONTROL that is no list")
        if subject == Subject.STOP:
            raise EOFError
        if subject != Subject.READY or self._greeted:
            self._refuse(f"a CONTROL about {subject!r}")
        if not details or details[0] != STREAM_VERSION:
            self._refuse(f"version {STREAM_VERSION} of the stream is spoken here")
        self._greeted = True

    def _take_callback(self, frame: Frame) -> None:
        self._refuse("a CALLBACK, which only hosts send")

    def _refuse(self, reason: str) -> NoReturn:
        """Tell the client why nothing more of it is taken."""
        try:
            self._control(Subject.REFUSED, reason)
        except OSError:
            raise EOFError from None
        raise EOFError

    def _refuse_frame(self, large: FrameTooLarge) -> None:
        error = failures.too_large(large.size)
        if large.kind is Kind.CALL:
            self._fail(Request(large.call_id), error)
        elif not self._callbacks.refuse_answer(large.call_id, error):
            self._refuse(str(error))

    # --------------------------------------------------------------------------- calls

    def _run(self, request: Request) -> None:
        token = current_request.set(request)
        try:
            result, library = self._perform_in_time(request)
            if type(result) not in PLAIN and _is_pending(result):
                self._run_later(request, result, library)
            else:
                self._answer(request, result, library)
        except BaseException as error:
            self._fail(request, error)
        finally:
            request.leave()
            current_request.reset(token)

    def _perform_in_time(self, request: Request) -> tuple[Any, Library | None]:
        if request.cancelled:
            raise failures.cancelled()
        if request.end is None:
            return self._perform(request)
        seconds = request.end - time.monotonic()
        if seconds <= 0:
            raise failures.overdue("the call")
        with deadline(seconds):
            result = self._perform(request)
            check_deadline()
            return result

    def _run_later(
        self, request: Request, awaitable: Awaitable[Any], library: Library | None
    ) -> None:
        if self._loop.is_this_thread() or request.waits_of_loop():
            if hasattr(awaitable, "close"):
                awaitable.close()
            raise failures.loop_stands_still()

        def settle(result: Any, error: BaseException | None) -> None:
            if error is not None:
                self._fail(request, error)
            else:
                self._answer(request, result, library)

        seconds = None if request.end is None else max(request.end - time.monotonic(), 1e-6)
        request.cancel = self._loop.run(awaitable, seconds, settle)
        if request.cancelled:
            request.cancel()

    def _answer(self, request: Request, result: Any, library: Library | None) -> None:
        try:
            sent = ByReference(result) if request.by_reference else result
            message = self._codec.encode(sent, library, by_value=request.by_value)
        except BaseException as error:
            self._fail(request, error)
            return
        self._finish(Kind.REPLY, message, request)

    def _fail(self, request: Request, error: BaseException) -> None:
        self._errors += 1
        if request.parent is not None:
            request.parent.failures[request.call_id] = error
        passed = next((number for raised, number in request.raised if raised is error), 0)
        self._finish(Kind.ERROR, (encode_exception(error), ()), request, passed)

    def _finish(self, kind: Kind, message: Message, request: Request, context: int = 0) -> None:
        if self._callbacks.forked:
            os._exit(0)  # a function that forked has returned in the child too
        self._requests.pop(request.call_id, None)
        request.leave()
        try:
            self._writer.write(kind, *message, call_id=request.call_id, context=context)
            self._callbacks.send_releases()
        except OSError:
            # The client is gone, which the reading thread sees for itself.
            return

    # ---------------------------------------------------------------------------- parts

    def _control(self, subject: Subject, *details: Any) -> None:
        self._writer.write(Kind.CONTROL, *self._codec.encode([subject, *details]))

    def _after_fork(self) -> None:
        """In the child of a fork, which shares the socket and has no thread that reads."""
        self._callbacks.forked = True
        self._stream.close()


def _is_pending(result: Any) -> bool:
    """Return whether a result is still to come. What stands for a worker's promise is a value."""
    return isawaitable(result) and not isinstance(result, _host.Reference)


_TAKE: dict[Kind, Callable[[Connection, Frame], None]] = {
    Kind.CONTROL: Connection._take_control,
    Kind.REPLY: Connection._take_answer,
    Kind.ERROR: Connection._take_answer,
    Kind.CALLBACK: Connection._take_callback,
    Kind.CANCEL: Connection._take_cancel,
    Kind.RELEASE: Connection._take_release,
}
