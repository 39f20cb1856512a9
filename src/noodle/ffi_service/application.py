"""The paths of the service, and what is answered on each."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from noodle.deadlines import deadline
from noodle.errors import DeadlineExceededError, InstanceUnavailableError, NoodleError, TargetError
from noodle.ffi_service.call_messages import CallRequest, encode_result, read_call
from noodle.ffi_service.call_threads import CallThreads
from noodle.ffi_service.failures import Refusal, call_failure, request_failure
from noodle.ffi_service.functions import ProgramFunctions
from noodle.ffi_service.host_guard import HostGuard
from noodle.ffi_service.request_body import MEDIA_TYPE, read_body

__all__ = ["Service"]

RETRY_SECONDS = "1"
"""Chosen: when a caller that was refused for load may come again."""

Report = Callable[[int, str, BaseException], None]
"""Told, on some thread, the number of a call, the function's name and what it raised."""


class Service:
    """Answers the requests of one program's callers; ``application`` is its ASGI application.

    Args:
        functions: What may be called.
        threads: Where calls run.
        hosts: The names and addresses by which requests may name this host.
        report: Told of every call that raises.
        seconds: How long a request may wait and run; None for no limit.
    """

    def __init__(
        self,
        functions: ProgramFunctions,
        threads: CallThreads,
        *,
        hosts: Iterable[str],
        report: Report,
        seconds: float | None = None,
    ) -> None:
        self._functions = functions
        self._threads = threads
        self._report = report
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
            },
        )
        application.router.redirect_slashes = False
        self.application = application

    async def _list(self, _: Request) -> Response:
        return JSONResponse({"functions": self._functions.listing()})

    async def _live(self, _: Request) -> Response:
        return JSONResponse({"state": "alive"})

    async def _ready(self, _: Request) -> Response:
        full = self._threads.is_full
        return JSONResponse({"state": "busy" if full else "ready"}, 503 if full else 200)

    async def _call(self, request: Request) -> Response:
        began = time.monotonic()
        asked = read_call(await read_body(request))
        self._functions.require_arguments(asked.function, asked.arguments, asked.keywords)
        number = next(self._numbers)
        outcome = self._threads.submit(lambda: self._perform(asked, began))
        try:
            # A deadline ends the wait. The thread is free when the call has ended, not before.
            async with asyncio.timeout(self._left(began)) as wait:
                body = await asyncio.wrap_future(outcome)
        except asyncio.CancelledError:  # the service ends, and the call does not
            return self._failed(_unfinished(asked), asked, number)
        except Exception as error:
            overdue = self._overdue(asked) if wait.expired() else None
            return await asyncio.to_thread(self._failed, overdue or error, asked, number)
        return Response(body, media_type=MEDIA_TYPE)

    def _perform(self, asked: CallRequest, began: float) -> bytes:
        """Carry a call out, on a thread of its own, and return its answer."""
        left = self._left(began)
        if left is not None and left <= 0:
            raise self._overdue(asked)
        with nullcontext() if left is None else deadline(left):
            result = self._functions.find(asked.function)(*asked.arguments, **asked.keywords)
        return encode_result(result, asked.function)

    def _failed(self, error: Exception, asked: CallRequest, number: int) -> Response:
        self._report(number, asked.function, error)
        status, body = call_failure(error, number)
        return JSONResponse(body, status, _retry(status))

    def _left(self, began: float) -> float | None:
        return None if self._seconds is None else began + self._seconds - time.monotonic()

    def _overdue(self, asked: CallRequest) -> DeadlineExceededError:
        return DeadlineExceededError(
            f"{asked.function} did not finish before its deadline",
            expected=f"at most {self._seconds:g} s",
        )


def _unfinished(asked: CallRequest) -> InstanceUnavailableError:
    return InstanceUnavailableError(
        f"{asked.function} did not finish before the service had to end"
    )


async def _refuse(_: Request, error: Any) -> Response:
    status, body = request_failure(error)
    return JSONResponse(body, status, _retry(status))


def _retry(status: int) -> dict[str, str] | None:
    return {"Retry-After": RETRY_SECONDS} if status == 503 else None


async def _refuse_path(request: Request, error: Any) -> Response:
    refusal = Refusal(
        error.status_code,
        TargetError(
            f"{request.method} {request.url.path} is nothing that the service answers",
            expected="POST /v1/call, GET /v1/functions, GET /livez or GET /readyz",
        ),
    )
    status, body = request_failure(refusal)
    return JSONResponse(body, status, error.headers)
