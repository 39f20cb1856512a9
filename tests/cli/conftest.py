"""The command, in a folder of its own: as a process, on a terminal, or within this process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from noodle.cli.app import app
from noodle.runtime.engine import default_engine, use
from tests.cli.terminal_session import TerminalSession

Command = Callable[..., subprocess.CompletedProcess[str]]
OpenTerminal = Callable[..., TerminalSession]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where programs are written and commands run."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a user who has configured nothing; caches and history stay in the test."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("NOODLE_") and name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")
    }
    places = {
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    return kept | places | {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}


@pytest.fixture
def noodle(noodle_command: list[str], folder: Path, environment: dict[str, str]) -> Command:
    """Run ``noodle`` with arguments, and with standard input that is no terminal."""

    def run(
        *arguments: str, stdin: str = "", variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*noodle_command, *arguments],
            cwd=folder,
            env=environment | dict(variables or {}),
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    return run


@pytest.fixture
def invoke(
    folder: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Command]:
    """Run ``noodle`` in this process, which is faster, for what no process is needed to see."""
    monkeypatch.chdir(folder)
    for name in os.environ.keys() - environment.keys():
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    engine = default_engine()
    monkeypatch.setattr("noodle.runtime.engine._pins", {})

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        result = CliRunner().invoke(app, list(arguments), prog_name="noodle")
        return subprocess.CompletedProcess(
            arguments, result.exit_code, result.stdout, result.stderr
        )

    yield run
    use(engine)


@pytest.fixture
def open_terminal(
    noodle_command: list[str], folder: Path, environment: dict[str, str]
) -> Iterator[OpenTerminal]:
    """Start ``noodle`` on a terminal."""
    opened: list[TerminalSession] = []

    def start(*arguments: str, variables: Mapping[str, str] | None = None) -> TerminalSession:
        command = [*noodle_command, *arguments]
        opened.append(TerminalSession(command, folder, environment | dict(variables or {})))
        return opened[-1]

    yield start
    for session in opened:
        session.close()


@pytest.fixture
def write(folder: Path) -> Callable[[str, str], Path]:
    """Write a file of the working folder."""

    def write_file(name: str, text: str) -> Path:
        path = folder / name
        path.write_text(text, encoding="utf-8")
        return path

    return write_file
