"""Rust's tokens, as far as signatures need them: what is a word, a text, a bracket."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["RustSyntaxError", "RustToken", "behind_bracket", "rust_tokens"]

_TOKEN = re.compile(
    r"""(?P<blank>\s+|//[^\n]*)
      | (?P<comment>/\*)
      | (?P<string>(?:b|c|br|cr|r)?"|(?:br|cr|r)(?P<hashes>\#+)")
      | (?P<char>b?'(?:\\(?:[^u]|u\{[^}]*\})[^']*|[^\\'])')
      | (?P<lifetime>'[^\W\d]\w*)
      | (?P<number>\d(?:[eE][+-]?(?=\d)|[\w])*(?:\.\d\w*)?)
      | (?P<word>(?:r\#)?[^\W\d]\w*)
      | (?P<mark>::|->|=>|\.\.=|\.\.\.|.)""",
    re.VERBOSE | re.DOTALL,
)
_OPENING, _CLOSING = "([{", ")]}"


class RustSyntaxError(Exception):
    """The text is no Rust; the compiler says better why."""


@dataclass(frozen=True, slots=True)
class RustToken:
    """A word, text or mark.

    Args:
        kind: ``word``, ``lifetime``, ``string``, ``char``, ``number`` or ``mark``.
        text: As written; words without ``r#``.
        start: Where it begins in the text.
        end: Where it ends.
    """

    kind: str
    text: str
    start: int
    end: int


def rust_tokens(text: str) -> list[RustToken]:
    """Return the tokens of a Rust text, without blanks and comments.

    Args:
        text: The text.

    Raises:
        RustSyntaxError: A comment or a text does not end.
    """
    return list(_tokens(text))


def _tokens(text: str) -> Iterator[RustToken]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        assert match is not None
        kind = match.lastgroup or ""
        end = match.end()
        if kind == "comment":
            end = _comment_end(text, position)
        elif kind in ("string", "hashes"):
            kind, end = "string", _string_end(text, match)
        if kind not in ("blank", "comment"):
            shown = text[position:end]
            shown = shown.removeprefix("r#") if kind == "word" else shown
            yield RustToken(kind, shown, position, end)
        position = end


def _comment_end(text: str, start: int) -> int:
    depth = 0
    for mark in re.compile(r"/\*|\*/").finditer(text, start):
        depth += 1 if mark[0] == "/*" else -1
        if not depth:
            return mark.end()
    raise RustSyntaxError("a comment does not end")


def _string_end(text: str, opened: re.Match[str]) -> int:
    is_raw = "r" in opened[0].partition('"')[0]
    pattern = '"' + (opened["hashes"] or "") if is_raw else r'(?:\\.|[^"\\])*"'
    end = re.compile(pattern, re.DOTALL)
    closed = end.search(text, opened.end()) if is_raw else end.match(text, opened.end())
    if closed is None:
        raise RustSyntaxError("a text does not end")
    return closed.end()


def behind_bracket(tokens: Sequence[RustToken], start: int) -> int:
    """Return the index behind the bracket that closes the one at ``start``.

    Raises:
        RustSyntaxError: It is not closed.
    """
    depth = 0
    for index in range(start, len(tokens)):
        text = tokens[index].text if tokens[index].kind == "mark" else ""
        depth += bool(text and text in _OPENING) - bool(text and text in _CLOSING)
        if not depth:
            return index + 1
    raise RustSyntaxError("a bracket is not closed")
