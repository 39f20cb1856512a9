"""Exceptions on their way to the client, as ERRORs of the wire format.

The codec writes exceptions too, but only as this process sees them. Here an error of another
language, which came from a worker or from the client itself, stays what it was, and frames of both
make one stack. Frames of Noodle itself are left out.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

from noodle import _wire
from noodle.errors import FunctionFailedError, RemoteCallError
from noodle.workers.told_errors import cause_of, collected_errors, identity_of, told_frames

__all__ = ["encode_exception"]

_ERROR = 7
"""The extension ERROR of ``noodle/wire.h``."""

_EXTENSION = struct.Struct(">BIb")
_LIST = _MAP = struct.Struct(">BI")
"""The longest forms of their beginnings: lead and length."""

_LIST_OF_SIX = b"\x96"
_NIL = b"\xc0"

CAUSES_MAX = 32
"""Chosen, as in the codec: the first causes are the ones that explain."""

ERRORS_MAX = 256
"""Chosen, as in the codec: of a message, those that groups have collected."""

_KEPT_BY_WORKERS = ("notes", "attributes", "bases")
"""What an error of a worker has in ``extra`` for the process that called it."""


def encode_exception(error: BaseException) -> bytes:
    """Return a message of one exception.

    Args:
        error: The exception.
    """
    return _Message().encoded(error, 0)


class _Message:
    """A message of an exception, of those that caused it, and of those that it has collected."""

    def __init__(self) -> None:
        self._collected = 0

    def encoded(self, error: BaseException, depth: int) -> bytes:
        """Return an ERROR; ``depth`` counts the exceptions of which it is a cause or a part."""
        language, type_name, message = identity_of(error)
        cause = cause_of(error) if depth < CAUSES_MAX else None
        payload = b"".join(
            [
                _LIST_OF_SIX,
                *map(_wire.encode, (language, type_name, message, told_frames(error))),
                _NIL if cause is None else self.encoded(cause, depth + 1),
                self._extra(error, depth),
            ]
        )
        return _EXTENSION.pack(0xC9, len(payload), _ERROR) + payload

    def _extra(self, error: BaseException, depth: int) -> bytes:
        """Return the map of what else belongs to an exception."""
        extra = _encoded_extra(error)
        most = ERRORS_MAX - self._collected if depth < CAUSES_MAX else 0
        inner = collected_errors(error, most)
        if inner:
            self._collected += len(inner)
            parts = b"".join(self.encoded(each, depth + 1) for each in inner)
            extra[_wire.encode("errors")] = _LIST.pack(0xDD, len(inner)) + parts
        entries = b"".join(name + value for name, value in extra.items())
        return _MAP.pack(0xDF, len(extra)) + entries


def _encoded_extra(error: BaseException) -> dict[bytes, bytes]:
    """Return names and values that an exception carries, without those that cannot be written."""
    extra: dict[str, Any] = {}
    if isinstance(error, RemoteCallError):
        extra = {key: value for key, value in error.extra.items() if key not in _KEPT_BY_WORKERS}
    elif isinstance(error, FunctionFailedError):
        extra = {name: getattr(error, name) for name in ("code", "constant", "library", "function")}
    added = getattr(error, "__notes__", None)
    notes = [note for note in added if isinstance(note, str)] if isinstance(added, list) else []
    if notes:
        extra["notes"] = notes
    encoded = {}
    for name, value in extra.items():
        # A worker may have sent a reference, or a cycle.
        with suppress(_wire.WireError, RuntimeError):
            encoded[_wire.encode(name)] = _wire.encode(value)
    return encoded
