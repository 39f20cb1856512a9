"""The choice of an interpreter: what fits, what uv finds or downloads, and what is told if none."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from tests.workers.environments.conftest import pretend
from tests.workers.environments.package_index import PackageIndex

from noodle.build_cache import BuildCache
from noodle.errors import InstallationError, MissingToolError
from noodle.workers.environments import Requirements
from noodle.workers.environments.interpreter_choice import (
    InterpreterChoice,
    first_of_each_series,
)
from noodle.workers.environments.interpreters import (
    Interpreter,
    Interpreters,
    running_interpreter,
)

HEADER = "# system configuration generated and used by the sysconfig module\n"
SERIES = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def choice(tmp_path: Path) -> InterpreterChoice:
    return InterpreterChoice(BuildCache(tmp_path / "cache"), offline=False)


def on(python: str) -> Requirements:
    return Requirements.of("json", python=python)


def test_the_running_one_is_preferred_where_it_fits(choice: InterpreterChoice) -> None:
    assert SERIES == choice.candidates(on(">=3.8"))[0].series
    assert SERIES == choice.first_of_series(on(""))[0].series


def test_where_the_running_one_fits_no_other_is_asked(
    choice: InterpreterChoice, home: Path
) -> None:
    folder = home / ".pyenv" / "versions" / "it" / "bin"
    pretend(folder, "3.70.1")
    assert choice.preferred(on(">=3.8"), SERIES) == running_interpreter()
    assert not (folder / "asked").exists()
    other = choice.preferred(on(">=3.8"), "3.70")
    assert other
    assert ("3.70.1", True) == (other.version, (folder / "asked").exists())
    assert choice.preferred(on(">=3.8"), "3.99") is None


def test_only_those_that_fit_the_specifier_and_the_series_are_candidates(
    choice: InterpreterChoice, home: Path
) -> None:
    for version in ("3.70.1", "3.71.2"):
        pretend(home / ".pyenv" / "versions" / version / "bin", version)
    pretend(home / ".pyenv" / "versions" / "p" / "bin", "3.70.9", implementation="pypy")
    assert ["3.71.2", "3.70.1"] == [one.version for one in choice.found(on(">=3.70"))]
    assert ["3.70.1"] == [one.version for one in choice.found(on(">=3.70"), "3.70")]
    assert ["3.70.1"] == [one.version for one in choice.found(on("==3.70.1"))]
    assert [] == choice.found(on("==3.70.9"))


def test_the_first_of_each_series_keeps_the_order() -> None:
    versions = ("3.11.7", "3.13.0", "3.11.9", "3.8.1", "3.13.2")
    interpreters = [Interpreter(Path(version), version) for version in versions]
    assert ["3.11.7", "3.13.0", "3.8.1"] == [
        one.version for one in first_of_each_series(interpreters)
    ]


@pytest.fixture
def other(tmp_path: Path) -> Interpreter:
    """An interpreter of a version manager, of a series that nothing else here has."""
    usable = [one for one in Interpreters(BuildCache(tmp_path / "c")).found() if not one.refusal()]
    for one in usable:
        if [one] == [each for each in usable if each.series == one.series]:
            return one
    pytest.skip("no other CPython on this machine")


def test_one_that_only_uv_finds_is_used(
    other: Interpreter, home: Path, choice: InterpreterChoice, tmp_path: Path
) -> None:
    """On PATH under a name without its version, which our own search passes over."""
    wanted = on(f"=={other.series}.*")
    assert [] == choice.candidates(wanted)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(other.path)
    (found,) = choice.candidates(wanted)
    assert (other.path, "uv") == (found.path, found.source)
    assert [] == choice.found(wanted)


def test_a_version_that_nobody_has_names_those_that_are_here(choice: InterpreterChoice) -> None:
    with pytest.raises(MissingToolError, match=r"there is no Python 3\.99 for") as caught:
        choice.first_of_series(on("==3.99.*"))
    assert sys.version.split()[0] in str(caught.value.received)
    assert (
        "uv python install 3.99, or let it be downloaded: NOODLE_PYTHON_DOWNLOADS=1"
        == caught.value.remedy
    )


@pytest.mark.parametrize("python", ["==3.7.*", "==3.7.16", "==2.7.*"])
def test_a_version_that_is_too_old_is_not_to_be_installed(
    choice: InterpreterChoice, home: Path, python: str
) -> None:
    pretend(home / ".pyenv" / "versions" / "3.7.16" / "bin", "3.7.16")
    with pytest.raises(MissingToolError) as caught:
        choice.first_of_series(on(python))
    assert "choose Python 3.8 or later: older ones cannot run a worker" == caught.value.remedy
    told = "3.7.16 (pyenv): older than 3.8" in str(caught.value.received)
    assert told == python.startswith("==3.7")


# ---------------------------------------------------------------------------------- downloads


def answers_as(version: str) -> str:
    """A program that answers as the interpreter of a version would."""
    answers = f"'/usr/bin/python{version}' '{version}' cpython 0 ''"
    return f"#!/bin/sh\nprintf '%s\\n' {answers}\n"


@pytest.fixture
def downloads(tmp_path: Path, index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of interpreters that uv may download from this machine, with Python 3.70.1."""
    (tmp_path / "python" / "bin").mkdir(parents=True)
    library = tmp_path / "python" / "lib" / "python3.70"
    library.mkdir(parents=True)
    for name in ("_sysconfigdata__linux_x86_64-linux-gnu.py", "_sysconfigdata__linux_.py"):
        (library / name).write_text(HEADER + "build_time_vars = {}\n")
    program = tmp_path / "python" / "bin" / "python3.70"
    program.write_text(answers_as("3.70.1"))
    program.chmod(0o755)
    archive = shutil.make_archive(str(tmp_path / "p"), "gztar", tmp_path, "python")
    machine = os.uname().machine
    entry = {
        "name": "cpython",
        "arch": {"family": machine, "variant": None},
        "os": "linux",
        "libc": "gnu",
        **{"major": 3, "minor": 70, "patch": 1, "prerelease": ""},
        "url": f"file://{archive}",
        "sha256": hashlib.sha256(Path(archive).read_bytes()).hexdigest(),
        "variant": None,
        "build": "20250101",
    }
    listing = tmp_path / "list.json"
    listing.write_text(json.dumps({f"cpython-3.70.1-linux-{machine}-gnu": entry}))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", f"file://{listing}")
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "interpreters"))
    return listing


def test_one_is_downloaded_only_where_the_user_lets_it(
    downloads: Path, choice: InterpreterChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MissingToolError, match=r"there is no Python 3\.70"):
        choice.first_of_series(on("==3.70.*"))
    assert not (downloads.parent / "interpreters").exists()
    monkeypatch.setenv("NOODLE_PYTHON_DOWNLOADS", "1")
    assert ["3.70"] == [one.series for one in choice.first_of_series(on("==3.70.*"))]


def test_a_download_that_fails_is_told(
    downloads: Path, choice: InterpreterChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOODLE_PYTHON_DOWNLOADS", "1")
    downloads.write_text(downloads.read_text().replace("p.tar.gz", "gone.tar.gz"))
    with pytest.raises(InstallationError, match=r"Python 3\.70"):
        choice.candidates(on("==3.70.*"))
