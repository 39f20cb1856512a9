"""What starting Noodle may load: the budget of `import noodle` and of a warm `noodle run`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

HEAVY = {
    "asyncio",
    "cffi",
    "importlib.metadata",
    "lark",
    "msgspec",
    "multiprocessing",
    "numpy",
    "packaging",
    "prompt_toolkit",
    "rich",
    "scipy",
    "subprocess",
    "typer",
}
"""Modules that neither `import noodle` nor a warm start may load."""


def loaded_modules(statement: str) -> set[str]:
    """Return the modules that a statement adds to those of a bare interpreter."""
    program = (
        "import sys; before = set(sys.modules)\n"
        f"{statement}\n"
        "print(*(set(sys.modules) - before), sep='\\n')"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def imported_by_command(command: list[str], directory: Path) -> tuple[str, set[str]]:
    """Run a Python program; return what it prints and all the modules that it imports."""
    result = subprocess.run(
        command,
        cwd=directory,
        env=os.environ | {"PYTHONPROFILEIMPORTTIME": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    names = re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", result.stderr, re.MULTILINE)
    return result.stdout, set(names)


def test_import_noodle_loads_one_module_besides_typing():
    """The package is one module whose names are loaded on first use."""
    typing = loaded_modules("import __future__, typing")
    assert loaded_modules("import noodle") - typing == {"noodle"}


def test_the_errors_are_there_without_anything_heavy():
    assert loaded_modules("from noodle.errors import NoodleError") & HEAVY == set()


def test_loading_a_pure_python_library_loads_no_native_or_numeric_package():
    loaded = loaded_modules("import noodle; noodle.load('colorsys').rgb_to_hsv(1, 0, 0)")
    assert "colorsys" in loaded
    assert loaded & {"cffi", "lark", "numpy", "prompt_toolkit", "rich", "typer"} == set()


def test_a_warm_start_loads_neither_parser_nor_command_line_library(
    noodle_command: list[str], tmp_path: Path
):
    (tmp_path / "hello.noodle").write_text('print("hello")\n')
    command = [*noodle_command, "run", "hello.noodle"]
    cold_output, _ = imported_by_command(command, tmp_path)
    warm_output, imported = imported_by_command(command, tmp_path)
    assert (cold_output, warm_output) == ("hello\n", "hello\n")
    assert "noodle" in imported
    assert imported & HEAVY == set()
