"""Addresses that C can call: each leads to a Python function, and stays valid for ever.

C code may keep an address beyond the time for which its function was lent. So trampolines are never
freed. One that was released raises an error when it is called, and is used again only after many
others have been released.

cffi makes a trampoline for any function. Before those of numbers and pointers there is an entry of
our own, where there is one for the processor and as long as there are any left: see
``callbacks.h``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

import _cffi_backend
from _cffi_backend import FFI

from noodle import _callbacks
from noodle.bridges.native.argument_rules import Refusal
from noodle.errors import ArgumentTypeError, CallbackReleasedError, CallbackResultError
from noodle.values import describe

__all__ = [
    "CallbackShape",
    "Released",
    "Trampoline",
    "acquire",
    "lending",
    "letter_of",
    "unfit_result",
]

_REST = 1000
"""Chosen: how many trampolines of a type are released before one of them is used again."""

_LETTERS = {
    **{f"{sign}int{8 * size}_t": letter for sign, letters in (("", "bhiq"), ("u", "BHIQ"))
       for size, letter in zip((1, 2, 4, 8), letters, strict=True)},
    "float": "f",
    "double": "d",
    "_Bool": "?",
}  # fmt: skip
"""The numbers that an entry takes and gives, with their letters there."""

_released: dict[tuple[Any, Any], deque[Trampoline]] = {}
_all: list[Trampoline] = []
"""Every trampoline; none may be freed."""


class Released(Protocol):
    """What C can call until it is released."""

    @property
    def cdata(self) -> Any:
        """Its address, as the functions of the library take it."""

    def release(self) -> None:
        """Let go of the function."""


class CallbackShape(Protocol):
    """What a trampoline is to know of the function that it leads to."""

    @property
    def c_type(self) -> Any:
        """Cffi's type of the function pointer."""

    @property
    def origin(self) -> str:
        """The parameter or field that takes it, in messages."""

    @property
    def expected_result(self) -> str:
        """What the function is to return, in messages."""

    def refuse_result(self, value: Any) -> Refusal:
        """Say why C does not take a result."""

    @property
    def converters(self) -> tuple[Callable[[Any], Any] | None, ...]:
        """What converts each argument."""

    def result_converter(self) -> Callable[[Any], Any] | None:
        """Return what converts the results; it keeps alive the memory of the last one."""


class Trampoline:
    """An address that C can call. Made by ``acquire`` alone.

    Args:
        c_type: cffi's type of the function pointer.
        on_error: What C gets where the function fails; None for zero.
    """

    __slots__ = ("_closure", "_key", "_own", "_shape", "cdata")

    def __init__(self, c_type: Any, on_error: Any) -> None:
        self._key = (c_type, on_error)
        arguments = (None,) * len(c_type.args)
        fallback = _fallback(c_type, on_error)
        self._own = _callbacks.Trampoline(_nothing, arguments, None, fallback, "callback")
        failed: Any = self._failed
        self._closure: Any = _cffi_backend.callback(c_type, self._own, on_error, failed)
        self.cdata = self._entry(c_type, failed) or self._closure
        _all.append(self)

    def _entry(self, c_type: Any, failed: Any) -> Any:
        """Return the address of an entry, or None."""
        types = (*c_type.args, c_type.result)
        letters = [letter_of(one) for one in types]
        if None in letters:
            return None
        closure = int(FFI().cast("uintptr_t", self._closure))
        text = "".join(letter or "" for letter in letters)
        address = _callbacks.entry_address(self._own, closure, text, types, failed)
        return FFI().cast(c_type, address) if address else None

    def lead_to(self, function: Callable[..., Any], shape: CallbackShape) -> None:
        """Let C call a function from now on."""
        own = self._own
        self._shape = shape
        own.converters = shape.converters
        own.result = shape.result_converter()
        own.told = _Told(f"{_name_of(function)}, given as {shape.origin}")
        own.function = function

    def end_lending(self) -> BaseException | None:
        """Let go of the function, and return the error that was kept for the call."""
        error = self._own.end_lending()
        self.release()
        return error

    def report(self, error: BaseException) -> None:
        """Tell of an error that nobody waits for."""
        self._own.report(error)

    def release(self) -> None:
        """Let go of the function. A call by C is an error from now on."""
        function = self._own.function
        self._own.function = partial(_refuse, _name_of(function), self._shape.origin)
        self._own.result = None
        _released.setdefault(self._key, deque()).append(self)

    def _failed(self, kind: type[BaseException], error: BaseException, traceback: Any) -> None:
        """Keep or report what went wrong: the function, or that C does not take its result."""
        unfit = self._own.unfit_result()
        if unfit is not None:
            error = self._result_error(error, *unfit)
            kind = type(error)
        self._own.failed(kind, error, traceback)

    def _result_error(self, error: BaseException, *unfit: Any) -> BaseException:
        shape = self._shape
        refused = (
            shape.refuse_result(*unfit)
            if unfit
            else Refusal(ArgumentTypeError, shape.expected_result, str(error))
        )
        told = unfit_result(shape.origin, refused, _name_of(self._own.function))
        told.__cause__ = error
        return told


