"""The host's end of a connection, with a client that breaks every rule."""

from __future__ import annotations

import random
import struct
import subprocess

import pytest

from noodle.client_host.frames import HEADER, Kind, Subject
from noodle.workers.operations import Operation
from tests.client_host.client import INCARNATION, RawClient, decode, encode

LOAD = [Operation.IMPORT, 0, "python:builtins", {}]


def load(client: RawClient, target: str = "python:builtins") -> int:
    """Load a library and return its number."""
    kind, fields = client.call([Operation.IMPORT, 0, target, {}])
    assert kind is Kind.REPLY, fields
    number: int = fields[3]
    return number


def test_a_call_is_answered_with_its_number():
    with RawClient() as client:
        builtins = load(client)
        client.send(Kind.CALL, [Operation.METHOD, builtins, "abs", -5], 2**60)
        assert client.answer(2**60) == (Kind.REPLY, 5)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "its header is none"),
        (HEADER.pack(0, 7, 0, 0, 0, 0, 0), "its header is none"),
        (HEADER.pack(0, 1, 1, 0, 0, 0, 0), "its header is none"),
        (HEADER.pack(0, 1, 0, 5000, 0, 0, 0), "its header is none"),
        (HEADER.pack(0, 1, 0, 1, 0, 0, 0) + struct.pack("<Q", 2**63), "larger than any memory"),
        (HEADER.pack(0, Kind.CALLBACK, 0, 0, 0, 0, 0), "a CALLBACK"),
        (HEADER.pack(1, Kind.RELEASE, 0, 0, 0, 0, 0) + b"\x05", "a RELEASE that is no list"),
        (HEADER.pack(1, Kind.CONTROL, 0, 0, 0, 0, 0) + b"\xc1", "a CONTROL that is no list"),
        (HEADER.pack(2, Kind.CONTROL, 0, 0, 0, 0, 0) + b"\x91\x09", "a CONTROL about 9"),
    ],
)
def test_what_is_no_message_is_refused_with_a_reason(data: bytes, reason: str):
    with RawClient() as client:
        client.send_bytes(data)
        assert reason in client.refusal()


def test_another_version_of_the_stream_is_refused():
    with RawClient(greet=False) as client:
        client.send(Kind.CONTROL, [Subject.READY, 99])
        assert client.refusal() == "version 1 of the stream is spoken here"


def test_a_call_before_the_greeting_is_refused():
    with RawClient(greet=False) as client:
        client.send(Kind.CALL, LOAD, 1)
        assert client.refusal() == "the first frame is no greeting"


@pytest.mark.parametrize("cut", [1, HEADER.size - 1, HEADER.size, HEADER.size + 3])
def test_a_client_that_goes_in_the_middle_of_a_frame_ends_the_connection(cut: int):
    with RawClient() as client:
        payload = encode(LOAD)
        frame = HEADER.pack(len(payload), Kind.CALL, 0, 0, 1, 0, 0) + payload
        client.send_bytes(frame[:cut])


@pytest.mark.parametrize(
    ("payload", "type_name", "text"),
    [
        (b"", "InputLimitError", "ends within a value"),
        (b"\xc1", "InputLimitError", "not MessagePack"),
        (encode(5), "ArgumentTypeError", "no request"),
        (encode(["0", 0]), "ArgumentTypeError", "no request"),
        (encode([True, 0]), "ArgumentTypeError", "no request"),
        (encode([99, 0]), "ArgumentTypeError", "an operation that there is not"),
        (encode([Operation.IMPORT, 0, 5, {}]), "ArgumentTypeError", "an operation that there is"),
        (encode([Operation.IMPORT, 0, "x", {5: 1}]), "TypeError", "keywords must be strings"),
        (encode([Operation.CALL, 12345]), "ReferenceReleasedError", "cannot be used any more"),
        (b"\x91" * 600 + b"\x00", "InputLimitError", "deeper than the limit"),
        (
            encode([Operation.CALL, 0, {1: 2}]),
            "ArgumentTypeError",
            "an operation that there is not",
        ),
    ],
)
def test_a_call_that_cannot_be_read_fails_and_the_next_one_works(
    payload: bytes, type_name: str, text: str
):
    with RawClient() as client:
        client.send_frame(Kind.CALL, payload, 1)
        kind, (_, name, message, *_) = client.answer(1)
        assert kind is Kind.ERROR
        assert name.rpartition(".")[2] == type_name
        assert text in message
        load(client)


def reference(number: int, incarnation: int = INCARNATION, owner: int = 0) -> bytes:
    """A request to tell the type of an object with that number."""
    fields = (owner, 1, 1, number, incarnation, "")
    return encode([Operation.METHOD, 1, "type", object()], reference=lambda _: fields)


@pytest.mark.parametrize(
    ("number", "incarnation", "text"),
    [(1, INCARNATION + 1, "its host has ended"), (77, INCARNATION, "cannot be used any more")],
)
def test_a_reference_of_another_process_or_without_an_object_is_refused(
    number: int, incarnation: int, text: str
):
    with RawClient() as client:
        assert load(client) == 1
        client.send_frame(Kind.CALL, reference(number, incarnation), 5)
        kind, (_, name, message, *_) = client.answer(5)
        assert (kind, name) == (Kind.ERROR, "noodle.errors.ReferenceReleasedError")
        assert text in message


