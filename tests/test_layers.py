"""Imports point down only: the contract stands in pyproject.toml."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def lint(directory: Path) -> subprocess.CompletedProcess[str]:
    """Check the package that stands in a directory against the contract that stands there."""
    program = (
        f"import sys; sys.path.insert(0, {str(directory / 'src')!r})\n"
        "from importlinter.cli import import_linter\n"
        "import_linter(['lint', '--no-cache', '--no-logo'])"
    )
    return subprocess.run(
        [sys.executable, "-c", program], cwd=directory, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copied_sources(repository: Path, tmp_path: Path) -> Path:
    shutil.copytree(
        repository / "src" / "noodle",
        tmp_path / "src" / "noodle",
        ignore=shutil.ignore_patterns("__pycache__", "*.so"),
    )
    shutil.copy(repository / "pyproject.toml", tmp_path)
    return tmp_path


def test_imports_point_down_only(repository: Path):
    result = lint(repository)
    assert result.returncode == 0, result.stdout + result.stderr


def test_only_modules_are_imported_from_the_package_itself(repository: Path):
    """``from noodle import load`` below the engine would be an import that points up."""
    package = repository / "src" / "noodle"
    modules = {path.stem for path in package.iterdir()} | {"_handle", "__version__"}
    imported = {
        (str(path.relative_to(package)), alias.name)
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module == "noodle" and not node.level
        for alias in node.names
    }
    assert {(path, name) for path, name in imported if name not in modules} == set()


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("errors.py", "from noodle import ffi_dispatcher"),
        ("values.py", "from noodle.calls import Call"),
        ("calls.py", "def later():\n    from noodle.bridges import registry"),
        ("language/tokens.py", "import noodle.runtime.engine"),
        ("bridges/python.py", "from noodle.ffi_dispatcher import FfiDispatcher"),
    ],
)
def test_an_import_that_points_up_is_found(copied_sources: Path, module: str, line: str):
    with (copied_sources / "src" / "noodle" / module).open("a") as file:
        file.write(f"\n{line}\n")
    result = lint(copied_sources)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "Imports point down only BROKEN" in result.stdout


def test_a_module_without_a_level_is_found(copied_sources: Path):
    (copied_sources / "src" / "noodle" / "newcomer.py").write_text("")
    result = lint(copied_sources)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "newcomer" in result.stdout
