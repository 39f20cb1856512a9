"""The worker's half of callbacks: C code calls functions of the host by way of references.

What C gives is sent as the functions of the library send their results: pointers as their places,
texts as bytes, structures by value as their content.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import _cffi_backend
from _cffi_backend import FFI

from noodle.bridges.native.callbacks import Callback
from noodle.bridges.native.declarations import Declaration
from noodle.bridges.native.declared_callbacks import DeclaredCallback
from noodle.bridges.native.isolated.places import address_at, place_of
from noodle.bridges.native.library_types import LibraryTypes
from noodle.bridges.native.native_types import CallbackType, NativeType
from noodle.bridges.native.results import content_of
from noodle.bridges.native.structures import StructureType
from noodle.values import VOID

__all__ = ["KeptCallback", "ServedTypes"]

_FFI = FFI()


class ServedTypes(LibraryTypes):
    """The types of a library in this worker; its arguments are those of ``LibraryTypes``."""

    def given(self, native: NativeType, origin: str) -> Callable[[Any], Any] | None:
        """Return what turns an argument of C into what the host is sent."""
        if native.by_value:
            return _content
        if native.type.name in ("str", "bytes"):
            return content_of
        return place_of if native.type.name == "ptr" else None

    def taken(self, shape: DeclaredCallback) -> Callable[[Any], Any] | None:
        """Return what turns what the host has sent into what C takes."""
        native = shape.callback.result
        if native.type == VOID:
            return _nothing
        if native.by_value:
            structure = self.structure(native.structure)
            assert structure
            return value_maker(structure)
        return _Memory() if native.type.name in ("str", "bytes", "ptr") else None

    def received(self, native: NativeType) -> Callable[[Any], Any] | None:
        """Return what turns a sent structure by value into cffi's; None for anything else."""
        structure = self.structure(native.structure) if native.by_value else None
        return value_maker(structure) if structure else None

    def shapes(self, declaration: Declaration) -> Mapping[int, DeclaredCallback]:
        """Return the shapes of the function pointers among the parameters, by their places."""
        listed = [
            (p.name or f"argument {i}", p.type) for i, p in enumerate(declaration.parameters, 1)
        ]
        return {
            index: DeclaredCallback(native.callback, self.origin(name, declaration.name), self)
            for index, (name, native) in enumerate(listed)
            if native.callback
        }

    def keep(self, packed: Any, origin: str, function: Any, on_error: Any) -> KeptCallback:
        """Return a callback that C may call for as long as the host refers to it."""
        shape = DeclaredCallback(CallbackType.unpack(packed), origin, self)
        return KeptCallback(function, shape, on_error)


class KeptCallback:
    """A function of the host that C may call for as long as this object lives.

    Args:
        function: The function.
        shape: What takes it.
        on_error: What C gets where it raises.
    """

    def __init__(self, function: Any, shape: DeclaredCallback, on_error: Any) -> None:
        self._callback = Callback(function, on_error=on_error)
        self._shape = shape

    def place(self) -> list[int] | None:
        """Return the address that C calls."""
        return place_of(self._callback.address(self._shape))

    def close(self) -> None:
        """Release the function."""
        self._callback.close()


def value_maker(structure: StructureType) -> Callable[[bytes], Any]:
    """Return what makes a structure of cffi's from its content."""
    pointer = _cffi_backend.new_pointer_type(structure.c_type)

    def made(content: bytes) -> Any:
        value = _cffi_backend.newp(pointer)
        if type(content) is not bytes or len(content) != structure.size:
            raise TypeError(f"expected {structure.size} bytes")
        _FFI.buffer(value)[:] = content
        return value[0]

    return made


def _content(value: Any) -> bytes:
    return bytes(_FFI.buffer(_FFI.addressof(value)))


def _nothing(_: Any) -> None:
    """C takes nothing back."""


class _Memory:
    """Turns places and bytes into addresses; the last bytes are kept."""

    def __init__(self) -> None:
        self._kept: Any = None

    def __call__(self, value: Any) -> Any:
        if type(value) is bytes:
            self._kept = _FFI.new("char[]", value)
            return self._kept
        return address_at(*value) if value else _FFI.NULL
