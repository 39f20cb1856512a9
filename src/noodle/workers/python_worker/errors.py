"""Exceptions on their way to the host and back: structured, with the frames of each side."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Mapping
from os.path import dirname
from types import MappingProxyType, MethodType, TracebackType, WrapperDescriptorType
from typing import Any

__all__ = ["Cancelled", "Overdue", "RemoteError", "describe", "make_error", "note_call"]

FRAMES_MAX = 200
"""Chosen: of a longer chain of calls the middle is left out, as it is a recursion."""

_CALL = "_noodle_call"
"""The attribute of an exception that has the frame of the C function which raised it."""

MADE_IN_PYTHON = 1 << 9
"""``Py_TPFLAGS_HEAPTYPE``: also of classes of C that are made when their module is imported."""

OWN = dirname(dirname(__file__))
"""Frames of files in here are the worker's own and say nothing about the program."""


class Cancelled(KeyboardInterrupt):
    """Raised in a call whose caller has given up."""


class Overdue(TimeoutError):
    """The deadline of a call has passed; the host knows it by its code."""

    code = "NOODLE_DEADLINE"


class RemoteError(Exception):
    """An exception of the host, which is of the class of the same name here as well."""

    language = ""
    type_name = ""
    message = ""
    frames: tuple[Any, ...] = ()
    extra: Mapping[str, Any] = MappingProxyType({})

    def __str__(self) -> str:
        return self.message


# ------------------------------------------------------------------------------- To the host


def describe(error: BaseException, with_cause: bool) -> list[Any]:
    """Return the fields of an ERROR: language, type, message, frames, cause, extra."""
    extra: dict[str, Any] = {}
    frames = noted_call(error) + own_frames(error.__traceback__)
    if isinstance(error, RemoteError):
        language, name, message = error.language, error.type_name, error.message
        frames += [list(frame) for frame in error.frames]
        extra.update(error.extra)
    else:
        language, name, message = "python", type_name(type(error)), text_of(error)
        bases = [type_name(kind) for kind in type(error).__mro__[1:-1]]
        if name != type(error).__name__:
            extra["bases"] = bases
        extra.update(attributes_of(error))
    if isinstance(error, Overdue):
        extra["code"] = error.code
    notes = getattr(error, "__notes__", None)
    if isinstance(notes, list):
        extra["notes"] = [note for note in notes if isinstance(note, str)]
    return [language, name, message, frames, cause_of(error) if with_cause else None, extra]


def type_name(kind: type) -> str:
    """Return ``module.Class``, or the bare name of a builtin."""
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def text_of(error: BaseException) -> str:
    """Return the text of an exception, whose own code may fail."""
    try:
        return str(error)
    except Exception:
        return "(its text could not be made)"


def attributes_of(error: BaseException) -> dict[str, Any]:
    """Return what a handler may look at: plain values among the arguments and attributes."""
    found: dict[str, Any] = {}
    if all(is_plain(argument) for argument in error.args):
        found["arguments"] = list(error.args)
    names = [*getattr(error, "__dict__", {}), *("errno", "strerror", "filename", "name", "code")]
    attributes = {}
    for name in names:
        value = getattr(error, name, None)
        if not name.startswith("_") and value is not None and is_plain(value):
            attributes[name] = value
    if attributes:
        found["attributes"] = attributes
    return found


def is_plain(value: object) -> bool:
    """Return whether a value goes along with an exception."""
    return value is None or type(value) in (bool, int, float, str, bytes)


def own_frames(traceback: TracebackType | None) -> list[list[Any]]:
    """Return file, line, column and function of each frame, without those of the worker."""
    frames: list[list[Any]] = []
    half = FRAMES_MAX // 2
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith(OWN):
            frames.append([code.co_filename, traceback.tb_lineno, None, code.co_name])
        traceback = traceback.tb_next
    return frames if len(frames) <= FRAMES_MAX else frames[:half] + frames[-half:]


def note_call(error: BaseException, callee: Any) -> None:
    """Note the call of a C function with what it raised: it has no frame of its own.

    Args:
        error: The exception.
        callee: What the host has called.
    """
    name = getattr(callee, "__qualname__", None) or getattr(callee, "__name__", None)
    if isinstance(name, str) and is_in_c(callee):
        owner = type(getattr(callee, "__self__", callee))
        module = getattr(callee, "__module__", None) or owner.__module__
        object.__setattr__(error, _CALL, [f"<{module}>", None, None, name])


def is_in_c(callee: Any) -> bool:
    """Return whether a function or class is of C, where no frame of Python's tells of its calls."""
    if isinstance(callee, type):
        return not callee.__flags__ & MADE_IN_PYTHON
    if not callable(callee) or isinstance(callee, MethodType):
        return False
    call = type(callee).__call__
    stands_for_another = hasattr(callee, "__code__") or hasattr(callee, "__wrapped__")
    return isinstance(call, WrapperDescriptorType) and not stands_for_another


def noted_call(error: BaseException) -> list[list[Any]]:
    """Take what ``note_call`` has noted."""
    call = getattr(error, "__dict__", {}).pop(_CALL, None)
    return [] if call is None else [call]


def cause_of(error: BaseException) -> BaseException | None:
    """Return what an exception was raised from, or while handling."""
    if error.__cause__ is not None:
        return error.__cause__
    return None if error.__suppress_context__ else error.__context__


# ----------------------------------------------------------------------------- From the host

_classes: dict[tuple[str, type], type[RemoteError]] = {}


def error_class(language: str, name: str, bases: list[str]) -> type[RemoteError]:
    """Return the class for an error of the host: a subclass of what stands for it here.

    Args:
        language: The language in which it was raised; names of others mean other things.
        name: Its type.
        bases: The types that it derives from, nearest first.
    """
    names = [name, *bases] if language == "python" else bases
    own = next(filter(None, map(_find, names)), None)
    if own is None or own in (Exception, StopIteration, StopAsyncIteration):
        return RemoteError
    known = _classes.get((name, own))
    if known is None:
        known = _classes[name, own] = _combined(own)
    return known


def _find(name: str) -> type | None:
    """Return the exception class that is known here by a name, such as ``json.JSONDecodeError``."""
    module, _, rest = name.rpartition(".")
    found = getattr(sys.modules.get(module) if module else builtins, rest, None)
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def _combined(own: type) -> type[RemoteError]:
    attributes = {"__module__": own.__module__, "__qualname__": own.__qualname__}
    try:
        return type(own.__name__, (RemoteError, own), attributes)
    except TypeError:  # its layout cannot be combined
        return RemoteError


def make_error(fields: tuple[Any, ...]) -> BaseException:
    """Return an exception that says what one of the host says."""
    language, name, message, frames, cause, extra = fields
    kind = error_class(language, name, extra.get("bases", []))
    # Not through its own code, which may want other arguments than a text.
    error = kind.__new__(kind)
    error.args = tuple(extra.get("arguments", [message]))
    for attribute, value in extra.get("attributes", {}).items():
        set_attribute(error, attribute, value)
    error.language = language
    error.type_name = name
    error.message = message
    error.frames = tuple(tuple(frame) for frame in frames)
    error.extra = extra
    if isinstance(cause, BaseException):
        error.__cause__ = cause
    notes = extra.get("notes")
    if notes:
        error.__notes__ = list(notes)
    return error


def set_attribute(error: RemoteError, name: str, value: Any) -> None:
    """Set what an exception carries; a class may compute an attribute, and takes none."""
    try:
        setattr(error, name, value)
    except (AttributeError, TypeError):
        return
