"""Which program a remedy names."""

from __future__ import annotations

import pytest

from noodle.cli.remedies import name_program
from noodle.errors import MissingPackageError, MissingToolError, NoodleError


@pytest.mark.parametrize(
    ("remedy", "expected"),
    [
        ("noodle sync", "noodle sync 'my programs/a.noodle'"),
        ("noodle sync 'small==1.0; python=3.9'", "noodle sync 'my programs/a.noodle'"),
        (
            "noodle sync small==1.0, or set NOODLE_INSTALL=always",
            "noodle sync 'my programs/a.noodle'",
        ),
        ("python -m pip install small", "python -m pip install small"),
        (None, None),
    ],
)
def test_a_program_is_named_in_place_of_its_target(
    remedy: str | None, expected: str | None
) -> None:
    error = MissingPackageError("no", remedy=remedy)
    name_program(error, "my programs/a.noodle")
    assert expected == error.remedy


def test_other_errors_and_none_are_left_alone() -> None:
    error: NoodleError = MissingToolError("no", remedy="noodle sync")
    name_program(error, "a.noodle")
    name_program(None, "a.noodle")
    assert "noodle sync" == error.remedy
