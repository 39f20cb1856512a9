from __future__ import annotations

import asyncio
from typing import Any

import pytest

from noodle.ffi_service.host_guard import HostGuard

NAMES = {"localhost", "127.0.0.1", "::1"}


def status(*hosts: str) -> int:
    """The status of the answer to a request with such Host headers, 200 from behind the guard."""
    sent: list[Any] = []

    async def behind(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {"type": "http", "headers": [(b"host", host.encode("latin-1")) for host in hosts]}
    asyncio.run(HostGuard(behind, NAMES)(scope, receive, send))
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:8080", "[::1]:80"],
)
def test_requests_for_this_host_are_let_through(host: str):
    assert 200 == status(host)


@pytest.mark.parametrize(
    "hosts",
    [
        ["evil.example"],
        ["evil.example:8080"],
        ["localhost.evil.example"],
        ["127.0.0.1.evil.example"],
        [""],
        [],
        ["localhost", "evil.example"],
        ["localhost", "localhost"],
        ["[::2]:80"],
        ["[::1x"],
        ["\xff"],
        [":localhost"],
    ],
)
def test_requests_for_another_host_or_none_are_refused(hosts: list[str]):
    assert 421 == status(*hosts)
