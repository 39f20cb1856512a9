"""How Python values become the arguments of a native function.

What depends on the Python type alone is decided once for a signature; what depends on the value
(range, exactness, memory layout) is checked at each call: by cffi and the compiled extension where
they can, else by a converter. A converter only raises; ``refuse`` then finds out why.
"""

from __future__ import annotations

import numbers
import operator
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from _cffi_backend import FFI

from noodle.bridges.native.declarations import DeclaredParameter, NativeType
from noodle.bridges.native.pointers import AnyPointer, Pointer
from noodle.errors import ArgumentError, ArgumentRangeError, ArgumentTypeError
from noodle.values import (
    FLOAT_TYPES,
    INTEGER_RANGES,
    describe,
    item_of_format,
    layout_refusal,
    refusal,
    type_of,
)

__all__ = ["Argument", "Converter", "Refusal", "argument_of", "is_address", "pointer_refusal"]

Converter = Callable[[Any], Any]

_FFI = FFI()
_BYTES = _FFI.typeof("char[]")
_LARGEST_F32 = float.fromhex("0x1.ffffffp+127")  # from here on, rounding to f32 gives infinity
_FORMAT_CODES = "?bBhHiIlLqQnNfdc"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a value does not fit a parameter.

    Args:
        error: The class of the error to raise.
        expected: What would fit.
        received: What came.
        remedy: What to type instead, or None.
    """

    error: type[ArgumentError]
    expected: str
    received: str
    remedy: str | None = None


class Argument(Protocol):
    """One parameter's rules."""

    def refuse(self, value: Any) -> Refusal | None:
        """Say why the value does not fit, or return None when it does."""

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        """Return what makes a value of this type ready for the call, or None when it is ready.

        Args:
            python_type: The exact type of the value.
            compiled: Whether the call goes through a compiled extension, which checks numbers.
        """

    def shares(self, python_type: type) -> bool:
        """Return whether the converter of this type gives the value's own memory."""

    def note(self, python_type: type) -> str | None:
        """Return what ``explain`` should tell about the conversion of this type, or None."""


def argument_of(parameter: DeclaredParameter, shown: str) -> Argument:
    """Return the rules of a parameter.

    Args:
        parameter: The parameter.
        shown: Its name in messages.
    """
    name = parameter.type.type.name
    if name in INTEGER_RANGES:
        return _Integer(parameter.type, shown)
    if name in FLOAT_TYPES:
        return _Float(parameter.type, shown)
    kinds: dict[str, type[_Kind]] = {"bool": _Bool, "str": _Text, "bytes": _Bytes}
    return kinds.get(name, _Memory)(parameter.type, shown)


class _Kind:
    """What the kinds of parameters share.

    Args:
        native: The parameter's type.
        shown: Its name in messages and remedies.
    """

    def __init__(self, native: NativeType, shown: str) -> None:
        self.native = native
        self.shown = shown if shown.isidentifier() else "a"

    def refuse(self, value: Any) -> Refusal | None:
        return self._explained(refusal(self.native.type, value), value)

    def _explained(self, why: str | None, value: Any) -> Refusal | None:
        if why is None:
            return None
        expected, _, received = why.removeprefix("expected ").partition(", got ")
        return Refusal(ArgumentTypeError, expected, received, self._remedy(value))

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        raise NotImplementedError

    def shares(self, python_type: type) -> bool:
        return False

    def note(self, python_type: type) -> str | None:
        return "memory shared without a copy" if self.shares(python_type) else None

    def _remedy(self, value: Any) -> str | None:
        return None

    def _type_refusal(self, value: Any, remedy: str | None = None) -> Refusal:
        return Refusal(ArgumentTypeError, str(self.native.type), describe(value), remedy)


class _Integer(_Kind):
    def refuse(self, value: Any) -> Refusal | None:
        if hasattr(value, "__len__") and not isinstance(value, (str, bytes)):
            return self._type_refusal(value)
        why = super().refuse(value)
        if why and hasattr(value, "__index__"):
            return Refusal(ArgumentRangeError, why.expected, why.received, why.remedy)
        return why

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        return None if issubclass(python_type, int) else operator.index

    def _remedy(self, value: Any) -> str | None:
        if isinstance(value, str):
            return f"int({self.shown})"
        is_number = isinstance(value, numbers.Real) and not hasattr(value, "__index__")
        return f"int({self.shown}), if cutting off a fraction is meant" if is_number else None


