"""Exceptions on their way to the client, as ERRORs of the wire format.

The codec writes exceptions too, but only as this process sees them. Here an error of another
language, which came from a worker or from the client itself, stays what it was, and frames of both
make one stack. Frames of Noodle itself are left out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import noodle
from noodle import _wire
from noodle.errors import RemoteCallError
from noodle.values import qualified_name

__all__ = ["encode_exception"]

_OWN = str(Path(noodle.__file__).parent) + "/"

_ERROR = 7
"""The extension ERROR of ``noodle/wire.h``."""

_EXTENSION = struct.Struct(">BIb")
_LIST_OF_SIX = b"\x96"
_NIL = b"\xc0"

CAUSES_MAX = 32
"""Chosen, as in the codec: the first causes are the ones that explain."""

_TRACEBACK_NOTE = "Traceback in "
"""How the note begins that shows the frames of an error of a worker."""

_KEPT_BY_WORKERS = ("notes", "attributes", "bases")
"""What an error of a worker has in ``extra`` for the process that called it."""

Frame = tuple[str | None, int | None, int | None, str | None]
"""File, line, column and function of a call."""


def encode_exception(error: BaseException, causes: int = 0) -> bytes:
    """Return a message of one exception.

    Args:
        error: The exception.
        causes: How many exceptions it is the cause of.
    """
    language, type_name, message = _told_by(error)
    cause = _cause_of(error) if causes < CAUSES_MAX else None
    payload = b"".join(
        [
            _LIST_OF_SIX,
            *map(_wire.encode, (language, type_name, message, [*_frames_of(error)])),
            _NIL if cause is None else encode_exception(cause, causes + 1),
            _encoded_extra(error),
        ]
    )
    return _EXTENSION.pack(0xC9, len(payload), _ERROR) + payload


def _told_by(error: BaseException) -> tuple[str, str, str]:
    """Return language, type and message of an error where it was raised."""
    if isinstance(error, RemoteCallError) and error.type_name:
        return error.language, error.type_name, error.message
    try:
        message = str(error)
    except Exception:  # an exception's own code may raise anything
        message = "(its text could not be made)"
    return "python", qualified_name(type(error)), message


def _frames_of(error: BaseException) -> Iterator[Frame]:
    """Give the frames of an error, the outermost call first."""
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith(_OWN):
            yield code.co_filename, traceback.tb_lineno, None, code.co_name
        traceback = traceback.tb_next
    if isinstance(error, RemoteCallError):
        yield from error.frames


def _cause_of(error: BaseException) -> BaseException | None:
    if error.__cause__ is not None or error.__suppress_context__:
        return error.__cause__
    return error.__context__


def _encoded_extra(error: BaseException) -> bytes:
    extra: dict[str, Any] = {}
    if isinstance(error, RemoteCallError):
        extra = {key: value for key, value in error.extra.items() if key not in _KEPT_BY_WORKERS}
    added = getattr(error, "__notes__", None)
    notes = [note for note in added if isinstance(note, str)] if isinstance(added, list) else []
    shown = [note for note in notes if not note.startswith(_TRACEBACK_NOTE)]
    if shown:
        extra["notes"] = shown
    try:
        return _wire.encode(extra)
    except (_wire.WireError, RuntimeError):  # a worker may have sent a reference, or a cycle
        return _wire.encode({"notes": shown} if shown else {})
