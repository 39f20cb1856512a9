"""Escapes in strings."""

from __future__ import annotations

import re

__all__ = ["read_plain"]

_SIMPLE = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "0": "\0",
    "e": "\x1b",
    "\\": "\\",
    '"': '"',
    "$": "$",
    "'": "'",
}
_ESCAPE = re.compile(
    r"\\(?:x([\da-fA-F]{2})|u\{([\da-fA-F]{1,6})\}|u([\da-fA-F]{4})|(.?))", re.DOTALL
)


def read_plain(text: str) -> tuple[str, list[tuple[int, int, str]]]:
    """Replace the escapes of a string's text.

    Args:
        text: What stands between the quotes, without ``${…}``.

    Returns:
        The text meant, and for each escape that has no meaning its offset, its length and why.
    """
    problems: list[tuple[int, int, str]] = []
    if "\\" not in text:
        return text, problems

    def replace(match: re.Match[str]) -> str:
        digits = match[1] or match[2] or match[3]
        if digits:
            code = int(digits, 16)
            if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF:
                return chr(code)
            problems.append((match.start(), len(match[0]), f"U+{code:04X} is no character"))
            return ""
        if match[4] in _SIMPLE:
            return _SIMPLE[match[4]]
        problems.append((match.start(), len(match[0]), f"`{match[0]}` is no escape"))
        return ""

    return _ESCAPE.sub(replace, text), problems
