"""Names and calls of foreign libraries against what these declare."""

from __future__ import annotations

from inspect import Parameter

import pytest

from noodle.errors import LanguageError, NoodleNameError, NoodleTypeError, SourceError
from noodle.language import ForeignImport, Session
from noodle.language.compiler import analyse, errors_of
from noodle.stubs.model import (
    StubClass,
    StubConstant,
    StubFunction,
    StubModule,
    StubParameter,
    StubSignature,
)
from noodle.values import parse_type
from tests.language.hosts import CollectingHost

NUMBER = StubParameter("x", "float", type=parse_type("f64"))
SMALL = StubParameter("y", "int", default="0", type=parse_type("u8"))
TEXT = StubParameter("text", "str | None", default="None")
SELF = StubParameter("self")


def inner() -> StubModule:
    return StubModule("inner", [StubFunction("deep", (StubSignature((TEXT,)),))], complete=True)


LIBRARY = StubModule(
    "library",
    [
        StubFunction("area", (StubSignature((NUMBER, SMALL), "float"),), "The area. In full."),
        StubFunction("say", (StubSignature((TEXT,), "None"),)),
        StubFunction(
            "both",
            (
                StubSignature((StubParameter("a", "int"),), "int"),
                StubSignature((StubParameter("a", "str"), StubParameter("b", "str")), "str"),
            ),
        ),
        StubFunction(
            "many", (StubSignature((StubParameter("all", kind=Parameter.VAR_POSITIONAL),)),)
        ),
        StubFunction("unknown"),
        StubFunction(
            "log",
            (StubSignature((TEXT, StubParameter("further", kind=Parameter.VAR_POSITIONAL))),),
            declared="int log(const char *format, ...)",
            undeclared="the types of its further arguments (...)",
        ),
        StubConstant("MOST", "int", "10", documentation="The most."),
        StubClass("Shape", (StubFunction("__init__", (StubSignature((SELF, NUMBER)),)),)),
    ],
    complete=True,
    further=frozenset({"private"}),
    modules={"inner": inner},
    unusable={"print": "it takes further arguments"},
)


def describe(request: ForeignImport) -> StubModule | None:
    if request.target == "broken":
        raise SourceError("it cannot be read")
    return LIBRARY if request.target == "library" else None


def errors(text: str, library: str = "library") -> list[LanguageError]:
    source = f'import ffi "{library}" as l\n{text}\n'
    return list(errors_of(analyse(source, "program.noodle", describe=describe)))


@pytest.mark.parametrize(
    "text",
    [
        "l.area(1)",
        "l.area(1.5, 255)",
        "l.area(x=2, y=3)",
        'l.say("a")',
        "l.say(null)",
        "l.say()",
        "l.both(1)",
        'l.both("a", "b")',
        "l.many(1, [2], null)",
        "l.unknown(1, 2, a=3)",
        'l.log.options(variadic="int")("a", 1)',
        "print(l.MOST, l.private, l.inner)",
        'l.inner.deep("a")',
        "l.Shape(1.5)",
        "l.area.map([1])",
        "l.Shape.anything",
        "fn f(l) { return l.nosuch }",
        "let t = l.area(1)\nprint(t + 1)",
        "l.area = 3",
    ],
)
def test_what_fits_is_no_error(text: str):
    assert errors(text) == []


@pytest.mark.parametrize(
    ("text", "summary", "received", "remedy"),
    [
        ("l.aera(1)", "`l` has no `aera`", "`aera`", "write `area`"),
        ("print(l.LEAST)", "`l` has no `LEAST`", "`LEAST`", "noodle bridges TARGET"),
        ("l.inner.deeep()", "`l.inner` has no `deeep`", "`deeep`", "write `deep`"),
        ("l.print(1)", "`l.print` cannot be used: it takes further", "`print`", "noodle bridges"),
    ],
)
def test_a_name_that_there_is_not_is_an_error(text: str, summary: str, received: str, remedy: str):
    (error,) = errors(text)
    assert isinstance(error, NoodleNameError)
    assert error.summary.startswith(summary)
    assert error.received == received
    assert (error.remedy or "").startswith(remedy)


def test_a_call_without_the_types_of_further_arguments_is_an_error():
    (error,) = errors('l.log("a", 1)')
    assert error.summary == (
        "`log` cannot be called before the types of its further arguments (...) are declared"
    )
    assert error.received == "int log(const char *format, ...)"
    assert 'log.options(variadic="int, const char *")' in (error.remedy or "")


@pytest.mark.parametrize(
    ("text", "expected", "received"),
    [
        ("l.area()", "1 to 2 arguments (x, y?)", "0: x is missing"),
        ("l.area(1, 2, 3)", "1 to 2 arguments (x, y?)", "3"),
        ("l.area(1, z=3)", "a keyword of (x, y)", "z"),
        ('l.area("a")', "f64", "str 'a'"),
        ("l.area(1, 256)", "u8 (0 to 255)", "int 256"),
        ("l.area([1])", "f64", "list"),
        ("l.say(1)", "str | None", "int `1`"),
        ("l.say({a: 1})", "str | None", "map `{a: 1}`"),
        ("let n = 3\nl.say(n)", "str | None", "int `n`"),
        ("l.both(1, 2)", "one of the 2 ways to call it", "2"),
        ("l.inner.deep(3)", "str | None", "int `3`"),
        ("l.Shape()", "1 argument (x)", "0: x is missing"),
    ],
)
def test_a_call_that_does_not_fit_is_an_error(text: str, expected: str, received: str):
    (error,) = errors(text)
    assert isinstance(error, NoodleTypeError)
    assert (error.expected, error.received) == (expected, received)
    assert (error.remedy or "").startswith("call it as `")


@pytest.mark.parametrize("library", ["other", "broken"])
def test_nothing_is_said_of_a_library_that_is_not_known(library: str):
    assert errors("l.nosuch(1)", library) == []


def test_what_the_program_declares_itself_holds():
    source = 'import ffi "library" as l { fn area(a: str) }\nl.area("a")\n'
    assert errors_of(analyse(source, "program.noodle", describe=describe)) == ()


@pytest.fixture
def session() -> Session:
    class Host(CollectingHost):
        def load_foreign(self, spec: ForeignImport) -> object:
            return object()

    session = Session(Host(), cache_directory="", describe=describe)
    session.run('import ffi "library" as l')
    return session


@pytest.mark.parametrize(
    ("text", "name", "meaning"),
    [
        ("l.ar", "area", "area(x: float, y: int = 0) -> float: The area."),
        ("l.MO", "MOST", "int = 10: The most."),
        ("l.inner.de", "deep", "deep(text: str | None = None)"),
        ("l.Sh", "Shape", "Shape(x: float) -> Shape"),
        ("l.area(1, ", "y=", "int"),
        ('l.area(f(")"), ', "x=", "float"),
    ],
)
def test_a_session_completes_what_libraries_declare(
    session: Session, text: str, name: str, meaning: str
):
    assert name in session.completions(text)
    assert session.meaning(text, name) == meaning


def test_a_parameter_that_is_given_is_not_offered_again(session: Session):
    assert "x=" not in session.completions("l.area(x=1, ")
    assert "y=" not in session.completions("l.area(1)")
    assert "y=" not in session.completions("[l.area, ")


def test_a_name_that_means_something_else_now_is_not_completed(session: Session):
    session.run("let l = 3")
    assert session.completions("l.ar") == []
    assert session.meaning("l.ar", "area") == ""
