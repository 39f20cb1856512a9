"""How a command ends when something is wrong with Noodle itself."""

from __future__ import annotations

import pytest

from noodle.cli.process import guarded
from noodle.errors import InternalError


def broken() -> int:
    raise ZeroDivisionError("division by zero")


def broken_and_known() -> int:
    raise InternalError("the plan is empty", where="planner")


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (broken, "error: a defect in Noodle: ZeroDivisionError: division by zero\n"),
        (broken_and_known, "error: a defect in Noodle: the plan is empty\n"),
    ],
)
def test_a_defect_is_called_one_and_ends_with_70(action, message, capsys):
    assert guarded(action) == 70
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(message)
    assert "--debug" in output.err
    assert "Traceback" not in output.err


def test_with_debug_a_defect_shows_its_traceback(capsys):
    assert guarded(broken, debug=True) == 70
    traceback, _, rest = capsys.readouterr().err.partition("error: a defect in Noodle")
    assert traceback.startswith("Traceback (most recent call last):")
    assert "in broken" in traceback
    assert "report it with the traceback above" in rest


def test_an_error_that_cannot_be_shown_is_named(capsys):
    class Unshowable(Exception):
        def __str__(self) -> str:
            raise LookupError("no text")

    def action() -> int:
        raise Unshowable

    assert guarded(action) == 1
    assert "Unshowable" in capsys.readouterr().err


def test_the_code_of_the_work_is_returned(capsys):
    assert guarded(lambda: 4) == 4
    assert capsys.readouterr() == ("", "")
