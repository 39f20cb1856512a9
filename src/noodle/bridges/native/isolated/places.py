"""Addresses of a worker as they are sent: with what tells this process from any other."""

from __future__ import annotations

import os
from typing import Any

from _cffi_backend import FFI

from noodle.errors import ForeignError

__all__ = ["PROCESS", "address_at", "place_of", "sent_place"]

_FFI = FFI()

PROCESS = int.from_bytes(os.urandom(7), "little")
"""What tells this process's pointers from those of any other."""


def place_of(address: Any) -> list[int] | None:
    """Return what is sent for an address of cffi's; None for null."""
    return [int(_FFI.cast("uintptr_t", address)), PROCESS] if address else None


def sent_place(sent: Any, function: str) -> tuple[int, int] | None:
    """Return the place that a worker has sent, or None for null.

    Args:
        sent: What was sent.
        function: What gave it, in messages.

    Raises:
        ForeignError: It is no place.
    """
    if sent is None:
        return None
    if type(sent) is not list or list(map(type, sent)) != [int, int]:
        raise ForeignError(
            f"{function} returned no pointer",
            expected="an address and a process",
            received=type(sent).__name__,
            where=f"result of {function}",
        )
    address, process = sent
    return address, process


def address_at(address: int, process: int) -> Any:
    """Return an address of this process as cffi has it.

    Raises:
        ReferenceError: It is of another process.
    """
    if process != PROCESS:
        raise ReferenceError("the pointer is not of this process")
    return _FFI.cast("void *", address)
