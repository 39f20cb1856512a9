"""Functions that C calls: kept for the time of a call, or for as long as a ``Callback`` lives."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self

from noodle.bridges.native.trampolines import Released
from noodle.errors import ArgumentTypeError, CallbackReleasedError
from noodle.values import describe

__all__ = ["Callback", "callback"]


class Shape(Protocol):
    """A parameter or field that takes a function, wherever the library is."""

    @property
    def origin(self) -> str:
        """What it is called in messages."""

    def place(self) -> object:
        """Return what an address belongs to: the worker, or None for this process."""

    def acquire(self, function: Callable[..., Any], on_error: Any = None) -> Released:
        """Return something that leads to a function."""


class Callback:
    """A function that C code may call for as long as this object lives and is not closed.

    It stands for any function pointer: the parameter or field that it is given to says what the
    arguments and the result become. It can be used in a ``with`` statement.

    Args:
        function: What is called.
        on_error: What C gets where the function raises; None for zero.

    Raises:
        ArgumentTypeError: The function is none.
    """

    __slots__ = ("__weakref__", "_finalizer", "_on_error", "_trampolines", "function")

    def __init__(self, function: Callable[..., Any], *, on_error: Any = None) -> None:
        if not callable(function):
            raise ArgumentTypeError(
                "a callback is made of what can be called",
                expected="a function",
                received=describe(function),
                where="callback",
            )
        self.function = function
        self._on_error = on_error
        self._trampolines: dict[tuple[Shape, object], Released] = {}
        self._finalizer = weakref.finalize(self, _release, self._trampolines)
        self._finalizer.atexit = False  # C code may call until the process has ended

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return not self._finalizer.alive

    @property
    def on_error(self) -> Any:
        """What C gets where the function raises; None for zero."""
        return self._on_error

    def address(self, shape: Shape) -> Any:
        """Return the address that C calls, as the functions of the library take it.

        Args:
            shape: The parameter or field that it is given to.

        Raises:
            CallbackReleasedError: It was closed.
        """
        if self.closed:
            raise CallbackReleasedError(
                f"{self!r} is given to {shape.origin}",
                expected="a callback that is open",
                received="one that was closed",
                where=shape.origin,
            )
        key = (shape, shape.place())
        trampoline = self._trampolines.get(key)
        if trampoline is None:
            trampoline = shape.acquire(self.function, self._on_error)
            self._trampolines[key] = trampoline
        return trampoline.cdata

    def close(self) -> None:
        """Release the function. When C calls it nevertheless, that is an error which is told."""
        self._finalizer()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself."""
        return self.function(*args, **kwargs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed callback" if self.closed else "callback"
        return f"<{state} {getattr(self.function, '__qualname__', self.function)}>"


def callback(function: Callable[..., Any], *, on_error: Any = None) -> Callback:
    """Return a function as something that a C library may keep and call later.

    A plain function that is given to a C function is lent for the time of the call. What this
    returns stays callable until it is closed or nobody refers to it any more.

    Args:
        function: What is called: of Python, of a Noodle program, or of a library.
        on_error: What C gets where the function raises; None for zero.

    Raises:
        ArgumentTypeError: The function is none.
    """
    return Callback(function, on_error=on_error)


def _release(trampolines: dict[tuple[Shape, object], Released]) -> None:
    while trampolines:
        _, trampoline = trampolines.popitem()
        trampoline.release()
