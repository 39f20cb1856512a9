"""HTTP/1.1 as uvicorn speaks it, and an end for connections that ask nothing."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from noodle.ffi_service import limits

__all__ = ["HttpProtocol"]


class HttpProtocol(H11Protocol):
    """A connection that is closed when no complete head of a request arrives in time.

    uvicorn limits the time between two requests only. Its other implementation, ``httptools``, has
    no limit for the size of a head either.
    """

    _silence: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Take bytes; wait on where they are no complete head."""
        super().data_received(data)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        super().connection_lost(exc)
        self._stop_waiting()

    def _wait_for_head(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._silence is None:
            self._silence = self.loop.call_later(limits.SILENCE_SECONDS, self._close)

    def _stop_waiting(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def _close(self) -> None:
        self._silence = None
        if self.conn.their_state is h11.IDLE:
            self.transport.close()
