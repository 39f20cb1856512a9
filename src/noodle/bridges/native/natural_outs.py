"""The memory of out-parameters: made before a call, read after it, next to the library."""

from __future__ import annotations

import array
from collections.abc import Callable, Sequence
from typing import Any

from _cffi_backend import FFI

from noodle.bridges.native.annotations import BYTES
from noodle.bridges.native.natural_plans import Out
from noodle.bridges.native.results import content_of, text_of
from noodle.errors import ArgumentRangeError
from noodle.sizes import machine_memory

__all__ = [
    "ERRNO",
    "allocate",
    "allocate_here",
    "capacity",
    "memories",
    "owned_content",
    "taken",
    "typed_content",
]

ERRNO = FFI()
"""Its ``errno`` is that of this thread's last native call."""

_FFI = ERRNO
_TEXT = _FFI.typeof("char *")


def capacity(out: Out, label: str, function: str) -> Callable[[Any], int]:
    """Return what checks how many items a buffer has to hold.

    What it gives is refused with an ArgumentRangeError where that is no number of items, or more
    than the machine has memory for.

    Args:
        out: The buffer's parameter.
        label: The parameter that says how long it is.
        function: The function's name in messages.
    """
    most = machine_memory() // _FFI.sizeof(out.c)

    def checked(size: Any) -> int:
        if type(size) is int and 0 <= size <= most:
            return size
        expected = f"a number of items from 0 to {most}, for which the machine has memory"
        raise _wrong_size(size, expected, label, function)

    return checked


def _wrong_size(size: Any, expected: str, label: str, function: str) -> ArgumentRangeError:
    return ArgumentRangeError(
        f"{function} does not accept {label}",
        expected=expected,
        received=repr(size)[:80],
        where=f"{label} of {function}",
    )


def allocate(out: Out) -> Callable[[int], Any]:
    """Return what makes the memory of a buffer with so many items, all zero."""
    kind = _FFI.typeof(f"{out.c}[]")
    return lambda size: _FFI.new(kind, size)


def allocate_here(out: Out, label: str, function: str) -> Callable[[int], Any]:
    """Return the same for a buffer in this process; missing memory is an ArgumentRangeError.

    Args:
        out: The buffer's parameter.
        label: The parameter that says how long it is.
        function: The function's name in messages.
    """
    memory = allocate(out)

    def made(size: int) -> Any:
        try:
            return memory(size)
        except MemoryError as error:
            expected = "a number of items for which there is memory"
            raise _wrong_size(size, expected, label, function) from error

    return made


def taken(out: Out, memory: Any, counter: Any, result: Any) -> bytes:
    """Return what a function has written to a buffer.

    Args:
        out: The buffer's parameter.
        memory: Its memory.
        counter: The memory of its length, where the function sets that.
        result: What the function returned.
    """
    size = len(memory)
    if out.cut == "length":
        written = int(counter[0])
    elif out.cut == "result":
        written = int(result)
    else:
        written = size
    view = _FFI.buffer(memory)
    item = _FFI.sizeof(out.c)
    content = bytes(view[: max(0, min(written, size)) * item])
    return content.partition(b"\0")[0] if out.cut == "nul" else content


def owned_content(release: Callable[[Any], Any] | None) -> Callable[[Any], bytes | None]:
    """Return what reads the text at an address and then releases it.

    Args:
        release: Releases it; None where it belongs to somebody else.
    """
    if release is None:
        return _content_at

    def read(address: Any) -> bytes | None:
        try:
            return _content_at(address)
        finally:
            if address:
                release(address)

    return read


def _content_at(address: Any) -> bytes | None:
    return content_of(_FFI.cast(_TEXT, address))


_TYPE_CODES = {
    f"{'u' if code.isupper() else ''}int{array.array(code).itemsize * 8}_t": code
    for code in "bBhHiIlLqQ"
} | {"float": "f", "double": "d"}


def typed_content(out: Out, function: str) -> Callable[[bytes], Any]:
    """Return what makes a result of the bytes of a buffer: bytes, text, or an array of numbers.

    Args:
        out: The buffer's parameter.
        function: The function's name in messages.
    """
    if out.c in ("char", "uint8_t", "int8_t") or out.c not in _TYPE_CODES:
        if out.encoding == BYTES:
            return bytes
        return lambda content: text_of(content, function, out.encoding)
    code = _TYPE_CODES[out.c]
    return lambda content: array.array(code, content)


def memories(outs: Sequence[Out]) -> dict[int, Any]:
    """Return the types of what is allocated for outs that are no buffers, by parameter."""
    return {out.index: _FFI.typeof(f"{out.c}[1]") for out in outs if out.kind != "buffer"}
