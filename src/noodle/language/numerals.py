"""How numbers are written: ``42``, ``1_000``, ``0xff``, ``0b101``, ``0o17``, ``2.5``, ``1e-3``."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Problem", "read_number"]

_DIGITS = r"\d(?:_?\d)*"
_NUMBER = re.compile(
    rf"(?P<based>0[xX][\da-fA-F](?:_?[\da-fA-F])*|0[bB][01](?:_?[01])*|0[oO][0-7](?:_?[0-7])*)"
    rf"|(?P<float>{_DIGITS}(?:\.{_DIGITS}(?:[eE][+-]?{_DIGITS})?|[eE][+-]?{_DIGITS}))"
    rf"|(?P<int>{_DIGITS})",
    re.ASCII,
)
_MAX_DIGITS = 4000


class Problem(NamedTuple):
    """Why a text is no number.

    Args:
        summary: What is wrong.
        expected: What a number looks like.
        remedy: What to write.
    """

    summary: str
    expected: str
    remedy: str


def read_number(text: str) -> tuple[int | float, Problem | None]:
    """Return the value of a number, and what is wrong with the way it is written."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return 0, _malformed(text)
    if len(text) > _MAX_DIGITS:
        return 0, Problem(
            "a number has too many digits",
            f"at most {_MAX_DIGITS} digits",
            "compute it: `10 ** 5000`",
        )
    if match["based"]:
        return int(text.replace("_", ""), 0), None
    if match["float"]:
        return float(text), None
    if text[0] == "0" and text.strip("0_"):
        plain = text.lstrip("0_")
        return 0, Problem(
            "a number begins with 0",
            "a digit from 1 to 9 first",
            f"write `{plain}`, or `0o{plain}` for an octal number",
        )
    return int(text), None


def _malformed(text: str) -> Problem:
    prefix = text[:2].lower()
    kinds = {"0x": ("hexadecimal", "0xff"), "0b": ("binary", "0b101"), "0o": ("octal", "0o17")}
    if prefix in kinds:
        kind, example = kinds[prefix]
        return Problem(
            f"this is no {kind} number", f"digits as in `{example}`", "correct the digits"
        )
    if "_" in text and not text.replace("_", "").strip("0123456789."):
        return Problem(
            "`_` in a number stands between two digits",
            "digits as in `1_000`",
            f"write `{text.replace('_', '')}`",
        )
    return Problem(
        "this is no number",
        "a number such as `42`, `2.5`, `1e-3` or `0xff`",
        "put a space or an operator behind the number; a name begins with a letter",
    )
