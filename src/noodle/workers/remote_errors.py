"""Errors that were raised in a worker, as exceptions here."""

from __future__ import annotations

import builtins
import errno
from functools import lru_cache
from typing import Any

from noodle import _host, errors
from noodle.errors import ArityError, RemoteCallError
from noodle.foreign_frames import ForeignFrame, read_frames, with_frames
from noodle.workers.error_fields import ErrorFields, read_fields, settable
from noodle.workers.told_errors import identity_of, told_frames

__all__ = ["arrived", "python_error_class", "remote_error", "returned"]

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

    An exception of this process that comes back is the one it was, its traceback led by the calls
    in the worker; ``remote_error`` has the rest.
    """
    language, extra = fields[0], fields[5]
    original = extra.pop("original", None) if language == "python" else None
    if not isinstance(original, BaseException):
        return remote_error(link, fields)
    return _led(link, original, read_frames(fields[3]))


def remote_error(link: _host.Link, fields: tuple[Any, ...]) -> RemoteCallError:
    """Return the exception for an error of a worker.

    It derives from :class:`RemoteCallError` and from the builtin of the same meaning, carries
    ``language``, ``type_name``, ``message``, ``frames``, ``errors`` and ``extra``, and its
    traceback goes on with the calls over there.

    Args:
        link: Where it came from.
        fields: Language, type, message, frames, cause, extra, as the wire format has them.
    """
    inner = _taken_errors(fields[5])
    told = read_fields(fields)
    kind, speaks_for_itself = _class_of(told)
    text = told.message if speaks_for_itself else _text(told.type_name, told.message)
    error = kind(text, **_parts(told.extra)) if issubclass(kind, ArityError) else kind(text)
    for name, value in told.attributes.items():
        if settable(error, name, value):
            setattr(error, name, value)
    if isinstance(error, OSError) and told.language == "javascript":
        _describe_system_call(error, told)
    if told.language == "python" and told.arguments is not None:
        error.args = told.arguments
    error.language = told.language
    error.type_name = told.type_name
    error.message = told.message
    error.frames = told.frames
    error.extra = told.extra
    error.errors = inner
    error.__traceback__ = with_frames(told.frames, None, shows_lines=link.trusted)
    for note in told.notes:
        error.add_note(note)
    if told.cause is not None:
        error.__cause__ = told.cause
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


def _class_of(told: ErrorFields) -> tuple[type[RemoteCallError], bool]:
    """Return the class of an error, and whether that says of itself what type it was."""
    known = _CODES.get(told.code)
    if known is not None:
        return error_class(known), told.type_name.startswith(_OWN) or told.code in _WORDED
    if told.language == "python" and not told.type_name.startswith(_OWN):
        return python_error_class(told.type_name, told.bases), True
    if _error_number(told) is not None:
        return _system_error_class(told.code), False
    return error_class(told.type_name), told.type_name.startswith(_OWN)


def _error_number(told: ErrorFields) -> int | None:
    """Return the number of a system call's error in Node.js, which tells its name as code."""
    if told.language != "javascript" or not isinstance(told.extra.get("syscall"), str):
        return None
    number = getattr(errno, told.code, None)
    return number if isinstance(number, int) else None


def _describe_system_call(error: OSError, told: ErrorFields) -> None:
    path = told.extra.get("path")
    error.errno = _error_number(told)
    error.strerror = told.message
    error.filename = path if isinstance(path, str) else None


def _text(type_name: str, message: str) -> str:
    return f"{type_name}: {message}" if message else type_name


def returned(link: _host.Link, error: BaseException, failure: BaseException) -> BaseException:
    """Return the exception to raise for an error that may be a callback's own, come back.

    Args:
        link: Where it came from.
        error: What the worker answered with.
        failure: The exception of the last callback that failed during the call.

    Returns:
        ``failure`` itself when the worker let it through, its traceback led by the calls in the
        worker; else ``error``.
    """
    if not isinstance(error, RemoteCallError) or error is failure:
        return error
    if identity_of(error) != identity_of(failure):
        return error
    return _led(link, failure, error.frames)


def _led(
    link: _host.Link, failure: BaseException, frames: tuple[ForeignFrame, ...]
) -> BaseException:
    """Put the calls in a worker before those that an exception had when the worker was told."""
    count = len(frames) - len(read_frames(told_frames(failure)))
    failure.__traceback__ = with_frames(
        frames[: max(0, count)], failure.__traceback__, shows_lines=link.trusted
    )
    return failure


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


@lru_cache(maxsize=256)
def _system_error_class(code: str) -> type[RemoteCallError]:
    builtin = type(OSError(getattr(errno, code), ""))
    return _combined(builtin.__name__, builtin)


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
