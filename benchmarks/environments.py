"""Environments: a sync that has nothing to do, and a worker started in one that is there."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from measure import interleave, process_timer
from noodle.build_cache import user_cache_directory
from noodle.installation.policy import InstallPolicy
from noodle.lock_file import LockFile
from noodle.workers.environments import Environment, Environments, Requirements
from noodle.workers.pool import Pool
from noodle.workers.python_program import python_program
from results import Budget, Row
from start_up import GREETING, noodle_command

ITEM = "environments"
SYNC_BUDGET = Budget("ours", 100)  # milliseconds, a whole process
START_BUDGET = Budget("ours", 80)  # milliseconds, without an import


def run(*, quick: bool) -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        environment = make_environment(directory)
        (directory / "hello.py").write_text('print("hello")\n')
        sync = [*noodle_command(), "sync"]
        hello = process_timer([sys.executable, "hello.py"], directory, GREETING)
        # The first sync finds everything there, and leaves its stamp.
        subprocess.run(sync, cwd=directory, capture_output=True, check=True)
        times = interleave(
            {
                "sync": process_timer(sync, directory, "up to date: 1 target\n"),
                "hello": hello,
                "start": start_timer(environment),
            },
            repeats=2 if quick else 40,
        )
    return [
        Row(
            ITEM,
            "noodle sync, nothing has changed",
            "ms",
            times["sync"],
            times["hello"],
            "python hello.py",
            SYNC_BUDGET,
        ),
        Row(ITEM, "start of a worker in an environment", "ms", times["start"], budget=START_BUDGET),
    ]


def make_environment(directory: Path) -> Environment:
    """Make an environment without packages, which needs no network, and lock it."""
    series = f"{sys.version_info.major}.{sys.version_info.minor}"
    environments = Environments(user_cache_directory(), InstallPolicy("always"))
    requirements = Requirements.of("json", python=f"=={series}.*")
    return environments.provide(requirements, LockFile(directory / "noodle.lock"))


def start_timer(environment: Environment) -> Callable[[], float]:
    """Return what starts a worker, gives the milliseconds until it can take calls, and ends it."""

    def run() -> float:
        pool = Pool(python_program(environment.interpreter))
        start = time.perf_counter_ns()
        pool.worker()
        elapsed = time.perf_counter_ns() - start
        pool.close()
        return elapsed / 1e6

    return run
