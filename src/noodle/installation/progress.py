"""What a person sees while something is installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["announced", "say", "unlocked"]


@contextmanager
def announced(text: str) -> Iterator[None]:
    """Tell on standard error what is being done, until it is done.

    A terminal shows a moving sign meanwhile, and keeps the line; elsewhere it is one line.

    Args:
        text: What is being done, such as ``installing npm:lodash@4``.
    """
    say(text)
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True, markup=False).status(text):
        yield


def say(text: str) -> None:
    """Write a line to standard error, where there is one.

    Args:
        text: The line, without a newline.
    """
    if sys.stderr is not None:
        sys.stderr.write(f"noodle: {text}\n")
        sys.stderr.flush()


def unlocked(target: str, lock_file: Path, error: OSError) -> str:
    """Say that a target is installed and not locked, and return the note of it for ``explain``.

    Args:
        target: The target.
        lock_file: What cannot be written.
        error: Why.
    """
    note = f"not locked: {lock_file.name} cannot be written: {error.strerror}"
    say(f"{target} is {note}")
    return note
