"""A client in Python that speaks frames, for what a well-behaved one would never send."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

from noodle import _wire
from noodle.client_host.connection import Connection
from noodle.client_host.frames import HEADER, STREAM_VERSION, Frame, FrameReader, Kind, Subject
from noodle.client_host.operations import Operations
from noodle.client_host.references import Exports
from noodle.runtime.engine import Engine
from noodle.settings import Settings

SECONDS = 20
"""How long an answer may take, far more than any does."""

INCARNATION = 7


class RawClient:
    """One end of a socket, with a connection of a host in this process at the other."""

    def __init__(self, *, greet: bool = True, threads: int = 8) -> None:
        self.socket, other = socket.socketpair()
        self.socket.settimeout(SECONDS)
        self.exports = Exports(INCARNATION)
        engine = Engine(Settings())
        operations = Operations(lambda: engine, self.exports, ".", lambda: {"calls": 0})
        self.connection = Connection(other, self.exports, operations.perform, threads=threads)
        self._other = other
        self._thread = threading.Thread(target=self.connection.serve, args=([],))
        self._reader = FrameReader(self.socket, 1 << 24)
        self._last_id = 0
        self._thread.start()
        assert self.read().kind is Kind.CONTROL
        if greet:
            self.send(Kind.CONTROL, [Subject.READY, STREAM_VERSION])

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()
        self._other.close()

    def send_bytes(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_frame(self, kind: int, payload: bytes, call_id: int = 0, context: int = 0) -> None:
        self.send_bytes(HEADER.pack(len(payload), kind, 0, 0, call_id, context, 0) + payload)

    def send(self, kind: Kind, content: Any, call_id: int = 0, context: int = 0) -> None:
        self.send_frame(kind, encode(content), call_id, context)

    def read(self) -> Frame:
        frame = self._reader.read()
        assert frame is not None, "the host has closed the connection"
        return frame

    def is_closed(self) -> bool:
        """Whether nothing more comes."""
        try:
            return self._reader.read() is None
        except ConnectionResetError:  # there was more from here that was not read
            return True

    def call(self, content: Any) -> tuple[Kind, Any]:
        """Make a call; return the kind and the content of its answer."""
        self._last_id += 1
        self.send(Kind.CALL, content, self._last_id)
        return self.answer(self._last_id)

    def answer(self, call_id: int) -> tuple[Kind, Any]:
        """Return what answers a call, passing over releases."""
        frame = self.read()
        while frame.kind is Kind.RELEASE:
            frame = self.read()
        assert frame.call_id == call_id
        return frame.kind, decode(frame)

    def refusal(self) -> str:
        """Return why the host goes on no more, which is the last that it says."""
        frame = self.read()
        subject, reason = decode(frame)
        assert (frame.kind, subject) == (Kind.CONTROL, Subject.REFUSED)
        assert self.is_closed()
        return str(reason)


def encode(content: Any, reference: Callable[[Any], Any] | None = None) -> bytes:
    return _wire.encode(content, **({} if reference is None else {"reference": reference}))


def decode(frame: Frame) -> Any:
    return _wire.decode(
        frame.payload,
        reference=lambda *fields: fields,
        error=lambda *fields: fields,
        array=lambda *fields: fields,
    )
