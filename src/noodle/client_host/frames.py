"""Frames: what a client and its host send each other over a stream socket.

A frame is a header, a payload in the wire format, a table, and attachments. All numbers are
little-endian.

======  ====  =====================================================================================
offset  type  field
======  ====  =====================================================================================
0       u32   bytes of payload
4       u8    kind, a record's kind in ``noodle/channel.h``
5       u8    reserved, 0
6       u16   number of attachments
8       u64   call id
16      u64   context: of a CALL, the callback during which it is made; of a CALLBACK, the call;
              of an ERROR, the request of the other side whose error passed through; else 0
24      u64   deadline, in nanoseconds of CLOCK_MONOTONIC; 0 for none
32            payload
              u64[], the bytes of each attachment
              attachments
======  ====  =====================================================================================

An attachment is the memory of one large array. In the payload, that array is an ARRAY of
``noodle/wire.h`` in a segment whose number is the attachment's index, packed in C order.
``docs/node_client.md`` says what the frames mean.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

__all__ = [
    "ATTACHMENTS_MAX",
    "FRAME_BYTES_MAX",
    "STREAM_VERSION",
    "Frame",
    "FrameReader",
    "FrameTooLarge",
    "FrameWriter",
    "Kind",
    "MalformedFrame",
    "Subject",
]

STREAM_VERSION = 1
"""Changes whenever frames get another form or meaning; both ends compare it."""

HEADER = struct.Struct("<IBBHQQQ")
LENGTH = struct.Struct("<Q")

FRAME_BYTES_MAX = 1 << 31
"""Chosen: the limit of the wire format, for payload and attachments together."""

ATTACHMENTS_MAX = 1024
"""Chosen: arrays of one frame that are attached; further ones go inside the payload."""

ATTACHMENT_BYTES_MAX = 1 << 40
"""Chosen: nobody waits for the end of a frame that claims more."""

RECEIVED_BYTES = 1 << 16
"""Chosen: what is asked of the socket at once; most frames are far smaller."""


class Kind(IntEnum):
    """What a frame is: the numbers of ``enum noodle_kind``."""

    CONTROL = 0
    CALL = 1
    REPLY = 2
    ERROR = 3
    CALLBACK = 4
    CANCEL = 5
    RELEASE = 6


class Subject(IntEnum):
    """What a CONTROL frame is about; the first three are those of ``noodle/protocol.h``."""

    READY = 0
    STOP = 1
    UNCAUGHT = 3
    REFUSED = 16
    """The sender cannot go on with what it received: [subject, reason]. The last frame."""


_KINDS = frozenset(Kind)


class MalformedFrame(Exception):
    """The peer does not speak this protocol; nothing that follows can be understood."""


class FrameTooLarge(Exception):
    """A frame exceeds the limit; it was received and dropped.

    Args:
        call_id: What it belongs to.
        kind: What it was.
        size: Its bytes of payload and attachments.
    """

    def __init__(self, call_id: int, kind: Kind, size: int) -> None:
        super().__init__(call_id, kind, size)
        self.call_id = call_id
        self.kind = kind
        self.size = size


@dataclass(slots=True)
class Frame:
    """A frame that has come.

    Args:
        kind: What it is.
        call_id: The request that it is, or belongs to.
        context: See the table above.
        deadline_ns: Until when the sender waits; 0 for no limit.
        payload: Valid until the next frame is read.
        attachments: Memory of their own.
    """

    kind: Kind
    call_id: int
    context: int
    deadline_ns: int
    payload: memoryview
    attachments: Sequence[Any] = ()


class FrameReader:
    """Takes frames from a socket; one thread at a time.

    Args:
        connection: A blocking stream socket.
        most_bytes: What payload and attachments of a frame may take together.
        allocate: Gives writable memory of so many bytes for an attachment.
    """

    def __init__(
        self,
        connection: socket.socket,
        most_bytes: int,
        allocate: Callable[[int], Any] = bytearray,
    ) -> None:
        self._connection = connection
        self._most_bytes = most_bytes
        self._allocate = allocate
        self._buffer = memoryview(bytearray(RECEIVED_BYTES))
        self._start = 0
        self._end = 0
        self.received_bytes = 0

    def read(self) -> Frame | None:
        """Return the next frame, or None when the peer has closed its end.

        Raises:
            MalformedFrame: The bytes are no frame.
            FrameTooLarge: It was dropped; the next one can be read.
        """
        head = self._small(HEADER.size)
        if head is None:
            return None
        length, kind, reserved, count, call_id, context, deadline_ns = HEADER.unpack(head)
        if kind not in _KINDS or reserved or count > ATTACHMENTS_MAX:
            raise MalformedFrame("its header is none")
        if length + count * LENGTH.size > self._most_bytes:
            self._drop(length)
            sizes = [self._size() for _ in range(count)]
            self._drop(sum(sizes))
            raise FrameTooLarge(call_id, Kind(kind), length + sum(sizes))
        payload = self._bytes(length)
        if not count:
            return Frame(Kind(kind), call_id, context, deadline_ns, payload)
        payload = memoryview(bytes(payload))  # reading on may move what the buffer holds
        attachments = self._attachments(count, Kind(kind), call_id, length)
        return Frame(Kind(kind), call_id, context, deadline_ns, payload, attachments)

    def _attachments(self, count: int, kind: Kind, call_id: int, length: int) -> list[Any]:
        sizes = [self._size() for _ in range(count)]
        if length + sum(sizes) > self._most_bytes:
            self._drop(sum(sizes))
            raise FrameTooLarge(call_id, kind, length + sum(sizes))
        return [self._fill(self._allocate(size), size) for size in sizes]

    def _size(self) -> int:
        table = self._small(LENGTH.size)
        if table is None:
            raise MalformedFrame("it ends within its table")
        size: int = LENGTH.unpack(table)[0]
        if size > ATTACHMENT_BYTES_MAX:
            raise MalformedFrame("an attachment of it is larger than any memory")
        return size

    def _small(self, size: int) -> memoryview | None:
        """Return so many bytes of the buffer; None at the end of the stream."""
        while self._end - self._start < size:
            if not self._receive():
                if self._end > self._start:
                    raise MalformedFrame("it ends within a frame")
                return None
        self._start += size
        return self._buffer[self._start - size : self._start]

    def _receive(self) -> int:
        """Receive behind what the buffer holds, and return how many bytes came."""
        if self._start == self._end:
            self._start = self._end = 0
        elif self._start > len(self._buffer) // 2:
            rest = bytes(self._buffer[self._start : self._end])
            self._buffer[: len(rest)] = rest
            self._start, self._end = 0, len(rest)
        count = self._connection.recv_into(self._buffer[self._end :])
        self._end += count
        self.received_bytes += count
        return count

    def _bytes(self, size: int) -> memoryview:
        """Return so many bytes: of the buffer if they fit, else of memory of their own."""
        if size <= len(self._buffer) // 2:
            view = self._small(size)
            if view is None:
                raise MalformedFrame("it ends within its payload")
            return view
        return memoryview(self._fill(bytearray(size), size))

    def _fill(self, memory: Any, size: int) -> Any:
        """Receive so many bytes into memory, and return it."""
        view = memoryview(memory)
        there = min(size, self._end - self._start)
        view[:there] = self._buffer[self._start : self._start + there]
        self._start += there
        while there < size:
            count = self._connection.recv_into(view[there:])
            if not count:
                raise MalformedFrame("it ends within a frame")
            there += count
            self.received_bytes += count
        return memory

    def _drop(self, size: int) -> None:
        while size > 0:
            step = min(size, len(self._buffer) // 2)
            if self._small(step) is None:
                raise MalformedFrame("it ends within a frame")
            size -= step


class FrameWriter:
    """Puts frames into a socket; any thread.

    Args:
        connection: A blocking stream socket.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self.sent_bytes = 0

    def write(
        self,
        kind: Kind,
        payload: bytes = b"",
        attachments: Sequence[memoryview] = (),
        *,
        call_id: int = 0,
        context: int = 0,
        deadline_ns: int = 0,
    ) -> None:
        """Send a frame, and wait until the system has taken all of it.

        Args:
            kind: What it is.
            payload: In the wire format.
            attachments: Flat memory, read while this call lasts.
            call_id: The request that it is, or belongs to.
            context: See the table above.
            deadline_ns: Until when this side waits.

        Raises:
            OSError: The peer is gone.
        """
        count = len(attachments)
        head = HEADER.pack(len(payload), kind, 0, count, call_id, context, deadline_ns)
        if not count:
            message = head + payload
            with self._lock:
                self._connection.sendall(message)
                self.sent_bytes += len(message)
            return
        table = b"".join(LENGTH.pack(attachment.nbytes) for attachment in attachments)
        with self._lock:
            self._connection.sendall(head + payload + table)
            for attachment in attachments:
                self._connection.sendall(attachment)
                self.sent_bytes += attachment.nbytes
            self.sent_bytes += len(head) + len(payload) + len(table)
