"""Errors that were raised in a worker, as exceptions here."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from noodle import _host, errors
from noodle.errors import ArityError, RemoteCallError

__all__ = ["RemoteFrame", "arrived", "python_error_class", "remote_error", "returned"]

RemoteFrame = tuple[str | None, int | None, int | None, str | None]
"""File, line, column and function of a call in the worker; None for what is unknown."""

_OWN = "noodle.errors."
"""The module of what Noodle itself raised in a callback, and comes back through a worker."""

_CODES = {
    "NOODLE_DEADLINE": f"{_OWN}DeadlineExceededError",
    "NOODLE_DEADLOCK": f"{_OWN}DeadlockError",
    "NOODLE_NAME": "AttributeError",
    "NOODLE_KEY": "KeyError",
    "NOODLE_INDEX": "IndexError",
    "NOODLE_ARITY": f"{_OWN}ArityError",
    "NOODLE_TOO_LONG": f"{_OWN}InputLimitError",
}
"""What errors of the worker itself are, by their code: what ends because the deadline has passed,
what would wait for itself, and what an object does not have."""

_WORDED = ("NOODLE_ARITY", "NOODLE_TOO_LONG")
"""Codes of errors whose text is Noodle's own."""

_EQUIVALENTS: dict[str, type[Exception]] = {
    "RangeError": ValueError,
    "ReferenceError": NameError,
    "URIError": ValueError,
    "AggregateError": Exception,
    "AbortError": InterruptedError,
    "TimeoutError": TimeoutError,
}
"""Error types of other languages, by the builtin that a caller would catch."""


def arrived(link: _host.Link, fields: tuple[Any, ...]) -> BaseException:
    """Return the exception for an error that came from a worker.

    An exception of this process that comes back is the one it was; ``remote_error`` has the rest.
    """
    language, extra = fields[0], fields[5]
    original = extra.pop("original", None) if language == "python" else None
    return original if isinstance(original, BaseException) else remote_error(link, fields)


def remote_error(link: _host.Link, fields: tuple[Any, ...]) -> RemoteCallError:
    """Return the exception for an error of a worker.

    It derives from :class:`RemoteCallError` and from the builtin of the same meaning, carries
    ``language``, ``type_name``, ``message``, ``frames``, ``errors`` and ``extra``, and shows the
    remote frames below its text.

    Args:
        link: Where it came from.
        fields: Language, type, message, frames, cause, extra, as the wire format has them.
    """
    language, type_name, message, frames, cause, extra = fields
    kind, speaks_for_itself = _class_of(language, type_name, extra)
    text = message if speaks_for_itself else _text(type_name, message)
    error = kind(text, **_parts(extra)) if issubclass(kind, ArityError) else kind(text)
    error.language = language
    error.type_name = type_name
    error.message = message
    error.frames = tuple(_frame(entry) for entry in frames)
    error.extra = extra
    error.errors = _taken_errors(extra)
    if error.frames:
        error.add_note(_shown(language, link.name, error.frames))
    for note in extra.get("notes", ()):
        error.add_note(str(note))
    for name, value in extra.get("attributes", {}).items():
        setattr(error, name, value)
    if isinstance(cause, BaseException):
        error.__cause__ = cause
    return error


def _taken_errors(extra: dict[str, Any]) -> tuple[BaseException, ...]:
    """Take the errors that one has collected out of what else it carries."""
    inner = extra.get("errors")
    if not isinstance(inner, list) or not all(isinstance(error, BaseException) for error in inner):
        return ()
    del extra["errors"]
    return tuple(inner)


def _parts(extra: dict[str, Any]) -> dict[str, str]:
    """Take the parts of a message of Noodle's own out of what else an error carries."""
    names = ("expected", "received", "where", "remedy")
    return {name: extra.pop(name) for name in names if isinstance(extra.get(name), str)}


def _class_of(
    language: str, type_name: str, extra: Mapping[str, Any]
) -> tuple[type[RemoteCallError], bool]:
    """Return the class of an error, and whether that says of itself what type it was."""
    code = extra.get("code")
    known = _CODES.get(code) if isinstance(code, str) else None
    if known is not None:
        return error_class(known), type_name.startswith(_OWN) or code in _WORDED
    if language == "python" and not type_name.startswith(_OWN):
        return python_error_class(type_name, tuple(extra.get("bases", ()))), True
    return error_class(type_name), type_name.startswith(_OWN)


def _text(type_name: str, message: str) -> str:
    return f"{type_name}: {message}" if message else type_name


def returned(error: BaseException, failure: BaseException) -> BaseException:
    """Return the exception to raise for an error that may be a callback's own, come back.

    Args:
        error: What the worker answered with.
        failure: The exception of the last callback that failed during the call.

    Returns:
        ``failure`` itself when the worker let it through, with its own traceback; else ``error``.
    """
    kind = type(failure)
    name = kind.__qualname__
    if kind.__module__ != "builtins":
        name = f"{kind.__module__}.{name}"
    if not isinstance(error, RemoteCallError) or error.language != "python":
        return error
    return failure if (error.type_name, error.message) == (name, str(failure)) else error


@lru_cache(maxsize=256)
def error_class(type_name: str) -> type[RemoteCallError]:
    """Return the exception class for an error type of another language."""
    name = type_name.rpartition(".")[2]
    own = getattr(errors, name, None) if type_name.startswith(_OWN) else None
    builtin = own or _EQUIVALENTS.get(name) or getattr(builtins, name, None)
    if isinstance(builtin, type) and issubclass(builtin, Exception):
        return _combined(name, builtin)
    return RemoteCallError


def _combined(name: str, builtin: type[Exception]) -> type[RemoteCallError]:
    """Return a remote error that is of a class of this process as well, where that can be."""
    if (
        builtin in (Exception, StopIteration, StopAsyncIteration)
        or issubclass(builtin, (UnicodeError, BaseExceptionGroup))
        or issubclass(RemoteCallError, builtin)
    ):
        return RemoteCallError
    try:
        return type(f"Remote{name}", (RemoteCallError, builtin), {"__module__": __name__})
    except TypeError:  # its layout cannot be combined
        return RemoteCallError


@lru_cache(maxsize=1024)
def python_error_class(type_name: str, bases: tuple[str, ...]) -> type[RemoteCallError]:
    """Return the class that stands here for an exception class of a Python worker.

    It is the same one for the same class, and derives from what stands for its bases: so
    ``except library.SomeError`` catches what the library raises.

    Args:
        type_name: ``module.Class``, or the bare name of a builtin.
        bases: The names of the classes that it derives from, nearest first.
    """
    if "." not in type_name or type_name.startswith(_OWN):
        builtin = getattr(builtins, type_name, None)
        if isinstance(builtin, type) and issubclass(builtin, Exception):
            return _combined(type_name, builtin)
        return RemoteCallError
    parent = python_error_class(bases[0], bases[1:]) if bases else RemoteCallError
    module, _, name = type_name.rpartition(".")
    return type(name, (parent,), {"__module__": module})


def _frame(entry: Any) -> RemoteFrame:
    file, line, column, function = entry
    return (file, line, column, function)


def _shown(language: str, worker: str, frames: tuple[RemoteFrame, ...]) -> str:
    lines = [f"Traceback in {language}, worker {worker} (most recent call last):"]
    for file, line, column, function in frames:
        place = f'  File "{file or "<unknown>"}"'
        if line is not None:
            place += f", line {line}" + (f", column {column}" if column is not None else "")
        lines.append(f"{place}, in {function or '<anonymous>'}")
    return "\n".join(lines)
