"""Calls and results as JSON (RFC 8259): what crosses is exactly what was meant, or an error."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from datetime import date, time
from typing import Annotated, Any

import msgspec

from noodle.errors import ArgumentTypeError, InputLimitError, UsageError
from noodle.ffi_service import limits
from noodle.values import describe
from noodle.workers.references import Proxy

__all__ = ["CallRequest", "encode", "encode_result", "read_call"]


class CallRequest(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The body of a call.

    Args:
        function: The function's name.
        arguments: Its arguments by position.
        keywords: Its arguments by name.
    """

    function: Annotated[str, msgspec.Meta(max_length=limits.NAME_CHARACTERS_MAX)]
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
        raise InputLimitError(
            "the request is nested too deeply", expected="fewer lists and maps within each other"
        ) from None
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
        return _encoder.encode({"result": _plain(value, 0)})
    except _NoForm as error:
        raise UsageError(
            f"{function} gave what has no form in JSON",
            expected="numbers, text, true, false, null, and lists and maps of these",
            received=f"{error.what} at result{error.place}",
        ) from None


class _NoForm(Exception):
    """What cannot be written.

    Args:
        what: A description of it.
        place: Where it is, within what has been left on the way up.
    """

    def __init__(self, what: str, place: str = "") -> None:
        super().__init__(what, place)
        self.what = what
        self.place = place

    def within(self, step: str) -> _NoForm:
        """Return it with one more step in front of its place."""
        return _NoForm(self.what, step + self.place)


def _plain(value: Any, depth: int) -> Any:
    """Return what the encoder writes as it is; subclasses lose what they add."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return _number(value)
    if depth == limits.NESTING_MAX:
        raise _NoForm(f"more than {limits.NESTING_MAX} lists and maps within each other")
    if isinstance(value, (list, tuple, range, Set)):
        return _items(value, depth)
    if isinstance(value, Mapping):
        return _entries(value, depth)
    if isinstance(value, (date, time)) and value == value:  # the missing time of pandas is not
        return value.isoformat()
    if type(value).__module__.partition(".")[0] == "numpy":
        return _numpy(value)
    raise _NoForm("an object of another process" if isinstance(value, Proxy) else describe(value))


def _items(values: Iterable[Any], depth: int) -> list[Any]:
    kinds = set(map(type, values))
    if kinds <= {float} and all(map(math.isfinite, values)):
        return list(values)
    items = []
    for index, value in enumerate(values):
        try:
            items.append(_plain(value, depth + 1))
        except _NoForm as error:
            raise error.within(f"[{index}]") from None
    return items


def _entries(values: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    entries = {}
    for key, value in values.items():
        if not isinstance(key, str):
            raise _NoForm(f"the key {describe(key)} of a map")
        name = _text(key)
        try:
            entries[name] = _plain(value, depth + 1)
        except _NoForm as error:
            raise error.within(f".{name}") from None
    return entries


def _numpy(value: Any) -> Any:
    """Return an array or number of NumPy, which has been loaded if there is one."""
    import numpy

    if isinstance(value, numpy.ma.MaskedArray):
        raise _NoForm("a masked array")
    if not isinstance(value, (numpy.ndarray, numpy.generic)) or value.dtype.kind not in "biuf":
        raise _NoForm(describe(value))
    if value.dtype.kind == "f":
        if value.dtype.itemsize > numpy.dtype(float).itemsize:
            raise _NoForm(f"a number of type {value.dtype}")
        wrong = numpy.argwhere(~numpy.isfinite(value))
        if len(wrong):
            place = tuple(wrong[0])
            item = float(numpy.asarray(value)[place])
            raise _NoForm(repr(item), "".join(f"[{index}]" for index in place))
    return value.tolist()


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _NoForm("text that is no Unicode") from None
    return str.__str__(value)  # a subclass may have a text of its own


def _integer(value: int) -> int:
    if value.bit_length() > limits.INTEGER_BITS_MAX:
        raise _NoForm(f"an integer of more than {limits.INTEGER_BITS_MAX} bits")
    return int.__index__(value)


def _number(value: float) -> float:
    if not math.isfinite(value):
        raise _NoForm(repr(float.__float__(value)))
    return float.__float__(value)
