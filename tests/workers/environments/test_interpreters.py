"""Interpreters: found where version managers keep them, asked once, refused with a reason."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from tests.workers.environments.conftest import pretend

from noodle.build_cache import BuildCache
from noodle.deadlines import deadline
from noodle.errors import DeadlineExceededError
from noodle.workers.environments.interpreters import (
    Interpreter,
    Interpreters,
    running_interpreter,
    search_path,
)


def found(tmp_path: Path) -> dict[str, Interpreter]:
    interpreters = Interpreters(BuildCache(tmp_path / "cache"))
    return {str(one): one for one in interpreters.found() if one.source != "system"}


def test_the_running_one_comes_first_as_what_it_is() -> None:
    running = running_interpreter()
    assert ".".join(map(str, sys.version_info[:2])) == running.series
    assert running.path.is_file()
    assert not running.path.is_symlink()
    assert running.refusal() is None


@pytest.mark.parametrize(
    ("place", "source"),
    [
        (".pyenv/versions/3.70.1/bin", "pyenv"),
        (".asdf/installs/python/3.70.1/bin", "asdf"),
        (".local/share/mise/installs/python/3.70.1/bin", "mise"),
        (".local/share/uv/python/cpython-3.70.1-linux/bin", "uv"),
        ("miniconda3/envs/other/bin", "conda"),
        ("miniforge3/bin", "conda"),
    ],
)
def test_one_of_a_version_manager_is_found(
    home: Path, tmp_path: Path, place: str, source: str
) -> None:
    program = pretend(home / place, "3.70.1")
    interpreter = found(tmp_path)[f"3.70.1 ({source})"]
    assert (program, "3.70") == (interpreter.path, interpreter.series)


def test_the_folders_of_version_managers_follow_their_variables(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path / "own" / "versions" / "3.70.1" / "bin", "3.70.1")
    assert "3.70.1 (pyenv)" not in found(tmp_path)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "own"))
    assert "3.70.1 (pyenv)" in found(tmp_path)


def test_a_conda_environment_anywhere_is_found(home: Path, tmp_path: Path) -> None:
    pretend(tmp_path / "elsewhere" / "bin", "3.70.1")
    (home / ".conda").mkdir()
    (home / ".conda" / "environments.txt").write_text(f"{tmp_path}/elsewhere\n")
    assert "3.70.1 (conda)" in found(tmp_path)


def test_path_is_searched_and_shims_are_passed_over(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path / "bin", "3.70.1")
    pretend(tmp_path / "shims", "3.71.1")
    monkeypatch.setenv("PATH", f"{tmp_path}/shims:{tmp_path}/bin:relative")
    assert [f"{tmp_path}/bin"] == search_path()
    assert {"3.70.1 (PATH)"} == {name for name in found(tmp_path) if name.startswith("3.7")}


def test_the_newest_release_comes_first_after_the_running_one(home: Path, tmp_path: Path) -> None:
    for version in ("3.70.1", "3.70.12", "3.71.0b1"):
        pretend(home / ".pyenv" / "versions" / version / "bin", version)
    names = [name for name in found(tmp_path) if "pyenv" in name]
    assert ["3.70.12 (pyenv)", "3.70.1 (pyenv)", "3.71.0b1 (pyenv)"] == names


@pytest.mark.parametrize(
    ("version", "options", "told"),
    [
        ("3.7.16", {}, "older than 3.8"),
        ("3.70.1", {"implementation": "pypy"}, "pypy cannot load the worker"),
        ("3.70.1", {"free_threaded": True}, "a free-threaded build"),
    ],
)
def test_one_that_cannot_run_a_worker_says_why(
    home: Path, tmp_path: Path, version: str, options: dict[str, object], told: str
) -> None:
    pretend(home / ".pyenv" / "versions" / "it" / "bin", version, **options)
    (interpreter,) = (one for one in found(tmp_path).values() if one.source == "pyenv")
    assert told in str(interpreter.refusal())


def test_it_is_asked_once_until_its_file_changes(home: Path, tmp_path: Path) -> None:
    folder = home / ".pyenv" / "versions" / "it" / "bin"
    pretend(folder, "3.70.1")
    for _ in range(2):
        assert "3.70.1 (pyenv)" in found(tmp_path)
    assert "asked\n" == (folder / "asked").read_text()
    pretend(folder, "3.70.10")
    assert "3.70.10 (pyenv)" in found(tmp_path)


def test_one_that_vanished_is_not_found(home: Path, tmp_path: Path) -> None:
    program = pretend(home / ".pyenv" / "versions" / "it" / "bin", "3.70.1")
    assert "3.70.1 (pyenv)" in found(tmp_path)
    program.unlink()
    assert "3.70.1 (pyenv)" not in found(tmp_path)


@pytest.mark.parametrize("text", ["exit 1", "echo 3.9", "echo", "exec /nowhere"])
def test_a_program_that_does_not_answer_is_passed_over(
    home: Path, tmp_path: Path, text: str
) -> None:
    folder = home / ".pyenv" / "versions" / "it" / "bin"
    program = pretend(folder, "3.70.1")
    program.write_text(f"#!/bin/sh\n{text}\n")
    assert not any("pyenv" in name for name in found(tmp_path))


def test_one_that_hangs_does_not_outlast_the_deadline(home: Path, tmp_path: Path) -> None:
    folder = home / ".pyenv" / "versions" / "it" / "bin"
    program = pretend(folder, "3.70.1")
    answering = program.read_text()
    found(tmp_path)
    program.write_text("#!/bin/sh\nexec sleep 100\n")
    begin = time.monotonic()
    with pytest.raises(DeadlineExceededError, match="versions of Python"), deadline(1.0):
        found(tmp_path)
    assert time.monotonic() - begin < 1.0 + 2
    program.write_text(answering)
    assert "3.70.1 (pyenv)" in found(tmp_path)


@pytest.mark.parametrize("text", ["", "{", '{"format": 99}', "[]"])
def test_a_damaged_memory_is_made_anew(home: Path, tmp_path: Path, text: str) -> None:
    pretend(home / ".pyenv" / "versions" / "it" / "bin", "3.70.1")
    (tmp_path / "cache").mkdir(mode=0o700)
    (tmp_path / "cache" / "interpreters.json").write_text(text)
    assert "3.70.1 (pyenv)" in found(tmp_path)


def test_a_virtual_environment_stands_for_the_interpreter_behind_it(tmp_path: Path) -> None:
    interpreters = Interpreters(BuildCache(tmp_path / "cache"))
    interpreter = interpreters.at(sys.executable, "PATH")
    assert interpreter is not None
    assert running_interpreter().identity == interpreter.identity
