"""Exceptions of this process on their way to a worker, as the fields of an ERROR.

An error of another language that passes through here stays what it was, and the calls of both sides
make one list. Calls within noodle itself are left out.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from noodle import _host
from noodle.errors import RemoteCallError
from noodle.foreign_frames import ForeignFrame, frames_of
from noodle.values import qualified_name
from noodle.workers.error_fields import is_plain, plain_values

__all__ = ["cause_of", "collected_errors", "describe", "identity_of", "told_frames"]

ERRORS_MAX = 32
"""Chosen: of a larger group only its text is told."""

_OWN = os.path.dirname(os.path.dirname(__file__)) + os.sep


def identity_of(error: BaseException) -> tuple[str, str, str]:
    """Return language, type and message of an error where it was raised."""
    if isinstance(error, RemoteCallError) and error.type_name:
        return error.language, error.type_name, error.message
    return "python", qualified_name(type(error)), _text_of(error)


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # an exception's own code may raise anything
        return "(its text could not be made)"


def told_frames(error: BaseException) -> list[ForeignFrame]:
    """Return the calls that led to an error, of this process and of others, outermost first."""
    entries = list(frames_of(error.__traceback__, _OWN))
    known = getattr(error, "frames", ()) if isinstance(error, RemoteCallError) else ()
    has_all = not known or entries[-1:] == list(known[-1:])
    return entries if has_all else [*entries, *known]


def cause_of(error: BaseException) -> BaseException | None:
    """Return what an exception was raised from, or while handling."""
    if error.__cause__ is not None or error.__suppress_context__:
        return error.__cause__
    return error.__context__


def describe(link: _host.Link, error: BaseException, with_cause: bool) -> list[Any]:
    """Return the fields of an ERROR: language, type, message, frames, cause, extra.

    Args:
        link: The worker that is told.
        error: The exception.
        with_cause: Whether its cause is told too.
    """
    language, type_name, message = identity_of(error)
    extra: dict[str, Any] = dict(error.extra) if isinstance(error, RemoteCallError) else {}
    extra = {**_of_python(error), **extra} if link.is_python else plain_values(extra)
    notes = getattr(error, "__notes__", None)
    shown = [note for note in notes if isinstance(note, str)] if isinstance(notes, list) else []
    if shown:
        extra["notes"] = shown
    inner = collected_errors(error, ERRORS_MAX) if with_cause else []
    if inner:
        extra["errors"] = inner
    if not link.is_python:
        extra["original"] = _host.ByReference(error)
    frames = [list(frame) for frame in told_frames(error)]
    return [language, type_name, message, frames, cause_of(error) if with_cause else None, extra]


def collected_errors(error: BaseException, most: int) -> list[BaseException]:
    """Return what an error has collected, as a group of exceptions does.

    Args:
        error: The error.
        most: None of them are returned if they are more.
    """
    inner = getattr(error, "exceptions", ()) or getattr(error, "errors", ())
    fits = isinstance(inner, tuple) and 0 < len(inner) <= most
    return list(inner) if fits and all(isinstance(e, BaseException) for e in inner) else []


def _of_python(error: BaseException) -> Mapping[str, Any]:
    """Return what another Python makes a like exception of."""
    names = [qualified_name(kind) for kind in type(error).__mro__[1:-1]]
    told: dict[str, Any] = {"bases": [name for name in names if "." not in name]}
    if isinstance(error, RemoteCallError):
        return told
    told["bases"] = names
    if error.args and all(map(is_plain, error.args)):
        told["arguments"] = list(error.args)
    attributes = {n: v for n, v in vars(error).items() if not n.startswith("_") and v is not None}
    for name in ("errno", "strerror", "filename", "name"):
        attributes[name] = getattr(error, name, None)
    told["attributes"] = plain_values({n: v for n, v in attributes.items() if v is not None})
    return told