def acquire(function: Callable[..., Any], shape: CallbackShape, on_error: Any = None) -> Trampoline:
    """Return a trampoline that leads to a function.

    Args:
        function: What C calls.
        shape: What its arguments and results become.
        on_error: What C gets where the function fails; None for zero.

    Raises:
        CallbackResultError: C does not take ``on_error``.
    """
    rested = _released.get((shape.c_type, on_error))
    if rested and len(rested) > _REST:
        trampoline = rested.popleft()
    else:
        try:
            trampoline = Trampoline(shape.c_type, on_error)
        except (TypeError, OverflowError) as error:
            raise CallbackResultError(
                f"{shape.origin} does not take on_error",
                expected=shape.expected_result,
                received=describe(on_error),
                where="on_error",
                remedy=f"on_error={shape.expected_result}, or leave it out for zero",
            ) from error
    trampoline.lead_to(function, shape)
    return trampoline


def lending(
    entry: Callable[..., Any], shapes: Sequence[tuple[int, CallbackShape]]
) -> Callable[..., Any]:
    """Return what calls an entry with functions that C may call until the entry has returned.

    Args:
        entry: What is called with addresses.
        shapes: The places of the functions among the arguments, and what takes them. An address
            in such a place stays as it is.
    """

    def call(*values: Any) -> Any:
        ready = list(values)
        lent: list[Trampoline] = []
        try:
            for index, shape in shapes:
                if not isinstance(values[index], FFI.CData):
                    trampoline = acquire(values[index], shape)
                    trampoline._own.lent = True
                    lent.append(trampoline)
                    ready[index] = trampoline.cdata
            result = entry(*ready)
        except BaseException:
            _end_lending(lent, failed=True)
            raise
        _end_lending(lent)
        return result

    return call


def _end_lending(lent: Iterable[Trampoline], *, failed: bool = False) -> None:
    """Let go of functions that were lent for a call, which has ended.

    Args:
        lent: Their trampolines.
        failed: Whether the call is raising an error already.

    Raises:
        BaseException: What a function raised on a thread without a call of its own. What more of
            them raised, or all where the call has failed, is reported.
    """
    first: BaseException | None = None
    for trampoline in lent:
        error = trampoline.end_lending()
        if error is None:
            continue
        if first is None and not failed:
            first = error
        else:
            trampoline.report(error)
    if first is None:
        return
    try:
        raise first
    finally:
        first = error = None  # its traceback has this frame


def unfit_result(
    origin: str, refused: Refusal, function: str = "a callback"
) -> CallbackResultError:
    """Return the error for a result that C does not take.

    Args:
        origin: The parameter or field that takes the callback, in messages.
        refused: Why the result does not fit.
        function: What returned it, in messages.
    """
    return CallbackResultError(
        f"{function} returned what {origin} does not take",
        expected=refused.expected,
        received=refused.received,
        where=origin,
        remedy=f"return {refused.remedy or refused.expected}",
    )


def letter_of(c_type: Any) -> str | None:
    """Return what stands for one of cffi's types in ``noodle._callbacks``; None for the others."""
    if c_type.kind == "primitive":
        return _LETTERS.get(c_type.cname)
    return {"pointer": "p", "void": "v"}.get(c_type.kind)


def _fallback(c_type: Any, on_error: Any) -> Any:
    result = c_type.result
    if result.kind == "void" or on_error is not None:
        return on_error
    if result.kind == "struct":
        return _cffi_backend.newp(_cffi_backend.new_pointer_type(result))[0]
    return FFI().cast(result, 0) if result.kind == "pointer" else 0


def _nothing(*_: Any) -> None:
    """Stands where there is no function yet."""


def _name_of(function: Any) -> str:
    return str(getattr(function, "__qualname__", None) or describe(function))


def _refuse(function: str, origin: str, *_: Any) -> None:
    raise CallbackReleasedError(
        f"C called {function} after it was released",
        expected="no call after the end of the call that it was given to, or after close()",
        received=f"a call by way of {origin}",
        where=origin,
        remedy="kept = noodle.callback(function), for as long as the library may call it",
    )


class _Told(str):
    """What Python's report of an error that nobody waits for names: ``Exception ignored in: …``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"the callback {self}"
