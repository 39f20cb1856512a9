"""Consoles: colours only on a terminal, and nothing in a text that could steer one."""

from __future__ import annotations

import os
import sys

from rich.console import Console
from rich.theme import Theme

__all__ = ["error_console", "output_console", "visible"]

_THEME = Theme(
    {
        "error": "bold red",
        "place": "bold",
        "caret": "bold red",
        "gutter": "dim",
        "label": "cyan",
        "remedy": "green",
        "ok": "green",
        "missing": "yellow",
        "heading": "bold",
    }
)

_PLAIN_WIDTH = 200
"""Columns where there is no terminal to ask; chosen so that tables keep a line a row."""

# Control characters as the pictures that Unicode has for them, so that a caret below stays in place.
_PICTURES = {code: 0x2400 + code for code in range(32)} | {127: 0x2421, ord("\t"): " "}
_PICTURES |= dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
# Marks that reverse the direction of text: what is shown must be in the order of the source.
_PICTURES |= dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)


def output_console() -> Console:
    """Return the console for what a command was asked for."""
    return _console(stderr=False)


def error_console() -> Console:
    """Return the console for errors."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    console = Console(
        stderr=stderr,
        theme=_THEME,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
    )
    if not (stream and stream.isatty()):
        console.width = _PLAIN_WIDTH
    return console


def visible(text: str) -> str:
    """Return one line of text with a visible sign for each character that could steer a terminal."""
    return text.translate(_PICTURES)
