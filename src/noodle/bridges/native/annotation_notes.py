"""What ``explain`` tells of annotations, and of which of them were inferred."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from typing import Any

from noodle.bridges.native.annotations import Annotations

__all__ = ["notes_of"]

_INFERRED = " (inferred; infer=False turns that off)"


def notes_of(
    merged: Annotations, stated: Annotations, finalized: Collection[str]
) -> tuple[str, ...]:
    """Return one note for each annotation of a function.

    Args:
        merged: What holds.
        stated: What was stated of it.
        finalized: The destructors that were stated.
    """
    notes = []
    for one in fields(merged):
        value = getattr(merged, one.name)
        if value is None:
            continue
        shown = _SHOWN.get(one.name, str)(value)
        origin = "" if getattr(stated, one.name) is not None else _INFERRED
        if one.name == "free":
            origin = "".join(
                _destructor_note(name, finalized) for name in sorted({*value.values()})
            )
        notes.append(f"{one.name}: {shown}{origin}")
    return tuple(notes)


def _destructor_note(name: str, finalized: Collection[str]) -> str:
    if name in finalized:
        return ""
    return f' (inferred; {name} runs when asked for, with free="{name}" also for what is dropped)'


def _listed(value: Any) -> str:
    return ", ".join(value)


def _pairs(value: Mapping[str, Any]) -> str:
    return ", ".join(f"{a or 'all'} by {getattr(b, 'length', b)}" for a, b in value.items())


_SHOWN: Mapping[str, Callable[[Any], str]] = {
    "out": _listed,
    "inout": _listed,
    "frees": _listed,
    "lengths": _pairs,
    "buffers": _pairs,
    "free": _pairs,
    "encoding": _pairs,
    "nullable": lambda value: (
        (_listed(value) or "none") if isinstance(value, tuple) else str(value)
    ),
    "errors": lambda value: getattr(value, "__name__", None) or value or "none",
}