class _Float(_Kind):
    def refuse(self, value: Any) -> Refusal | None:
        if isinstance(value, numbers.Complex) and not isinstance(value, numbers.Real):
            return self._type_refusal(value, f"{self.shown}.real, if dropping the rest is meant")
        why = super().refuse(value)
        if why and hasattr(value, "__index__") and not hasattr(value, "__len__"):
            return Refusal(
                ArgumentRangeError,
                why.expected,
                why.received,
                f"float({self.shown}), if rounding is meant",
            )
        if why is None and self.native.type.name == "f32" and not _fits_f32(float(value)):
            return Refusal(
                ArgumentRangeError, "f32 (up to 3.4028235e38)", describe(value), "declare f64"
            )
        return why

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        is_integer = not issubclass(python_type, float) and hasattr(python_type, "__index__")
        if compiled:
            return operator.index if is_integer and not issubclass(python_type, int) else None
        if is_integer:
            return self._exact
        return self._within_f32 if self.native.type.name == "f32" else None

    def _exact(self, value: Any) -> float:
        if refusal(self.native.type, value):
            raise OverflowError
        return float(operator.index(value))

    @staticmethod
    def _within_f32(value: Any) -> float:
        number = float(value)
        if not _fits_f32(number):
            raise OverflowError
        return number

    def _remedy(self, value: Any) -> str | None:
        return f"float({self.shown})" if isinstance(value, str) else None


def _fits_f32(number: float) -> bool:
    return not _LARGEST_F32 <= abs(number) < float("inf")


class _Bool(_Kind):
    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        return None if python_type is bool else bool

    def _remedy(self, value: Any) -> str | None:
        return f"bool({self.shown})"


class _Text(_Kind):
    """Text as UTF-8 with a closing NUL. A C declaration also takes bytes, null and pointers."""

    def refuse(self, value: Any) -> Refusal | None:
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
        if issubclass(python_type, str):
            return _encode
        if issubclass(python_type, bytes):
            return None
        if issubclass(python_type, bytearray):
            return _share
        return _pointer_converter(self.native, python_type)

    def shares(self, python_type: type) -> bool:
        return issubclass(python_type, bytearray)

    def note(self, python_type: type) -> str | None:
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


class _Bytes(_Kind):
    """Memory that the function only reads, from any contiguous buffer of bytes."""

    def refuse(self, value: Any) -> Refusal | None:
        why = super().refuse(value)
        if why is None and not memoryview(value).c_contiguous:
            return self._type_refusal(value, f"bytes({self.shown})")
        return why

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        return None if issubclass(python_type, bytes) else self._shared

    def shares(self, python_type: type) -> bool:
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


class _Memory(_Kind):
    """A pointer: the memory of a buffer, shared for the time of the call; null; or a pointer."""

    def __init__(self, native: NativeType, shown: str) -> None:
        super().__init__(native, shown)
        self._item = native.type.item.name if native.type.item else "void"
        self._formats = {
            code
            for code in _FORMAT_CODES
            if item_of_format(code, struct.calcsize(code)) == self._item
        }

    def refuse(self, value: Any) -> Refusal | None:
        nullable = self.native.type.name == "ptr"
        if nullable and (value is None or is_address(value)):
            return None
        if nullable and isinstance(value, Pointer):
            return pointer_refusal(self.native, value)
        if self.native.structure:
            expected = f"a pointer to {self.native.structure}, or None"
            return Refusal(ArgumentTypeError, expected, describe(value))
        why = self._explained(layout_refusal(self.native.type, value), value)
        if why is None and self.native.writes and memoryview(value).readonly:
            expected = f"writable memory for {self.native.type}"
            received = f"{describe(value)}, read-only"
            return Refusal(ArgumentTypeError, expected, received, self._writable_remedy(value))
        return why

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        if self.native.type.name == "ptr":
            pointer = _pointer_converter(self.native, python_type)
            if pointer:
                return pointer
        return _reject if self.native.structure else self._shared

    def shares(self, python_type: type) -> bool:
        return not issubclass(python_type, (type(None), Pointer, _FFI.CData))

    def _shared(self, value: Any) -> Any:
        view = memoryview(value)
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
            return f"{self.shown}.encode()"
        if self._item == "ptr" or isinstance(value, (str, float, int, dict)) or value is None:
            return None
        chosen = f", dtype={dtype}" if self._item != "void" else ""
        return self._before_the_call(f"np.ascontiguousarray({self.shown}{chosen})")

    def _before_the_call(self, copy: str) -> str:
        """Return what to type for a copy, which has to have a name if the function writes to it."""
        if not self.native.writes:
            return copy
        return f"{self.shown} = {copy} before the call, which may write to it"

    def _writable_remedy(self, value: Any) -> str:
        const = " or, if the function only reads it, declare the parameter as "
        const += "const" if self.native.from_c else "bytes, or as const in a C prototype"
        kind = "bytearray" if isinstance(value, bytes) else "np.array"
        return f"{self._before_the_call(f'{kind}({self.shown})')};{const}"


def _numpy_name(item: str) -> str:
    kind = {"i": "int", "u": "uint", "f": "float"}[item[0]] if item[1:].isdigit() else "void"
    return f"np.{kind}{item[1:]}"


def pointer_refusal(native: NativeType, value: AnyPointer) -> Refusal | None:
    """Say why a pointer does not fit a parameter, or return None when it does."""
    if value.points_to(native.pointee):
        return None
    return Refusal(ArgumentTypeError, f"a pointer to {native.pointee}, or None", repr(value))


def _pointer_converter(native: NativeType, python_type: type) -> Converter | None:
    pointee = native.pointee

    def address(value: Pointer) -> Any:
        if not value.points_to(pointee):
            raise TypeError
        return value.cdata

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
