"""What people are told about malformed programs."""

from __future__ import annotations

import pytest

from noodle.errors import LanguageError
from noodle.language import check_source, compile_source
from noodle.language.mistakes import MISTAKES as ADVICE

from .mistakes_table import MISTAKES

GRAMMAR_WORDS = (
    "LPAREN",
    "BLOCK_",
    "MAP_",
    "SEPARATOR",
    "ASSIGN",
    "OPERATOR_ASSIGN",
    "$END",
    "__ANON",
)

C = (
    'import ffi "libc.so.6" as c { fn total(x: ptr<f64>, n: i32): f64; fn abs(x: i32): i32; '
    "fn sqrt(x: f64): f64; fn puts(text: str): i32 }\n"
)


@pytest.mark.parametrize(("program", "expected"), MISTAKES, ids=range(len(MISTAKES)))
def test_mistake(program: str, expected: list[tuple[int, int, str]]) -> None:
    """Each malformed program gives exactly these errors at these places."""
    errors = check_source(program, "mistake.noodle")
    assert expected == [(e.line, e.column, e.summary) for e in errors]


@pytest.mark.parametrize("program", [program for program, _ in MISTAKES], ids=range(len(MISTAKES)))
def test_every_message_is_complete(program: str) -> None:
    """Every error says what was expected, what came and where, in plain words, and can be shown."""
    for error in check_source(program, "mistake.noodle"):
        assert error.expected
        assert error.received
        assert error.where == f"mistake.noodle:{error.line}:{error.column}"
        assert f"{error.line} | " in str(error) or not error.source_line
        assert [] == [word for word in GRAMMAR_WORDS if word in str(error)]


@pytest.mark.parametrize(("example", "advice"), ADVICE, ids=range(len(ADVICE)))
def test_examples_of_the_advice_are_malformed(example: str, advice: object) -> None:
    """Each example in the compiler's own table is a program that is refused."""
    assert check_source(example, "example.noodle")


def test_all_errors_of_a_program_are_reported_in_order() -> None:
    """After a syntax error the others are found too, also inside blocks."""
    program = "let a = \nfn f() {\n  let b = (1 +\n  return 5 5\n}\nvar c = 1\nprint(1))\n"
    with pytest.raises(LanguageError) as caught:
        compile_source(program, "several.noodle")
    assert [1, 3, 4, 6, 7] == [error.line for error in caught.value.all()]


def test_at_most_twenty_errors_are_reported() -> None:
    """A program with a thousand errors shows the first twenty."""
    assert 20 == len(check_source("5 5\n" * 1000, "many.noodle"))
    assert 20 == len(check_source("".join(f"a{i}\n" for i in range(1000)), "many.noodle"))


@pytest.mark.parametrize(
    ("program", "remedy"),
    [
        ("let x = 1\n  * 2", "put the operator at the end of the line before"),
        ("if true\n{ }", "move the `{` up to this line"),
        ("let f = function(x) { }", "write `fn name(parameters) { … }`"),
        ('print(f"a")', 'write `"text"`, or `"… ${value}"`'),
        ("match x { }", "write `if … { … } else if … { … }`"),
        ("let match = 3", "choose another name: `match_`"),
        ("let x: number = 1", "write `f64`"),
        ("for i in range(3) { }", "write `a..b`"),
        ('open("x")', 'write `import ffi "builtins" as python`, then `python.open`'),
        ("let total = 1\nprint(totl)", "write `total`"),
        (C + "c.total([1.5], 1)", "pass an array: `np.array(…, dtype=np.float64)`"),
        (C + "c.abs(3000000000)", "pass a number in this range, or declare a wider type"),
        (C + "c.abs(1.5)", "convert it with `int(…)`"),
        (C + 'c.sqrt("2")', "convert it with `float(…)`"),
        (C + "c.puts(5)", "convert it with `str(…)`"),
        (C + "c.sqrt([2])", "pass f64"),
    ],
)
def test_what_to_write_instead(program: str, remedy: str) -> None:
    """Someone who knows another language is told how Noodle writes it."""
    assert remedy == check_source(program, "mistake.noodle")[0].remedy
