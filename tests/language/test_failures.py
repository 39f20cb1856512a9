"""What is told about a program that fails while it runs."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from noodle.language import Failure, ProgramLoader, describe_failure

from .hosts import CollectingHost


def failure(folder: Path, source: str) -> tuple[Failure, BaseException]:
    path = folder / "program.noodle"
    path.write_text(source, encoding="utf-8")
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - any error of any program
        ProgramLoader(CollectingHost(), "").run(str(path))
    return describe_failure(caught.value), caught.value


def test_place_and_caret(tmp_path: Path) -> None:
    """The failing expression is underlined; columns count characters, not bytes."""
    told, _ = failure(tmp_path, 'let größe = [1]\nlet x = "日本" + größe[0]; print(x)')
    assert told.place is not None
    assert ("`+` does not work on str and int", 2, 9) == (
        told.summary,
        told.place.line,
        told.place.column,
    )
    assert '"日本" + größe[0]' == told.place.text
    assert '  2 | let x = "日本" + größe[0]; print(x)' in str(told)


def test_python_tracebacks_point_into_the_program(tmp_path: Path) -> None:
    """Python's own tools see the file, its lines and the names of its functions."""
    _, error = failure(
        tmp_path,
        "fn outer() {\n  let inner = () => {\n    return 1 / 0\n  }\n  return inner()\n}\nouter()",
    )
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith(".noodle")
    ]
    assert [(7, "<module>"), (5, "outer"), (3, "inner")] == [(f.lineno, f.name) for f in frames]
    assert "return 1 / 0" == frames[-1].line


def test_qualified_names_of_functions(tmp_path: Path) -> None:
    """Functions have the names of the program, also those made anew in each turn of a loop."""
    path = tmp_path / "names.noodle"
    path.write_text(
        "fn a() { fn b() { }; return b }\nlet c = null\n"
        "for i in 0..1 { fn d() { return i }; c = d }"
    )
    namespace = ProgramLoader(CollectingHost(), "").run(str(path))
    assert ["a", "a.b", "d"] == [
        f.__code__.co_qualname for f in (namespace.a, namespace.a(), namespace.c)
    ]


def test_foreign_frames(tmp_path: Path) -> None:
    """Of the frames of a library only the innermost is kept, and the place stays in the program."""
    told, _ = failure(
        tmp_path,
        'import ffi "json" as json\nfn read(text) {\n  return json.loads(text)\n}\nread("{")',
    )
    assert told.place is not None
    assert 3 == told.place.line
    assert [False, False, True] == [frame.foreign for frame in told.frames]
    assert told.summary.startswith("JSONDecodeError: ")


def test_foreign_code_that_calls_back(tmp_path: Path) -> None:
    """Frames of both sides appear in the order of the calls."""
    told, _ = failure(
        tmp_path, 'import ffi "functools" as f\nf.reduce((a, b) => {\n  return a / b\n}, [1, 0])'
    )
    assert [2, 3] == [frame.line for frame in told.frames if not frame.foreign]
    assert "division by zero" == told.summary


def test_endless_recursion_shows_both_ends(tmp_path: Path) -> None:
    """A thousand frames are cut in the middle."""
    told, _ = failure(tmp_path, "fn f(n) { return f(n + 1) }\nf(0)")
    assert ("the calls are nested too deeply", 20) == (told.summary, len(told.frames))
    assert told.skipped > 900


@pytest.mark.parametrize(
    ("source", "summary", "remedy"),
    [
        ("let m = [{a: 1}][0]\nm.key", "a map has no member `key`", 'write `m["key"]`'),
        ("let x = [5][0]\nx()", "int cannot be called", "call a function"),
        ("let f = [(a, b) => a][0]\nf(1)", "the function lacks an argument: `b`", "pass `b`"),
        ("fn f(a) { }\nlet g = [f][0]\ng(b=1)", "`f` has no parameter `b`", "check its name"),
        ("fn f(a) { }\nlet g = [f][0]\ng(1, a=1)", "`f` got `a` twice", "pass it once"),
        ("let x = [null][0]\nx + 1", "`+` does not work on null and int", None),
        ("let x = [null][0]\nx[0]", "null has no items", None),
        (
            "let x = [null][0]\nfor a in x { }",
            "null has no items to loop over",
            "use a list or a range",
        ),
        (
            "let x = [null][0]\nx.y",
            "null has no member `y`",
            "test it before: `if x != null { … }`",
        ),
        ("let x = [null][0]\n1 in x", "`in` does not work on null", None),
        ('let x = [1][0]\nx < "a"', "`<` does not work on int and str", None),
        ("let a, b = [1]", "expected 2 values, got 1", None),
        ("let a, b = [1, 2, 3]", "expected 2 values, got more", None),
        ("let x = [[1]][0]\nx.length", "list has no member `length`", "use `len(…)`"),
        ("let x = [[1]][0]\nx.apend(1)", "list has no member `apend`", "use `append`"),
        ('let x = [[1]][0]\nx["a"]', "an index of list is an int, got str", None),
        (
            'let x = [1][0]\n"a" + x',
            "`+` does not work on str and int",
            'write `"… ${value}"`, or `str(value)`',
        ),
        (
            "let x = [[1]][0]\nlet m = {}\nm[x] = 1",
            "list cannot be a key",
            "use a string or a number",
        ),
    ],
)
def test_words(tmp_path: Path, source: str, summary: str, remedy: str | None) -> None:
    """What is Noodle's own semantics is told in Noodle's words."""
    told, _ = failure(tmp_path, source)
    assert (summary, remedy) == (told.summary, told.remedy)


def test_errors_of_libraries_keep_their_words(tmp_path: Path) -> None:
    """Noodle does not reword what a foreign function says."""
    told, _ = failure(tmp_path, 'import ffi "math" as m\nm.sqrt(-1)')
    assert ("ValueError: math domain error", "ValueError") == (told.summary, told.kind)
