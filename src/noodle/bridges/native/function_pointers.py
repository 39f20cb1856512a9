"""Functions that a library gives as pointers: they can be called, and handed on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from _cffi_backend import FFI

from noodle._callbacks import PendingCall
from noodle.bridges.native.declarations import Declaration, DeclaredParameter
from noodle.bridges.native.native_types import NativeType
from noodle.bridges.native.pointers import Pointer

if TYPE_CHECKING:
    from noodle.bridges.native.library_types import LibraryTypes

__all__ = ["FunctionPointer", "function_pointer"]

_FFI = FFI()


class FunctionPointer(Pointer):
    """A pointer to a function, which can be called.

    Args:
        cdata: The address, as cffi's ``void *``.
        native: The type of the pointer.
        origin: What it comes from, in messages.
        types: The types of the library.
    """

    __slots__ = ("_called", "_native", "_types")

    def __init__(self, cdata: Any, native: NativeType, origin: str, types: LibraryTypes) -> None:
        super().__init__(cdata, native.pointee, origin)
        self._native = native
        self._types = types
        self._called: Callable[..., Any] | None = None

    def __call__(self, *args: Any) -> Any:
        """Call the function. What goes wrong in a callback is raised when it returns.

        Raises:
            ArgumentError: The arguments do not fit.
        """
        if self._called is None:
            self._called = self._made()
        return self._called(*args)

    def _made(self) -> Callable[..., Any]:
        from noodle.bridges.native.functions import NativeFunction

        callback = self._native.callback
        assert callback
        names = callback.names or ("",) * len(callback.parameters)
        listed = zip(names, callback.parameters, strict=True)
        parameters = tuple(DeclaredParameter(*one) for one in listed)
        declaration = Declaration("function", parameters, callback.result)
        entry = PendingCall(self._types.entry(declaration, self.address))
        function = NativeFunction(
            self.origin, declaration, entry, compiled=False, loop=None, types=self._types
        )
        return function.raw


def function_pointer(
    native: NativeType, origin: str, types: LibraryTypes
) -> Callable[[Any], FunctionPointer | None]:
    """Return what makes callable pointers of cffi's addresses.

    Args:
        native: The type of the pointer.
        origin: What it comes from, in messages.
        types: The types of the library.
    """
    return lambda found: FunctionPointer(found, native, origin, types) if found else None
