"""The tree of errors: what each one is, what it shows, and that it survives being handed round."""

from __future__ import annotations

import copy
import pickle
import re
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noodle import errors
from noodle.errors import (
    SHOWN_COLUMNS,
    CompilationError,
    ForeignError,
    InternalError,
    LanguageError,
    NoodleError,
    NoodleNameError,
    NoodleSyntaxError,
    UsageError,
    did_you_mean,
)

CLASSES = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]
LANGUAGE_CLASSES = [one for one in CLASSES if issubclass(one, LanguageError)]
PARTS = {
    "expected": "a number",
    "received": "a text",
    "where": "tour.noodle:3:1",
    "remedy": "write 3",
}

BUILTINS = {
    ArithmeticError: {"ArgumentRangeError"},
    AttributeError: {"NameNotFoundError", "MissingSymbolError"},
    ConnectionError: {"InstanceUnavailableError"},
    ImportError: {
        "InstallationError",
        "LibraryLoadError",
        "MissingError",
        "MissingLibraryError",
        "MissingPackageError",
        "MissingToolError",
        "VersionError",
    },
    LookupError: {"UnknownBridgeError"},
    MemoryError: {"MemoryLimitError"},
    OverflowError: {"ArgumentRangeError"},
    PermissionError: {"PermissionDeniedError"},
    RecursionError: {"CallDepthError"},
    ReferenceError: {"CallbackReleasedError", "ReferenceReleasedError"},
    RuntimeError: {
        "CallDepthError",
        "DeadlockError",
        "ForkedProcessError",
        "WorkerBlockedError",
    },
    TimeoutError: {"DeadlineExceededError"},
    TypeError: {
        "ArgumentError",
        "ArgumentRangeError",
        "ArgumentTypeError",
        "ArityError",
        "CallbackResultError",
        "NoMatchingSignatureError",
        "ShapeError",
    },
    ValueError: {
        "AmbiguousTargetError",
        "InputLimitError",
        "PrototypeError",
        "SettingsError",
        "ShapeError",
        "TargetError",
    },
}

each_class = pytest.mark.parametrize("error_class", CLASSES, ids=lambda one: one.__name__)


