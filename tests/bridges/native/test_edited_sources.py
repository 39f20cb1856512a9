"""Sources that are edited while a program runs: loading them again gives what they say now."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import noodle
from noodle.errors import CompilationError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of sources, where the program runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("placement", ["inprocess", "isolated"])
def test_a_source_that_was_edited_is_loaded_anew(folder: Path, placement: str):
    source = folder / "edited.c"
    source.write_text("int version(void) { return 1; }")
    first = noodle.load("./edited.c", placement=placement)
    assert noodle.load("./edited.c", placement=placement) is first
    assert first.version() == 1
    source.write_text("int version(void) { return 2; } int added(void) { return 3; }")
    second = noodle.load("./edited.c", placement=placement)
    assert [first.version(), second.version(), second.added()] == [1, 2, 3]
    assert noodle.load("./edited.c", placement=placement) is second


def test_an_edited_header_of_a_source_is_seen(folder: Path):
    (folder / "own.h").write_text("#define STEP 1\n")
    (folder / "stepped.c").write_text('#include "own.h"\nint step(void) { return STEP; }')
    assert noodle.load("./stepped.c").step() == 1
    (folder / "own.h").write_text("#define STEP 2\n")
    assert noodle.load("./stepped.c").step() == 2


def test_a_mistake_in_an_edited_source_is_told_and_the_old_library_stays(folder: Path):
    source = folder / "broken.c"
    source.write_text("int version(void) { return 1; }")
    library = noodle.load("./broken.c")
    source.write_text("int version(void) { return 2 }")
    with pytest.raises(CompilationError) as caught:
        noodle.load("./broken.c")
    assert "./broken.c:1:29: error: expected" in str(caught.value)
    assert library.version() == 1
    source.write_text("int version(void) { return 3; }")
    assert noodle.load("./broken.c").version() == 3


def test_a_source_that_was_only_touched_is_the_same_library(folder: Path):
    source = folder / "touched.c"
    source.write_text("int version(void) { return 1; }")
    library = noodle.load("./touched.c")
    os.utime(source, ns=(1, 1))
    assert noodle.load("./touched.c") is library
