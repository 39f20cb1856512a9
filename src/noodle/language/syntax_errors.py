"""From a token that the parser does not accept to a message in plain words."""

from __future__ import annotations

from functools import cache
from typing import Any

from lark.exceptions import UnexpectedToken
from lark.parsers.lalr_analysis import Shift
from lark.parsers.lalr_interactive_parser import InteractiveParser

from noodle.errors import NoodleSyntaxError
from noodle.language.mistakes import (
    FOREIGN_SIGNS,
    FOREIGN_WORDS,
    MISTAKES,
    RESERVED_STATEMENTS,
    Advice,
)
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
_NOT_MENTIONED = frozenset(
    {"LAMBDA_NAME", "LAMBDA_OPEN", "MAP_OPEN", "STRING_START", "STRING_TEXT"}
)
_BEGINS_EXPRESSION = frozenset(
    "NUMBER STRING TRUE FALSE NULL LPAREN LBRACKET MINUS PLUS TILDE NOT NOT_SIGN NAME".split()
)
_JOINS_OPERANDS = frozenset(
    "PLUS MINUS STAR SLASH PERCENT AT POWER OR AND EQUALITY LESS GREATER IN NOT RANGE "
    "RANGE_INCLUSIVE PIPE CARET AMPERSAND "
    "SHIFT_LEFT SHIFT_RIGHT DOT LPAREN LBRACKET ASSIGN OPERATOR_ASSIGN".split()
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
        self.accepted = accepted_kinds(parser)
        self._tokens = tokens

    @property
    def called(self) -> Token | None:
        """The token before the parentheses that end in front of the rejected one, if there are."""
        opener = self.previous.value if self.previous and self.previous.type == "RPAREN" else None
        index = self._tokens.index(opener) if isinstance(opener, Token) else 0
        return self._tokens[index - 1] if index else None


def syntax_error(mishap: Mishap) -> NoodleSyntaxError:
    """Return the error for a token that is not accepted."""
    token = mishap.token
    advice = _known_mistake(mishap)
    place = _place(mishap)
    return mishap.source.error(
        NoodleSyntaxError,
        advice.summary if advice else _plain_summary(token),
        *place,
        expected=expected_words(mishap.accepted),
        received=describe_token(token),
        remedy=advice.remedy if advice else None,
    )


def _plain_summary(token: Token) -> str:
    if token.type == "$END":
        return "the program ends too early"
    if token.text == "\n":
        return "the line ends too early"
    return f"{describe_token(token)} does not fit here"


def _place(mishap: Mishap) -> tuple[int, int]:
    """Return the range to underline: the token, or the place behind a line's last one."""
    token = mishap.token
    if token.text in ("", "\n") and mishap.previous:
        return mishap.previous.end, mishap.previous.end + 1
    return token.start, token.end


def _known_mistake(mishap: Mishap) -> Advice | None:
    token, previous = mishap.token, mishap.previous
    if token.type == "RESERVED":
        begins_statement = "LET" in mishap.accepted and mishap.following.type != "ASSIGN"
        return Advice(
            f"`{token.text}` is reserved for a later version",
            RESERVED_STATEMENTS[token.text]
            if begins_statement and token.text in RESERVED_STATEMENTS
            else f"choose another name: `{token.text}_`",
        )
    if token.type == "FOREIGN_SIGN":
        return FOREIGN_SIGNS[token.text]
    if previous and previous.text == "print" and token.type in _VALUES:
        return Advice("a call needs parentheses", "write `print(value)`")
    if (
        token.text == "\n"
        and mishap.following.type == "BLOCK_OPEN"
        and "BLOCK_OPEN" in mishap.accepted
    ):
        return Advice("a block begins on the line of its statement", "move the `{` up to this line")
    if _is_prefixed_string(previous, token):
        return Advice("a string has no prefix", 'write `"text"`, or `"… ${value}"`')
    for candidate in (previous, token, mishap.before_previous, mishap.called):
        if (
            candidate
            and candidate.type in ("NAME", "LAMBDA_NAME")
            and candidate.text in FOREIGN_WORDS
        ):
            return FOREIGN_WORDS[candidate.text]
    table = _advice_by_situation()
    exact, rough = _situations(mishap.accepted, token, previous)
    return table.get(exact) or _keyword_as_name(mishap) or table.get(rough)


def _is_prefixed_string(previous: Token | None, token: Token) -> bool:
    """Whether a string of another language, such as ``f"…"``, begins before a token."""
    return (
        previous is not None
        and previous.text.lower() in ("f", "r", "b", "u", "rb", "fr")
        and token.type in ("STRING", "STRING_START")
        and token.start == previous.end
    )


def _keyword_as_name(mishap: Mishap) -> Advice | None:
    token = mishap.token
    if token.text in KEYWORDS and "NAME" in mishap.accepted and "NUMBER" not in mishap.accepted:
        return Advice(
            f"`{token.text}` is a word of the language", f"choose another name: `{token.text}_`"
        )
    return None


def accepted_kinds(parser: InteractiveParser) -> frozenset[str]:
    """Return the kinds of token that a parser would accept next."""
    state = parser.parser_state
    kinds = state.parse_conf.parse_table.states[state.position]
    return frozenset(kind for kind in kinds if kind.isupper() and _accepts(state, kind))


def _accepts(state: Any, kind: str) -> bool:
    """Whether the reductions that a token causes lead to a state that shifts it."""
    table, states = state.parse_conf.parse_table.states, list(state.state_stack)
    while states[-1] != state.parse_conf.end_state:
        action, argument = table[states[-1]].get(kind, (None, None))
        if action is None:
            return False
        if action is Shift:
            return True
        if argument.expansion:
            del states[-len(argument.expansion) :]
        states.append(table[states[-1]][argument.origin.name][1])
    return True


Situation = tuple[frozenset[str], str, str]
"""What would have been accepted, the kind of token that came, and the kind before it or ``""``."""


def _situations(
    accepted: frozenset[str], token: Token, previous: Token | None
) -> tuple[Situation, Situation]:
    """Return an error's situation exactly, and with all tokens that begin a value as one."""
    expected = accepted
    if "SEPARATOR" in expected:
        expected -= {"$END", "BLOCK_CLOSE", "ASSIGN", "OPERATOR_ASSIGN"}
    if "STAR" in expected:
        expected -= {"ASSIGN"}
    kind = "SEPARATOR" if token.type == "$END" else token.type
    before = previous.type if previous else ""
    rough = "a value" if kind in _VALUES else kind
    return (expected, kind, before), (expected, rough, before if expected == {"NAME"} else "")


_VALUES = frozenset("NAME LAMBDA_NAME NUMBER STRING STRING_START TRUE FALSE NULL LPAREN".split())


@cache
def _advice_by_situation() -> dict[Situation, Advice]:
    """Return the advice of each malformed example by its situation."""
    from noodle.language.parser import feed, start_parser
    from noodle.language.scanner import scan

    table: dict[Situation, Advice] = {}
    for example, advice in MISTAKES:
        parser = start_parser()
        previous: Token | None = None
        for token in scan(SourceText(example, "<example>")).tokens:
            try:
                feed(parser, token)
            except UnexpectedToken:
                for situation in _situations(accepted_kinds(parser), token, previous):
                    table.setdefault(situation, advice)
                break
            previous = token
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
    elif {"AND", "OR"} <= kinds:
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
