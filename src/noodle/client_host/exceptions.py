"""Exceptions on their way to the client, as ERRORs of the wire format.

The codec writes exceptions too, but only as this process sees them. Here an error of another
language, which came from a worker or from the client itself, stays what it was, and frames of both
make one stack. Frames of Noodle itself are left out.
"""

from __future__ import annotations

import struct
from typing import Any

from noodle import _wire
from noodle.errors import RemoteCallError
from noodle.workers.told_errors import cause_of, identity_of, told_frames

__all__ = ["encode_exception"]

_ERROR = 7
"""The extension ERROR of ``noodle/wire.h``."""

_EXTENSION = struct.Struct(">BIb")
_LIST_OF_SIX = b"\x96"
_NIL = b"\xc0"

CAUSES_MAX = 32
"""Chosen, as in the codec: the first causes are the ones that explain."""

_KEPT_BY_WORKERS = ("notes", "attributes", "bases")
"""What an error of a worker has in ``extra`` for the process that called it."""


def encode_exception(error: BaseException, causes: int = 0) -> bytes:
    """Return a message of one exception.

    Args:
        error: The exception.
        causes: How many exceptions it is the cause of.
    """
    language, type_name, message = identity_of(error)
    cause = cause_of(error) if causes < CAUSES_MAX else None
    payload = b"".join(
        [
            _LIST_OF_SIX,
            *map(_wire.encode, (language, type_name, message, told_frames(error))),
            _NIL if cause is None else encode_exception(cause, causes + 1),
            _encoded_extra(error),
        ]
    )
    return _EXTENSION.pack(0xC9, len(payload), _ERROR) + payload


def _encoded_extra(error: BaseException) -> bytes:
    extra: dict[str, Any] = {}
    if isinstance(error, RemoteCallError):
        extra = {key: value for key, value in error.extra.items() if key not in _KEPT_BY_WORKERS}
    added = getattr(error, "__notes__", None)
    notes = [note for note in added if isinstance(note, str)] if isinstance(added, list) else []
    if notes:
        extra["notes"] = notes
    try:
        return _wire.encode(extra)
    except (_wire.WireError, RuntimeError):  # a worker may have sent a reference, or a cycle
        return _wire.encode({"notes": notes} if notes else {})
