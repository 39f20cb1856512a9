"""Addresses of a worker as they are sent: with what tells this process from any other."""

from __future__ import annotations

import os
from typing import Any

from _cffi_backend import FFI

__all__ = ["PROCESS", "address_at", "place_of"]

_FFI = FFI()

PROCESS = int.from_bytes(os.urandom(7), "little")
"""What tells this process's pointers from those of any other."""


def place_of(address: Any) -> list[int] | None:
    """Return what is sent for an address of cffi's; None for null."""
    return [int(_FFI.cast("uintptr_t", address)), PROCESS] if address else None


def address_at(address: int, process: int) -> Any:
    """Return an address of this process as cffi has it.

    Raises:
        ReferenceError: It is of another process.
    """
    if process != PROCESS:
        raise ReferenceError("the pointer is not of this process")
    return _FFI.cast("void *", address)
