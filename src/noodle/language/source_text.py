"""The text of a program, and the places in it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import TypeVar

from noodle.errors import LanguageError

__all__ = ["MAX_REPORTED_ERRORS", "Place", "SourceText", "raise_errors"]

MAX_REPORTED_ERRORS = 20
"""How many errors of one program are reported; chosen so that the first stays on the screen."""

Place = tuple[int, int]
"""A line and a column, both from 1; columns count characters."""

Failure = TypeVar("Failure", bound=LanguageError)


class SourceText:
    r"""A program's text with Unix line ends and without a byte order mark.

    Args:
        source: The text as read; ``\r\n`` and ``\r`` end a line as ``\n`` does.
        path: The file name to show.

    ``original`` is the text as it was given, ``text`` the one in which offsets count.
    """

    def __init__(self, source: str, path: str) -> None:
        self.path = path
        self.original = source
        self.text = source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        self.lines = self.text.split("\n")
        self._starts = [0]
        for line in self.lines:
            self._starts.append(self._starts[-1] + len(line) + 1)
        self._ascii = self.text.isascii()

    def place(self, offset: int) -> Place:
        """Return the line and column of a character offset."""
        line = bisect_right(self._starts, offset, 0, len(self.lines))
        return line, offset - self._starts[line - 1] + 1

    def offset(self, line: int) -> int:
        """Return the offset of the first character of a line that is not blank."""
        text = self.lines[line - 1]
        return self._starts[line - 1] + len(text) - len(text.lstrip())

    def utf8_place(self, offset: int) -> Place:
        """Return the line from 1 and the UTF-8 byte offset in it, as Python's ``ast`` counts."""
        line, column = self.place(offset)
        if self._ascii:
            return line, column - 1
        return line, len(self.lines[line - 1][: column - 1].encode("utf-8", "surrogatepass"))

    def error(
        self,
        kind: type[Failure],
        summary: str,
        start: int,
        end: int | None = None,
        *,
        expected: str | None = None,
        received: str | None = None,
        remedy: str | None = None,
    ) -> Failure:
        """Make an error that points at a range of the text.

        Args:
            kind: The class of the error.
            summary: What is wrong.
            start: Offset of the first character to underline.
            end: Offset behind the last one; one character when left out.
            expected: What would have been accepted.
            received: What stands there.
            remedy: What to write instead.
        """
        line, column = self.place(start)
        return kind(
            summary,
            path=self.path,
            line=line,
            column=column,
            length=max(1, (end or start + 1) - start),
            source_line=self.lines[line - 1],
            expected=expected,
            received=received,
            remedy=remedy,
        )


def raise_errors(errors: Iterable[LanguageError]) -> None:
    """Raise the first error in source order, the further ones in its ``others``; or nothing."""
    ordered = in_source_order(errors)
    if ordered:
        first, *others = ordered
        first.others = tuple(others)
        raise first


def in_source_order(errors: Iterable[LanguageError]) -> list[LanguageError]:
    """Return errors by place, one for each place, at most ``MAX_REPORTED_ERRORS``."""
    by_place: dict[Place, LanguageError] = {}
    for error in errors:
        by_place.setdefault((error.line, error.column), error)
    return [by_place[place] for place in sorted(by_place)][:MAX_REPORTED_ERRORS]
