"""Run the slow checks and write their summary, with date and commit, to ``docs/robustness.md``.

A check that fails, or takes longer than it may, ends nothing but itself, and the page names the
tests that failed. Names of checks as arguments run only those, and then the page stays as it is.
What stands on the page from the heading "Traps" on is written by hand and stays too.
"""

from __future__ import annotations

import os
import platform
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "robustness.md"
BY_HAND = "\n## Traps\n"
PYTEST = [sys.executable, "-m", "pytest", "-q", "--timeout=600"]
PARALLEL = ["--numprocesses=2"]
"""Where nothing depends on being alone on the machine."""

WAITING = ["--numprocesses=3", "--dist=load"]
"""Where tests wait more than they compute."""

NODE_FAULTS = [f"tests/workers/test_fault{part}.py" for part in ("s", "_processes", "_async")]
PYTHON_FAULTS = [
    f"tests/workers/{name}.py"
    for name in (
        "test_python_worker_faults",
        "test_python_worker_cancellation",
        "test_across",
        "environments/test_shared_environments",
    )
]
NATIVE_FAULTS = ["tests/bridges/native/test_isolated.py"]
CORE = "tests/native_core"
ALONE = "parked_round_trip"
"""Part of the names of tests that time something."""

OF_TIMING = "thread or fork or deadline or crash"
ONCE = "not slow and not repeated"
BESIDES_WORKERS = [
    f"--ignore={path}" for path in (CORE, "tests/workers", "tests/bridges/javascript", "tests/cli")
]
SHOWN_FAILURES = 50


@dataclass(frozen=True)
class Check:
    """One slow check.

    Args:
        name: What is checked, as the page says it.
        how: How, in a sentence without a full stop.
        command: What runs it; its last line of output is its summary.
        minutes: How long it may take; then it is ended, and has failed.
    """

    name: str
    how: str
    command: list[str]
    minutes: float


@dataclass(frozen=True)
class Outcome:
    """How a check ended: its exit code, its last line, what failed, and how long it took."""

    check: Check
    code: int
    summary: str
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0


CHECKS = [
    Check(
        "sanitizers",
        "the tests of the call handle, the wire codec and the host's side of workers, extensions "
        "built with the address and undefined-behaviour sanitizers; the C tests of channel and "
        "codec run under them, and under the thread sanitizer, with every change",
        [sys.executable, "tools/sanitize.py"],
        12,
    ),
    Check(
        "memory",
        "valgrind over what the extensions do without a worker",
        [sys.executable, "tools/memcheck.py"],
        3,
    ),
    Check(
        "core",
        "the long versions of the C tests: millions of hand-overs, every case under valgrind, a "
        "hundred million mutated messages, libFuzzer where clang is",
        [*PYTEST, *PARALLEL, CORE, "-m", "slow", "-k", f"not {ALONE}"],
        16,
    ),
    Check(
        "parked calls",
        "the C core's round trip between sleeping processes, alone on the machine",
        [*PYTEST, CORE, "-m", "slow", "-k", ALONE],
        2,
    ),
    Check(
        "faults of Node.js workers",
        "every fault 50 times, from exit to a stopped process",
        [*PYTEST, *PARALLEL, "--dist=load", *NODE_FAULTS, "-m", "repeated"],
        65,
    ),
    Check(
        "faults of Python workers",
        "every fault 50 times, the versions of Python in turn; calls that are given up, chains "
        "through both runtimes and environments that two processes build likewise",
        [*PYTEST, *WAITING, *PYTHON_FAULTS, "-m", "repeated"],
        50,
    ),
    Check(
        "faults of native workers",
        "every fault of a C library in a worker 50 times",
        [*PYTEST, *WAITING, *NATIVE_FAULTS, "-m", "repeated"],
        30,
    ),
    Check(
        "soak",
        "every other test marked `slow`: builds without a compiler, hundreds of loads and "
        "restarts, a gigabyte both ways",
        [*PYTEST, "-m", "slow and not repeated", f"--ignore={CORE}"],
        12,
    ),
    Check(
        "repetition",
        "50 runs of the tests of threads, forks, deadlines and crashes besides those of workers",
        [*PYTEST, *PARALLEL, "--repeat=50", "-k", OF_TIMING, "-m", ONCE, *BESIDES_WORKERS],
        30,
    ),
    Check(
        "fuzzing",
        "every property-based test with 2,000 random examples in place of 100",
        [*PYTEST, *PARALLEL, "-m", "hypothesis", "--hypothesis-profile=thorough"],
        10,
    ),
]


