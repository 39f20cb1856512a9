"""The fields of an error that a worker sent, as far as they are in order.

A worker may write anything into an error, also by mistake. What is wrong is left out, and what is
too much is cut, so that there is always an exception to raise, which can be shown like any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from noodle.errors import RemoteCallError
from noodle.foreign_frames import ForeignFrame, cleaned, read_frames

__all__ = ["ErrorFields", "is_plain", "plain_values", "read_fields", "settable"]

MESSAGE_MAX = 100_000
"""Chosen: characters of a message or note; longer ones are cut."""

VALUE_MAX = 10_000
"""Chosen: characters, bytes or bits of an attribute; longer ones are left out."""

ENTRIES_MAX = 64
"""Chosen: notes, attributes, arguments and bases; what comes after them is left out."""

_TYPE_NAME = re.compile(r"[^\W\d][\w<>]*(?:\.[\w<>]+)*")
_PLAIN = (type(None), bool, int, float, str, bytes)

_OF_BUILTINS: Mapping[str, tuple[type, ...]] = {
    "errno": (int,),
    "strerror": (str,),
    "filename": (str, bytes, int),
    "name": (str,),
}
"""Attributes that exceptions of Python have in any case, with the types that are usual there."""

_OWN = frozenset({*vars(RemoteCallError("")), *dir(RemoteCallError)})


@dataclass(frozen=True, slots=True)
class ErrorFields:
    """What an error says of itself.

    Args:
        language: The language in which it was raised.
        type_name: The name of its type, in Python ``module.Class`` or that of a builtin.
        message: Its text.
        frames: The calls that led to it, the outermost first.
        cause: The exception that caused it, or None.
        code: Its code, such as ``ENOENT``; ``""`` for none.
        bases: The names of the types that it derives from, nearest first.
        notes: What was added to it.
        attributes: What it carries, by name.
        arguments: What its class was called with; None where that was not sent whole.
        extra: All of what came beside these, as far as it is plain.
    """

    language: str
    type_name: str
    message: str
    frames: tuple[ForeignFrame, ...]
    cause: BaseException | None
    code: str
    bases: tuple[str, ...]
    notes: tuple[str, ...]
    attributes: Mapping[str, Any]
    arguments: tuple[Any, ...] | None
    extra: dict[str, Any]


def read_fields(fields: tuple[Any, ...]) -> ErrorFields:
    """Return the fields of an error.

    Args:
        fields: Language, type, message, frames, cause, extra, as the wire format has them.
    """
    language, type_name, message, frames, cause, extra = fields
    given = extra if isinstance(extra, dict) else {}
    code = given.get("code")
    return ErrorFields(
        language=cleaned(language, 40),
        type_name=type_name if _is_type_name(type_name) else "Error",
        message=_shortened(message),
        frames=read_frames(frames),
        cause=cause if isinstance(cause, BaseException) else None,
        code=code if isinstance(code, str) else "",
        bases=tuple(filter(_is_type_name, _listed(given.get("bases")))),
        notes=tuple(_shortened(n) for n in _listed(given.get("notes")) if isinstance(n, str)),
        attributes=plain_values(given.get("attributes")),
        arguments=_arguments(given.get("arguments")),
        extra=_kept(given),
    )


def _arguments(value: Any) -> tuple[Any, ...] | None:
    listed = _listed(value)
    whole = isinstance(value, list) and len(listed) == len(value) and all(map(is_plain, listed))
    return tuple(listed) if whole else None


def _kept(extra: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what is plain among the extras, and the lists and attributes that workers may want."""
    kept = plain_values(extra)
    for name in ("bases", "arguments"):
        if isinstance(extra.get(name), list):
            kept[name] = [value for value in _listed(extra[name]) if is_plain(value)]
    attributes = plain_values(extra.get("attributes"))
    if attributes:
        kept["attributes"] = attributes
    return kept


def _is_type_name(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 500 and bool(_TYPE_NAME.fullmatch(value))


def _shortened(text: str) -> str:
    if len(text) <= MESSAGE_MAX:
        return text
    return f"{text[:MESSAGE_MAX]}… ({len(text) - MESSAGE_MAX:,} more characters)"


def _listed(value: Any) -> list[Any]:
    return value[:ENTRIES_MAX] if isinstance(value, list) else []


def is_plain(value: object) -> bool:
    """Return whether a value may hang on an exception: it is small, and has no code of its own."""
    if type(value) not in _PLAIN:
        return False
    if isinstance(value, (str, bytes)):
        return len(value) <= VALUE_MAX
    return not isinstance(value, int) or value.bit_length() <= VALUE_MAX


def plain_values(value: Any) -> dict[str, Any]:
    """Return those entries of a dict whose names are texts and whose values are plain."""
    if not isinstance(value, dict):
        return {}
    items = [(name, v) for name, v in value.items() if isinstance(name, str) and is_plain(v)]
    return dict(items[:ENTRIES_MAX])


def settable(error: BaseException, name: str, value: object) -> bool:
    """Return whether an attribute may be set on an exception that stands for a worker's.

    Not what Python or noodle mean something by: special names, methods, the parts of a message.
    """
    if not name.isidentifier() or name.startswith("_") or name in _OWN:
        return False
    if hasattr(type(error), name):
        return type(value) in _OF_BUILTINS.get(name, ())
    return True
