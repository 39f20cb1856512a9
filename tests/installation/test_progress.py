"""What is told while something is installed."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from noodle.installation.progress import announced

PROGRAM = "from noodle.installation.progress import announced\nwith announced('installing x'): pass"


def test_it_is_one_line_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with announced("installing npm:lodash@4 (1 package)"):
        assert "noodle: installing npm:lodash@4 (1 package)\n" == capsys.readouterr().err
    assert ("", "") == capsys.readouterr()


def test_a_terminal_keeps_the_line_too() -> None:
    main, other = pty.openpty()
    subprocess.run([sys.executable, "-c", PROGRAM], stderr=other, check=True, timeout=60)
    os.close(other)
    shown = os.read(main, 10_000).decode()
    os.close(main)
    assert shown.startswith("noodle: installing x\r\n")


def test_nothing_is_told_without_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with announced("installing x"):
        pass
