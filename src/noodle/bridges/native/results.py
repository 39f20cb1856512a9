"""How the results of native functions become Python values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from _cffi_backend import FFI

from noodle.bridges.native.native_types import NativeType
from noodle.bridges.native.pointers import Pointer
from noodle.errors import ForeignError

__all__ = ["content_of", "converter_of", "text_of"]

_FFI = FFI()


def converter_of(native: NativeType, function: str) -> Callable[[Any], Any] | None:
    """Return what turns cffi's result into the caller's, or None when it is that already.

    Args:
        native: The declared type of the result.
        function: The function's name in messages.
    """
    if native.type.name == "str":
        return _text(function)
    if native.type.name == "bytes":
        return content_of
    if native.type.name == "ptr":
        return _pointer(native.pointee, function)
    return None


def content_of(result: Any) -> bytes | None:
    """Return what lies at a ``char *``, up to the NUL; None for null."""
    content: bytes | None = _FFI.string(result) if result else None  # type: ignore[assignment]
    return content


def text_of(content: bytes | None, function: str, encoding: str = "utf-8") -> str | None:
    """Return the text that a function has given.

    Args:
        content: Its bytes; None for null.
        function: The function's name in messages.
        encoding: The text's encoding.

    Raises:
        ForeignError: It is no such text.
    """
    try:
        return None if content is None else content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ForeignError(
            f"{function} returned text that is not {encoding.upper()}",
            expected=encoding.upper(),
            received=f"byte {error.object[error.start]:#04x} at index {error.start}",
            where=f"result of {function}",
            remedy='state its encoding, such as encoding="latin-1", or encoding="bytes" for bytes',
        ) from error


def _text(function: str) -> Callable[[Any], str | None]:
    return lambda result: text_of(content_of(result), function)


def _pointer(pointee: str, function: str) -> Callable[[Any], Pointer | None]:
    def pointer(result: Any) -> Pointer | None:
        return Pointer(result, pointee, function) if result else None

    return pointer
