"""How the arguments and results of callbacks are converted, by the declared function pointer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from _cffi_backend import FFI

from noodle._callbacks import MOST_ARGUMENTS, PointerMaker
from noodle.bridges.native.argument_rules import Refusal
from noodle.bridges.native.declarations import DeclaredParameter
from noodle.bridges.native.native_types import CallbackType, NativeType
from noodle.bridges.native.pointed import TextsPointer
from noodle.bridges.native.pointers import Pointer, own
from noodle.bridges.native.results import content_of, text_of
from noodle.bridges.native.structure_fields import made_for
from noodle.bridges.native.trampolines import Released, acquire, letter_of, unfit_result
from noodle.errors import ArgumentTypeError, PrototypeError
from noodle.values import VOID, describe

if TYPE_CHECKING:
    from noodle.bridges.native.library_types import LibraryTypes

__all__ = ["DeclaredCallback", "given", "pointer_maker", "taken"]

_FFI = FFI()


class DeclaredCallback:
    """A parameter or field that takes a function; see ``CallbackShape``.

    Args:
        callback: What the function pointer points to.
        origin: The parameter or field in messages.
        types: The types of the library.

    Raises:
        PrototypeError: Such a function cannot be called back.
    """

    def __init__(self, callback: CallbackType, origin: str, types: LibraryTypes) -> None:
        self.callback = callback
        self.origin = origin
        self._types = types
        if len(callback.parameters) > MOST_ARGUMENTS:
            raise PrototypeError(f"{origin} has more than {MOST_ARGUMENTS} parameters")
        self.c_type = types.function_type(callback.parameters, callback.result, origin)
        self.converters = tuple(types.given(native, origin) for native in callback.parameters)

    @property
    def expected_result(self) -> str:
        """What the function is to return, in messages."""
        native = self.callback.result
        shown = native.structure if native.by_value else str(native.type)
        return f"{shown} ({native.c})"

    @property
    def declared(self) -> str:
        """The declared parameters, in messages."""
        names = self.callback.names or ("",) * len(self.callback.parameters)
        pairs = zip(self.callback.parameters, names, strict=True)
        return f"({', '.join(native.spelled(name) for native, name in pairs) or 'void'})"

    def refuse_result(self, value: Any) -> Refusal:
        """Say why C does not take a result."""
        native = self.callback.result
        rule = self._types.rule(DeclaredParameter("result", native), "result")
        refused = rule.refuse(value)
        if refused is None:
            return Refusal(ArgumentTypeError, self.expected_result, describe(value))
        return refused

    def result_converter(self) -> Callable[[Any], Any] | None:
        """Return what converts the results; it keeps alive the memory of the last one."""
        return self._types.taken(self)

    def place(self) -> object:
        """Return what a trampoline belongs to: this process."""
        return None

    def acquire(self, function: Callable[..., Any], on_error: Any = None) -> Released:
        """Return a trampoline that leads to a function; see ``trampolines.acquire``."""
        return acquire(function, self, on_error)


def given(native: NativeType, origin: str, types: LibraryTypes) -> Callable[[Any], Any] | None:
    """Return what turns an argument of C into what a callback gets, or None when it is that.

    Args:
        native: The type of the argument.
        origin: What takes the callback, in messages.
        types: The types of the library.
    """
    if native.type.name in ("str", "bytes"):
        return lambda value: text_of(content_of(value), origin)
    structure = types.structure(native.structure) if native.structure else None
    if structure and native.by_value:
        return structure.copied
    if structure and structure.known:
        return structure.view
    return pointer_maker(native, origin, types) if native.type.name == "ptr" else None


def taken(shape: DeclaredCallback, types: LibraryTypes) -> Callable[[Any], Any] | None:
    """Return what turns the results of a callback into what C takes, or None.

    Args:
        shape: What takes the callback.
        types: The types of the library.
    """
    native = shape.callback.result
    if native.type == VOID:
        return _nothing
    if native.type.name in ("str", "bytes"):
        return _TextResult(shape)
    if native.type.name == "ptr" or native.by_value:
        return _MemoryResult(shape, native, types)
    return None


def pointer_maker(
    native: NativeType, origin: str, types: LibraryTypes
) -> Callable[[Any], Pointer | None]:
    """Return what makes pointers of a type from cffi's addresses, and for callbacks from any.

    Args:
        native: The type.
        origin: Where they come from, in messages.
        types: The types of the library.
    """
    is_texts = native.target is not None and native.target.type.name == "str"
    made = TextsPointer if is_texts else Pointer
    c_type = types.c_type(native)
    letter = letter_of(c_type.item) or ""
    return PointerMaker(made, native.pointee, origin, c_type, letter)


def _nothing(_: Any) -> None:
    """C takes nothing back."""


class _TextResult:
    """Turns texts into memory that stays until the next result."""

    def __init__(self, shape: DeclaredCallback) -> None:
        self._shape = shape
        self._kept: Any = None

    def __call__(self, value: Any) -> Any:
        if value is None:
            return _FFI.NULL
        content = value.encode() if isinstance(value, str) else value
        if isinstance(value, Pointer):
            return _FFI.cast("char *", own(value, "cdata"))
        if not isinstance(content, bytes) or b"\0" in content:
            expected = "text without NUL, bytes or None"
            refused = Refusal(ArgumentTypeError, expected, describe(value))
            raise unfit_result(self._shape.origin, refused)
        self._kept = _FFI.new("char[]", content)
        return self._kept


class _MemoryResult:
    """Turns pointers and structures into what C takes; the last one is kept."""

    def __init__(self, shape: DeclaredCallback, native: NativeType, types: LibraryTypes) -> None:
        self._shape = shape
        self._rule = types.rule(DeclaredParameter("result", native), "result")
        self._is_pointer = not native.by_value
        self._kept: Any = None

    def __call__(self, value: Any) -> Any:
        refused = self._rule.refuse(value)
        if refused:
            raise unfit_result(self._shape.origin, replace(refused, remedy=None))
        value = made_for(self._rule, value)
        converter = self._rule.converter(type(value), compiled=False)
        self._kept = (value, converter(value) if converter else value)
        ready = self._kept[1]
        return _FFI.cast("void *", ready) if self._is_pointer else ready
