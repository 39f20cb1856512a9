"""The channel: each case of native/tests/test_channel.c, and the long ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.native_core.core_programs import (
    VARIANTS,
    build_round_trip,
    build_tests,
    cases,
    every_case,
    run_case,
    run_under_valgrind,
)

HAND_OVERS = [
    "no_wake_up_is_lost_in_hand_overs_between_processes",
    "no_wake_up_is_lost_over_pipes",
]
# Valgrind does not know pidfd_open, so under it no death is noticed.
NEED_A_PIDFD = {"what_a_worker_sent_before_its_death_is_still_taken"}
# Valgrind runs one thread at a time, so what needs two at once takes it minutes.
LONG_UNDER_VALGRIND = {*HAND_OVERS, "hand_overs_between_threads_are_free_of_races"}


@pytest.mark.parametrize("variant", VARIANTS)
@every_case("channel")
def test_channel(programs: Path, variant: str, case: str):
    run_case(build_tests(programs, variant), case)


@pytest.mark.slow
@pytest.mark.parametrize("case", HAND_OVERS)
def test_no_wake_up_is_lost_in_millions_of_hand_overs(programs: Path, case: str):
    run_case(build_tests(programs, "plain"), case, {"NOODLE_HANDOVERS": 2_000_000})


@pytest.mark.slow
def test_no_race_is_found_in_many_hand_overs(programs: Path):
    case = "hand_overs_between_threads_are_free_of_races"
    run_case(build_tests(programs, "threads"), case, {"NOODLE_HANDOVERS": 400_000})


@pytest.mark.slow
def test_a_worker_that_scribbles_for_long_harms_only_itself(programs: Path):
    case = "a_worker_that_scribbles_over_everything_harms_only_itself"
    run_case(build_tests(programs, "sanitized"), case, {"NOODLE_USES": 500_000})


@pytest.mark.slow
@pytest.mark.parametrize("trusted", [0, 1], ids=["pipe", "eventfd"])
def test_a_parked_round_trip_takes_at_most_15_microseconds(programs: Path, trusted: int):
    """On one processor; between two of a virtual machine the wake-up alone takes longer."""
    processor = min(os.sched_getaffinity(0))
    settings = {"NOODLE_SPIN_NS": 0, "NOODLE_TRUSTED": trusted}
    program = build_round_trip(programs)
    printed = run_case(program, "round_trip", settings, "taskset", "-c", str(processor))
    assert int(printed.split()[0]) <= 15_000


@pytest.mark.slow
@pytest.mark.parametrize("case", sorted({*cases("channel")} - NEED_A_PIDFD))
def test_valgrind_finds_nothing_in_the_channel(programs: Path, case: str):
    settings = {"NOODLE_HANDOVERS": 2_000} if case in LONG_UNDER_VALGRIND else None
    run_under_valgrind(build_tests(programs, "plain"), case, settings)
