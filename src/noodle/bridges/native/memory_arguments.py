"""Texts, bytes, memory and pointers as the arguments of a native function."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from _cffi_backend import FFI

from noodle.bridges.native.argument_rules import Converter, Kind, Refusal
from noodle.bridges.native.native_types import NativeType, item_size
from noodle.bridges.native.pointers import AnyPointer, Pointer, own, points_to
from noodle.errors import ArgumentTypeError
from noodle.values import describe, item_of_format, layout_refusal, type_of

__all__ = ["BytesArgument", "MemoryArgument", "TextArgument", "is_address", "pointer_refusal"]

_FFI = FFI()
_BYTES = _FFI.typeof("char[]")
_FORMAT_CODES = "?bBhHiIlLqQnNfdc"


class TextArgument(Kind):
    """Text as UTF-8 with a closing NUL. A C declaration also takes bytes, null and pointers."""

    def refuse(self, value: Any) -> Refusal | None:
        """Say why a value does not fit; see ``Argument``."""
        if isinstance(value, str):
            return self._text_refusal(value)
        if self.native.from_c and (value is None or isinstance(value, (bytes, bytearray))):
            return None
        if self.native.from_c and isinstance(value, Pointer):
            return pointer_refusal(self.native, value)
        if self.native.from_c and is_address(value):
            return None
        why = self._type_refusal(value)
        if self.native.from_c:
            return Refusal(why.error, "str, bytes or None", why.received, self._bytes_remedy(value))
        return Refusal(why.error, why.expected, why.received, self._noodle_remedy(value))

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        """Return what makes a value ready; see ``Argument``."""
        if issubclass(python_type, str):
            return None if compiled else _encode
        if issubclass(python_type, bytes):
            return None
        if issubclass(python_type, bytearray):
            return None if compiled else _share
        return _pointer_converter(self.native, python_type)

    def shares(self, python_type: type) -> bool:
        """Return whether that is its own memory; see ``Argument``."""
        return issubclass(python_type, bytearray)

    def note(self, python_type: type) -> str | None:
        """Return what ``explain`` should tell, or None."""
        return "encoded as UTF-8" if issubclass(python_type, str) else super().note(python_type)

    def _text_refusal(self, value: str) -> Refusal | None:
        if "\0" in value:
            expected = "text without the character NUL, which ends a C string"
            received = f"NUL at index {value.index(chr(0))}"
            remedy = None if self.native.from_c else "declare the parameter as bytes"
            return Refusal(ArgumentTypeError, expected, received, remedy)
        try:
            value.encode()
        except UnicodeEncodeError as error:
            received = f"a lone surrogate, U+{ord(value[error.start]):04X}, at index {error.start}"
            remedy = f"os.fsencode({self.shown}) gives the bytes of a file name"
            return Refusal(ArgumentTypeError, "text that UTF-8 can encode", received, remedy)
        return None

    def _bytes_remedy(self, value: Any) -> str | None:
        has_buffer = type_of(value).name == "array"
        return f"bytes({self.shown}), which has the closing NUL" if has_buffer else None

    def _noodle_remedy(self, value: Any) -> str | None:
        if isinstance(value, (bytes, bytearray)):
            return f"{self.shown}.decode(), or declare the parameter as bytes"
        return "declare the parameter as ptr<u8>, which takes null" if value is None else None


def _encode(value: str) -> bytes:
    encoded = str.encode(value)
    if b"\0" in encoded:
        raise TypeError
    return encoded


def _share(value: Any) -> Any:
    return _FFI.from_buffer(_BYTES, value)


class BytesArgument(Kind):
    """Memory that the function only reads, from any contiguous buffer of bytes."""

    def refuse(self, value: Any) -> Refusal | None:
        """Say why a value does not fit; see ``Argument``."""
        why = super().refuse(value)
        if why is None and not memoryview(value).c_contiguous:
            return self._type_refusal(value, f"bytes({self.shown})")
        return why

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        """Return what makes a value ready; see ``Argument``."""
        return None if compiled or issubclass(python_type, bytes) else self._shared

    def shares(self, python_type: type) -> bool:
        """Return whether that is its own memory; see ``Argument``."""
        return not issubclass(python_type, bytes)

    def _remedy(self, value: Any) -> str | None:
        if isinstance(value, str):
            return f"{self.shown}.encode()"
        if value is None:
            return "declare the parameter as ptr<u8>, which takes null"
        return f"{self.shown}.tobytes()" if hasattr(value, "tobytes") else None

    @staticmethod
    def _shared(value: Any) -> Any:
        view = memoryview(value)
        if view.itemsize != 1 or view.format not in ("B", "c") or not view.c_contiguous:
            raise TypeError
        return _FFI.from_buffer(_BYTES, view)


class MemoryArgument(Kind):
    """A pointer: the memory of a buffer, shared for the time of the call; null; or a pointer."""

    def __init__(self, native: NativeType, shown: str) -> None:
        super().__init__(native, shown)
        self._item = native.type.item.name if native.type.item else "void"
        self._item_size = item_size(native)
        self._formats = {
            code
            for code in _FORMAT_CODES
            if item_of_format(code, struct.calcsize(code)) == self._item
        }

    def refuse(self, value: Any) -> Refusal | None:
        """Say why a value does not fit; see ``Argument``."""
        nullable = self.native.type.name == "ptr"
        if nullable and (value is None or is_address(value)):
            return None
        if nullable and isinstance(value, Pointer):
            return pointer_refusal(self.native, value)
        if self.native.structure or self.native.callback:
            expected = f"a pointer to {self.native.structure}, or None"
            if self.native.callback:
                expected = f"a function pointer ({self.native.c}) that a library returned, or None"
            return Refusal(ArgumentTypeError, expected, describe(value))
        why = self._explained(layout_refusal(self.native.type, value), value)
        if why is None and self.native.writes and memoryview(value).readonly:
            expected = f"writable memory for {self.native.type}"
            received = f"{describe(value)}, read-only"
            return Refusal(ArgumentTypeError, expected, received, self._writable_remedy(value))
        return why

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        """Return what makes a value ready; see ``Argument``."""
        if self.native.type.name == "ptr":
            pointer = _pointer_converter(self.native, python_type)
            if pointer:
                return pointer
        if self.native.structure or self.native.callback:
            return _reject
        return None if compiled and any(self.native.items) else self._shared

    def shares(self, python_type: type) -> bool:
        """Return whether that is its own memory; see ``Argument``."""
        return not issubclass(python_type, (type(None), Pointer, _FFI.CData))

    @property
    def counted(self) -> Callable[[Any, int], Any]:
        """What gives the memory of a buffer that must have at least so many items."""
        return self._shared

    def _shared(self, value: Any, least: int = 0) -> Any:
        view = memoryview(value)
        if least > 0 and view.nbytes < least * self._item_size:
            raise TypeError
        known = self._item == "void" or view.format in self._formats
        if not known and item_of_format(view.format, view.itemsize) != self._item:
            raise TypeError
        # Without this, a column of a matrix would be handed over as if its items were adjacent.
        if not view.c_contiguous:
            raise TypeError
        if self.native.writes:
            return _FFI.from_buffer(_BYTES, view, True)
        return _FFI.from_buffer(_BYTES, view)

    def _remedy(self, value: Any) -> str | None:
        if type_of(value).name == "tensor":
            return f"{self.shown}.numpy()"
        dtype = {"bool": "np.bool_", "void": ""}.get(self._item) or _numpy_name(self._item)
        if isinstance(value, str) and self._item == "u8":
            encoded = f"{self.shown}.encode()"
            is_written = self.native.writes
            return self._before_the_call(f"bytearray({encoded})") if is_written else encoded
        if self._item == "ptr" or isinstance(value, (str, float, int, dict)) or value is None:
            return None
        chosen = f", dtype={dtype}" if self._item != "void" else ""
        return self._before_the_call(f"np.ascontiguousarray({self.shown}{chosen})")

    def _before_the_call(self, copy: str) -> str:
        """Return what to type for a copy, which has to have a name if the function writes to it."""
        if not self.native.writes:
            return copy
        if self.is_field:
            return f"{self.shown} = {copy}, and that into the field, where C may write to it"
        return f"{self.shown} = {copy} before the call, which may write to it"

    def _writable_remedy(self, value: Any) -> str:
        kind = "bytearray" if isinstance(value, bytes) else "np.array"
        copied = self._before_the_call(f"{kind}({self.shown})")
        if self.is_field:
            return f"{copied}; or, if C only reads it, declare the field as a pointer to const"
        const = " or, if the function only reads it, declare the parameter as "
        const += "const" if self.native.from_c else "bytes, or as const in a C prototype"
        return f"{copied};{const}"


def _numpy_name(item: str) -> str:
    kind = {"i": "int", "u": "uint", "f": "float"}[item[0]] if item[1:].isdigit() else "void"
    return f"np.{kind}{item[1:]}"


def pointer_refusal(native: NativeType, value: AnyPointer) -> Refusal | None:
    """Say why a pointer does not fit a parameter, or return None when it does."""
    if points_to(value, native.pointee):
        return None
    return Refusal(ArgumentTypeError, f"a pointer to {native.pointee}, or None", repr(value))


def _pointer_converter(native: NativeType, python_type: type) -> Converter | None:
    pointee = native.pointee

    def address(value: Pointer) -> Any:
        if not points_to(value, pointee):
            raise TypeError
        return own(value, "cdata")

    if python_type is type(None):
        return _null
    if issubclass(python_type, Pointer):
        return address
    return _as_address if issubclass(python_type, _FFI.CData) else None


def _null(_: None) -> Any:
    return _FFI.NULL


def is_address(value: Any) -> bool:
    """Return whether a value is a pointer or an array of cffi's."""
    return isinstance(value, _FFI.CData) and _FFI.typeof(value).kind in ("pointer", "array")


def _as_address(value: Any) -> Any:
    if not is_address(value):
        raise TypeError
    return _FFI.cast("void *", value)


def _reject(_: Any) -> Any:
    raise TypeError
