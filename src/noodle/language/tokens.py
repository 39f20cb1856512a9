"""The tokens of Noodle: their kinds, the reserved words, and how a message names them."""

from __future__ import annotations

__all__ = ["KEYWORDS", "OPERAND_ENDS", "RESERVED_WORDS", "SIGNS", "Token", "describe_token"]

KEYWORDS = {
    word: word.upper()
    for word in (
        "let const fn import as with if else while for in break continue return "
        "true false null and or not await"
    ).split()
}
"""Words that cannot be names, with the kind of their token."""

RESERVED_WORDS = frozenset("match try catch finally throw async parallel".split())
"""Words kept for later versions, so that a program that avoids them keeps its meaning."""

SIGNS = {
    **dict.fromkeys(
        ("===", "!==", "++", "--", "|>", "->", ":=", "?.", "??", "<>", "..."), "FOREIGN_SIGN"
    ),
    **dict.fromkeys(
        ("+=", "-=", "*=", "/=", "%=", "**=", "@=", "&=", "|=", "^=", "<<=", ">>="),
        "OPERATOR_ASSIGN",
    ),
    **dict.fromkeys(("==", "!=", "<=", ">="), "EQUALITY"),
    "<": "LESS",
    ">": "GREATER",
    "=": "ASSIGN",
    "=>": "ARROW",
    "||": "OR",
    "&&": "AND",
    "!": "NOT_SIGN",
    "..": "RANGE",
    "..=": "RANGE_INCLUSIVE",
    "|": "PIPE",
    "^": "CARET",
    "&": "AMPERSAND",
    "<<": "SHIFT_LEFT",
    ">>": "SHIFT_RIGHT",
    "+": "PLUS",
    "-": "MINUS",
    "*": "STAR",
    "/": "SLASH",
    "%": "PERCENT",
    "@": "AT",
    "~": "TILDE",
    "**": "POWER",
    ".": "DOT",
    ",": "COMMA",
    ":": "COLON",
    "(": "LPAREN",
    ")": "RPAREN",
    "[": "LBRACKET",
    "]": "RBRACKET",
}
"""Operators and punctuation, but for braces, ``;`` and quotes, which depend on their context."""

OPERAND_ENDS = frozenset(
    "NAME NUMBER STRING STRING_END TRUE FALSE NULL RPAREN RBRACKET MAP_CLOSE BLOCK_CLOSE "
    "BREAK CONTINUE RETURN RESERVED".split()
)
"""Kinds of token after which a newline ends the statement."""


class Token:
    """One token.

    Args:
        type: Its kind, a terminal of ``grammar.lark`` (the parser looks at this name).
        text: How it is written.
        start: Offset of its first character.
        end: Offset behind its last one.
        value: The value of a number or a string.
        synthetic: Whether the scanner added it to balance a bracket that it has reported.
    """

    __slots__ = ("end", "start", "synthetic", "text", "type", "value")

    def __init__(
        self,
        type: str,
        text: str,
        start: int,
        end: int,
        value: object = None,
        *,
        synthetic: bool = False,
    ) -> None:
        self.type = type
        self.text = text
        self.start = start
        self.end = end
        self.value = value
        self.synthetic = synthetic

    def __repr__(self) -> str:
        return f"{self.type}({self.text!r})"


def describe_token(token: Token) -> str:
    """Return how a message names a token: ``a string``, ``the end of the line``."""
    kind, text = token.type, token.text
    if kind == "$END":
        return "the end of the program"
    if kind == "SEPARATOR":
        return "`;`" if text == ";" else "the end of the line"
    if kind in ("NAME", "LAMBDA_NAME"):
        return f"the name `{text}`"
    if kind in ("STRING", "STRING_START"):
        return "a string"
    if kind == "NUMBER":
        return f"the number `{text}`"
    return f"`{text}`"
