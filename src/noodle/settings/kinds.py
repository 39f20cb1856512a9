"""The kinds of values that settings have: what each accepts, and how a text variable states it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noodle.errors import did_you_mean
from noodle.settings.secret import Secret

__all__ = [
    "MAX_SAMPLE_INTERVAL",
    "MAX_SECONDS",
    "ValueKind",
    "ValueRefusal",
    "anything",
    "choice",
    "describe_type",
    "describe_value",
    "directories",
    "directory",
    "flag",
    "names",
    "seconds",
    "secret",
    "target_path",
    "text",
    "texts",
    "version",
    "whole_number",
]

MAX_SECONDS = 366 * 86_400
"""The longest time that a setting may state: a year, well inside what every clock can wait for."""

MAX_SAMPLE_INTERVAL = 2**31 - 1
"""The largest ``sample_every``: what a C counter of 32 bits holds."""

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
_VERSION = re.compile(r"(?:[=!<>~]=|[<>^~])? *v?[0-9][A-Za-z0-9._+!*-]*")
_VERSION_SEPARATOR = re.compile(r",|\|\|| +(?=[=!<>~^])")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_TEXT_FLAGS = {"true": True, "1": True, "false": False, "0": False}


class ValueRefusal(Exception):
    """A value is not of its kind.

    Args:
        received: What came, as a message shows it; None for the value's own description.
        remedy: The accepted word that is nearest, or None.
    """

    def __init__(self, received: str | None = None, remedy: str | None = None) -> None:
        super().__init__(received)
        self.received = received
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class ValueKind:
    """What a setting accepts.

    Args:
        name: The type, as a table of settings shows it.
        expected: What is accepted, as an error says it.
        read: Returns the typed value of what was given, resolving relative paths against a
            directory; raises ``ValueRefusal``.
        from_text: Returns what an environment variable states; what it cannot read stays text.
    """

    name: str
    expected: str
    read: Callable[[Any, Path], Any]
    from_text: Callable[[str], Any] = str


def describe_value(value: object) -> str:
    """Return a value as an error shows it: plain values themselves, others by their type."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else f"{value[:57]}...")
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < 10**18):
        return str(value)
    return describe_type(value)


def describe_type(value: object) -> str:
    """Return the type of a value in the words of a configuration file."""
    if value is None:
        return "none"
    for types, name in (
        (bool, "true or false"),
        (str, "a text"),
        ((int, float), "a number"),
        (Mapping, "a table"),
        ((list, tuple), "a list"),
    ):
        if isinstance(value, types):
            return name
    return f"a value of type {type(value).__name__}"


# --- reading --------------------------------------------------------------------------------


def _read_text(value: Any, base: Path) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueRefusal
    return value


def _read_flag(value: Any, base: Path) -> bool:
    if not isinstance(value, bool):
        raise ValueRefusal
    return value


def _read_seconds(value: Any, base: Path) -> float | None:
    if value is None or value == "none":
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueRefusal
    if not 0 < value <= MAX_SECONDS:  # also false for NaN
        raise ValueRefusal
    return float(value)


def _read_version(value: Any, base: Path) -> str:
    if not isinstance(value, str):
        raise ValueRefusal
    parts = _VERSION_SEPARATOR.split(value.strip())
    if not all(_VERSION.fullmatch(part.strip()) for part in parts):
        raise ValueRefusal
    return value.strip()


def _read_secret(value: Any, base: Path) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise ValueRefusal
    return Secret(value)


def _read_directory(value: Any, base: Path) -> Path:
    if not isinstance(value, (str, Path)) or not str(value).strip() or "\0" in str(value):
        raise ValueRefusal
    return base / os.path.expanduser(value)


def _read_directories(value: Any, base: Path) -> tuple[Path, ...]:
    return tuple(_items(value, lambda item: _read_directory(item, base)))


def _read_texts(value: Any, base: Path) -> tuple[str, ...]:
    return tuple(_items(value, lambda item: _read_text(item, base)))


