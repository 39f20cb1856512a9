from __future__ import annotations

import json
import math
from collections import OrderedDict
from contextlib import suppress
from datetime import UTC, date, datetime
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


def result(value: Any) -> Any:
    return json.loads(encode_result(value, "f"))["result"]


@given(VALUES)
def test_what_json_has_a_form_for_arrives_as_it_is(value: Any):
    assert value == result(value)


@given(VALUES)
def test_arguments_arrive_as_they_were_sent(value: Any):
    body = json.dumps({"function": "f", "arguments": [value], "keywords": {"k": value}})
    if not any(abs(number) >= 10**300 for number in numbers_in(value)):
        assert CallRequest("f", [value], {"k": value}) == read_call(body.encode())


def numbers_in(value: Any) -> list[int]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for item in value for number in numbers_in(item)]
    return [value] if isinstance(value, int) else []


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
        (np.array([1j]), "at result"),
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
