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

_MARKS_OF_DIRECTION = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]

# Unicode's pictures for control characters are one column wide, so a caret below stays in place.
# Marks of direction would show a source in another order than it has.
_SHOWN_AS: dict[int, int] = {
    **{code: 0x2400 + code for code in range(32)},
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
    **dict.fromkeys(_MARKS_OF_DIRECTION, 0xFFFD),
    127: 0x2421,
    ord("\t"): ord(" "),
}


def output_console() -> Console:
    """Return the console for what a command was asked for."""
    return _console(stderr=False)


def error_console() -> Console:
    """Return the console for errors."""
    return _console(stderr=True)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Let the error through: what a closed pipe means is decided for all commands at once."""
        raise BrokenPipeError


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    console = _Console(
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
    """Return a line with a visible sign in place of what could steer a terminal."""
    return text.translate(_SHOWN_AS)