def test_an_object_stays_until_every_sending_of_it_is_let_go():
    with RawClient() as client:
        builtins = load(client)
        assert load(client) == builtins  # sent twice now
        client.send(Kind.RELEASE, [[builtins, 1], [builtins, -5], [builtins, 0], [999, 1]])
        assert client.call([Operation.METHOD, builtins, "abs", -1]) == (Kind.REPLY, 1)
        client.send(Kind.RELEASE, [[builtins, 1], [builtins, 1]])
        kind, _ = client.call([Operation.METHOD, builtins, "abs", -1])
        assert kind is Kind.ERROR
        assert len(client.exports) == 0


def array_of(shape: list[int], *, dtype: int = 12, size: int = 8, offset: int = 0) -> bytes:
    """An ARRAY that lies in the first attachment."""
    strides = [size] * len(shape)
    head = struct.pack("<BBBBIBBHIQQ", 1, dtype, len(shape), 0, size, 0, 0, 0, 0, 0, offset)
    payload = head + struct.pack(f"<{2 * len(shape)}q", *shape, *strides)
    return b"\xc7" + bytes([len(payload), 5]) + payload


@pytest.mark.parametrize(
    ("array", "memory"),
    [
        (array_of([3]), bytes(16)),
        (array_of([2]), bytes(24)),
        (array_of([2], offset=8), bytes(24)),
        (array_of([2], dtype=15), bytes(16)),
        (array_of([2], dtype=200), bytes(16)),
        (array_of([2], size=4), bytes(16)),
        (array_of([-2]), bytes(16)),
        (array_of([2**62, 4]), bytes(16)),
        (array_of([16], dtype=1, size=1), b"\2" * 16),
    ],
)
def test_an_attached_array_that_contradicts_itself_is_refused(array: bytes, memory: bytes):
    with RawClient() as client:
        builtins = load(client)
        start = encode([Operation.METHOD, builtins, "len", 0])
        payload = start[:-1] + array
        header = HEADER.pack(len(payload), Kind.CALL, 0, 1, 9, 0, 0)
        client.send_bytes(header + payload + struct.pack("<Q", len(memory)) + memory)
        kind, (_, name, *_) = client.answer(9)
        assert (kind, name) == (Kind.ERROR, "noodle.errors.InputLimitError")


def test_an_attached_array_that_is_right_is_taken():
    with RawClient() as client:
        builtins = load(client)
        payload = encode([Operation.METHOD, builtins, "str", 0])[:-1] + array_of([2])
        header = HEADER.pack(len(payload), Kind.CALL, 0, 1, 9, 0, 0)
        client.send_bytes(header + payload + struct.pack("<Q2d", 16, 1.5, 2.5))
        assert client.answer(9) == (Kind.REPLY, "[1.5 2.5]")


def test_answers_and_cancels_that_belong_to_nothing_are_dropped():
    with RawClient() as client:
        for kind in (Kind.REPLY, Kind.ERROR, Kind.CANCEL):
            client.send(kind, [1, 2], 4711)
        client.send_frame(Kind.REPLY, b"\xc1", 4711)
        load(client)


def call_back(client: RawClient, number: int) -> int:
    """Have the host ask for the length of a client's object; return the number of the callback."""
    fields = (1, 2, 1, 5, 0, "f")
    function = encode([Operation.METHOD, number, "len", object()], reference=lambda _: fields)
    client.send_frame(Kind.CALL, function, 50)
    frame = client.read()
    assert frame.kind is Kind.CALLBACK
    assert decode(frame) == [Operation.LENGTH, 5]
    return frame.call_id


@pytest.mark.parametrize(
    ("kind", "payload", "text"),
    [
        (Kind.REPLY, b"\xc1", "no form in Python"),
        (Kind.ERROR, encode("just a text"), "did not say how"),
        (Kind.ERROR, b"", "no form in Python"),
        (Kind.REPLY, encode("many"), "invalid literal"),
    ],
)
def test_a_wrong_answer_to_a_callback_fails_the_call_it_belongs_to(
    kind: Kind, payload: bytes, text: str
):
    with RawClient() as client:
        callback = call_back(client, load(client))
        client.send_frame(kind, payload, callback)
        answered, (_, _, message, *_) = client.answer(50)
        assert answered is Kind.ERROR
        assert text in message
        load(client)


def test_a_client_that_goes_while_it_is_waited_for_lets_the_thread_go():
    with RawClient() as client:
        call_back(client, load(client))


def test_any_bytes_are_refused_or_answered():
    """The seed is fixed, so a failure comes again."""
    randomness = random.Random(20_240_613)
    with RawClient() as client:
        builtins = load(client)
        original = encode([Operation.METHOD, builtins, "repr", [1, {"a": b"b"}, 2**70, 1.5]])
        for turn in range(2_000):
            payload = bytearray(original if turn % 2 else randomness.randbytes(20))
            for _ in range(randomness.randint(0, 3)):
                payload[randomness.randrange(len(payload))] = randomness.randrange(256)
            client.send_frame(Kind.CALL, bytes(payload), 1000 + turn, randomness.getrandbits(64))
            frame = client.read()
            while frame.kind is not Kind.REPLY and frame.kind is not Kind.ERROR:
                frame = client.read()
            assert frame.call_id == 1000 + turn
        assert client.call([Operation.METHOD, builtins, "abs", -1]) == (Kind.REPLY, 1)


def test_a_host_without_a_socket_says_what_starts_one(noodle_command: list[str]):
    done = subprocess.run(
        [*noodle_command, "host"], capture_output=True, text=True, check=False, close_fds=True
    )
    assert done.returncode == 4
    assert "a host is started by its client" in done.stderr
    assert "npm install noodle-ffi" in done.stderr
