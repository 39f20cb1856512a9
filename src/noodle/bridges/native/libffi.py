"""Calls without a compiler: functions by their address, called through libffi (cffi's ABI mode)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from _cffi_backend import FFI

from noodle.bridges.native.declarations import Declaration

__all__ = ["entry"]

_FFI = FFI()


def entry(declaration: Declaration, address: int) -> Callable[..., Any]:
    """Return cffi's callable for a function.

    Args:
        declaration: What the function takes and gives.
        address: Where it is.
    """
    types = ", ".join(parameter.type.binary for parameter in declaration.parameters)
    kind = _FFI.typeof(f"{declaration.result.binary}(*)({types or 'void'})")
    called: Callable[..., Any] = _FFI.cast(kind, address)
    return called
