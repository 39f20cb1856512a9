from __future__ import annotations

import json
import math
from collections import OrderedDict
from contextlib import suppress
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noodle.errors import ArgumentTypeError, InputLimitError, UsageError
from noodle.ffi_service.call_messages import CallRequest, encode_result, read_call

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=20,
)


class Word(str, Enum):  # noqa: UP042 - the newer kind has the value as its text
    RED = "red"


class Own(str):
    """A text that says something else of itself."""

    def __str__(self) -> str:
        return "changed"


class Number(int):
    """An integer that says something else of itself."""

    def __int__(self) -> int:
        return 99


class Real(float):
    """A number that says something else of itself."""

    def __float__(self) -> float:
        return 99.0


class NoTime(date):
    """A missing time, as pandas has it: it does not equal itself."""

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = date.__hash__


def result(value: Any) -> Any:
    return json.loads(encode_result(value, "f"))["result"]


@given(VALUES)
def test_what_json_has_a_form_for_arrives_as_it_is(value: Any):
    assert value == result(value)


@given(VALUES)
def test_arguments_arrive_as_they_were_sent(value: Any):
    body = json.dumps({"function": "f", "arguments": [value], "keywords": {"k": value}})
    assert CallRequest("f", [value], {"k": value}) == read_call(body.encode())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.array([[1.5, 2.0], [3.0, 4.0]]), [[1.5, 2.0], [3.0, 4.0]]),
        (np.arange(3, dtype=np.uint8), [0, 1, 2]),
        (np.float32(0.5), 0.5),
        (np.int64(2**62), 2**62),
        (np.array([True]), [True]),
        (np.array(7), 7),
        (2**200, 2**200),
        ((1, (2, 3)), [1, [2, 3]]),
        (10**4000, 10**4000),
        ([1.5, 2.5], [1.5, 2.5]),
        ([1, 2.5, None, True, "x"], [1, 2.5, None, True, "x"]),
        (Word.RED, "red"),
        (Own("kept"), "kept"),
        ({Own("kept"): Number(5)}, {"kept": 5}),
        (Real(0.5), 0.5),
        ([Real(0.5)], [0.5]),
        (range(3), [0, 1, 2]),
        ({"only"}, ["only"]),
        (OrderedDict(a=1), {"a": 1}),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03:00:00+00:00"),
    ],
)
def test_arrays_and_collections_become_lists_and_maps(value: Any, expected: Any):
    assert expected == result(value)


@pytest.mark.parametrize(
    ("value", "received"),
    [
        (math.nan, "nan at result"),
        ([1, {"x": -math.inf}], "-inf at result[1].x"),
        (np.array([[1.0, np.nan]]), "nan at result[0][1]"),
        (b"bytes", "bytes b'bytes' at result"),
        ({1: 2}, "the key int 1 of a map at result"),
        ("\ud800", "text that is no Unicode at result"),
        ({"\ud800": 1}, "text that is no Unicode at result"),
        ([object()], "object at result[0]"),
        ([0.5, math.nan], "nan at result[1]"),
        (np.float64("nan"), "nan at result"),
        (np.array(np.inf), "inf at result"),
        (np.array([1j]), "at result"),
        (np.array(["x"], dtype=object), "at result"),
        (np.ma.array([1, 2], mask=[0, 1]), "a masked array at result"),
        (np.ma.masked, "a masked array at result"),
        (np.longdouble(1.5), "a number of type"),
        (np.array([1.5], dtype=np.longdouble), "a number of type"),
        ([10**5000], "an integer of more than 14000 bits at result[0]"),
        ({"a": [{"b": b"x"}]}, "at result.a[0].b"),
        (NoTime(2026, 1, 1), "NoTime at result"),
        (1 + 2j, "complex"),
    ],
)
def test_what_json_has_no_form_for_is_an_error_that_tells_the_place(value: Any, received: str):
    with pytest.raises(UsageError, match="f gave what has no form in JSON") as caught:
        encode_result(value, "f")
    assert received in str(caught.value.received)


def test_a_result_that_contains_itself_is_an_error():
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(UsageError, match="no form in JSON"):
        encode_result(circle, "f")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"arguments": []}',
        b'{"function": 1}',
        b'{"function": "f", "arguments": {}}',
        b'{"function": "f", "keywords": []}',
        b'{"function": "f", "argument": []}',
        b'{"function": "f", "arguments": [NaN]}',
        b'{"function": "f", "arguments": [1e999]}',
        b'{"function": "f", "arguments": ["\\ud800"]}',
        b'{"function": "f", "arguments": [' + b"9" * 10_000 + b"]}",
        b'{"function": "f"} {"function": "f"}',
        b'{"function": "' + b"f" * 201 + b'"}',
    ],
)
def test_what_is_no_call_is_refused(body: bytes):
    with pytest.raises(ArgumentTypeError, match="the request is no call"):
        read_call(body)


def test_a_request_that_is_nested_too_deeply_is_refused():
    body = b'{"function": "f", "arguments": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(InputLimitError):
        read_call(body)


@given(st.binary())
def test_any_bytes_are_a_call_or_an_error_of_the_caller(body: bytes):
    with suppress(ArgumentTypeError, InputLimitError):
        assert isinstance(read_call(body), CallRequest)
