"""Calls in other processes and languages as entries of a traceback.

An error that comes from a worker brings the calls over there as data. Here they become entries of
the exception's traceback, so that ``traceback``, debuggers and the ``noodle`` command show all the
calls in their order: those of this process, of each worker, and of this process again.

What a worker names is data of a stranger: texts are cleaned and shortened, and only files of
trusted workers are opened for their lines, if they are plain files of a moderate size.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from types import CodeType, FrameType, TracebackType
from typing import Any

__all__ = ["ForeignFrame", "cleaned", "frames_of", "is_foreign", "read_frames", "with_frames"]

ForeignFrame = tuple[str | None, int | None, int | None, str | None]
"""File, line, column and function of a call; None for what is unknown."""

FRAMES_MAX = 200
"""Chosen: of a longer chain of calls the middle is left out, as it is a recursion."""

TEXT_MAX = 500
"""Chosen: characters of a file's path or a function's name."""

LINE_MAX = 2**31 - 1
SOURCE_BYTES_MAX = 4 << 20
"""Chosen: larger files are generated, and reading them would hold an error up."""

_MARK = "'frame"
"""The global by which an entry is known, with the frame as it came."""


def cleaned(text: str, most: int = TEXT_MAX) -> str:
    """Return a text in one line without characters that command a terminal, shortened."""
    short = text if len(text) <= most else f"{text[: most - 1]}…"
    if short.isprintable():
        return short
    return "".join(character if character.isprintable() else "�" for character in short)


def read_frames(entries: Any) -> tuple[ForeignFrame, ...]:
    """Return what is in order of frames that came from elsewhere, the outermost call first.

    Args:
        entries: A list of lists of four, as the wire format has them; anything else is left out.
    """
    if not isinstance(entries, (list, tuple)):
        return ()
    half = FRAMES_MAX // 2
    kept = entries if len(entries) <= FRAMES_MAX else [*entries[:half], *entries[-half:]]
    return tuple(_read(entry) for entry in kept if _is_frame(entry))


def _is_frame(entry: Any) -> bool:
    return isinstance(entry, (list, tuple)) and len(entry) == 4


def _read(entry: Sequence[Any]) -> ForeignFrame:
    file, line, column, function = entry
    return _text(file), _number(line), _number(column), _text(function)


def _text(value: Any) -> str | None:
    return cleaned(value) if isinstance(value, str) else None


def _number(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= LINE_MAX else None


# ------------------------------------------------------------------------------- Tracebacks


def with_frames(
    frames: Sequence[ForeignFrame], inner: TracebackType | None, *, shows_lines: bool
) -> TracebackType | None:
    """Return a traceback that begins with calls elsewhere.

    Args:
        frames: The calls, the outermost first.
        inner: What was called from the innermost of them; None for nothing that is known here.
        shows_lines: Whether the files that the calls name may be opened to show their lines.
    """
    traceback = inner
    for frame in reversed(frames):
        traceback = TracebackType(traceback, _entered(frame, shows_lines), 0, frame[1] or 0)
    return traceback


def _entered(frame: ForeignFrame, shows_lines: bool) -> FrameType:
    file, _, _, function = frame
    shown = file if file is not None and shows_lines and _is_source(file) else _bracketed(file)
    code = _code(shown, cleaned(function) if function else "<anonymous>")
    try:
        exec(code, {_MARK: frame, "__name__": function, "__builtins__": {}})
    except ZeroDivisionError as error:
        entry = error.__traceback__
        assert entry is not None
        assert entry.tb_next is not None
        return entry.tb_next.tb_frame
    raise AssertionError("the code of an entry always raises")


def _is_source(path: str) -> bool:
    """Return whether reading a file for its lines ends soon and harms nobody."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size <= SOURCE_BYTES_MAX


def _bracketed(file: str | None) -> str:
    """Return a name that ``linecache`` opens no file for."""
    if file is None:
        return "<unknown>"
    name = cleaned(file)
    return name if name.startswith("<") and name.endswith(">") else f"<{name}>"


@lru_cache(maxsize=512)
def _code(file: str, function: str) -> CodeType:
    """Return code of that name which raises at once; no part of a line belongs to it."""
    code = compile("1 / 0", file, "exec")
    return code.replace(
        co_name=function, co_qualname=function, co_linetable=_no_places(len(code.co_code) // 2)
    )


def _no_places(units: int) -> bytes:
    """Return a table of places that says of every instruction that it has none (PEP 626, 657)."""
    whole, rest = divmod(units, 8)
    return b"\xff" * whole + (bytes([0xF8 | rest - 1]) if rest else b"")


# ---------------------------------------------------------------------------------- Reading


def is_foreign(namespace: dict[str, Any]) -> bool:
    """Return whether globals are those of a call elsewhere."""
    return _MARK in namespace


def frames_of(traceback: TracebackType | None, hidden: str = "\0") -> Iterator[ForeignFrame]:
    """Give the calls of a traceback, those elsewhere included, the outermost first.

    Args:
        traceback: The traceback.
        hidden: How the path of files begins whose calls are left out.
    """
    for entry in _entries(traceback):
        namespace, code = entry.tb_frame.f_globals, entry.tb_frame.f_code
        if is_foreign(namespace):
            yield namespace[_MARK]
        elif not code.co_filename.startswith(hidden):
            yield code.co_filename, entry.tb_lineno, None, code.co_name


def _entries(traceback: TracebackType | None) -> Iterable[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next
