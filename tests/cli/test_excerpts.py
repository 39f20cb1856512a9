"""Excerpts: the caret stands below what it means."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from noodle.cli.excerpts import excerpt
from noodle.cli.terminal import visible


def lines(source: str, column: int, length: int, width: int = 100) -> list[str]:
    return [text.plain for text in excerpt(7, source, column, length, width)]


def test_the_caret_underlines_the_range():
    assert lines("let x = abc", 9, 3) == ["  7 | let x = abc", "    |         ^^^"]


def test_a_tab_is_one_column_and_a_wide_character_two():
    assert lines("\tx", 2, 1) == ["  7 |  x", "    |  ^"]
    source, carets = lines('"日本" + y', 8, 1)
    assert cell_len(carets) == cell_len(source) == cell_len('  7 | "日本" + y')
    assert lines("日本", 1, 2)[1] == "    | ^^^^"


def test_a_range_beyond_the_line_ends_with_it():
    assert lines("ab", 2, 40)[1] == "    |  ^"
    assert lines("ab", 3, 1)[1] == "    |   ^"


@pytest.mark.parametrize("column", [1, 50, 500, 990, 1000])
def test_a_long_line_is_cut_around_the_caret(column: int):
    source = "".join(chr(ord("a") + i % 26) for i in range(1000))
    shown, carets = lines(source, column, 3, width=60)
    assert len(shown) == 60
    assert len(carets) <= 60
    assert shown[carets.index("^")] == source[column - 1]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "␛[31mred"),
        ("a\x00b\x7f", "a␀b␡"),
        ("\x9b31m", "\ufffd31m"),
        ("\u202eabc", "\ufffdabc"),
        ("grün 日本", "grün 日本"),
    ],
)
def test_what_could_steer_a_terminal_is_shown_as_a_sign(text: str, shown: str):
    assert visible(text) == shown
