from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from noodle import targets
from noodle.bridges.loopback import LoopbackBridge
from noodle.errors import SettingsError
from noodle.library_requests import LibraryRequest, check_options
from noodle.prototypes import Prototype


def key(text: str = "math", directory: str = ".", /, **options: Any) -> Any:
    target = targets.parse(text, directory=directory, schemes=("r",))
    return LibraryRequest(target.location, target, Path(directory), options).key


class Unhashable:
    """Equal to everything, and without a hash."""

    def __eq__(self, other: object) -> bool:
        return True


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, "x"], (1, "x")),
        ({"a": [1], "b": 2}, OrderedDict(b=2, a=[1])),
        ({"a": 1}, MappingProxyType({"a": 1})),
        ({1, 2}, frozenset({2, 1})),
        ("text", "te" + "xt"),
    ],
)
def test_options_of_equal_content_are_one_request(one: Any, other: Any) -> None:
    assert key(option=one) == key(option=other)
    assert hash(key(option=one)) == hash(key(option=other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        ("1", 1),
        ([1, 2], [2, 1]),
        ([[1], 2], [1, [2]]),
        ([], {}),
        ({"a": 1}, {"a": True}),
        (Unhashable(), Unhashable()),
        (bytearray(b"x"), bytearray(b"x")),
    ],
)
def test_options_that_differ_in_type_order_or_identity_are_two(one: Any, other: Any) -> None:
    assert key(option=one) != key(option=other)


def test_an_option_that_cannot_be_hashed_is_the_same_as_itself() -> None:
    option = Unhashable()
    assert key(option=[option]) == key(option=[option])


def test_the_directory_matters_for_what_may_be_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text("")
    here, there = str(tmp_path), str(tmp_path / ".." / tmp_path.name)
    assert key("math", here) == key("math", "/") == key("math", here)
    assert key("math", here, version="3") == key("math", "/", version="3")
    assert key("math", here, library_paths=["lib"]) != key("math", "/", library_paths=["lib"])
    assert key("r:stats", here) != key("r:stats", "/")
    assert key("./helpers.py", here) == key("./helpers.py", there)
    assert key("./helpers.py", here) != key("math", here)


@pytest.mark.parametrize(
    ("options", "summary"),
    [
        ({"versoin": "1"}, "the loopback bridge has no option 'versoin'"),
        ({"version": 1}, "the option 'version' has a wrong value"),
        ({"placement": 1}, "the option 'placement' has a wrong value"),
        ({"prototypes": 5}, "the option 'prototypes' has a wrong value"),
        ({"prototypes": ["double cos(double);"]}, "the option 'prototypes' has a wrong value"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], summary: str) -> None:
    """A load says which option is wrong, what came and where, before a bridge sees it."""
    with pytest.raises(SettingsError) as caught:
        check_options(LoopbackBridge(), options, where="loopback:calc")
    assert (summary, "loopback:calc") == (caught.value.summary, caught.value.where)
    assert caught.value.expected
    assert caught.value.received


def test_right_options_pass() -> None:
    options = {"version": None, "placement": "inprocess", "prototypes": [Prototype("cos")]}
    check_options(LoopbackBridge(), options, where="loopback:calc")
