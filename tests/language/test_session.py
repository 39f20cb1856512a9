"""A program that is typed piece by piece."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from noodle.errors import LanguageError, SourceError
from noodle.language import Session, describe_failure

from .hosts import CollectingHost


@pytest.fixture
def session() -> Session:
    return Session(CollectingHost(), cache_directory="")


def test_values_of_expressions(session: Session) -> None:
    """The last statement's value is returned when it is an expression."""
    assert session.run("let x = 2") is None
    assert 6 == session.run("let y = 3; x * y")
    assert session.run("x = 5") is None
    assert 5 == session.run("x")


def test_names_can_be_declared_again(session: Session) -> None:
    """A new declaration may use the old value."""
    session.run("let x = 1")
    session.run("let x = x + 1")
    session.run("const x = [x]")
    assert [2] == session.run("x")
    with pytest.raises(LanguageError, match="cannot be assigned"):
        session.run("x = 1")


def test_functions_see_later_declarations(session: Session) -> None:
    """A function refers to the session's variable, whichever declaration made it."""
    session.run("let rate = 2\nfn price(n) { return n * rate }")
    session.run("let rate = 3")
    assert 30 == session.run("price(10)")


def test_blocks_do_not_touch_names_of_other_snippets(session: Session) -> None:
    """Variables of blocks stay apart from those of the top level, also from later ones."""
    session.run("let f = null\nif true { let y = 1; f = () => y }")
    session.run("let y = 5\nlet x = 1")
    session.run("if true { let x = 7; let y = 8 }")
    assert [1, 5, 1] == session.run("[f(), y, x]")


def test_a_failed_snippet_leaves_what_was_done(session: Session) -> None:
    """Declarations before the failure hold, the others do not exist."""
    with pytest.raises(ZeroDivisionError):
        session.run("let a = 1\nlet b = 1 / 0")
    assert 1 == session.run("a")
    with pytest.raises(LanguageError, match="`b` is not declared"):
        session.run("b")


def test_an_error_runs_nothing(session: Session) -> None:
    """A snippet with an error has no effect, and its names are not taken."""
    with pytest.raises(LanguageError):
        session.run("let a = 1\nlet b = )")
    with pytest.raises(LanguageError, match="`a` is not declared"):
        session.run("a")


@pytest.mark.parametrize(
    "text",
    [
        "fn f() {",
        "f(1,",
        "[1",
        "let x =",
        "1 +",
        "let m = {a: 1",
        "/* open",
        "x => {",
        "if true {\n1",
        "f.",
    ],
)
def test_incomplete(session: Session, text: str) -> None:
    """More lines can complete it."""
    assert session.incomplete(text)


@pytest.mark.parametrize("text", ["1", "let x = )", "fn f() { }", '"abc', "", "if", "let x = 1 }"])
def test_not_incomplete(session: Session, text: str) -> None:
    """It is complete, or wrong whatever follows."""
    expected = text == "if"  # a condition may still follow
    assert expected == session.incomplete(text)


def test_completion(session: Session) -> None:
    """Names of the session, the prelude and members of values, without calling anything."""
    session.run('import ffi "math" as maths\nlet matter = 1')
    assert ["map", "maths", "matter", "max"] == session.completions("print(ma")
    assert ["cos", "cosh"] == session.completions("maths.cos")
    assert [] == session.completions("nothing.at")
    assert {"maths": __import__("math"), "matter": 1} == session.namespace


def test_imports_of_files(session: Session, tmp_path: Path) -> None:
    """Files are found from the session's directory."""
    (tmp_path / "lib.noodle").write_text("let n = 7")
    session = Session(CollectingHost(), str(tmp_path), "")
    assert 7 == session.run('import "./lib.noodle" as l\nl.n')


def test_failures_show_the_snippet(session: Session) -> None:
    """Tracebacks have the typed line, also of an earlier snippet."""
    session.run("fn f() { return 1 / 0 }")
    with pytest.raises(ZeroDivisionError) as caught:
        session.run("f()")
    told = describe_failure(caught.value)
    assert told.place is not None
    assert "fn f() { return 1 / 0 }" == told.place.source_line
    assert "fn f() { return 1 / 0 }" == traceback.extract_tb(caught.value.__traceback__)[-1].line


def test_a_missing_import_is_an_error_at_the_import(session: Session) -> None:
    """The place is in the snippet, which is in no file."""
    with pytest.raises(SourceError) as caught:
        session.run('let a = 1\nimport "./nowhere.noodle" as n')
    assert ("./<input 1>", 2, 1, 'import "./nowhere.noodle" as n') == (
        caught.value.path,
        caught.value.line,
        caught.value.column,
        caught.value.source_line,
    )


def test_a_value_that_begins_with_a_sign_is_shown(session: Session) -> None:
    """What nothing would use in a program is what a session answers."""
    session.run("let x = 2")
    assert -2 == session.run("-x")
