"""Stands in for a host that misbehaves: ``python fake_host.py BEHAVIOUR``, with a socket at 3."""

from __future__ import annotations

import socket
import struct
import sys
import time

from noodle import _wire

HEADER = struct.Struct("<IBBHQQQ")
CONTROL, CALL, REPLY = 0, 1, 2


def frame(kind: int, payload: bytes, call_id: int = 0) -> bytes:
    return HEADER.pack(len(payload), kind, 0, 0, call_id, 0, 0) + payload


def ready(stream: int = 1, wire: int = _wire.VERSION) -> bytes:
    content = [0, stream, wire, "9.9.9", "3.99", "/usr/bin/python3.99", 7, 1 << 31]
    return frame(CONTROL, _wire.encode(content))


def main(behaviour: str) -> None:
    client = socket.socket(fileno=3)
    if behaviour == "silent":
        time.sleep(60)
    if behaviour == "old stream":
        client.sendall(ready(stream=99))
    elif behaviour == "old wire":
        client.sendall(ready(wire=99))
    elif behaviour == "no greeting":
        client.sendall(b"Python 3.12 (main)\n>>> " * 4)
    else:
        client.sendall(ready())
    received = b""
    while data := client.recv(65536):
        received += data
        # The greeting comes first, then the call to answer with whatever this host answers.
        first = HEADER.size + HEADER.unpack_from(received)[0]
        if len(received) < first + HEADER.size:
            continue
        call_id = HEADER.unpack_from(received, first)[4]
        if behaviour == "garbage":
            client.sendall(b"\xff" * 100)
        elif behaviour == "bad payload":
            client.sendall(frame(REPLY, b"\xc1", call_id))
        elif behaviour == "two values":
            client.sendall(frame(REPLY, b"\1\2", call_id))
        elif behaviour == "a call":
            client.sendall(frame(CALL, b"\x90", 1))
        elif behaviour == "unknown answer":
            client.sendall(frame(REPLY, b"\1", 2**40) + frame(REPLY, _wire.encode(5), call_id))
        elif behaviour == "closes":
            client.close()
            time.sleep(60)
        received = b""


main(sys.argv[1])
