"""The sizes that a program may have, and the error for one that has more."""

from __future__ import annotations

from noodle.errors import NoodleSyntaxError
from noodle.language.source_text import SourceText

__all__ = ["MAX_DEPTH", "MAX_LOOP_DEPTH", "too_deep"]

MAX_DEPTH = 200
"""How deep brackets, expressions and blocks may nest; CPython's own limit for parentheses."""

MAX_LOOP_DEPTH = 20
"""How deep loops may nest in one function; CPython's limit for blocks."""


def too_deep(source: SourceText, start: int) -> NoodleSyntaxError:
    """Return the error for a program that is nested too deeply at an offset."""
    return source.error(
        NoodleSyntaxError,
        f"nested too deeply (limit {MAX_DEPTH})",
        start,
        expected=f"at most {MAX_DEPTH} levels",
        received="one more level here",
        remedy="compute an inner part first, in a `let` or a `fn`",
    )
