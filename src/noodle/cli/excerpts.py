"""A line of source with a caret below it."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text

from noodle.cli.terminal import visible

__all__ = ["excerpt"]

_MARGIN = 20
"""Characters of a cut line that stay visible before the caret (chosen)."""


def excerpt(line: int, source: str, column: int, length: int, width: int = 100) -> list[Text]:
    """Return a source line and the carets below it.

    Args:
        line: Its number, from 1.
        source: Its text, without the newline.
        column: Where the carets begin, from 1, in characters.
        length: How many characters they underline.
        width: Columns to which a longer line is cut, around the carets.
    """
    gutter = f"  {line} | "
    shown, start = _cut(visible(source), column - 1, max(10, width - len(gutter)))
    marked = shown[start : start + max(1, length)]
    carets = " " * cell_len(shown[:start]) + "^" * max(1, cell_len(marked))
    blank = f"{' ' * (len(gutter) - 2)}| "
    return [
        Text.assemble((gutter, "gutter"), shown),
        Text.assemble((blank, "gutter"), (carets, "caret")),
    ]


def _cut(text: str, start: int, width: int) -> tuple[str, int]:
    """Return as much of a line as fits, and where the caret begins in it."""
    if len(text) <= width:
        return text, start
    first = max(0, min(start - _MARGIN, len(text) - width))
    part = text[first : first + width]
    if first:
        part = "…" + part[1:]
    if first + width < len(text):
        part = part[:-1] + "…"
    return part, start - first
