"""Functions as the arguments of native functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from _cffi_backend import FFI

from noodle.bridges.native.argument_rules import Converter, Kind, Refusal
from noodle.bridges.native.callbacks import Callback
from noodle.bridges.native.declared_callbacks import DeclaredCallback
from noodle.bridges.native.memory_arguments import MemoryArgument, is_address
from noodle.bridges.native.native_types import NativeType
from noodle.bridges.native.pointers import Pointer
from noodle.bridges.native.trampolines import lending
from noodle.errors import ArgumentTypeError
from noodle.values import describe

__all__ = ["CallbackArgument", "lending_functions", "misfit"]

_VARIADIC = 0x04  # CO_VARARGS


class CallbackArgument(Kind):
    """A function pointer: a function, lent for the time of the call; a ``Callback``; null.

    Args:
        native: The parameter's type.
        shown: Its name in messages and remedies.
        shape: What the function is given and returns.
    """

    def __init__(self, native: NativeType, shown: str, shape: DeclaredCallback) -> None:
        super().__init__(native, shown)
        self.shape = shape
        self._memory = MemoryArgument(native, shown)

    def refuse(self, value: Any) -> Refusal | None:
        """Say why a value does not fit; see ``Argument``."""
        if value is None or isinstance(value, Pointer) or is_address(value):
            return self._memory.refuse(value)
        expected = f"a function that takes {self.shape.declared}"
        if isinstance(value, Callback):
            if value.closed:
                return Refusal(ArgumentTypeError, "a callback that is open", repr(value))
            value = value.function
        if not callable(value):
            return Refusal(ArgumentTypeError, f"{expected}, or None", describe(value))
        if misfit(value, len(self.shape.callback.parameters)):
            received = f"one that takes {inspect.signature(value)}"
            return Refusal(ArgumentTypeError, expected, received)
        return None

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        """Return what makes a value ready; see ``Argument``. Plain functions are lent instead."""
        if issubclass(python_type, Callback):
            return self._address
        return self._memory.converter(python_type, compiled=compiled)

    def lends(self, python_type: type) -> bool:
        """Return whether values of this type are functions that are lent for the time of a call."""
        other = (type(None), Pointer, FFI.CData, Callback)
        is_callable = any("__call__" in base.__dict__ for base in python_type.__mro__)
        return is_callable and not issubclass(python_type, other)

    def note(self, python_type: type) -> str | None:
        """Return what ``explain`` should tell, or None."""
        return "callable by C until the call returns" if self.lends(python_type) else None

    def _address(self, value: Callback) -> Any:
        if value.closed:
            raise TypeError
        return value.address(self.shape)


def misfit(function: Any, count: int) -> bool:
    """Return whether a function is known not to take that many arguments."""
    if type(function) is FunctionType:
        code, defaults = function.__code__, function.__defaults__ or ()
        most = float("inf") if code.co_flags & _VARIADIC else code.co_argcount
        needed = set(code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount])
        lacking = needed - set(function.__kwdefaults__ or ())
        return bool(lacking) or not code.co_argcount - len(defaults) <= count <= most
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return True
    except ValueError:
        return False
    return False


def lending_functions(
    entry: Callable[..., Any], functions: Sequence[tuple[int, Any]]
) -> Callable[..., Any]:
    """Return what calls an entry with functions that C may call until the entry has returned.

    Args:
        entry: What is called with addresses.
        functions: Their places among the arguments, and the rules of their parameters.
    """
    shapes = [(index, rule.shape) for index, rule in functions]

    lend = lending(entry, shapes)

    def call(*values: Any) -> Any:
        for index, shape in shapes:
            function = values[index]
            if type(function) is FunctionType and misfit(function, len(shape.callback.parameters)):
                raise TypeError
        return lend(*values)

    return call
