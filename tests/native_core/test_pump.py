"""The pump: each case of native/tests/test_pump.c."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.native_core.core_programs import (
    build_tests,
    every_case,
    run_case,
    run_under_valgrind,
)


@every_case("pump")
def test_pump(programs: Path, case: str):
    run_case(build_tests(programs, "sanitized"), case)


@every_case("pump")
def test_the_pump_is_free_of_races(programs: Path, case: str):
    run_case(build_tests(programs, "threads"), case)


@pytest.mark.slow
@every_case("pump")
def test_valgrind_finds_nothing_in_the_pump(programs: Path, case: str):
    run_under_valgrind(build_tests(programs, "plain"), case)