def drawn_tree() -> dict[str, str]:
    """The parent of each class in the drawing of the module's docstring."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.fullmatch(r"    ([│├└─ ]*)(\w+Error)\b.*", line)
        if match:
            depth = len(match[1]) // 4
            del path[depth:]
            if path:
                parents[match[2]] = path[-1]
            path.append(match[2])
    return parents


def test_the_drawing_of_the_tree_is_the_tree() -> None:
    real = {one.__name__: one.__mro__[1].__name__ for one in CLASSES if one is not NoodleError}
    assert real == drawn_tree()


def test_every_error_of_the_module_is_exported() -> None:
    defined = [
        v for v in vars(errors).values() if isinstance(v, type) and v.__module__ == errors.__name__
    ]
    assert set(defined) == set(CLASSES)


@each_class
def test_belongs_to_exactly_one_root(error_class: type[NoodleError]) -> None:
    roots = [
        root for root in (UsageError, ForeignError, InternalError) if issubclass(error_class, root)
    ]
    assert len(roots) == (error_class is not NoodleError)


@each_class
def test_says_in_its_docstring_what_it_means(error_class: type[NoodleError]) -> None:
    own = vars(error_class).get("__doc__") or ""
    assert re.match(r"[A-Z].+[.:;]", own.splitlines()[0])


@pytest.mark.parametrize("builtin", BUILTINS, ids=lambda one: one.__name__)
def test_is_caught_by_code_that_knows_only_the_builtin(builtin: type[Exception]) -> None:
    assert BUILTINS[builtin] == {one.__name__ for one in CLASSES if issubclass(one, builtin)}


@each_class
def test_shows_what_was_expected_what_came_where_and_what_to_try(error_class: Any) -> None:
    if issubclass(error_class, LanguageError):
        parts = {key: text for key, text in PARTS.items() if key != "where"}
        error = error_class("it is wrong", path="tour.noodle", line=3, column=1, **parts)
        lines = ["tour.noodle:3:1: it is wrong"]
        lines += ["  expected: a number", "  received: a text", "  try:      write 3"]
    else:
        error = error_class("it is wrong", **PARTS)
        lines = ["it is wrong", "  expected: a number", "  received: a text"]
        lines += ["  where:    tour.noodle:3:1", "  try:      write 3"]
    assert lines == str(error).splitlines()
    assert PARTS == {part: getattr(error, part) for part in PARTS}


@each_class
def test_the_summary_alone_is_enough(error_class: type[NoodleError]) -> None:
    place = "<input>: " if issubclass(error_class, LanguageError) else ""
    assert f"{place}it is wrong" == str(error_class("it is wrong"))


@each_class
def test_is_raised_and_printed_like_any_exception(error_class: type[NoodleError]) -> None:
    with pytest.raises(error_class) as caught:
        raise error_class("it is wrong", expected="a number") from ValueError("below")
    text = "".join(traceback.format_exception(caught.value))
    assert "ValueError: below" in text
    assert f"noodle.errors.{error_class.__name__}: " in text
    assert "  expected: a number" in text


@each_class
@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_survives_a_copy(error_class: Any, duplicate: Any) -> None:
    error = error_class("it is wrong", expected="a number", remedy="write 3")
    error.add_note("seen twice")
    again = duplicate(error)
    assert type(again) is error_class
    assert (str(error), ["seen twice"], error.args) == (str(again), again.__notes__, again.args)


def test_a_part_of_several_lines_stays_in_its_column() -> None:
    error = CompilationError("the compiler rejected k.c", received="k.c:1: no type\nk.c:2: no ;")
    assert [
        "the compiler rejected k.c",
        "  received: k.c:1: no type",
        "            k.c:2: no ;",
    ] == str(error).splitlines()


class TestAnErrorInAProgram:
    def test_underlines_the_place(self) -> None:
        error = NoodleNameError(
            "no such name", path="a.noodle", line=12, column=5, length=3, source_line="1 + foo * 2"
        )
        assert [
            "a.noodle:12:5: no such name",
            "  12 | 1 + foo * 2",
            "     |     ^^^",
        ] == str(error).splitlines()

    def test_keeps_the_caret_below_the_place_behind_tabs(self) -> None:
        error = LanguageError("", line=1, column=3, source_line="\t\tx\t= 1")
        assert ["1 |   x = 1", "  |   ^"] == error.excerpt()

    @pytest.mark.parametrize(
        ("column", "length", "caret"),
        [(0, 1, "^"), (1, 0, "^"), (-5, -5, "^"), (4, 9, "   ^"), (99, 1, "   ^"), (2, 99, " ^^")],
    )
    def test_a_place_outside_the_line_is_shown_at_its_edge(
        self, column: int, length: int, caret: str
    ) -> None:
        error = LanguageError("", line=1, column=column, length=length, source_line="abc")
        assert ["1 | abc", f"  | {caret}"] == error.excerpt()

    def test_shows_of_a_long_line_only_what_is_near(self) -> None:
        line = "a" * 50_000 + "!" + "b" * 50_000
        error = LanguageError("", line=1, column=50_001, source_line=line)
        shown, caret = error.excerpt()
        assert shown[caret.index("^")] == "!"
        assert len(shown) == len("1 | ") + SHOWN_COLUMNS + len("……")

    @pytest.mark.parametrize("column", [1, SHOWN_COLUMNS, 400, 401])
    def test_shows_the_ends_of_a_long_line(self, column: int) -> None:
        line = "".join(chr(ord("a") + i % 26) for i in range(400))
        error = LanguageError("", line=1, column=column, length=500, source_line=line)
        shown, caret = error.excerpt()
        below = (shown + " ")[caret.index("^")]
        assert below == (line + " ")[column - 1]
        assert caret.count("^") <= SHOWN_COLUMNS

    def test_control_characters_of_a_program_never_reach_the_terminal(self) -> None:
        error = LanguageError("", line=1, column=9, source_line="a\x1b[2J\r\x00\ud800!")
        shown, caret = error.excerpt()
        assert shown == "1 | a [2J   !"
        assert shown[caret.index("^")] == "!"

    @pytest.mark.parametrize(("line", "source"), [(0, "x = 1"), (3, "")])
    def test_shows_no_line_where_there_is_none(self, line: int, source: str) -> None:
        assert LanguageError("", line=line, column=1, source_line=source).excerpt() == []

    def test_names_the_file_alone_when_the_place_is_the_whole_file(self) -> None:
        assert LanguageError("not UTF-8", path="a.noodle").where == "a.noodle"

    def test_brings_the_other_errors_of_the_program_in_order(self) -> None:
        second = NoodleSyntaxError("second", line=2, column=1, received="b")
        first = NoodleSyntaxError("first", line=1, column=1, received="a", others=[second])
        assert (first, second) == first.all()
        assert [
            "<input>:1:1: first",
            "  received: a",
            "<input>:2:1: second",
            "  received: b",
        ] == str(first).splitlines()

    @given(st.text(), st.integers(), st.integers(-9, 10**6), st.integers(-9, 10**6))
    def test_can_always_be_shown(self, source: str, line: int, column: int, length: int) -> None:
        error = LanguageError(
            "", line=line, column=column, length=length, source_line=source.replace("\n", "")
        )
        shown = error.excerpt()
        assert bool(shown) == bool(line and error.source_line)
        assert all(text.isprintable() for text in shown)
        assert {text.index("|") for text in shown} <= {len(str(line)) + 1}


class TestDidYouMean:
    @pytest.mark.parametrize(
        ("name", "known", "nearest"),
        [
            ("matmull", ["matmul", "add", "mat"], "matmul"),
            ("MATMUL", ["matmul"], "matmul"),
            ("sin", ["Sin"], "Sin"),
            ("colour", ["color", "colours"], "colours or color"),
            ("sin", ["sinh", "sinc", "asin", "cos"], "sinh or sinc or asin"),
            ("xyz", ["matmul"], None),
            ("", ["matmul"], None),
            ("matmul", [""], None),
            ("matmul", [], None),
            ("größe", ["GRÖSSE"], "GRÖSSE"),
            ("\0\ud800", ["a"], None),
        ],
    )
    def test_offers_what_is_near(self, name: str, known: list[str], nearest: str | None) -> None:
        offered = did_you_mean(name, known)
        assert (
            offered is None
            if nearest is None
            else set(offered.split(" or ")) == set(nearest.split(" or "))
        )

    def test_leaves_out_what_is_clearly_further_off(self) -> None:
        assert did_you_mean("matmul", ["matmult", "mall"]) == "matmult"

    def test_offers_no_more_than_the_limit(self) -> None:
        assert did_you_mean("ab0", [f"ab{i}" for i in range(1, 9)], limit=2).count(" or ") == 1

    def test_takes_any_iterable_once(self) -> None:
        assert did_you_mean("add", (name for name in ["ad", "sub"])) == "ad"

    def test_a_long_name_costs_no_time(self) -> None:
        assert did_you_mean("x" * 100_000, ["matmul"] * 1000) is None
