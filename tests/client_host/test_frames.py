"""Frames through a socket: whole, in pieces, too large, cut short."""

from __future__ import annotations

import random
import re
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from noodle.client_host.frames import (
    HEADER,
    STREAM_VERSION,
    FrameReader,
    FrameTooLarge,
    FrameWriter,
    Kind,
    MalformedFrame,
    Subject,
)

LIMIT = 1 << 20


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        other.settimeout(20)
        yield one, other


def test_frames_come_as_they_were_sent(ends: tuple[socket.socket, socket.socket]):
    """The seed is fixed, so a failure comes again."""
    randomness = random.Random(20_240_614)
    writer, reader = FrameWriter(ends[0]), FrameReader(ends[1], LIMIT)
    sent = []
    for turn in range(300):
        payload = randomness.randbytes(randomness.choice((0, 1, 100, 30_000, 40_000, 70_000)))
        count = randomness.choice((0, 0, 1, 3))
        attached = [randomness.randbytes(randomness.choice((0, 5, 90_000))) for _ in range(count)]
        sent.append((payload, attached, 2**63 + turn, turn))

    def write() -> None:
        for payload, attached, call_id, context in sent:
            views = [memoryview(memory) for memory in attached]
            writer.write(Kind.REPLY, payload, views, call_id=call_id, context=context)

    thread = threading.Thread(target=write)
    thread.start()
    for payload, attached, call_id, context in sent:
        frame = reader.read()
        assert frame is not None
        assert (bytes(frame.payload), [bytes(a) for a in frame.attachments]) == (payload, attached)
        assert (frame.kind, frame.call_id, frame.context) == (Kind.REPLY, call_id, context)
    thread.join()
    assert writer.sent_bytes == reader.received_bytes


def test_a_frame_sent_byte_by_byte_is_one_frame(ends: tuple[socket.socket, socket.socket]):
    reader = FrameReader(ends[1], LIMIT)
    data = HEADER.pack(3, Kind.CALL, 0, 1, 7, 0, 9) + b"abc" + struct.pack("<Q", 2) + b"de"
    thread = threading.Thread(target=lambda: [ends[0].sendall(bytes([byte])) for byte in data])
    thread.start()
    frame = reader.read()
    thread.join()
    assert frame is not None
    assert (bytes(frame.payload), frame.deadline_ns) == (b"abc", 9)
    assert [bytes(memory) for memory in frame.attachments] == [b"de"]


@pytest.mark.parametrize(("payload", "attached"), [(LIMIT + 1, []), (10, [LIMIT]), (LIMIT, [1, 1])])
def test_a_frame_beyond_the_limit_is_dropped_whole(
    ends: tuple[socket.socket, socket.socket], payload: int, attached: list[int]
):
    writer, reader = FrameWriter(ends[0]), FrameReader(ends[1], LIMIT)
    views = [memoryview(bytes(size)) for size in attached]

    def write() -> None:
        writer.write(Kind.CALL, bytes(payload), views, call_id=5)
        writer.write(Kind.CALL, b"next", call_id=6)

    thread = threading.Thread(target=write)
    thread.start()
    with pytest.raises(FrameTooLarge) as caught:
        reader.read()
    assert (caught.value.call_id, caught.value.size) == (5, payload + sum(attached))
    frame = reader.read()
    thread.join()
    assert frame is not None
    assert (frame.call_id, bytes(frame.payload)) == (6, b"next")


@pytest.mark.parametrize("cut", [1, 31, 32, 34, 35, 42, 43, 44])
def test_a_stream_that_ends_within_a_frame_is_malformed(
    ends: tuple[socket.socket, socket.socket], cut: int
):
    reader = FrameReader(ends[1], LIMIT)
    data = HEADER.pack(3, Kind.CALL, 0, 1, 7, 0, 9) + b"abc" + struct.pack("<Q", 2) + b"de"
    ends[0].sendall(data[:cut])
    ends[0].close()
    with pytest.raises(MalformedFrame):
        reader.read()


def test_a_stream_that_ends_between_frames_just_ends(ends: tuple[socket.socket, socket.socket]):
    FrameWriter(ends[0]).write(Kind.CANCEL, call_id=1)
    ends[0].close()
    reader = FrameReader(ends[1], LIMIT)
    assert reader.read() is not None
    assert reader.read() is None


def test_the_numbers_are_those_of_the_headers_and_of_the_client(repository: Path):
    channel = (repository / "native/include/noodle/channel.h").read_text(encoding="utf-8")
    kinds = dict(re.findall(r"NOODLE_KIND_(\w+) = (\d+)", channel))
    assert {kind.name: str(kind.value) for kind in Kind} == kinds
    protocol = (repository / "native/include/noodle/protocol.h").read_text(encoding="utf-8")
    subjects = dict(re.findall(r"NOODLE_SUBJECT_(\w+) = (\d+)", protocol))
    shared = {subject.name: str(subject.value) for subject in Subject if subject.name in subjects}
    assert shared.items() <= subjects.items()
    client = (repository / "clients/node/lib/frames.js").read_text(encoding="utf-8")
    assert f"STREAM_VERSION = {STREAM_VERSION};" in client
    assert f"HEADER_BYTES = {HEADER.size};" in client
    for member in (*Kind, *Subject):
        assert f"{member.name}: {member.value}" in client


def test_the_clients_numbers_of_the_wire_are_those_of_the_headers(repository: Path):
    client = (repository / "clients/node/lib/wire.js").read_text(encoding="utf-8")
    wire = (repository / "native/include/noodle/wire.h").read_text(encoding="utf-8")
    protocol = (repository / "native/include/noodle/protocol.h").read_text(encoding="utf-8")
    kinds = re.findall(r"WIRE_KIND_(\w+) = (\d+)", wire)
    operations = re.findall(r"NOODLE_OP_(\w+) = (\d+)", protocol)
    listed = re.search(r"enum wire_extension \{(.*?)\}", wire, re.DOTALL)
    assert listed is not None
    extensions = re.findall(r"WIRE_(\w+) = (-?\d+)", listed[1])
    assert (len(kinds), len(operations), len(extensions)) == (8, 24, 10)
    for name, number in [*kinds, *operations, *extensions]:
        assert f"  {name}: {number}," in client
    version = re.search(r"WIRE_VERSION (\d+)", wire)
    assert version is not None
    assert f"WIRE_VERSION = {version[1]};" in client
