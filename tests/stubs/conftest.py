"""Type checkers read stubs; a library of this test's own is described by its bridge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from mypy import api

CheckTypes = Callable[[str], str]


@pytest.fixture
def check_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CheckTypes:
    """Let mypy check a program that imports the stubs in the test's directory; return its words."""
    monkeypatch.setenv("MYPYPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def check(program: str) -> str:
        (tmp_path / "program.py").write_text(program, encoding="utf-8")
        settings = ["--strict", "--no-error-summary", "--config-file="]
        told, errors, _ = api.run([*settings, f"--cache-dir={tmp_path / 'mypy'}", "program.py"])
        assert not errors, errors
        return told

    return check
