from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import Request

from noodle.errors import InputLimitError
from noodle.ffi_service import limits
from noodle.ffi_service.failures import Refusal
from noodle.ffi_service.limits import BODY_BYTES_MAX
from noodle.ffi_service.request_body import read_body


def body_of(chunks: list[bytes | None], *, endless: bool = False, **headers: str) -> bytes:
    """Read the body of a request.

    Args:
        chunks: What arrives at once; None is the end of the connection.
        endless: Whether more is announced, and does not come.
        headers: Further headers, or others.
    """
    left = list(chunks)

    async def receive() -> Any:
        if not left:
            await asyncio.Event().wait()
        chunk = left.pop(0)
        if chunk is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": bool(left) or endless}

    fields = {"content-type": "application/json", **headers}
    named = [
        (name.replace("_", "-").encode(), value.encode()) for name, value in fields.items() if value
    ]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": named}
    return asyncio.run(read_body(Request(scope, receive)))


def test_the_chunks_of_a_body_become_one():
    assert b"abc" == body_of([b"a", b"", b"bc"])


@pytest.mark.parametrize(
    "media_type", ["application/json; charset=utf-8", "APPLICATION/JSON", " application/json "]
)
def test_the_media_type_is_read_as_http_has_it(media_type: str):
    assert b"{}" == body_of([b"{}"], **{"content-type": media_type})


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": ""},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/jsonp"},
        {"content_encoding": "gzip"},
        {"content_encoding": "deflate"},
    ],
)
def test_what_is_not_plain_json_is_refused_unread(headers: dict[str, str]):
    with pytest.raises(Refusal) as caught:
        body_of([], endless=True, **headers)
    assert 415 == caught.value.status


def test_a_body_of_the_largest_size_is_taken():
    assert BODY_BYTES_MAX == len(body_of([b"x" * (BODY_BYTES_MAX - 1), b"y"]))


def test_the_rest_of_a_body_that_is_too_large_is_not_read():
    with pytest.raises(InputLimitError, match="the request is too large"):
        body_of([b"x" * BODY_BYTES_MAX, b"y"], endless=True)


def test_a_body_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "BODY_SECONDS_MAX", 0.05)
    with pytest.raises(Refusal) as caught:
        body_of([b"x"], endless=True)
    assert 408 == caught.value.status


def test_a_client_that_leaves_within_its_body_is_no_defect():
    with pytest.raises(Refusal) as caught:
        body_of([b"x", None])
    assert 400 == caught.value.status
