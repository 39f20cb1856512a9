"""Calls without a compiler: functions by their address, called through libffi (cffi's ABI mode)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from _cffi_backend import FFI

from noodle.bridges.native.declarations import Declaration

__all__ = ["entry", "with_further"]

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


def with_further(
    called: Callable[..., Any], fixed: int, types: Sequence[str]
) -> Callable[..., Any]:
    """Return what calls a function that takes further arguments, which cffi wants with their types.

    Args:
        called: cffi's callable.
        fixed: How many arguments stand before them.
        types: Their types at the machine's level.
    """
    typed = [_typed(kind) for kind in types]

    def call(*arguments: Any) -> Any:
        further = (one(value) for one, value in zip(typed, arguments[fixed:], strict=True))
        return called(*arguments[:fixed], *further)

    return call


def _typed(kind: str) -> Callable[[Any], Any]:
    if kind.endswith("*"):
        return _pointer
    memory, plain = _FFI.typeof(f"{kind} *"), _FFI.typeof(kind)
    # A cast cuts numbers off; memory of the type refuses what does not fit.
    return lambda value: _FFI.cast(plain, _FFI.new(memory, value)[0])


def _pointer(value: Any) -> Any:
    return _FFI.from_buffer(value) if isinstance(value, bytes) else value
