"""Null: what a declaration forbids is refused before the call, anything else takes None."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noodle.errors import ArgumentTypeError
from tests.bridges.native.conftest import Load

WAYS = [
    pytest.param(placement, mode, id=f"{placement}-{mode}")
    for placement in ("inprocess", "isolated")
    for mode in ("api", "abi")
]
PROTOTYPES = """
    size_t length(const char text[static 1]);
    int is_null(const void *memory);
    double sum(const double values[static 1], size_t count);
"""


@pytest.mark.parametrize(("placement", "mode"), WAYS)
def test_an_array_of_at_least_one_item_is_never_null(
    load: Load, sample: Path, placement: str, mode: str
) -> None:
    library = load(sample, PROTOTYPES, options={"mode": mode}, placement=placement)
    assert library.member("length").raw("four") == 4
    with pytest.raises(ArgumentTypeError, match="text") as caught:
        library.member("length").raw(None)
    assert caught.value.received == "None"
    assert "not null" in str(caught.value.expected)
    with pytest.raises(ArgumentTypeError, match="null is forbidden"):
        library.member("sum").raw(None, 0)


@pytest.mark.parametrize(("placement", "mode"), WAYS)
def test_none_is_null_where_nothing_forbids_it(
    load: Load, sample: Path, placement: str, mode: str
) -> None:
    library = load(sample, PROTOTYPES, options={"mode": mode}, placement=placement)
    assert library.member("is_null").raw(None) == 1


def test_an_annotation_allows_null_where_a_prototype_forbids_it(load: Load, sample: Path) -> None:
    text = "int is_null(const char memory[static 1]);"
    with pytest.raises(ArgumentTypeError, match="null is forbidden"):
        load(sample, text).member("is_null").raw(None)
    said = {"functions": {"is_null": {"nullable": True}}}
    assert load(sample, text, options=said).member("is_null").raw(None) == 1


@pytest.mark.parametrize("placement", ["inprocess", "isolated"])
def test_the_refusal_of_null_has_the_option_that_allows_it(
    load: Load, sample: Path, placement: str
) -> None:
    text = "int is_null(const void *memory); size_t length(const char text[static 1]);"
    said: dict[str, Any] = {"functions": {"is_null": {"nullable": False}}}
    library = load(sample, text, options=said, placement=placement)
    with pytest.raises(ArgumentTypeError, match="null is forbidden") as caught:
        library.member("is_null").raw(None)
    option = 'functions={"is_null": {"nullable": ["memory"]}}'
    assert option in str(caught.value.remedy)
    allowed = {"functions": {"is_null": {"nullable": ["memory"]}}}
    library = load(sample, text, options=allowed, placement=placement)
    assert library.member("is_null").raw(None) == 1
    with pytest.raises(ArgumentTypeError, match="null is forbidden") as caught:
        library.member("length").raw(None)
    assert 'functions={"length": {"nullable": ["text"]}}' in str(caught.value.remedy)


@pytest.mark.parametrize("placement", ["inprocess", "isolated"])
def test_a_source_says_which_of_its_arrays_are_never_null(
    load: Load, tmp_path: Path, placement: str
) -> None:
    text = "double first(const double values[static 1]) { return values[0]; }"
    (tmp_path / "first.c").write_text(text, encoding="utf-8")
    library = load("./first.c", directory=str(tmp_path), placement=placement)
    with pytest.raises(ArgumentTypeError, match="null is forbidden"):
        library.member("first").raw(None)
