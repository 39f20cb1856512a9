"""Refuses requests that name another host than the service's.

A page of the web cannot call a service on loopback by its address, because a call is no simple
request (Fetch standard, "CORS-preflight"). It could by a name of its own that it lets point to
loopback (DNS rebinding); then that name stands in the request.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from noodle.errors import TargetError
from noodle.ffi_service.failures import Refusal, request_failure

__all__ = ["HostGuard"]

MISDIRECTED = 421
"""RFC 9110, 15.5.20."""


class HostGuard:
    """An ASGI application that lets requests for known hosts through to another one.

    Args:
        application: The application behind it.
        names: The hosts' names and addresses, those of IPv6 without brackets.
    """

    def __init__(self, application: ASGIApp, names: Iterable[str]) -> None:
        self._application = application
        self._names = frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have it answered."""
        respond = self._application
        if scope["type"] == "http" and _host(scope) not in self._names:
            error = TargetError(
                "the request is for another host", expected=" or ".join(sorted(self._names))
            )
            status, body = request_failure(Refusal(MISDIRECTED, error))
            respond = JSONResponse(body, status)
        await respond(scope, receive, send)


def _host(scope: Scope) -> str:
    """Return the host that a request names, without its port; ``""`` unless it is exactly one."""
    named = [value for name, value in scope["headers"] if name == b"host"]
    if len(named) != 1:
        return ""
    text = str(named[0], "latin-1").strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]
