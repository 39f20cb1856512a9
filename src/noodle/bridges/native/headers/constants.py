"""Which macros of a header are constants: integers, floating-point numbers, texts and addresses.

A macro counts as one when it comes to literals, operators, members of enumerations and casts to
plain numbers, and to nothing else. Its value is the compiler's. An address is an integer that is
cast to a pointer, as ``((void *)-1)``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

__all__ = ["Constants", "address_of", "kind_of"]

_TEXT = r'(?:u8)?"(?:\\.|[^"\\])*"'
_TEXTS = re.compile(rf"\(*\s*{_TEXT}(?:\s*{_TEXT})*\s*\)*")
_FLOAT = (
    r"(?:0[xX][0-9a-fA-F.]+[pP][+-]?\d+|\d+\.\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?"
    r"|\d+[eE][+-]?\d+)[fFlL]?"
)
_INTEGER = r"(?:0[xX][0-9a-fA-F]+|0[bB][01]+|\d+)[uUlL]{0,3}"
_CHARACTER = r"'(?:\\.[0-7xa-fA-F]*|[^'\\])'"
_TOKEN = re.compile(
    rf"\s*(?:({_FLOAT})(?![\w.])|{_INTEGER}(?![\w.])|{_CHARACTER}|([A-Za-z_]\w*)"
    r"|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^~<>!?:()])"
)
_ADDRESS = re.compile(
    rf"\(*\s*\(\s*(?:const )?((?:struct |union )?\w+)\s*(\**)\s*\)\s*"
    rf"\(?\s*([-~]?)\s*({_INTEGER})[\s)]*"
)
_NUMBER_WORDS = frozenset("char short int long signed unsigned float double size_t".split())
_NUMBER_TYPE = re.compile(r"u?int(?:8|16|32|64|max|ptr)_t")


class Constants:
    """The constants of a library by kind, in the order of the compiler's tables.

    Args:
        integers: C expressions of integers, by name.
        reals: C expressions of floating-point numbers.
        texts: C expressions of texts.
        addresses: C expressions of addresses.
    """

    def __init__(self) -> None:
        self.integers: dict[str, str] = {}
        self.reals: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.addresses: dict[str, str] = {}

    def add(
        self, name: str, expression: str, members: Collection[str], pointers: Collection[str]
    ) -> None:
        """Add a macro if it is a constant.

        Args:
            name: Its name.
            expression: What it comes to when all macros in it are replaced.
            members: The names of the members of enumerations.
            pointers: The names of types that are pointers.
        """
        kind = kind_of(expression, members)
        if kind:
            tables = {"integer": self.integers, "real": self.reals, "text": self.texts}
            tables[kind][name] = expression
        elif address_of(expression, pointers) is not None:
            self.addresses[name] = expression

    def remove(self, names: Sequence[str]) -> None:
        """Remove what the compiler does not take for a constant."""
        for table in (self.integers, self.reals, self.texts, self.addresses):
            for name in names:
                table.pop(name, None)


def address_of(expression: str, pointers: Collection[str] | None = None) -> int | None:
    """Return the address that an integer is cast to, or None for anything else.

    Args:
        expression: C text without macros.
        pointers: The names of types that are pointers; None where it is known to be one.
    """
    match = _ADDRESS.fullmatch(expression.strip())
    if match is None or not (pointers is None or match[2] or match[1] in pointers):
        return None
    digits = match[4].rstrip("uUlL")
    number = int(digits, 8 if digits.isdigit() and digits[0] == "0" else 0)
    return {"-": -number, "~": ~number}.get(match[3], number) % 2**64


def kind_of(expression: str, members: Collection[str]) -> str | None:
    """Return ``integer``, ``real`` or ``text``, or None for what is no constant.

    Args:
        expression: C text without macros.
        members: The names of the members of enumerations.
    """
    if '"' in expression:
        return "text" if _TEXTS.fullmatch(expression) else None
    position, real, values = 0, False, 0
    while position < len(expression):
        token = _TOKEN.match(expression, position)
        if token is None:
            return None if expression[position:].strip() else _kind(real, values)
        word = token[2]
        if word == "sizeof":
            values += 1
        elif word is None or word in members:
            values += token[0].strip()[:1] not in "<>=!&|-+*/%^~?:()"
        elif word not in _NUMBER_WORDS and not _NUMBER_TYPE.fullmatch(word):
            return None
        real = real or bool(token[1])
        position = token.end()
    return _kind(real, values)


def _kind(real: bool, values: int) -> str | None:
    return ("real" if real else "integer") if values else None
