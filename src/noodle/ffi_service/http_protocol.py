"""HTTP/1.1 as uvicorn speaks it, with limits for connections that ask nothing."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from noodle.ffi_service import limits

__all__ = ["HttpProtocol"]


class HttpProtocol(H11Protocol):
    """A connection that is closed when no complete head of a request arrives in time.

    uvicorn limits the time between two requests only, and looks at the number of connections when
    they ask something. Its other implementation, ``httptools``, has no limit for the size of a head
    either.
    """

    _silence: asyncio.TimerHandle | None = None
    _no_more_comes = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        if len(self.connections) > limits.CONNECTIONS_MOST:
            transport.abort()
        else:
            self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Take bytes; wait on where they are no complete head, or belong to no request any more."""
        super().data_received(data)
        self._wait_for_head()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection for an answer that is under way, as for ``nc -N``."""
        self._no_more_comes = True
        return not self._is_answered() and self.conn.their_state is not h11.SEND_BODY

    def on_response_complete(self) -> None:
        """End what has got its last answer."""
        super().on_response_complete()
        if self._no_more_comes:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        super().connection_lost(exc)
        self._stop_waiting()

    def _wait_for_head(self) -> None:
        if not self._is_answered():
            self._stop_waiting()
        elif self._silence is None:
            self._silence = self.loop.call_later(limits.SILENCE_SECONDS, self._close)

    def _stop_waiting(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def _close(self) -> None:
        self._silence = None
        if self._is_answered():
            self.transport.close()

    def _is_answered(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        return cycle is None or cycle.response_complete
