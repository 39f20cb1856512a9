"""Noodle's form of values: ``true``, ``null``, ``[1, "a"]``, ``{a: 1}``, ``<fn name>``.

Foreign values keep their own form. This module is part of every start, so it imports nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["format_value", "text_of"]

MAX_NESTING = 50
"""How deep lists and maps are shown; what lies deeper is shown as ``…``."""

_FUNCTION_TYPES = (type(lambda: None), type(len))
_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\t": "\\t",
    "\r": "\\r",
    "\0": "\\0",
    "\x1b": "\\e",
}


def text_of(value: Any) -> str:
    """Return what ``print`` shows: a string as it is, everything else in Noodle's form."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is float:
        return repr(value)
    return _format(value, ())


def format_value(value: Any) -> str:
    """Return a value in Noodle's form, strings in quotes.

    Args:
        value: Any value; one that is no Noodle value is shown as Python's ``str`` shows it.
    """
    return _format(value, ())


def _format(value: Any, around: tuple[int, ...]) -> str:
    kind = type(value)
    if kind is str:
        return _quoted(value)
    if kind is int:
        return _integer(value)
    if kind is float:
        return repr(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is list or kind is tuple or kind is dict:
        return _container(value, kind, around)
    if kind is range:
        return _range(value)
    if kind in _FUNCTION_TYPES:
        return f"<fn {value.__name__}>" if value.__name__ != "<fn>" else "<fn>"
    return str(value)


def _integer(value: int) -> str:
    try:
        return repr(value)
    except ValueError:  # beyond Python's limit for decimal digits, whose cost is quadratic
        return hex(value)


def _container(value: Any, kind: type, around: tuple[int, ...]) -> str:
    opening, closing = "{}" if kind is dict else "()" if kind is tuple else "[]"
    if id(value) in around or len(around) == MAX_NESTING:
        return f"{opening}…{closing}"
    inside = (*around, id(value))
    if kind is dict:
        parts = [f"{_key(key, inside)}: {_format(item, inside)}" for key, item in value.items()]
    else:
        parts = [_format(item, inside) for item in value]
    return f"{opening}{', '.join(parts)}{closing}"


def _key(key: Any, around: tuple[int, ...]) -> str:
    if type(key) is str and key.isidentifier():
        return key
    return _format(key, around)


def _range(value: range) -> str:
    if value.step != 1:
        return str(value)
    return f"{value.start}..{value.stop}"


def _quoted(text: str) -> str:
    if text.isprintable() and '"' not in text and "\\" not in text and "${" not in text:
        return f'"{text}"'
    shown = "".join(
        _ESCAPES.get(c) or (c if c.isprintable() else f"\\u{{{ord(c):x}}}") for c in text
    )
    return '"' + shown.replace("${", "\\${") + '"'
