"""Options that bridges to workers have in common."""

from __future__ import annotations

from pathlib import Path

import pytest

from noodle.bridges.remote import options
from noodle.errors import SettingsError

CHECKS = {"workers": options.count, "folder": options.directory, "environment": options.variables}


def test_checked_values_have_one_form():
    given = {"workers": 3, "folder": Path("/a"), "environment": {"B": "2", "A": "1"}}
    expected = {"workers": 3, "folder": "/a", "environment": (("A", "1"), ("B", "2"))}
    assert expected == options.read(given, CHECKS, CHECKS, "a library")


def test_an_unknown_one_names_the_nearest():
    with pytest.raises(SettingsError, match="unknown option 'worker' for a library") as caught:
        options.read({"worker": 3}, CHECKS, CHECKS, "a library")
    assert "workers" == caught.value.remedy


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("workers", 0),
        ("workers", True),
        ("workers", 65),
        ("workers", "2"),
        ("folder", 5),
        ("environment", ["A"]),
        ("environment", {"A": 1}),
        ("environment", {"": "x"}),
        ("environment", {"A=B": "x"}),
        ("environment", {"A": "x\0"}),
    ],
)
def test_wrong_values_are_refused(name: str, value: object):
    with pytest.raises(SettingsError, match=f"option '{name}' has a wrong value"):
        options.read({name: value}, CHECKS, CHECKS, "a library")
