"""From an exception that a running program raised to what a person is told.

Python's own words are kept for foreign functions. Where the semantics are Noodle's – arity,
undeclared or unset variables, members of maps, null – the message is put into Noodle's words.
"""

from __future__ import annotations

import linecache
import os
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from noodle.errors import NoodleError
from noodle.foreign_frames import is_foreign
from noodle.language.callees import calls_foreign_code
from noodle.language.program import belongs_to_program
from noodle.language.runtime_messages import Message, reworded
from noodle.language.source_text import SourceText

__all__ = ["Failure", "Frame", "describe_failure"]

MAX_FRAMES = 20
"""How many places are listed; of a longer chain of calls the middle is left out."""

_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep


@dataclass(frozen=True, slots=True)
class Frame:
    """One place in the chain of calls that led to a failure.

    Args:
        path: The file.
        line: The line, from 1.
        column: The column, from 1; 0 where it is not known.
        length: How many characters the caret underlines.
        function: The function's name; ``""`` for the top level of a program.
        source_line: The text of the line.
        foreign: Whether this is not Noodle code.
        elsewhere: Whether it ran in another process, such as a worker.
    """

    path: str
    line: int
    column: int
    length: int
    function: str
    source_line: str
    foreign: bool
    elsewhere: bool = False

    @property
    def text(self) -> str:
        """The underlined text."""
        return (
            self.source_line[self.column - 1 : self.column - 1 + self.length] if self.column else ""
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure of a running program, ready to be shown.

    Args:
        summary: What happened, in one line.
        place: Where in the Noodle program; None when it has no part in it.
        frames: The chain of calls, outermost first: each Noodle frame, each call in another
            process, and of this process's foreign frames between two of them the innermost.
        remedy: What to change, or None.
        kind: The name of the exception's class.
        skipped: How many frames in the middle were left out.
    """

    summary: str
    place: Frame | None
    frames: tuple[Frame, ...]
    remedy: str | None
    kind: str
    skipped: int = 0

    @property
    def where(self) -> str:
        """The place as ``file:line:column``, or ``""``."""
        place = self.place
        return f"{place.path}:{place.line}:{place.column}" if place else ""

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.summary}" if self.place else self.summary]
        if self.place and self.place.source_line and self.place.column:
            number = str(self.place.line)
            caret = " " * (self.place.column - 1) + "^" * self.place.length
            lines += [
                f"  {number} | {self.place.source_line.replace(chr(9), ' ')}",
                f"  {' ' * len(number)} | {caret}",
            ]
        for frame in self.frames[:-1]:
            name = f" in {frame.function}" if frame.function else ""
            lines.append(f"  called from {frame.path}:{frame.line}{name}")
        if self.remedy:
            lines.append(f"  try:      {self.remedy}")
        return "\n".join(lines)


def describe_failure(error: BaseException) -> Failure:
    """Say what went wrong in a running program.

    Args:
        error: What it raised, with its traceback.
    """
    frames = _kept(list(_frames(error.__traceback__)))
    ours = [frame for frame in frames if not frame.foreign]
    place = ours[-1] if ours else None
    in_noodle = bool(frames) and not frames[-1].foreign
    ours_to_say = in_noodle and not calls_foreign_code(error.__traceback__, frames[-1].text)
    message = _message(error, place, reword=ours_to_say or isinstance(error, RecursionError))
    shown, skipped = frames, 0
    if len(frames) > MAX_FRAMES:
        half = MAX_FRAMES // 2
        shown, skipped = [*frames[:half], *frames[-half:]], len(frames) - MAX_FRAMES
    kind = type(error).__name__
    return Failure(message.summary, place, tuple(shown), message.remedy, kind, skipped)


def _message(error: BaseException, place: Frame | None, *, reword: bool) -> Message:
    if isinstance(error, NoodleError):
        return Message(error.summary, error.remedy)
    message = reworded(error, place.text if place else "") if reword else None
    if message:
        return message
    kind = type(error).__name__
    try:
        text = str(error)
    except Exception as trouble:  # a foreign exception's own code
        text = f"its message cannot be shown: {type(trouble).__name__}"
    return Message(f"{kind}: {text}" if text else kind, None)


def _frames(traceback: TracebackType | None) -> Iterator[Frame]:
    while traceback:
        frame = traceback.tb_frame
        noodle = belongs_to_program(frame.f_globals)
        path = frame.f_code.co_filename
        if noodle or not (path.startswith(_PACKAGE) or path.startswith("<frozen")):
            yield _frame(traceback, foreign=not noodle)
        traceback = traceback.tb_next


def _frame(traceback: TracebackType, *, foreign: bool) -> Frame:
    code = traceback.tb_frame.f_code
    line = traceback.tb_lineno
    text = _line(code.co_filename, line, traceback.tb_frame.f_globals)
    positions = list(code.co_positions())
    index = traceback.tb_lasti // 2
    start_line, end_line, start, end = positions[index] if index < len(positions) else (None,) * 4
    column, length = 0, 1
    if start is not None and start_line == line:
        data = text.encode("utf-8", "surrogatepass")
        stop = end if end is not None and end_line == line else len(data.rstrip())
        column = len(data[:start].decode("utf-8", "replace")) + 1
        length = max(1, len(data[start:stop].decode("utf-8", "replace")))
    name = code.co_name
    return Frame(
        code.co_filename,
        line,
        column,
        length,
        "" if name == "<module>" else name,
        text,
        foreign,
        is_foreign(traceback.tb_frame.f_globals),
    )


def _line(path: str, line: int, namespace: dict[str, Any]) -> str:
    keeper = namespace.get("__loader__")
    entry = linecache.cache.get(path, ())
    registered = len(entry) == 4 and entry[1] is None  # a snippet of a session
    if belongs_to_program(namespace) and keeper is not None and not registered:
        lines = SourceText(keeper.get_source(path), path).lines
        return lines[line - 1] if 0 < line <= len(lines) else ""
    return linecache.getline(path, line).rstrip("\n")


def _kept(frames: list[Frame]) -> list[Frame]:
    """Drop what called the program, and all but the innermost of this process's frames in a row."""
    kept: list[Frame] = []
    for frame in frames:
        if not kept and frame.foreign:
            continue
        if kept and _is_python_here(kept[-1]) and _is_python_here(frame):
            kept.pop()
        kept.append(frame)
    return kept


def _is_python_here(frame: Frame) -> bool:
    return frame.foreign and not frame.elsewhere
