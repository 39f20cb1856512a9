"""Calls without a compiler: functions by their address, called through libffi (cffi's ABI mode)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from _cffi_backend import FFI

from noodle.bridges.native.declarations import Declaration

__all__ = ["entries"]


def entries(
    declarations: Sequence[Declaration], address_of: Callable[[str], int]
) -> dict[str, Callable[..., Any]]:
    """Return a callable for each declaration.

    Args:
        declarations: The functions.
        address_of: Gives the address of a symbol.
    """
    ffi = FFI()
    made: dict[str, Callable[..., Any]] = {}
    for declaration in declarations:
        types = ", ".join(p.type.binary for p in declaration.parameters)
        kind = ffi.typeof(f"{declaration.result.binary}(*)({types or 'void'})")
        made[declaration.name] = ffi.cast(kind, address_of(declaration.name))
    return made
