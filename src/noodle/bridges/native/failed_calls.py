"""The errors of native functions that say by their result, or through errno, that they failed."""

from __future__ import annotations

import builtins
import errno as numbers
import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from noodle.bridges.native.native_types import NativeType
from noodle.bridges.native.natural_plans import NaturalPlan
from noodle.errors import FunctionErrnoError, FunctionFailedError

__all__ = ["Failures", "condition", "reads_errno"]

_POINTERS = ("str", "bytes", "ptr")


def reads_errno(plan: NaturalPlan) -> bool:
    """Return whether the calls of a function look at errno."""
    return bool(plan.annotations.errno) or plan.annotations.errors in ("errno", "errno_set")


def condition(plan: NaturalPlan, result: NativeType, *, in_worker: bool) -> str:
    """Return when a call has failed, as Python text over the result ``r`` and errno ``e``.

    Args:
        plan: What is done around the call.
        result: The type of the result.
        in_worker: Whether null comes as None.
    """
    null = "r is None" if in_worker else "not r"
    conditions = {
        "nonzero": "r",
        "null": null,
        "negative": "r < 0",
        "errno": f"e and {null}" if result.type.name in _POINTERS else "e and r == -1",
        "errno_set": "e",
    }
    errors = plan.annotations.errors
    found = conditions.get(errors, "") if isinstance(errors, str) else ""
    accepted = plan.annotations.ok
    return f"{found} and r not in {tuple(accepted)!r}" if found and accepted else found


class Failures:
    """Makes the errors of one function.

    Args:
        library: The library's name in messages.
        plan: What is done around the function's calls.
        constants: The names that the library has for numbers.
        message: Gives the library's own text for a failure, given the code, the arguments by name
            and the pointers that came back by place; None where it has none.
    """

    def __init__(
        self,
        library: str,
        plan: NaturalPlan,
        constants: Callable[[int, NativeType], str | None],
        message: Callable[[int | None, Mapping[str, Any], Mapping[int, Any]], str | None] | None,
    ) -> None:
        self._library = library
        self._function = plan.declaration.name
        self._prototype = plan.declaration.c_text
        self._result = plan.declaration.result
        self._convention = plan.annotations.errors
        self._ok = plan.annotations.ok or ()
        self._constants = constants
        self._message = message

    def failed(
        self, result: Any, errno: int, arguments: Mapping[str, Any], pointers: Mapping[int, Any]
    ) -> FunctionFailedError:
        """Return the error for a failed call.

        Args:
            result: What the function returned.
            errno: The number that it left in errno.
            arguments: The arguments by name.
            pointers: The pointers that came back by place, as the call's entry gives them.
        """
        if self._convention in ("errno", "errno_set"):
            return self._errno(errno)
        code = None if self._convention == "null" else int(result)
        text = self._message(code, arguments, pointers) if self._message else None
        return self._told(FunctionFailedError, code, self._named(code), text)

    def _named(self, code: int | None) -> str | None:
        return None if code is None else self._constants(code, self._result)

    def _errno(self, errno: int) -> FunctionFailedError:
        kind = _errno_class(type(OSError(errno, "")).__name__)
        name = numbers.errorcode.get(errno)
        error = self._told(kind, errno, name, os.strerror(errno))
        error.errno, error.strerror = errno, os.strerror(errno)  # type: ignore[attr-defined]
        return error

    def _told(
        self,
        kind: type[FunctionFailedError],
        code: int | None,
        constant: str | None,
        text: str | None,
    ) -> FunctionFailedError:
        number = "null" if code is None else str(code)
        shown = f"{constant} ({number})" if constant else number
        error = kind(
            f"{self._library}.{self._function} failed" + (f": {text}" if text else ""),
            expected=self._expected(),
            received=shown,
            where=self._prototype,
            remedy=self._remedy(code),
        )
        error.code, error.constant = code, constant
        error.library, error.function = self._library, self._function
        return error

    def _expected(self) -> str:
        is_pointer = self._result.type.name in _POINTERS
        expected = {
            "nonzero": "0",
            "null": "a pointer that is not null",
            "negative": "a result that is not negative",
            "errno": "a pointer that is not null" if is_pointer else "any result but -1",
            "errno_set": "a call that leaves errno at 0",
        }[str(self._convention)]
        return " or ".join([expected, *map(str, self._ok)])

    def _remedy(self, code: int | None) -> str:
        by_code = self._convention in ("nonzero", "negative") and code is not None
        said = f'"ok": {[*self._ok, code]}' if by_code else '"errors": None'
        option = f'functions={{"{self._function}": {{{said}}}}}'
        return f"see what its manual says of this; {option}, if it is no failure"


@cache
def _errno_class(name: str) -> type[FunctionErrnoError]:
    """Return the class that is also the builtin of an errno's meaning."""
    builtin = getattr(builtins, name)
    if builtin is OSError:
        return FunctionErrnoError
    named = {"__doc__": builtin.__doc__, "__module__": FunctionErrnoError.__module__}
    return type(FunctionErrnoError.__name__, (FunctionErrnoError, builtin), named)
