"""The tokens of a program in the making, whose brackets always balance.

A bracket that is never closed is reported where it was opened, and closed; one that closes nothing
is reported and left out. So the parser can go on behind either.
"""

from __future__ import annotations

import re

from noodle.errors import LanguageError, NoodleSyntaxError
from noodle.language.limits import MAX_DEPTH, too_deep
from noodle.language.source_text import SourceText
from noodle.language.tokens import OPERAND_ENDS, Token

__all__ = ["BalancedTokens"]

_CLOSERS = {
    "LPAREN": (")", "RPAREN"),
    "LBRACKET": ("]", "RBRACKET"),
    "MAP_OPEN": ("}", "MAP_CLOSE"),
    "BLOCK_OPEN": ("}", "BLOCK_CLOSE"),
    "EMBED_OPEN": ("}", "EMBED_CLOSE"),
}
_OPENERS = {")": "(", "]": "[", "}": "{"}
_HELD_BY_BLOCKS = ("LPAREN", "LBRACKET", "MAP_OPEN")
"""The brackets that no statement can begin inside."""


class BalancedTokens:
    """A list of tokens, and the brackets in it that are open.

    Args:
        source: The program's text.

    ``all`` has the tokens, ``open`` those of the open brackets, ``errors`` what was wrong.
    """

    def __init__(self, source: SourceText) -> None:
        self.source = source
        self.all: list[Token] = []
        self.open: list[Token] = []
        self.errors: list[LanguageError] = []

    @property
    def last(self) -> str:
        """The kind of the last token; a program begins as a statement does."""
        return self.all[-1].type if self.all else "SEPARATOR"

    @property
    def innermost(self) -> str:
        """The kind of the innermost open bracket; ``""`` where there is none."""
        return self.open[-1].type if self.open else ""

    def add(self, kind: str, text: str, start: int, end: int, value: object = None) -> None:
        """Add a token that is no bracket."""
        self.all.append(Token(kind, text, start, end, value))

    def report(self, summary: str, start: int, end: int, **details: str | None) -> None:
        """Take down what is wrong with a range of the text."""
        self.errors.append(self.source.error(NoodleSyntaxError, summary, start, end, **details))

    def open_bracket(self, kind: str, text: str, start: int) -> None:
        """Add an opening bracket.

        Raises:
            NoodleSyntaxError: Too many are open.
        """
        self.all.append(Token(kind, text, start, start + len(text)))
        self.open.append(self.all[-1])
        if len(self.open) == MAX_DEPTH + 1:
            raise too_deep(self.source, start)

    def close_bracket(self, text: str, start: int) -> None:
        """Add a closing bracket, and before it those that are missing inside."""
        depth = self._depth_of_opener(text)
        if depth is None:
            self.report(
                f"`{text}` closes nothing",
                start,
                start + 1,
                expected=f"`{_OPENERS[text]}` before it",
                received=f"`{text}`",
                remedy=f"remove it, or open it with `{_OPENERS[text]}`",
            )
            return
        while len(self.open) > depth + 1:
            self.close_missing(start)
        opener = self.open.pop()
        self.all.append(Token(_CLOSERS[opener.type][1], text, start, start + 1, opener))

    def _depth_of_opener(self, closer: str) -> int | None:
        for depth in range(len(self.open) - 1, -1, -1):
            kind = self.open[depth].type
            if _CLOSERS[kind][0] == closer:
                return depth
            if kind == "EMBED_OPEN" or (kind == "BLOCK_OPEN" and closer != "}"):
                return None
        return None

    def close_missing(self, position: int) -> None:
        """Report the innermost open bracket, and close it."""
        opener = self.open[-1]
        closer = _CLOSERS[opener.type][0]
        self.report(
            f"`{opener.text}` is never closed",
            opener.start,
            opener.end,
            expected=f"`{closer}`",
            received=self._name_of_rest(position),
            remedy=f"close it with `{closer}`",
        )
        self._close_silently(position)

    def _close_silently(self, position: int) -> None:
        opener = self.open.pop()
        closer, kind = _CLOSERS[opener.type]
        self.all.append(Token(kind, closer, position, position, opener, synthetic=True))

    def _name_of_rest(self, position: int) -> str:
        text = self.source.text
        if position >= len(text):
            return "the end of the program"
        if text[position] == "\n":
            return "the end of the line"
        line, _ = self.source.place(position)
        word = re.compile(r"\w+|.").match(text, position)
        return f"`{word.group() if word else ''}` on line {line}"

    def close_before_statement(self, start: int) -> None:
        """End what cannot go on where a statement begins: an operator, brackets but blocks."""
        if not self.all or "\n" not in self.source.text[self.all[-1].end : start]:
            return
        closed = self.last not in OPERAND_ENDS | {"SEPARATOR", "BLOCK_OPEN", "ELSE"}
        while self.innermost in _HELD_BY_BLOCKS:
            self.close_missing(start)
            closed = True
        if closed:
            self.add("SEPARATOR", "\n", self.all[-1].end, self.all[-1].end)

    def close_line(self, line: int, position: int) -> None:
        """Close silently the brackets of a line whose closers are in an unclosed string."""
        while self.innermost in _HELD_BY_BLOCKS:
            if self.source.place(self.open[-1].start)[0] < line:
                return
            self._close_silently(position)

    def close_all(self) -> None:
        """Report and close whatever is open where the text ends."""
        while self.open:
            self.close_missing(len(self.source.text))
