"""What is told about a program that fails while it runs."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import pytest

from noodle.language import Failure, ProgramLoader, describe_failure

from .hosts import CollectingHost

NAME_EACH_VALUE = "write a name for each value; a map gives its pairs as `m.items()`"


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
        ("let a, b = [1]", "expected 2 values, got 1", NAME_EACH_VALUE),
        ("let a, b = [1, 2, 3]", "expected 2 values, got more", NAME_EACH_VALUE),
        ("for k, v in {a: 1} { }", "expected 2 values, got 1", NAME_EACH_VALUE),
        ("len(5)", "int has no length", "use a list, a map or a string"),
        ('int("x")', "'x' is no int", 'pass digits, such as `int("42")`'),
        ('float("x")', "'x' is no float", 'pass a number, such as `float("2.5")`'),
        ("max([])", "`max` got nothing to choose from", "test it before with `len(…)`"),
        ('abs("x")', "`abs` does not work on str", None),
        ('round("x")', "`round` does not work on str", None),
        ("len()", "`len` takes 1 argument, got 0", None),
        ("str(1, 2)", "`str` takes 1 argument, got 2", "leave out the others"),
        ('"".join([1])', "`join` joins strings, got int", "convert with `str(…)`"),
        ("let xs = []\nxs.pop()", "the list is empty", "test it before with `len(…)`"),
        ("[1].index(2)", "the list does not hold 2", "test it before: `if x in xs { … }`"),
        ('[1][0:"a"]', "the ends of a slice are ints", "convert them with `int(…)`"),
        ("int(1e400)", "infinity has no int", None),
        ("10 ** 400 / 3", "the int is too large for a float", "use `div(a, b)` for ints"),
        ("2.0 ** 5000", "the result is too large for a float", None),
        ("1 << -1", "a shift is by 0 bits or more", None),
        (
            "let x = 1\nx.name = 2",
            "int has no member `name` to assign to",
            'keep values in a map: `m["name"] = …`',
        ),
        ("let f = () => 1\nf.name", "function has no member `name`", None),
        ("expect(1 == 2)", "what is expected does not hold", None),
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


@pytest.mark.parametrize(
    ("source", "summary"),
    [
        ("m.sqrt(-1)", "ValueError: math domain error"),
        ("m.hypot()\nm.gcd(2.5)", "TypeError: 'float' object cannot be interpreted as an integer"),
        ("let f = m.gcd\nf(2.5)", "TypeError: 'float' object cannot be interpreted as an integer"),
        ("m.cos(1, 2)", "TypeError: math.cos() takes exactly one argument (2 given)"),
        ('m.cos("a")', "TypeError: must be real number, not str"),
        ("m.cosine(1)", "AttributeError: module 'math' has no attribute 'cosine'"),
        ("m()", "import cannot be called"),
    ],
)
def test_errors_of_libraries_keep_their_words(tmp_path: Path, source: str, summary: str) -> None:
    """Noodle does not reword what a foreign function says, also where it has no frame."""
    told, _ = failure(tmp_path, f'import ffi "math" as m\n{source}')
    assert summary == told.summary


def test_an_error_that_cannot_be_shown(tmp_path: Path) -> None:
    """An exception whose own code raises is told by its class."""
    (tmp_path / "unshowable.py").write_text(
        "class Unshowable(Exception):\n"
        "    def __str__(self):\n        return None.text\n"
        "def fail():\n    raise Unshowable\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        told, _ = failure(tmp_path, 'import ffi "unshowable" as u\nu.fail()')
    finally:
        sys.path.remove(str(tmp_path))
    assert "Unshowable: its message cannot be shown: AttributeError" == told.summary
