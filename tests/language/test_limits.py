"""Programs of absurd size or depth work, or give one clear error."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noodle.errors import LanguageError
from noodle.language import check_source
from noodle.language.compiler import compile_source
from noodle.language.prelude import make_prelude
from noodle.language.program import CompiledProgram
from noodle.language.tokens import KEYWORDS, RESERVED_WORDS, SIGNS

from .test_programs import CASES

DEEP = 10_000

TOO_DEEP = {
    "parentheses": "(" * DEEP + "1" + ")" * DEEP,
    "lists": "[" * DEEP + "]" * DEEP,
    "minus": "- " * DEEP + "1",
    "not": "!" * DEEP + "true",
    "power": "2**" * DEEP + "1",
    "lambdas": "a => " * DEEP + "1",
    "calls": "print" + "()" * DEEP,
    "members": "print" + ".a" * DEEP,
    "strings": '"${' * DEEP + "1" + '}"' * DEEP,
    "maps": "({a: " * DEEP + "1" + "})" * DEEP,
    "blocks": "if true { " * DEEP + "}" * DEEP,
    "functions": "fn f() { " * DEEP + "}" * DEEP,
    "unclosed": "(" * DEEP,
}

LONG = {
    "sum": ("let one = 1\nlet r = one" + " + one" * 10_000, 10_001),
    "mixed": ("let one = 1\nlet r = one" + " + one - one" * 5_000, 1),
    "sum in a function": ("fn f(x) { return x" + " + x" * 1_000 + " }\nlet r = f(2)", 2002),
    "and": ("let r = true" + " && true" * 5_000, True),
    "else if": (
        "let x = 1999\nlet r = 0\nif x == 0 { r = 1 }"
        + "".join(f" else if x == {i} {{ r = {i} }}" for i in range(1, 2_000))
        + " else { r = -1 }",
        1999,
    ),
    "else of a ladder": (
        "let x = -5\nlet r = 0\nif x == 0 { r = 1 }"
        + "".join(f" else if x == {i} {{ r = {i} }}" for i in range(1, 200))
        + " else { r = -1 }",
        -1,
    ),
    "list": ("let r = len([" + "1, " * 20_000 + "])", 20_000),
    "parentheses": ("let r = " + "(" * 150 + "1" + ")" * 150, 1),
    "lambdas": ("let r = " + "(() => " * 40 + "1" + ")()" * 40, 1),
    "blocks": ("let r = 0\n" + "if true { " * 60 + "r = 1 " + "}" * 60, 1),
    "loops": ("let r = 0\n" + "for i in 0..1 { " * 20 + "r = 1 " + "}" * 20, 1),
}


def run(program: CompiledProgram) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__builtins__": make_prelude(lambda text: None)}
    program.execute(namespace)
    return namespace


@pytest.mark.parametrize("source", TOO_DEEP.values(), ids=TOO_DEEP)
def test_too_deep(source: str) -> None:
    """What is nested 10,000 deep is refused by one error that names the limit."""
    (error,) = check_source(f"let x = {source}" if source[0] not in "if" else source, "deep.noodle")
    assert "nested too deeply (limit 200)" == error.summary
    assert error.line == 1


@pytest.mark.parametrize(("source", "result"), LONG.values(), ids=LONG)
def test_long(source: str, result: object) -> None:
    """Length is no depth: long chains, ladders and lists work."""
    assert result == run(compile_source(source, "long.noodle"))["r"]


@pytest.mark.parametrize("source", ["f.__debug__ = 1", "f(__debug__=1)"])
def test_names_that_python_keeps_for_itself(source: str) -> None:
    """What CPython refuses is an error of ours, at its line."""
    (error,) = check_source(f"let f = print\n  {source}", "debug.noodle")
    assert (2, 3) == (error.line, error.column)


def test_loops_nest_twenty_deep_in_a_function() -> None:
    """CPython's limit for loops is an error of ours, with a remedy."""
    errors = check_source("while true { " * 21 + "}" * 21, "loops.noodle")
    assert ["loops are nested too deeply (limit 20)"] == [error.summary for error in errors]


PIECES = [
    *KEYWORDS, *SIGNS, *RESERVED_WORDS, "{", "}", "{", "}", "\n", ";", "x", "y", "f", "1", "2.5",
    '"a"', '"${x}"', '"${', '"', "let x = 1\n", "fn f(x) {", "x =>", "/*", "*/", "//", "`",
    "'", "\0",
    'import ffi "a" as b', "{ fn g(x: f64): f64 }", "with {a: 1}", "é", "#",
    "for i in 0..3 {", "\ud800",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=40), st.sampled_from(["", " "]))
def test_any_text_compiles_or_gives_language_errors(pieces: list[str], between: str) -> None:
    """Whatever the text, the only answers are bytecode and errors with a place."""
    source = between.join(pieces)
    for error in check_source(source, "soup.noodle"):
        assert isinstance(error, LanguageError)
        assert 1 <= error.line <= source.count("\n") + source.count("\r") + 1
        assert error.column >= 1


@given(st.sampled_from(CASES), st.randoms(use_true_random=False))
def test_damaged_programs_compile_or_give_language_errors(path: Path, random: Random) -> None:
    """Words of a good program lost, doubled or exchanged are no trouble for the compiler."""
    words = re.findall(r"\w+|\s+|.", path.read_text(encoding="utf-8"))
    for _ in range(random.randint(1, 4)):
        first, second = random.randrange(len(words)), random.randrange(len(words))
        words[first : first + random.randint(0, 2)] = [words[second]] * random.randint(0, 2)
        words = words or [""]
    errors = check_source("".join(words), "damaged.noodle")
    assert all(isinstance(error, LanguageError) and error.line for error in errors)


@given(st.text())
def test_arbitrary_text(text: str) -> None:
    """No character makes the compiler fail."""
    assert all(isinstance(error, LanguageError) for error in check_source(text, "text.noodle"))
