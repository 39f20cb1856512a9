"""The body of a request: of one media type, of a bounded size, within a bounded time."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from noodle.errors import ArgumentTypeError, DeadlineExceededError, InputLimitError
from noodle.ffi_service.failures import Refusal

__all__ = ["BODY_BYTES_MAX", "BODY_SECONDS_MAX", "MEDIA_TYPE", "read_body"]

BODY_BYTES_MAX = 8 << 20
"""Chosen: a list of half a million numbers."""

BODY_SECONDS_MAX = 10.0
"""Chosen: how long a body may take to arrive; servers of ASGI have no limit for that."""

MEDIA_TYPE = "application/json"

REQUEST_TIMEOUT, UNSUPPORTED_MEDIA_TYPE = 408, 415
"""RFC 9110, 15.5.9 and 15.5.16."""


async def read_body(request: Request) -> bytes:
    """Return the body of a request.

    Args:
        request: The request; the rest of a body that is too large is not read.

    Raises:
        Refusal: It is of another media type, compressed, or takes too long to arrive.
        InputLimitError: It is too large.
    """
    _require_json(request)
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            return await _received(request)
    except TimeoutError:
        error = DeadlineExceededError(
            "the request took too long to arrive", expected=f"within {BODY_SECONDS_MAX:g} s"
        )
        raise Refusal(REQUEST_TIMEOUT, error) from None


def _require_json(request: Request) -> None:
    # A page of another origin may send other types without asking first (Fetch standard).
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if media_type != MEDIA_TYPE or encoding != "identity":
        error = ArgumentTypeError(
            "the request is not in JSON",
            expected=f"Content-Type: {MEDIA_TYPE}, and no Content-Encoding",
            received=f"{media_type or 'no type'}, {encoding}",
        )
        raise Refusal(UNSUPPORTED_MEDIA_TYPE, error)


async def _received(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise InputLimitError(
                "the request is too large", expected=f"at most {BODY_BYTES_MAX} bytes"
            )
    return bytes(body)
