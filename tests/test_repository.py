"""The repository as a person meets it: commands, packaging, and the rules of the house."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

import noodle

COMMANDS = {"bench", "demo", "help", "sanitize", "setup", "test", "test-slow"}
SHARED_SUFFIXES = {".py", ".pyi", ".lark", ".typed"}


@pytest.fixture(scope="session")
def project(repository: Path) -> dict[str, Any]:
    """The ``project`` table of pyproject.toml."""
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def shipped_files(package: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(package)): path.read_bytes()
        for path in package.rglob("*")
        if path.suffix in SHARED_SUFFIXES or path.name == "py.typed"
    }


def test_the_package_under_test_is_the_one_in_the_checkout(repository: Path):
    """A stale installation would make every other test say something about old code."""
    sources = shipped_files(repository / "src" / "noodle")
    assert "py.typed" in sources
    assert shipped_files(Path(noodle.__file__).parent) == sources


def test_the_changelog_begins_with_what_is_not_released_yet(repository: Path):
    changelog = (repository / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[(.+?)\]", changelog, re.MULTILINE)[0] == "Unreleased"


def test_every_third_party_import_is_declared(repository: Path, project: dict[str, Any]):
    declared = {
        canonicalize_name(re.match(r"[\w.-]+", requirement)[0])
        for requirement in (
            *project["dependencies"],
            *project["optional-dependencies"]["arrays"],
            *project["optional-dependencies"]["environments"],
            *project["optional-dependencies"]["service"],
        )
    }
    distributions = metadata.packages_distributions()
    imported = {
        name.partition(".")[0]
        for path in (repository / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in imported_names(node)
    }
    foreign = (
        imported - set(sys.stdlib_module_names) - {"noodle", "_cffi_backend", "_noodle_worker"}
    )
    missing = {
        name
        for name in foreign
        if not declared & {canonicalize_name(found) for found in distributions.get(name, [name])}
    }
    assert missing == set()


def imported_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module]
    return []


def test_every_dependency_is_used(repository: Path, project: dict[str, Any]):
    sources = "\n".join(path.read_text() for path in (repository / "src").rglob("*.py"))
    for requirement in project["dependencies"]:
        name = re.match(r"\w+", requirement)[0]
        assert re.search(rf"^\s*(import|from) {name}\b", sources, re.MULTILINE), requirement


def test_make_help_lists_the_commands(repository: Path):
    result = subprocess.run(
        ["make", "help"], cwd=repository, capture_output=True, text=True, check=True
    )
    listed = set(re.findall(r"^  ([a-z-]+) ", result.stdout, re.MULTILINE))
    assert listed >= COMMANDS


def test_a_mistyped_command_is_told_where_the_commands_are(repository: Path):
    result = subprocess.run(
        ["make", "tset"], cwd=repository, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "there is no command or file 'tset'; 'make help' lists the commands" in result.stderr


def test_ci_runs_make_test_and_lets_nothing_be_skipped(repository: Path):
    script = repository / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text(encoding="utf-8")
    assert text.rstrip().endswith("make test")
    assert "REQUIRE_ALL_TESTS=1" in text


def test_a_missing_python_is_named_with_what_to_type(repository: Path):
    result = subprocess.run(
        [repository / "tools" / "find_python"],
        env=os.environ | {"PYTHON": "/no/such/python"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert "expected: Python 3.11 or later" in result.stderr
    assert "received: none of: /no/such/python" in result.stderr
    assert "make PYTHON=" in result.stderr


def test_a_python_that_will_do_is_found(repository: Path):
    result = subprocess.run(
        [repository / "tools" / "find_python"],
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == sys.executable


def test_every_exception_to_a_lint_rule_has_its_reason(repository: Path):
    text = (repository / "pyproject.toml").read_text(encoding="utf-8")
    ruff = text[text.index("[tool.ruff.lint]") : text.index("[tool.ruff.lint.pydocstyle]")]
    without_reason = [
        line
        for line in ruff.splitlines()
        if re.match(r'\s+"[A-Z]+\d*",', line) and not re.search(r"#\s+\S+ \S+", line)
    ]
    assert without_reason == []


@pytest.mark.parametrize(
    ("environment", "outcome", "code"),
    [
        ({"REQUIRE_ALL_TESTS": "1"}, "1 failed, 1 error", 1),
        ({"REQUIRE_ALL_TESTS": ""}, "2 skipped", 0),
    ],
)
def test_a_skip_fails_only_where_every_test_must_run(
    repository: Path, tmp_path: Path, environment: dict[str, str], outcome: str, code: int
):
    shutil.copy(repository / "tests" / "conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_function.py").write_text(
        "import pytest\n\ndef test_it():\n    pytest.skip('no GPU')\n"
    )
    (tmp_path / "test_module.py").write_text(
        "import pytest\n\npytest.importorskip('no_such_module')\n"
    )
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "--continue-on-collection-errors",
        ],
        cwd=tmp_path,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in result.stdout.splitlines()[-1]
    assert bool(result.returncode) == bool(code)
    assert ("must run here, and was skipped: no GPU" in result.stdout) == bool(code)
