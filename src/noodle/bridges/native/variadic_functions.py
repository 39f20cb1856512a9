"""Functions that take further arguments (``...``), whose types are declared for a handle."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from noodle.bridges.native.declarations import Declaration
from noodle.calls import BoundFunction, Call, Function
from noodle.errors import PrototypeError
from noodle.prototypes import Prototype
from noodle.values import INTEGER_RANGES, describe

__all__ = ["VARIADIC", "TakesTypes", "VariadicFunction"]

VARIADIC = "variadic"
"""The option of handles that declares the types."""

_INTEGERS = (("int", INTEGER_RANGES["i32"]), ("long", INTEGER_RANGES["i64"]))
"""The types that C gives a literal, with their least and greatest values."""


class TakesTypes(Function):
    """A function whose handles may declare the types of its further arguments.

    Attributes:
        declare: Gives the function for such types; None for a function without ``...``.
        types: What was declared for this one after the load; None for nothing.
    """

    declare: Callable[[Any], Function] | None = None
    types: Any = None

    @property
    def own_options(self) -> Mapping[str, Any]:
        """The further options of its handles: the C types, separated by commas."""
        return {VARIADIC: self.types} if self.declare else {}

    def with_options(self, options: Mapping[str, Any]) -> Function:
        """Return the function with these types of further arguments.

        Args:
            options: The types; without any, the function stays as it is.

        Raises:
            SettingsError: The option is no text.
            PrototypeError: The types cannot be read.
        """
        if self.declare is None or VARIADIC not in options:
            return self
        return self.declare(options[VARIADIC])


class VariadicFunction(TakesTypes):
    """A function with further arguments of types that nobody has declared; no call can be made.

    Args:
        library: The library's name in messages.
        declaration: What it takes before them, and what it gives.
        declare: Gives the function for such types.
    """

    def __init__(
        self, library: str, declaration: Declaration, declare: Callable[[Any], Function]
    ) -> None:
        self._library = library
        self._declaration = declaration
        self._raw = self._python_function()
        self.declare = declare

    @property
    def prototype(self) -> Prototype:
        """What the function declares."""
        return self._declaration.prototype()

    @property
    def raw(self) -> Callable[..., Any]:
        """The function as plain Python sees it, with a docstring and a signature."""
        return self._raw

    def bind(self, call: Call) -> BoundFunction:
        """Refuse the call.

        Raises:
            PrototypeError: Always; the remedy has types for the arguments of this call.
        """
        self._refuse(call.args)

    def _python_function(self) -> Callable[..., Any]:
        declaration = self._declaration

        def native(*args: Any, **kwargs: Any) -> Any:
            self._refuse(args)

        native.__name__ = native.__qualname__ = declaration.name
        native.__module__ = self._library
        native.__doc__ = f"{declaration.c_text}\n\nC function of {self._library}."
        native.__signature__ = declaration.python_signature()  # type: ignore[attr-defined]
        return native

    def _refuse(self, args: Sequence[Any]) -> NoReturn:
        name = self._declaration.name
        further = args[len(self._declaration.parameters) :]
        types = ", ".join(map(_type_for, further)) or "int, const char *"
        raise PrototypeError(
            f"{self._library}.{name} takes further arguments (...), and nobody has declared "
            "their types",
            expected="the C types that its documentation has for this call",
            received=", ".join(map(describe, further)) or "no types",
            where=f"call of {self._library}.{name}",
            remedy=f"{name}.options({VARIADIC}={types!r}), which gives a handle to call, or "
            f"{VARIADIC}={{{name!r}: {types!r}}} in the load; 'void' for none",
        )


def _type_for(value: Any) -> str:
    """Return a type that may be meant for a value: of an integer the one that C's literal has."""
    if isinstance(value, numbers.Integral):
        number = int(value)
        return next((c for c, (low, high) in _INTEGERS if low <= number <= high), "unsigned long")
    if isinstance(value, numbers.Real):
        return "double"
    return "const char *" if isinstance(value, (str, bytes)) else "void *"
