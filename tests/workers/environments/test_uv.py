"""uv: found beside this interpreter, on PATH or by name; run with the user's index and no more."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from noodle.errors import MissingToolError
from noodle.workers.environments import uv
from noodle.workers.environments.uv import Uv, find_uv


@pytest.fixture
def echo(tmp_path: Path) -> Path:
    """A program that tells how it was run."""
    program = tmp_path / "echo"
    program.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        "print(json.dumps([sys.argv[1:], dict(os.environ)]))\n"
    )
    program.chmod(0o755)
    return program


def test_the_one_from_pypi_is_beside_this_interpreter() -> None:
    program = find_uv().program
    assert Path(sys.executable).with_name("uv") == program
    assert program.is_file()


def test_a_variable_names_another_one(echo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOODLE_UV", str(echo))
    assert echo == find_uv().program


def test_a_variable_that_names_none_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOODLE_UV", "/nowhere/uv")
    with pytest.raises(MissingToolError, match="NOODLE_UV names no program"):
        find_uv()


def test_without_the_package_the_one_on_path_is_used(
    tmp_path: Path, echo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uv, "_from_wheel", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match="uv is not installed") as caught:
        find_uv()
    assert "python -m pip install uv" == caught.value.remedy
    echo.rename(tmp_path / "uv")
    assert tmp_path / "uv" == find_uv().program


def run(echo: Path, *, offline: bool = False) -> tuple[list[str], dict[str, str]]:
    output = Uv(echo, offline=offline).run(["lock"], folder=echo.parent, target="x")
    arguments, variables = json.loads(output)
    return arguments, variables


def test_it_never_downloads_an_interpreter_unless_the_user_lets_it(
    echo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "automatic")
    assert "never" == run(echo)[1]["UV_PYTHON_DOWNLOADS"]
    monkeypatch.setenv("NOODLE_PYTHON_DOWNLOADS", "0")
    assert "never" == run(echo)[1]["UV_PYTHON_DOWNLOADS"]
    monkeypatch.setenv("NOODLE_PYTHON_DOWNLOADS", "1")
    assert "manual" == run(echo)[1]["UV_PYTHON_DOWNLOADS"]


def test_what_the_user_has_set_for_projects_of_their_own_does_not_count(
    echo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("UV_FROZEN", "UV_NO_BUILD_ISOLATION", "UV_PYTHON", "VIRTUAL_ENV", "PYTHONPATH"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("UV_INDEX", "https://user/simple")
    monkeypatch.setenv("UV_CACHE_DIR", "/cache")
    _, variables = run(echo)
    assert {"UV_INDEX", "UV_CACHE_DIR"} <= variables.keys()
    assert not variables.keys() & {"UV_FROZEN", "UV_PYTHON", "VIRTUAL_ENV", "PYTHONPATH"}
    assert "UV_NO_BUILD_ISOLATION" not in variables


def test_shims_are_not_on_its_path(echo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shim of a version that is not chosen fails, and uv then fails with it."""
    monkeypatch.setenv("PATH", os.pathsep.join(["/home/me/.pyenv/shims", "/usr/bin"]))
    assert "/usr/bin" == run(echo)[1]["PATH"]


def test_offline_is_passed_on(echo: Path) -> None:
    assert "--offline" not in run(echo)[0]
    assert "--offline" in run(echo, offline=True)[0]


def test_an_attempt_that_fails_gives_nothing(tmp_path: Path, echo: Path) -> None:
    echo.write_text("#!/bin/sh\nexit 3\n")
    assert Uv(echo).attempt(["python", "find"], folder=tmp_path, target="x") is None
