"""Who may spin, and other facts of the process: each case of native/tests/test_processors.c."""

from __future__ import annotations

from pathlib import Path

from tests.native_core.core_programs import build_tests, every_case, run_case


@every_case("processors")
def test_processors(programs: Path, case: str):
    run_case(build_tests(programs, "sanitized"), case)
