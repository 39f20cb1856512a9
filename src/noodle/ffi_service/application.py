"""The paths of the service, and what is answered on each."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from noodle.deadlines import deadline
from noodle.errors import (
    DeadlineExceededError,
    ForeignError,
    InstanceUnavailableError,
    NoodleError,
    TargetError,
)
from noodle.ffi_service.call_messages import CallRequest, encode, encode_result, read_call
from noodle.ffi_service.call_threads import CallThreads
from noodle.ffi_service.failures import Refusal, call_failure, defect, request_failure
from noodle.ffi_service.functions import ProgramFunction, ProgramFunctions
from noodle.ffi_service.host_guard import HostGuard
from noodle.ffi_service.request_body import MEDIA_TYPE, read_body
from noodle.ffi_service.service_log import ServiceLog

__all__ = ["Service"]

_RETRY = {"Retry-After": "1"}
"""Seconds; chosen: when a caller that was refused for load may come again."""

_CLOSE = {"Connection": "close"}
"""For a request whose body is not read to its end."""

_HEADERS = {503: _RETRY, 408: _CLOSE, 413: _CLOSE, 415: _CLOSE}


class Answer(NamedTuple):
    """A status, and a body in JSON."""

    status: int
    body: bytes

    def response(self, headers: Any = None) -> Response:
        """Return it as a response of the framework."""
        headers = headers or _HEADERS.get(self.status)
        return Response(self.body, self.status, headers, MEDIA_TYPE)


@dataclass(slots=True)
class _Call:
    """One request for a call.

    Args:
        number: Its number in the log.
        began: When it arrived, in monotonic seconds.
        size: Bytes of its body, once that has arrived.
        function: The function's name, once it is known.
        begun: Whether a thread has taken it.
        answered: Whether it was answered before it has ended.
    """

    number: int
    began: float
    size: int = 0
    function: str = "a function"
    begun: bool = False
    answered: bool = False


class Service:
    """Answers the requests of one program's callers; ``application`` is its ASGI application.

    Args:
        functions: What may be called.
        threads: Where calls run.
        log: Told of every call that raises.
        hosts: The names and addresses by which requests may name this host.
        seconds: How long a request may wait and run; None for no limit.
    """

    def __init__(
        self,
        functions: ProgramFunctions,
        threads: CallThreads,
        log: ServiceLog,
        *,
        hosts: Iterable[str],
        seconds: float | None = None,
    ) -> None:
        self._functions = functions
        self._threads = threads
        self._log = log
        self._seconds = seconds
        self._numbers = itertools.count(1)
        application = Starlette(
            routes=[
                Route("/v1/call", self._call, methods=["POST"]),
                Route("/v1/functions", self._list, methods=["GET"]),
                Route("/livez", self._live, methods=["GET"]),
                Route("/readyz", self._ready, methods=["GET"]),
            ],
            middleware=[Middleware(HostGuard, names=hosts)],
            exception_handlers={
                NoodleError: _refuse,
                Refusal: _refuse,
                HTTPException: _refuse_path,
                Exception: _tell_defect,
            },
        )
        application.router.redirect_slashes = False
        self.application = application

    async def _list(self, _: Request) -> Response:
        return Answer(200, encode({"functions": self._functions.listing()})).response()

    async def _live(self, _: Request) -> Response:
        return Answer(200, encode({"state": "alive"})).response()

    async def _ready(self, _: Request) -> Response:
        if self._threads.is_full:
            return Answer(503, encode({"state": "busy"})).response()
        return Answer(200, encode({"state": "ready"})).response()

    # ------------------------------------------------------------------- on the loop's thread

    async def _call(self, request: Request) -> Response:
        call = _Call(next(self._numbers), time.monotonic())
        body = await read_body(request)
        call.size = len(body)
        outcome = self._threads.submit(lambda: self._perform(call, body))
        try:
            # A deadline ends the wait. The thread is free when the call has ended, not before.
            async with asyncio.timeout(self._left(call)):
                answer = await asyncio.wrap_future(outcome)
        except TimeoutError:
            answer = self._give_up(call, self._overdue(call))
        except asyncio.CancelledError:  # the service ends, and the call does not
            answer = self._give_up(call, _unfinished(call))
        return answer.response()

    def _give_up(self, call: _Call, error: NoodleError) -> Answer:
        call.answered = True
        return self._failed(call, error)

    # ------------------------------------------------------------------- on a thread of calls

    def _perform(self, call: _Call, body: bytes) -> Answer:
        """Carry a call out and return its answer, whatever the function raises."""
        call.begun = True
        try:
            asked = read_call(body)
            function = self._functions.find(asked.function)
            call.function = function.name
            function.require_arguments(asked.arguments, asked.keywords)
        except NoodleError as error:
            return _refused(error)
        try:
            return Answer(200, self._result(call, function, asked))
        except Exception as error:
            if call.answered and isinstance(error, DeadlineExceededError):
                return _refused(error)  # nobody waits, and the log has it
            return self._failed(call, error)
        except BaseException as error:  # `exit` ends a program; its functions end no service
            return self._failed(call, ForeignError(f"{call.function} asked to exit: {error!r}"))

    def _result(self, call: _Call, function: ProgramFunction, asked: CallRequest) -> bytes:
        left = self._left(call)
        if left is not None and left <= 0:
            raise self._overdue(call)
        with nullcontext() if left is None else deadline(left):
            return encode_result(function.call(*asked.arguments, **asked.keywords), function.name)

    # ---------------------------------------------------------------------------- on either

    def _failed(self, call: _Call, error: Exception) -> Answer:
        self._log.call_failed(call.number, call.function, error, call.size)
        status, body = call_failure(error, call.number)
        return Answer(status, encode(body))

    def _left(self, call: _Call) -> float | None:
        return None if self._seconds is None else call.began + self._seconds - time.monotonic()

    def _overdue(self, call: _Call) -> DeadlineExceededError:
        return DeadlineExceededError(
            f"{call.function} did not finish before its deadline"
            if call.begun
            else "no thread was free before the deadline",
            expected=f"at most {self._seconds:g} s",
        )


def _unfinished(call: _Call) -> InstanceUnavailableError:
    return InstanceUnavailableError(f"{call.function} did not finish before the service had to end")


def _refused(error: Any) -> Answer:
    status, body = request_failure(error)
    return Answer(status, encode(body))


async def _refuse(_: Request, error: Any) -> Response:
    return _refused(error).response()


async def _refuse_path(request: Request, error: Any) -> Response:
    refusal = Refusal(
        error.status_code,
        TargetError(
            f"{request.method} {request.url.path} is nothing that the service answers",
            expected="POST /v1/call, GET /v1/functions, GET /livez or GET /readyz",
        ),
    )
    return _refused(refusal).response(error.headers)


async def _tell_defect(_: Request, _error: Exception) -> Response:
    status, body = defect()
    return Answer(status, encode(body)).response()
