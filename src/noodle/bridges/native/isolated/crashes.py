"""What the error of a crashed worker tells of the call of a native function during which it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from noodle.bridges.native.declarations import Declaration
from noodle.bridges.native.pointers import AnyPointer, own
from noodle.errors import WorkerCrashedError
from noodle.values import type_of

__all__ = ["tell_types"]


def tell_types(
    error: WorkerCrashedError,
    function: str,
    declaration: Declaration,
    labels: Sequence[str],
    arguments: Mapping[str, Any],
) -> None:
    """Add the types of a call's arguments to the error, never their values.

    Args:
        error: What ended the call. One of another call, which this one's callback has made, is left
            as it is.
        function: The function's name in messages.
        declaration: What it takes in C.
        labels: What its parameters are called.
        arguments: What was given for them.
    """
    if not error.summary.endswith(f" during {function}"):
        return
    types = ", ".join(f"{label}: {_type_of(value)}" for label, value in arguments.items())
    error.add_note(f"it was called as {declaration.name}({types})")
    pairs = zip(labels, declaration.parameters, strict=True)
    pointers = [label for label, parameter in pairs if parameter.is_pointer]
    null = [label for label in pointers if arguments.get(label, "") is None]
    if null:
        error.add_note(
            f"None is null in C: {', '.join(null)}. With nullable=False it is refused beforehand."
        )


def _type_of(value: Any) -> str:
    structure = getattr(type(value), "__noodle_type__", None)
    if structure is not None:
        return str(structure)
    if isinstance(value, AnyPointer):
        return f"ptr<{own(value, 'pointee')}>"
    return "None" if value is None else str(type_of(value))
