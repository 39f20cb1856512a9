from __future__ import annotations

import pytest

from noodle import errors
from noodle.ffi_service.failures import Refusal, call_failure, defect, request_failure


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.NameNotFoundError("no f"), 404),
        (errors.ArityError("too few"), 400),
        (errors.ArgumentTypeError("no call"), 400),
        (errors.InputLimitError("too large"), 413),
        (errors.InstanceUnavailableError("too many"), 503),
        (Refusal(415, errors.ArgumentTypeError("no JSON")), 415),
    ],
)
def test_a_request_that_was_not_carried_out_has_a_status_of_its_own(
    error: Refusal | errors.NoodleError, status: int
):
    assert status == request_failure(error)[0]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("bad"), 500),
        (errors.ArityError("within the program"), 500),
        (errors.NameNotFoundError("within the program"), 500),
        (errors.DeadlineExceededError("late"), 504),
        (errors.InstanceUnavailableError("none"), 503),
        (errors.WorkerCrashedError("gone"), 502),
        (errors.MemoryLimitError("gone"), 502),
        (errors.PermissionDeniedError("no"), 403),
    ],
)
def test_a_call_that_failed_is_never_the_callers_mistake(error: Exception, status: int):
    assert status == call_failure(error, 1)[0]


def test_a_request_is_answered_with_what_was_expected_and_what_to_write():
    error = errors.NameNotFoundError(
        "no f", expected="g", received="f", where="/srv/secret.noodle:3:1", remedy="g"
    )
    _, body = request_failure(error)
    assert {
        "error": {
            "type": "NameNotFoundError",
            "message": "no f",
            "expected": "g",
            "received": "f",
            "try": "g",
        }
    } == body


def test_of_a_call_that_failed_type_and_message_are_told_and_no_places():
    error = errors.LibraryLoadError(
        "it does not load", where="/srv/secret.so", remedy="look at /srv/secret.so"
    )
    _, body = call_failure(error, 7)
    assert {"error": {"type": "LibraryLoadError", "message": "it does not load", "call": 7}} == body
    _, body = call_failure(ValueError("no digit"), 8)
    assert {"error": {"type": "ValueError", "message": "no digit", "call": 8}} == body


def test_a_defect_is_not_described_to_callers():
    _, body = call_failure(errors.InternalError("segment 7 at 0x1234"), 9)
    assert "segment" not in str(body)
    assert (500, "InternalError") == (defect()[0], defect()[1]["error"]["type"])


def test_a_message_is_cut_and_can_always_be_written():
    _, body = call_failure(ValueError("x" * 10_000), 1)
    assert 2001 == len(body["error"]["message"])
    _, body = call_failure(ValueError("\ud800 bad"), 1)
    assert "? bad" == body["error"]["message"]
    _, body = request_failure(errors.NameNotFoundError("y" * 10_000, received="z" * 10_000))
    assert 2001 == len(body["error"]["message"]) == len(body["error"]["received"])


def test_an_exception_whose_text_ends_the_program_is_told_by_its_class():
    class Ending(Exception):
        def __str__(self) -> str:
            raise SystemExit

    assert "Ending" == call_failure(Ending(), 1)[1]["error"]["type"]
