"""The body of a request: of one media type, of a bounded size, within a bounded time."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from noodle.errors import ArgumentTypeError, DeadlineExceededError, InputLimitError
from noodle.ffi_service import limits
from noodle.ffi_service.failures import Refusal

__all__ = ["MEDIA_TYPE", "read_body"]

MEDIA_TYPE = "application/json"

BAD_REQUEST, REQUEST_TIMEOUT, UNSUPPORTED_MEDIA_TYPE = 400, 408, 415
"""RFC 9110, 15.5.1, 15.5.9 and 15.5.16."""


async def read_body(request: Request) -> bytes:
    """Return the body of a request.

    Args:
        request: The request; what comes behind the largest size is not kept.

    Raises:
        Refusal: It is of another media type, compressed, takes too long to arrive, or ends early.
        InputLimitError: It is too large.
    """
    _require_json(request)
    _require_size(int(request.headers.get("content-length", "0")))
    try:
        async with asyncio.timeout(limits.BODY_SECONDS_MAX):
            return await _received(request)
    except TimeoutError:
        error = DeadlineExceededError(
            "the request took too long to arrive", expected=f"within {limits.BODY_SECONDS_MAX:g} s"
        )
        raise Refusal(REQUEST_TIMEOUT, error) from None
    except ClientDisconnect:
        raise Refusal(BAD_REQUEST, ArgumentTypeError("the request ended too early")) from None


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
        _require_size(len(body))
    return bytes(body)


def _require_size(size: int) -> None:
    if size > limits.BODY_BYTES_MAX:
        raise InputLimitError(
            "the request is too large", expected=f"at most {limits.BODY_BYTES_MAX} bytes"
        )
