"""From a token that the parser does not accept to a message in plain words."""

from __future__ import annotations

from functools import cache
from typing import Any

from lark.exceptions import UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from noodle.errors import NoodleSyntaxError
from noodle.language.mistakes import FOREIGN_SIGNS, FOREIGN_WORDS, MISTAKES, Advice
from noodle.language.source_text import SourceText
from noodle.language.tokens import KEYWORDS, SIGNS, Token, describe_token

__all__ = ["Mishap", "syntax_error"]

_SIGN_OF_KIND = {
    **{kind: sign for sign, kind in SIGNS.items()},
    **{kind: word for word, kind in KEYWORDS.items()},
    "BLOCK_OPEN": "{",
    "BLOCK_CLOSE": "}",
    "MAP_CLOSE": "}",
    "EMBED_CLOSE": "}",
    "STRING_END": '"',
    "EQUALITY": "==",
    "OPERATOR_ASSIGN": "+=",
}
_NOT_MENTIONED = frozenset({"LAMBDA_NAME", "LAMBDA_OPEN", "MAP_OPEN", "STRING_START", "STRING_TEXT"})
_BEGINS_EXPRESSION = frozenset(
    "NUMBER STRING TRUE FALSE NULL LPAREN LBRACKET MINUS PLUS TILDE NOT NOT_SIGN NAME".split()
)
_JOINS_OPERANDS = frozenset(
    "PLUS MINUS STAR SLASH PERCENT AT POWER OR AND EQUALITY LESS GREATER IN NOT RANGE RANGE_INCLUSIVE "
    "PIPE CARET AMPERSAND SHIFT_LEFT SHIFT_RIGHT DOT LPAREN LBRACKET ASSIGN OPERATOR_ASSIGN".split()
)
_BEGINS_STATEMENT = frozenset("LET CONST FN IF WHILE FOR BREAK CONTINUE RETURN IMPORT".split())


class Mishap:
    """A token that the parser does not accept, and what surrounds it.

    Args:
        source: The program.
        tokens: All its tokens.
        index: Which of them is not accepted.
        parser: The parser, in the state that does not accept it.
    """

    def __init__(
        self, source: SourceText, tokens: list[Token], index: int, parser: InteractiveParser
    ) -> None:
        self.source = source
        self.token = tokens[index]
        self.previous = tokens[index - 1] if index else None
        self.before_previous = tokens[index - 2] if index > 1 else None
        self.following = tokens[min(index + 1, len(tokens) - 1)]
        self.state: Any = parser.parser_state.position
        self._parser = parser
        self._accepted: frozenset[str] | None = None

    def accepted(self) -> frozenset[str]:
        """Return the kinds of token that would have been accepted."""
        if self._accepted is None:
            self._accepted = frozenset(self._parser.accepts())
        return self._accepted


def syntax_error(mishap: Mishap) -> NoodleSyntaxError:
    """Return the error for a token that is not accepted."""
    token = mishap.token
    advice = _known_mistake(mishap)
    place = _place(mishap)
    return mishap.source.error(
        NoodleSyntaxError,
        advice.summary if advice else f"unexpected {describe_token(token)}",
        *place,
        expected=expected_words(mishap.accepted()),
        received=describe_token(token),
        remedy=advice.remedy if advice else None,
    )


def _place(mishap: Mishap) -> tuple[int, int]:
    """Return the range to underline: the token, or for the end of a line the place behind its last token."""
    token = mishap.token
    if token.text in ("", "\n") and mishap.previous:
        return mishap.previous.end, mishap.previous.end + 1
    return token.start, token.end


def _known_mistake(mishap: Mishap) -> Advice | None:
    token, previous = mishap.token, mishap.previous
    if token.type == "RESERVED":
        return Advice(
            f"`{token.text}` is reserved for a later version", f"choose another name: `{token.text}_`"
        )
    if token.type == "FOREIGN_SIGN":
        return FOREIGN_SIGNS[token.text]
    for candidate in (previous, token, mishap.before_previous):
        if candidate and candidate.type in ("NAME", "LAMBDA_NAME") and candidate.text in FOREIGN_WORDS:
            return FOREIGN_WORDS[candidate.text]
    return _mistake_by_state().get((mishap.state, token.type)) or _keyword_as_name(mishap)


def _keyword_as_name(mishap: Mishap) -> Advice | None:
    token = mishap.token
    if token.text in KEYWORDS and "NAME" in mishap.accepted() and "NUMBER" not in mishap.accepted():
        return Advice(f"`{token.text}` is a word of the language", f"choose another name: `{token.text}_`")
    return None


@cache
def _mistake_by_state() -> dict[tuple[Any, str], Advice]:
    """Return the advice of each malformed example by the parser's state and the kind of token in it."""
    from noodle.language.parser import feed, start_parser
    from noodle.language.scanner import scan

    table: dict[tuple[Any, str], Advice] = {}
    for example, advice in MISTAKES:
        parser = start_parser()
        for token in scan(SourceText(example, "<example>")).tokens:
            try:
                feed(parser, token)
            except UnexpectedToken:
                table.setdefault((parser.parser_state.position, token.type), advice)
                break
    return table


def expected_words(accepted: frozenset[str]) -> str:
    """Return what a set of token kinds means, in plain words."""
    kinds = accepted - _NOT_MENTIONED
    words: list[str] = []
    if kinds >= _BEGINS_STATEMENT:
        words.append("a statement")
        kinds -= _BEGINS_STATEMENT | _BEGINS_EXPRESSION | {"BLOCK_OPEN", "SEPARATOR"}
    elif kinds >= _BEGINS_EXPRESSION - {"NOT", "NOT_SIGN"}:
        words.append("an expression")
        kinds -= _BEGINS_EXPRESSION | {"BLOCK_OPEN"}
    elif {"PLUS", "STAR", "SLASH"} <= kinds:
        kinds -= _JOINS_OPERANDS
        words.append("an operator")
    if "SEPARATOR" in kinds:
        kinds -= {"$END"}
    words += [_word_of_kind(kind) for kind in sorted(kinds, key=_rank)]
    return _joined(list(dict.fromkeys(words))) or "nothing more"


def _rank(kind: str) -> tuple[bool, str]:
    return kind not in ("SEPARATOR", "NAME"), kind


def _word_of_kind(kind: str) -> str:
    named = {
        "SEPARATOR": "the end of the line",
        "$END": "the end of the program",
        "NAME": "a name",
        "STRING": "a string",
        "NUMBER": "a number",
        "FFI": "`ffi`",
    }
    return named.get(kind) or f"`{_SIGN_OF_KIND.get(kind, kind.lower())}`"


def _joined(words: list[str]) -> str:
    if len(words) > 1:
        return f"{', '.join(words[:-1])} or {words[-1]}"
    return "".join(words)
