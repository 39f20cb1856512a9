"""Exceptions on their way to the client: whatever they are, they can be told."""

from __future__ import annotations

from typing import Any

import pytest

from noodle import _wire
from noodle.client_host.exceptions import CAUSES_MAX, ERRORS_MAX, encode_exception
from noodle.errors import ArityError, FunctionFailedError, RemoteCallError


class Untellable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def told(error: BaseException) -> Any:
    """What the client reads: language, type, message, frames, cause, extra."""
    return _wire.decode(encode_exception(error), error=lambda *fields: fields)


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def test_an_exception_is_told_with_type_message_frames_and_notes():
    error = raised(ValueError("bad"))
    error.add_note("a note")
    language, name, message, frames, cause, extra = told(error)
    assert (language, name, message, cause) == ("python", "ValueError", "bad", None)
    assert [frame[3] for frame in frames] == ["raised"]
    assert extra == {"notes": ["a note"]}


def test_an_error_of_noodle_is_told_by_its_full_name_and_text():
    _, name, message, *_ = told(ArityError("too few", expected="two"))
    assert (name, message) == ("noodle.errors.ArityError", "too few\n  expected: two")


def test_a_native_failure_is_told_with_its_code_and_what_was_called():
    error = FunctionFailedError("lib.open failed")
    error.code, error.constant, error.library, error.function = 5, "E_BUSY", "lib", "open"
    extra = {"code": 5, "constant": "E_BUSY", "library": "lib", "function": "open"}
    assert told(error)[5] == extra


def test_an_error_of_another_language_stays_one():
    error = RemoteCallError("RangeError: bad")
    error.language, error.type_name, error.message = "javascript", "RangeError", "bad"
    error.frames = (("/a.js", 1, 2, "f"),)
    error.extra = {"code": "E", "bases": ["Error"], "attributes": {}}
    language, name, message, frames, _, extra = told(raised(error))
    assert (language, name, message) == ("javascript", "RangeError", "bad")
    assert [frame[3] for frame in frames] == ["raised", "f"]
    assert extra == {"code": "E"}


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (Untellable(), "(its text could not be made)"),
        (ValueError("\ud800"), "\ud800"),
        (KeyboardInterrupt(), ""),
        (ExceptionGroup("many", [ValueError("one")]), "many (1 sub-exception)"),
    ],
)
def test_odd_exceptions_are_told_all_the_same(error: BaseException, message: str):
    error.__notes__ = 5
    assert told(error)[2] == message


def test_a_group_is_told_with_what_it_has_collected():
    group = ExceptionGroup("two", [raised(ValueError("one")), KeyError("other")])
    group.exceptions[0].__cause__ = OSError("why")
    inner = told(group)[5]["errors"]
    assert [(each[1], each[2]) for each in inner] == [
        ("ValueError", "one"),
        ("KeyError", "'other'"),
    ]
    assert [frame[3] for frame in inner[0][3]] == ["raised"]
    assert inner[0][4][1] == "OSError"


def test_so_is_what_an_error_of_another_language_has_collected():
    error = RemoteCallError("AggregateError: both")
    error.language, error.type_name, error.message = "javascript", "AggregateError", "both"
    error.errors, error.extra = (TypeError("a"), ValueError("b")), {"code": "E"}
    extra = told(error)[5]
    assert [each[1] for each in extra["errors"]] == ["TypeError", "ValueError"]
    assert extra["code"] == "E"


@pytest.mark.parametrize(("count", "arrive"), [(ERRORS_MAX, ERRORS_MAX), (ERRORS_MAX + 1, 0)])
def test_so_many_of_a_group_are_told_at_most(count: int, arrive: int):
    group = ExceptionGroup("many", [ValueError("one")] * count)
    assert len(told(group)[5].get("errors", ())) == arrive


def test_groups_within_each_other_end_somewhere():
    group = ExceptionGroup("inner", [ValueError("one")])
    for _ in range(CAUSES_MAX + 10):
        group = ExceptionGroup("outer", [group, ValueError("beside")])
    depth, at = 0, told(group)
    while "errors" in at[5]:
        depth, at = depth + 1, at[5]["errors"][0]
    assert depth == CAUSES_MAX


def test_what_cannot_be_written_of_an_error_is_left_out_alone():
    error = RemoteCallError("odd")
    circle: list[object] = []
    circle.append(circle)
    error.extra = {"circle": circle, "code": "E"}
    assert told(error)[5] == {"code": "E"}


def test_causes_end_somewhere_also_in_a_circle():
    one, other = ValueError("one"), TypeError("other")
    one.__cause__, other.__cause__ = other, one
    depth, at = 0, told(one)
    while at[4] is not None:
        depth, at = depth + 1, at[4]
    assert depth == CAUSES_MAX


def test_a_context_is_a_cause_unless_it_is_suppressed():
    shown, hidden = ValueError("shown"), ValueError("hidden")
    shown.__context__ = hidden.__context__ = KeyError("before")
    hidden.__suppress_context__ = True
    assert told(shown)[4][1] == "KeyError"
    assert told(hidden)[4] is None
