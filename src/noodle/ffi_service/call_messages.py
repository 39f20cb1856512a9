"""Calls and results as JSON (RFC 8259): what crosses is exactly what was meant, or an error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from datetime import date, time
from typing import Any

import msgspec

from noodle.errors import ArgumentTypeError, InputLimitError, UsageError
from noodle.values import describe

__all__ = ["NESTING_MAX", "CallRequest", "encode", "encode_result", "read_call"]

NESTING_MAX = 200
"""Chosen: how deep lists and maps of a result may lie within each other."""


class CallRequest(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The body of a call.

    Args:
        function: The function's name.
        arguments: Its arguments by position.
        keywords: Its arguments by name.
    """

    function: str
    arguments: list[Any] = []
    keywords: dict[str, Any] = {}


_decoder = msgspec.json.Decoder(CallRequest)
_encoder = msgspec.json.Encoder()


def read_call(body: bytes) -> CallRequest:
    """Return the call that a body asks for.

    Args:
        body: Text in JSON; anything may stand there.

    Raises:
        ArgumentTypeError: It is no JSON, or no call.
        InputLimitError: It is nested too deeply.
    """
    try:
        return _decoder.decode(body)
    except RecursionError:
        raise InputLimitError("the request is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ArgumentTypeError(
            f"the request is no call: {error}",
            expected='{"function": NAME, "arguments": […], "keywords": {…}} in JSON',
        ) from None


def encode(value: Any) -> bytes:
    """Return plain values as JSON."""
    return _encoder.encode(value)


def encode_result(value: Any, function: str) -> bytes:
    """Return ``{"result": value}`` as JSON.

    Arrays of NumPy become lists of lists, dates and times text in ISO 8601.

    Args:
        value: What the function gave.
        function: Its name, for messages.

    Raises:
        UsageError: JSON has no form for it, or for something in it: NaN and infinity, bytes, a map
            with keys that are no text, text that is no Unicode, an object.
    """
    try:
        return _encoder.encode({"result": _plain(value, "result", 0)})
    except _NoForm as error:
        raise UsageError(
            f"{function} gave what has no form in JSON",
            expected="numbers, text, true, false, null, and lists and maps of these",
            received=f"{error.what} at {error.place}",
        ) from None


class _NoForm(Exception):
    """What cannot be written.

    Args:
        what: A description of it.
        place: Where it is in the result.
    """

    def __init__(self, what: str, place: str) -> None:
        super().__init__(what, place)
        self.what = what
        self.place = place


def _plain(value: Any, place: str, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, place)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _number(float(value), place)
    if depth == NESTING_MAX:
        raise _NoForm(f"more than {NESTING_MAX} lists and maps within each other", "result")
    if isinstance(value, (list, tuple, range, Set)):
        return [_plain(item, f"{place}[{index}]", depth + 1) for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {
            _key(key, place): _plain(item, f"{place}.{key}", depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, (date, time)):
        return value.isoformat()
    if _is_numeric(value):
        return _plain(value.tolist(), place, depth + 1)
    raise _NoForm(describe(value), place)


def _is_numeric(value: Any) -> bool:
    """Return whether this is an array or number of NumPy, which need not be loaded for that."""
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    return kind in ("b", "i", "u", "f") and callable(getattr(value, "tolist", None))


def _text(value: str, place: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _NoForm("text that is no Unicode", place) from None
    return str(value)


def _number(value: float, place: str) -> float:
    if not math.isfinite(value):
        raise _NoForm(repr(value), place)
    return value


def _key(key: Any, place: str) -> str:
    if not isinstance(key, str):
        raise _NoForm(f"the key {describe(key)} of a map", place)
    return _text(key, place)
