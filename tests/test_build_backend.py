"""The build needs no tool of the machine: compiler, CMake and Ninja come from PyPI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SHELL_TOOLS = ("sh", "env", "uname", "mkdir", "rm")
BUILD_TOOLS = ("cc", "gcc", "clang", "c99", "cmake", "ninja", "make", "ld", "ar")


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A folder for ``PATH`` that holds a shell and a few tools, and nothing that compiles."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in SHELL_TOOLS:
        (folder / tool).symlink_to(shutil.which(tool))
    assert all(shutil.which(tool, path=str(folder)) is None for tool in BUILD_TOOLS)
    return folder


@pytest.mark.slow
def test_a_machine_without_compiler_cmake_and_ninja_builds_a_wheel_that_works(
    repository: Path, bare_path: Path, tmp_path: Path
):
    environment = {name: value for name, value in os.environ.items() if name != "CC"}
    environment["PATH"] = str(bare_path)
    pip = [sys.executable, "-m", "pip", "--quiet"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", f"--wheel-dir={tmp_path}", str(repository)],
        check=True,
        env=environment,
    )
    (wheel,) = tmp_path.glob("noodle_ffi-*.whl")

    names = zipfile.ZipFile(wheel).namelist()
    extensions = {name.partition(".")[0] for name in names if name.endswith(".so")}
    own = {f"noodle/_{name}" for name in ("callbacks", "handle", "host", "wire")}
    assert extensions == own | {"noodle/workers/python_worker/core"}
    assert {"noodle/py.typed", "noodle/language/grammar.lark"} <= set(names)
    assert {"noodle/noodle-launcher", "noodle/workers/worker.node"} <= set(names)

    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    program = "import noodle; print(noodle.load('math').hypot(3, 4), noodle.__file__)"
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | {"PYTHONPATH": str(installed)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert result.stdout.split() == ["5.0", str(installed / "noodle" / "__init__.py")]


@pytest.mark.slow
def test_a_compiler_that_fails_is_not_replaced(repository: Path, tmp_path: Path):
    """``$CC`` is the user's choice: a build that cannot use it says so."""
    result = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", f"--wheel-dir={tmp_path}", "."],
        cwd=repository,
        env=os.environ | {"CC": "/no/such/compiler"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "/no/such/compiler" in result.stdout + result.stderr
    assert list(tmp_path.glob("*.whl")) == []
