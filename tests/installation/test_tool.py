"""A package manager as a child process."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from noodle.deadlines import deadline
from noodle.errors import DeadlineExceededError, InstallationError, SettingsError
from noodle.installation.tool import disk_errors, run_tool


def run(program: str, folder: Path) -> tuple[int, str, str]:
    command = [sys.executable, "-c", program]
    ended = run_tool(command, folder=folder, environment=os.environ, target="x")
    return ended.status, ended.output, ended.errors


def test_its_status_and_its_words_are_kept(tmp_path: Path) -> None:
    program = "import os, sys; print(os.getcwd()); sys.stderr.write('no'); sys.exit(3)"
    assert (3, f"{tmp_path}\n", "no") == run(program, tmp_path)


def test_credentials_are_left_out(tmp_path: Path) -> None:
    _, output, errors = run(
        "import sys; print('at https://me:s3cret@x/y'); sys.stderr.write('//tok3n@z')", tmp_path
    )
    assert ("at https://x/y\n", "//z") == (output, errors)


def test_the_signal_that_ended_it_is_told(tmp_path: Path) -> None:
    assert -9 == run("import os; os.kill(os.getpid(), 9)", tmp_path)[0]


def test_it_gets_no_input(tmp_path: Path) -> None:
    assert "''\n" == run("import sys; print(repr(sys.stdin.read()))", tmp_path)[1]


def test_it_ends_at_the_deadline_with_all_that_it_started(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
        "open('child', 'w').write(str(child.pid)); time.sleep(300)"
    )
    begin = time.monotonic()
    with pytest.raises(DeadlineExceededError, match="x was not installed"), deadline(1.0):
        run(program, tmp_path)
    assert time.monotonic() - begin < 1.0 + 2
    child = Path("/proc", (tmp_path / "child").read_text())
    limit = time.monotonic() + 10
    while child.exists() and "Z" not in (child / "stat").read_text().split()[2]:
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_what_the_disk_refuses_is_an_error_of_the_installation() -> None:
    with (
        pytest.raises(InstallationError, match="no space left on device") as caught,
        disk_errors("x"),
    ):
        raise OSError(28, "No space left on device")
    assert "NOODLE_CACHE_DIR" in str(caught.value.remedy)


def test_an_error_of_noodle_passes() -> None:
    with pytest.raises(SettingsError), disk_errors("x"):
        raise SettingsError("wrong")
