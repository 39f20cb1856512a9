"""P7: programs in Noodle beside the same programs in Python, both as compiled code in this process.

The pairs stand in ``programs/``, one file of each language by one name. Both must print the same.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from measure import Sample, WrongResultError, interleave
from noodle.language.loader import ProgramLoader
from noodle.runtime.host import EngineHost
from results import Budget, Row

ITEM = "P7"
BUDGET = Budget("ratio", 1.1)

PROGRAMS = Path(__file__).with_name("programs")

WITHOUT_BUDGET = ("loop_closures",)
"""Not the same program: Python's variables are not fresh in each turn, and its idiom for a function
that keeps them, default arguments, changes the function's parameters."""


def run(*, quick: bool) -> list[Row]:
    return [
        measure(noodle_file, repeats=1 if quick else 100)
        for noodle_file in sorted(PROGRAMS.glob("*.noodle"))
    ]


def measure(noodle_file: Path, repeats: int) -> Row:
    sides = {
        "ours": noodle_program(noodle_file),
        "python": python_program(noodle_file.with_suffix(".py")),
    }
    expected = output_of(sides["python"])
    times = interleave(
        {name: program_timer(execute, expected) for name, execute in sides.items()}, repeats
    )
    return row(noodle_file.stem, times["ours"], times["python"])


def row(program: str, ours: Sample, theirs: Sample) -> Row:
    item, budget = ("context", None) if program in WITHOUT_BUDGET else (ITEM, BUDGET)
    return Row(item, program.replace("_", " "), "ms", ours, theirs, "CPython", budget)


def noodle_program(file: Path) -> Callable[[], None]:
    loader = ProgramLoader(EngineHost(str(PROGRAMS)), cache_directory="")
    program = loader.compile(str(file))
    return lambda: program.execute(loader.new_module(program).__dict__)


def python_program(file: Path) -> Callable[[], None]:
    code = compile(file.read_text(encoding="utf-8"), file.name, "exec")

    def execute() -> None:
        namespace: dict[str, Any] = {"__name__": "__main__"}
        exec(code, namespace)

    return execute


def output_of(execute: Callable[[], None]) -> str:
    output = io.StringIO()
    with redirect_stdout(output):
        execute()
    return output.getvalue()


def program_timer(execute: Callable[[], None], expected: str) -> Callable[[], float]:
    """Return what runs a program once and gives its milliseconds."""

    def run_once() -> float:
        output = io.StringIO()
        with redirect_stdout(output):
            start = time.perf_counter_ns()
            execute()
            elapsed = time.perf_counter_ns() - start
        if output.getvalue() != expected:
            raise WrongResultError(f"{output.getvalue()!r} instead of {expected!r}")
        return elapsed / 1e6

    return run_once
