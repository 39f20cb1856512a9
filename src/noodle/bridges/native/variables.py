"""Global variables of a library in this process: read and written where they lie."""

from __future__ import annotations

from typing import Any

from _cffi_backend import FFI

from noodle.bridges.native.arguments import argument_of
from noodle.bridges.native.declarations import DeclaredParameter, Variable
from noodle.bridges.native.native_types import C_NUMBERS
from noodle.bridges.native.pointers import AnyPointer, Pointer, points_to
from noodle.bridges.native.results import content_of, text_of
from noodle.errors import ArgumentTypeError, UsageError
from noodle.values import describe

__all__ = [
    "check_assignment",
    "is_number",
    "is_text",
    "read_variable",
    "value_from",
    "write_variable",
]

_FFI = FFI()


def read_variable(variable: Variable, address: int) -> Any:
    """Return what lies in a variable, in a form that can be sent to another process.

    Args:
        variable: The variable.
        address: Where it is.

    Returns:
        A number; the bytes of a text up to the NUL, or None; the address that a pointer has, or of
        the variable itself where it is a structure or an array.
    """
    name = variable.type.type.name
    if variable.dimensions:
        return content_of(_FFI.cast("char *", address)) if is_text(variable) else address
    if variable.type.by_value:
        return address
    if name in C_NUMBERS:
        return _FFI.cast(f"{C_NUMBERS[name]} *", address)[0]
    pointer = _FFI.cast("char **", address)[0]
    if name == "str":
        return content_of(pointer)
    return int(_FFI.cast("uintptr_t", pointer))


def value_from(variable: Variable, read: Any, shown: str) -> Any:
    """Return the value that a caller gets for what ``read_variable`` has read.

    Args:
        variable: The variable.
        read: What was read.
        shown: Its name in messages.
    """
    if is_number(variable):
        return read
    if read is None or isinstance(read, bytes):
        return text_of(read, shown)
    if not read:
        return None
    return Pointer(_FFI.cast("void *", read), variable.pointee, shown)


def is_number(variable: Variable) -> bool:
    """Return whether a variable is a number or a truth value."""
    return variable.type.type.name in C_NUMBERS and not variable.dimensions


def is_text(variable: Variable) -> bool:
    """Return whether a variable is given as text: ``char *``, and an array of ``char``."""
    if variable.dimensions:
        return variable.type.c.split()[-1] == "char" and len(variable.dimensions) == 1
    return variable.type.type.name == "str"


def check_assignment(
    variable: Variable, value: Any, shown: str, pointer: type[AnyPointer] = Pointer
) -> None:
    """Check that a value may be assigned to a variable.

    Args:
        variable: The variable.
        value: What is to be assigned.
        shown: Its name in messages.
        pointer: The class of pointers that mean something where the variable is.

    Raises:
        UsageError: It is const, or neither a number nor a pointer.
        ArgumentError: The value does not fit.
    """
    native = variable.type
    if not variable.writable:
        raise UsageError(
            f"{shown} is const",
            expected="a variable that is not",
            received="an assignment",
            where=shown,
            remedy="leave it as it is; if C does change it, declare it without const",
        )
    if variable.dimensions or native.by_value or native.type.name == "str":
        raise _whole(variable, shown)
    if native.type.name == "ptr":
        fits = isinstance(value, pointer) and points_to(value, native.pointee)
        if value is None or fits:
            return
        raise ArgumentTypeError(
            f"{shown} does not accept the value",
            expected=f"a pointer to {native.pointee}, or None",
            received=describe(value),
            where=shown,
        )
    refused = argument_of(DeclaredParameter("value", native), "value").refuse(value)
    if refused:
        raise refused.error(
            f"{shown} does not accept the value",
            expected=refused.expected,
            received=refused.received,
            where=shown,
            remedy=refused.remedy,
        )


def _whole(variable: Variable, shown: str) -> UsageError:
    """Return the error for an assignment to what is no number and no pointer."""
    native, name = variable.type, shown.rpartition(".")[2]
    array = "".join(f"[{length or ''}]" for length in variable.dimensions)
    is_structure = native.by_value and not array
    is_text = native.type.name == "str" and not array
    return UsageError(
        f"{shown} cannot be assigned" + (": nobody would own the memory" if is_text else ""),
        expected="a variable that is a number or a pointer",
        received=f"{native.c}{array}",
        where=shown,
        remedy=f"library.{name}.FIELD = value"
        if is_structure
        else "call a function of the library that sets it",
    )


def write_variable(variable: Variable, address: int, value: Any) -> None:
    """Assign a checked value.

    Args:
        variable: The variable.
        address: Where it is.
        value: A number, cffi's pointer, or None for null.
    """
    name = variable.type.type.name
    if name in C_NUMBERS:
        _FFI.cast(f"{C_NUMBERS[name]} *", address)[0] = value
    else:
        _FFI.cast("void **", address)[0] = _FFI.NULL if value is None else value
