"""P7: the warm start of a program without imports, as whole processes, and what it loads."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import Sample, WrongResultError, interleave, process_timer
from results import Budget, Row

ITEM = "P7"
BUDGET = Budget("difference", 25)  # milliseconds
UNWANTED = ("lark", "numpy", "rich", "typer")
NO_UNWANTED_MODULE = Budget("ours", 0)

GREETING = "hello\n"


def run(*, quick: bool) -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "hello.noodle").write_text('print("hello")\n')
        (directory / "hello.py").write_text('print("hello")\n')
        noodle_run = [*noodle_command(), "run", "hello.noodle"]
        # The first start, made by the warm-up, compiles the program and fills the bytecode cache.
        times = interleave(
            {
                "ours": process_timer(noodle_run, directory, GREETING),
                "python": process_timer([sys.executable, "hello.py"], directory, GREETING),
            },
            repeats=2 if quick else 40,
        )
        unwanted = unwanted_modules(noodle_run, directory)
    return [
        Row(
            ITEM,
            "noodle run hello.noodle, warm",
            "ms",
            times["ours"],
            times["python"],
            "python hello.py",
            BUDGET,
        ),
        Row(
            ITEM,
            f"of {', '.join(UNWANTED)}: loaded by a warm start",
            "modules",
            Sample((float(len(unwanted)),)),
            budget=NO_UNWANTED_MODULE,
        ),
    ]


def noodle_command() -> list[str]:
    """Return the installed ``noodle``, or what it does where only the package is there."""
    script = Path(sys.executable).with_name("noodle")
    if script.exists():
        return [str(script)]
    return [sys.executable, "-c", "import sys; from noodle.cli import main; sys.exit(main())"]


def unwanted_modules(command: list[str], directory: Path) -> set[str]:
    """Return which of the unwanted packages a command imports, as Python itself reports it."""
    result = subprocess.run(
        command,
        cwd=directory,
        env=os.environ | {"PYTHONPROFILEIMPORTTIME": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    imported = set(re.findall(r"^import time:.*\| +(\w+)", result.stderr, re.MULTILINE))
    if "noodle" not in imported:
        raise WrongResultError(f"no report of imports:\n{result.stderr}")
    return imported & set(UNWANTED)
