"""Calls elsewhere as entries of a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from noodle.foreign_frames import FRAMES_MAX, cleaned, frames_of, read_frames, with_frames


def raised(frames: list[Any], **settings: Any) -> Exception:
    """An exception that came through calls elsewhere."""
    error = ValueError("far")
    error.__traceback__ = with_frames(frames, None, shows_lines=settings.get("shows_lines", True))
    try:
        raise error
    except ValueError as caught:
        return caught


def test_calls_elsewhere_stand_below_those_of_this_process(tmp_path: Path):
    file = tmp_path / "work.mjs"
    file.write_text("\nexport const work = () => fail();\n", encoding="utf-8")
    error = raised([(str(file), 2, 7, "work"), ("lib.so", None, None, "fail")])
    lines = "".join(traceback.format_exception(error)).splitlines()
    assert [
        f'  File "{file}", line 2, in work',
        "    export const work = () => fail();",
        '  File "<lib.so>", line 0, in fail',
        "ValueError: far",
    ] == lines[-4:]
    assert "in raised" in lines[1]


def test_the_interpreter_shows_them_as_well(tmp_path: Path):
    file = tmp_path / "work.mjs"
    file.write_text("throw 1;\n", encoding="utf-8")
    program = (
        "from noodle.foreign_frames import with_frames\n"
        f"frames = [({str(file)!r}, 1, None, 'outer'), (None, None, None, None)]\n"
        "raise ValueError.with_traceback(ValueError('far'), "
        "with_frames(frames, None, shows_lines=True))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert [
        f'  File "{file}", line 1, in outer',
        "    throw 1;",
        '  File "<unknown>", line 0, in <anonymous>',
        "ValueError: far",
    ] == result.stderr.splitlines()[-4:]


def test_they_are_read_back_as_they_came_in_their_place():
    frames = [("/a.mjs", 1, 5, "a"), (None, None, None, None)]
    error = raised(frames)
    found = list(frames_of(error.__traceback__))
    assert frames == found[1:]
    assert "raised" == found[0][3]
    assert frames == list(frames_of(error.__traceback__, os.path.dirname(__file__)))
    inner: TracebackType | None = error.__traceback__
    led = with_frames([("/b.mjs", 2, None, "b")], inner, shows_lines=False)
    assert ["b", "raised", "a", None] == [frame[3] for frame in frames_of(led)]


def test_only_plain_files_of_trusted_workers_are_opened(tmp_path: Path):
    """Reading a pipe or a device for its lines would never end."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "secret").write_text("secret line\n", encoding="utf-8")
    (tmp_path / "large").write_bytes(b"\n" * (5 << 20))
    frames = [
        (name, 1, None, "f")
        for name in ("/dev/zero", f"{tmp_path}/pipe", f"{tmp_path}/large", "\0", "/nowhere", "")
    ]
    shown = "".join(traceback.format_exception(raised(frames)))
    assert 'File "</dev/zero>", line 1, in f' in shown
    told = [(f"{tmp_path}/secret", 1, None, "f")]
    assert "secret line" in "".join(traceback.format_exception(raised(told)))
    hidden = "".join(traceback.format_exception(raised(told, shows_lines=False)))
    assert "secret line" not in hidden


@pytest.mark.parametrize(
    "entries",
    [None, 5, "text", {}, [5], [[]], [["/a", 1, 2]], [[1, 2, 3, 4, 5]], [None]],
)
def test_what_is_no_frame_is_left_out(entries: object):
    assert () == read_frames(entries)


def test_parts_that_are_wrong_are_unknown():
    wrong = [[5, "1", 2.0, []], ["/a", -1, 2**40, b"f"], ["/b", True, None, None]]
    assert ((None,) * 4, ("/a", None, None, None), ("/b", None, None, None)) == read_frames(wrong)


def test_of_a_long_chain_both_ends_are_kept():
    frames = read_frames([[f"/{number}", number, None, "f"] for number in range(100_000)])
    assert (FRAMES_MAX, "/0", "/99999") == (len(frames), frames[0][0], frames[-1][0])


def test_texts_are_short_and_command_no_terminal():
    assert "a�[31mb�" == cleaned("a\x1b[31mb\n")
    assert ("é中", 10) == (cleaned("é中"), len(cleaned("x" * 1000, 10)))
    assert "�" == cleaned("\ud800")