def run(check: Check) -> Outcome:
    """Run a check, show its output as it comes, and return how it ended."""
    print(f"== {check.name}", flush=True)
    start = time.monotonic()
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
    summary, failures, late = "no output", [], threading.Event()
    with subprocess.Popen(
        check.command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        limit = threading.Timer(60 * check.minutes, _end, (process, late))
        limit.start()
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            summary = line.strip("= \n") or summary
            failures += re.findall(r"^(?:FAILED|ERROR) (\S+)", line)
        code = process.wait()
        limit.cancel()
    if late.is_set():
        summary = f"ended after {check.minutes:g} minutes; the last line was: {summary}"
    return Outcome(check, code, summary, failures, time.monotonic() - start)


def _end(process: subprocess.Popen[str], late: threading.Event) -> None:
    """End a check with everything that it has started in its session."""
    late.set()
    os.killpg(process.pid, signal.SIGKILL)


def commit() -> str:
    """Return the commit that was checked, and whether the tree differed from it."""
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty= with uncommitted changes"]
    result = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    return result.stdout.strip() or "not under version control"


def page(outcomes: list[Outcome], checked_commit: str, by_hand: str) -> str:
    """Return the text of ``docs/robustness.md``.

    Args:
        outcomes: How the checks ended.
        checked_commit: What was checked.
        by_hand: The part of the page that nobody generates.
    """
    lines = [
        "# Robustness",
        "",
        "`make test-slow` runs what takes too long for every change, and writes this page.",
        "",
        f"- date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"- commit: {checked_commit}",
        f"- machine: {platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        f"- Python: {platform.python_version()}",
        "",
        "| check | result | summary | seconds |",
        "|---|---|---|---|",
    ]
    for outcome in outcomes:
        result = "passed" if outcome.code == 0 else f"**failed** (exit code {outcome.code})"
        summary = outcome.summary.replace("|", "\\|")
        lines.append(f"| {outcome.check.name} | {result} | {summary} | {outcome.seconds:.0f} |")
    lines += ["", *(f"- **{check.name}**: {check.how}." for check in CHECKS)]
    failures = [name for outcome in outcomes for name in outcome.failures]
    if failures:
        lines += ["", "What failed:", "", *(f"- `{name}`" for name in failures[:SHOWN_FAILURES])]
    if len(failures) > SHOWN_FAILURES:
        lines.append(f"- and {len(failures) - SHOWN_FAILURES} more")
    return "\n".join(lines) + "\n" + by_hand


def written_by_hand(text: str) -> str:
    """Return the part of the page that stays, from its heading on; empty where there is none."""
    _, heading, rest = text.partition(BY_HAND)
    return heading + rest


def main(names: list[str]) -> int:
    """Run the checks, write the page if it was all of them, and return 1 when one has failed."""
    unknown = set(names) - {check.name for check in CHECKS}
    if unknown:
        known = ", ".join(check.name for check in CHECKS)
        raise SystemExit(f"no check is called {', '.join(sorted(unknown))}; there are: {known}")
    checked_commit = commit()
    outcomes = [run(check) for check in CHECKS if not names or check.name in names]
    for outcome in outcomes:
        print(f"{outcome.check.name}: {outcome.summary} ({outcome.seconds:.0f} s)")
        for name in outcome.failures:
            print(f"  failed: {name}")
    if not names:
        old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        PAGE.write_text(page(outcomes, checked_commit, written_by_hand(old)), encoding="utf-8")
        print(f"summary in {PAGE.relative_to(ROOT)}")
    return int(any(outcome.code for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