def _items(value: Any, read: Callable[[Any], Any]) -> list[Any]:
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise ValueRefusal
    items = []
    for item in value:
        try:
            items.append(read(item))
        except ValueRefusal as refusal:
            raise ValueRefusal(
                refusal.received or f"a list with {describe_value(item)}", refusal.remedy
            ) from None
    return items


def _read_anything(value: Any, base: Path) -> Any:
    return value


def _read_target_path(value: Any, base: Path) -> str:
    text = _read_text(value, base).strip()
    if "\0" in text:
        raise ValueRefusal
    if not _names_a_file(text):
        return text
    return str(base / os.path.expanduser(text))


def _names_a_file(text: str) -> bool:
    if text.startswith(("./", "../", "/", "~")):
        return True
    return "/" in text and not text.startswith("@") and not _SCHEME.match(text)


# --- reading environment variables ----------------------------------------------------------


def _flag_from_text(text: str) -> bool | str:
    return _TEXT_FLAGS.get(text.strip().lower(), text)


def _number_from_text(text: str) -> int | float | str:
    if _WHOLE_NUMBER.fullmatch(text.strip()):
        return int(text)
    try:
        return float(text)
    except ValueError:
        return text


def _list_from_text(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _directories_from_text(text: str) -> list[str]:
    return [item for item in text.split(os.pathsep) if item]


# --- kinds ----------------------------------------------------------------------------------


def whole_number(limit: int, what: str) -> ValueKind:
    """Return the kind of whole numbers from 1 to a limit; ``what`` says it in words."""

    def read(value: Any, base: Path) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= limit:
            raise ValueRefusal
        return value

    return ValueKind("whole number", f"{what} from 1 to {limit}", read, _number_from_text)


def choice(*words: str, unset: str | None = None) -> ValueKind:
    """Return the kind of a word out of several.

    Args:
        words: The accepted words.
        unset: A further word that stands for None.
    """
    known = (*words, unset) if unset else words

    def read(value: Any, base: Path) -> str | None:
        if unset and (value is None or value == unset):
            return None
        if not isinstance(value, str) or value not in words:
            raise ValueRefusal(remedy=_nearest(value, known))
        return value

    return ValueKind("word", f"one of {', '.join(known)}", read)


def _nearest(value: Any, known: tuple[str, ...]) -> str | None:
    return did_you_mean(value, known, limit=1) if isinstance(value, str) else None


def names(*known: str) -> ValueKind:
    """Return the kind of a set of names, out of the known ones where some are given."""

    def read_name(name: Any) -> str:
        if not isinstance(name, str) or not name.strip():
            raise ValueRefusal
        if known and name not in known:
            raise ValueRefusal(f"a list with {describe_value(name)}", _nearest(name, known))
        return name

    def read(value: Any, base: Path) -> frozenset[str]:
        return frozenset(_items(value, read_name))

    expected = f"a list of {', '.join(known)}" if known else "a list of names"
    return ValueKind("list of names", expected, read, _list_from_text)


text = ValueKind("text", "a text that is not empty", _read_text)
flag = ValueKind("true or false", "true or false", _read_flag, _flag_from_text)
seconds = ValueKind(
    "seconds",
    f"a number of seconds above 0, at most {MAX_SECONDS}, or 'none'",
    _read_seconds,
    _number_from_text,
)
version = ValueKind("version", "a version as a text, such as '1.21.0' or '>=2,<3'", _read_version)
secret = ValueKind("secret", "a text", _read_secret)
texts = ValueKind("list of texts", "a list of texts", _read_texts, _list_from_text)
directory = ValueKind("directory", "the path of a directory", _read_directory)
directories = ValueKind(
    "list of directories", "a list of paths", _read_directories, _directories_from_text
)
target_path = ValueKind(
    "target", "a target such as 'numpy', 'libz.so.1' or './kernel.c'", _read_target_path
)
anything = ValueKind("any", "any value", _read_anything)
