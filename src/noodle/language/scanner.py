"""From text to tokens.

The scanner settles what a context-free grammar cannot: whether a newline ends a statement, whether
``{`` opens a map or a block, whether ``(`` opens the parameters of a lambda, where the code
embedded in a string ends.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from noodle.errors import LanguageError
from noodle.language.balanced_tokens import BalancedTokens
from noodle.language.numerals import read_number
from noodle.language.source_text import SourceText
from noodle.language.strings import read_plain
from noodle.language.tokens import KEYWORDS, OPERAND_ENDS, RESERVED_WORDS, SIGNS, Token

__all__ = ["Scan", "scan"]

# Words that only begin statements: inside parentheses they show that a bracket was never closed.
_STATEMENT_WORDS = (
    "LET",
    "CONST",
    "FN",
    "IF",
    "WHILE",
    "FOR",
    "RETURN",
    "IMPORT",
    "BREAK",
    "CONTINUE",
)

_TOKEN = re.compile(
    r"(?P<space>[ \t\f\v\u00a0]+)"
    r"|(?P<newline>\n)"
    r"|(?P<comment>//[^\n]*)"
    r"|(?P<open_comment>/\*)"
    r"|(?P<word>[^\W\d]\w*)"
    r"|(?P<number>\d(?:[eE][+-]?\d|\.\d|\w)*)"
    r'|(?P<quote>")'
    r"|(?P<brace>[{}])"
    r"|(?P<semicolon>;)"
    rf"|(?P<sign>{'|'.join(re.escape(sign) for sign in sorted(SIGNS, key=len, reverse=True))})"
    r"|(?P<unknown>.)"
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_STRING_STOP = re.compile(r'"|\n|\$\{|\\.', re.DOTALL)
_NEXT_SIGN = re.compile(r"\s*(=>|==|=|:)?")

_UNCLOSED_STRING = "a string is never closed"

_UNKNOWN_SIGNS = {
    "#": "a comment begins with `//`",
    "'": 'write strings in double quotes: `"text"`',
    "`": 'write strings in double quotes, with `${…}` for values: `"a ${b}"`',
    "?": "write `if … { … } else { … }`",
    "“": 'write strings in straight double quotes: `"text"`',
    "”": 'write strings in straight double quotes: `"text"`',
    "$": "`$` has a meaning in strings only",
    "\\": "a newline after an operator, a comma or inside brackets continues by itself",
}


class Scan(NamedTuple):
    """The result of a scan.

    Args:
        tokens: Balanced tokens; the last is ``$END``.
        errors: What was wrong with the text, in no order.
        open_at_end: Whether a bracket or comment was still open where the text ended.
    """

    tokens: list[Token]
    errors: list[LanguageError]
    open_at_end: bool


def scan(source: SourceText) -> Scan:
    """Split a program into tokens."""
    return _Scanner(source).run()


class _Scanner:
    def __init__(self, source: SourceText) -> None:
        self.source = source
        self.text = source.text
        self.position = 0
        self.tokens = BalancedTokens(source)
        self.open_at_end = False

    def run(self) -> Scan:
        length = len(self.text)
        while self.position < length:
            self._step()
        self.open_at_end = self.open_at_end or bool(self.tokens.open)
        self.tokens.close_all()
        self.tokens.add("$END", "", length, length)
        return Scan(self.tokens.all, self.tokens.errors, self.open_at_end)

    def _step(self) -> None:
        match = _TOKEN.match(self.text, self.position)
        assert match is not None  # `unknown` takes any character
        self.position = match.end()
        kind = match.lastgroup or ""
        if kind not in ("space", "comment"):
            getattr(self, f"_{kind}")(match.group(), match.start())

    # --- what ends a statement ----------------------------------------------------------------

    def _newline(self, text: str, start: int) -> None:
        if self.tokens.innermost == "EMBED_OPEN":
            self._unclosed_embedding(start)
            return
        if self.tokens.innermost not in ("", "BLOCK_OPEN"):
            return
        if self.tokens.last in OPERAND_ENDS and not self._continues(start):
            self.tokens.add("SEPARATOR", "\n", start, start + 1)

    def _continues(self, start: int) -> bool:
        following = self._skip_blank(start)
        text = self.text
        if text.startswith(".", following) and not text.startswith("..", following):
            return True
        return self.tokens.last == "BLOCK_CLOSE" and bool(
            re.compile(r"else\b").match(text, following)
        )

    def _skip_blank(self, position: int) -> int:
        """Return the offset of the next character that is neither blank nor in a comment."""
        blank = re.compile(r"(?:\s+|//[^\n]*|/\*(?:(?!\*/|/\*).)*\*/)*", re.DOTALL)
        match = blank.match(self.text, position)
        return match.end() if match else position

    def _semicolon(self, text: str, start: int) -> None:
        self.tokens.close_before_statement(start)
        self.tokens.add("SEPARATOR", ";", start, start + 1)

    def _open_comment(self, text: str, start: int) -> None:
        depth = 1
        while depth:
            edge = _COMMENT_EDGE.search(self.text, self.position)
            if edge is None:
                self.tokens.report(
                    "a comment is never closed",
                    start,
                    start + 2,
                    expected="`*/`",
                    received="the end of the program",
                    remedy="end it with `*/`",
                )
                self.open_at_end = True
                self.position = len(self.text)
                return
            depth += 1 if edge.group() == "/*" else -1
            self.position = edge.end()

    # --- words, numbers, signs ----------------------------------------------------------------

    def _word(self, text: str, start: int) -> None:
        kind = self._kind_of_word(text)
        if kind in _STATEMENT_WORDS:
            self.tokens.close_before_statement(start)
        self.tokens.add(kind, text, start, self.position)

    def _kind_of_word(self, text: str) -> str:
        previous = self.tokens.last
        if text == "ffi" and previous == "IMPORT":
            return "FFI"
        if text not in KEYWORDS and text not in RESERVED_WORDS:
            return "NAME"
        if previous == "DOT" or self._is_key(previous):
            return "NAME"
        return KEYWORDS.get(text, "RESERVED")

    def _is_key(self, previous: str) -> bool:
        """Whether a word stands where the key of a map or the name of an argument stands."""
        if previous not in ("COMMA", "LPAREN", "MAP_OPEN"):
            return False
        match = _NEXT_SIGN.match(self.text, self.position)
        following = match.group(1) if match else None
        return following == {"MAP_OPEN": ":", "LPAREN": "="}.get(self.tokens.innermost, "")

    def _number(self, text: str, start: int) -> None:
        value, problem = read_number(text)
        if problem:
            self.tokens.report(
                problem.summary,
                start,
                self.position,
                expected=problem.expected,
                received=f"`{text}`",
                remedy=problem.remedy,
            )
        self.tokens.add("NUMBER", text, start, self.position, value)

    def _sign(self, text: str, start: int) -> None:
        kind = SIGNS[text]
        if kind in ("LPAREN", "LBRACKET"):
            self.tokens.open_bracket(kind, text, start)
        elif kind in ("RPAREN", "RBRACKET"):
            self.tokens.close_bracket(text, start)
        else:
            self.tokens.add(kind, text, start, self.position)
            if kind == "ARROW":
                self._mark_lambda()

    def _mark_lambda(self) -> None:
        """Give the tokens before ``=>`` the kinds that tell the parser to read parameters."""
        before = self.tokens.all[-2] if len(self.tokens.all) > 1 else None
        if before is None:
            return
        if before.type == "NAME":
            before.type = "LAMBDA_NAME"
        elif before.type == "RPAREN" and isinstance(before.value, Token):
            before.value.type = "LAMBDA_OPEN"

    def _unknown(self, text: str, start: int) -> None:
        shown = f"`{text}`" if text.isprintable() else f"the character U+{ord(text):04X}"
        if text == "\0":
            shown = "a NUL character"
        self.tokens.report(
            f"{shown} has no meaning here",
            start,
            start + 1,
            expected="Noodle's words and signs",
            received=shown,
            remedy=_UNKNOWN_SIGNS.get(text, "remove it"),
        )
        if text == "#":
            end = self.text.find("\n", start)
            self.position = len(self.text) if end < 0 else end
        elif text in "'`":
            self._foreign_string(text, start)

    def _foreign_string(self, quote: str, start: int) -> None:
        match = re.compile(rf"[^{quote}\n]*{quote}").match(self.text, self.position)
        if match:
            self.position = match.end()
            self.tokens.add("STRING", match.group(), start, self.position, match.group()[:-1])

    # --- brackets -----------------------------------------------------------------------------

    def _brace(self, text: str, start: int) -> None:
        if text == "}":
            self.tokens.close_bracket(text, start)
        elif self.tokens.last in OPERAND_ENDS - {"RETURN"} or self.tokens.last in (
            "ARROW",
            "ELSE",
            "SEPARATOR",
            "BLOCK_OPEN",
        ):
            self.tokens.open_bracket("BLOCK_OPEN", text, start)
        else:
            self.tokens.open_bracket("MAP_OPEN", text, start)

    # --- strings ------------------------------------------------------------------------------

    def _quote(self, text: str, start: int) -> None:
        """Read a string; one with ``${…}`` becomes tokens around those of the code in it."""
        plain_start, embedded = self.position, False
        while True:
            stop = _STRING_STOP.search(self.text, self.position)
            if stop is None or stop.group() in ("\n", "\\\n"):
                self._unclosed_string(start, stop.start() if stop else len(self.text))
                end = self.position
                break
            self.position = stop.end()
            if stop.group() == '"':
                end = stop.start()
                break
            if stop.group() == "${":
                if not embedded:
                    self.tokens.add("STRING_START", '"', start, start + 1)
                    embedded = True
                self._add_text(plain_start, stop.start())
                if not self._embedded(stop.start()):
                    end = self.position
                    break
                plain_start = self.position
        if embedded:
            self._add_text(plain_start, end)
            self.tokens.all.append(
                Token("STRING_END", '"', end, self.position, synthetic=end == self.position)
            )
        else:
            value = self._plain(plain_start, end)
            self.tokens.add("STRING", self.text[start : self.position], start, self.position, value)
        if end == self.position:
            self.tokens.close_line(self.source.place(start)[0], self.position)

    def _unclosed_string(self, start: int, end: int) -> None:
        self.tokens.report(
            _UNCLOSED_STRING,
            start,
            end,
            expected='`"`',
            received="the end of the line",
            remedy='end it with `"`; write a newline in a string as `\\n`',
        )
        self.position = end

    def _unclosed_embedding(self, start: int) -> None:
        """End a ``${…}`` with its line; what then seemed to be a string was the end of its own."""
        opener = self.tokens.open[-1]
        line, _ = self.source.place(start)
        others = [e for e in self.tokens.errors if e.line != line or e.summary != _UNCLOSED_STRING]
        if len(others) < len(self.tokens.errors) and self.tokens.all[-1].type == "STRING":
            self.tokens.all.pop()
        self.tokens.errors = others
        self.tokens.close_missing(start)
        self.position = start
        opener.value = "unclosed"

    def _add_text(self, start: int, end: int) -> None:
        if end > start:
            self.tokens.add(
                "STRING_TEXT", self.text[start:end], start, end, self._plain(start, end)
            )

    def _plain(self, start: int, end: int) -> str:
        value, problems = read_plain(self.text[start:end])
        for offset, length, summary in problems:
            self.tokens.report(
                summary,
                start + offset,
                start + offset + length,
                expected='one of \\n \\t \\r \\0 \\\\ \\" \\$ \\e \\xHH \\u{HEX}',
                received=f"`{self.text[start + offset : start + offset + length]}`",
                remedy="write a backslash itself as `\\\\`",
            )
        return value

    def _embedded(self, start: int) -> bool:
        """Scan the code of a ``${…}``; return whether its closing brace was there."""
        self.tokens.open_bracket("EMBED_OPEN", "${", start)
        opener = self.tokens.open[-1]
        depth = len(self.tokens.open)
        length = len(self.text)
        while self.position < length and len(self.tokens.open) >= depth:
            self._step()
        while len(self.tokens.open) >= depth:
            self._unclosed_embedding(length)
        return opener.value is None
