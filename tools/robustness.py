"""Run the slow checks and write their summary, with date and commit, to ``docs/robustness.md``."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "robustness.md"
PYTEST = [sys.executable, "-m", "pytest", "-q"]
THOROUGH = ["--hypothesis-profile=thorough", "--numprocesses=auto", "--timeout=1800"]


@dataclass(frozen=True)
class Check:
    """One slow check.

    Args:
        name: What is checked, as the page says it.
        how: How, in a sentence without a full stop.
        command: What runs it; its last line of output is its summary.
        times: How often it runs; the first failure ends it.
    """

    name: str
    how: str
    command: list[str]
    times: int = 1


@dataclass(frozen=True)
class Outcome:
    """How a check ended: its exit code, the last line that it printed, and its seconds."""

    check: Check
    code: int
    summary: str
    seconds: float


CHECKS = [
    Check(
        "sanitizers",
        "the tests of the call handle on an extension built with the address and "
        "undefined-behaviour sanitizers",
        [sys.executable, "tools/sanitize.py"],
    ),
    Check(
        "slow tests",
        "every test marked `slow`: builds without a compiler, repeated faults, soaks",
        [*PYTEST, "-m", "slow", "--timeout=1800"],
    ),
    Check(
        "repetition",
        "50 runs of the tests whose outcome could depend on timing",
        [*PYTEST, "-k", "thread or fork or deadline or crash", "--timeout=1800"],
        times=50,
    ),
    Check(
        "fuzzing",
        "every property-based test with 2,000 random examples in place of 100",
        [*PYTEST, "-m", "hypothesis", *THOROUGH],
    ),
]


def run(check: Check) -> Outcome:
    """Run a check as often as it asks for, and return how it ended."""
    print(f"== {check.name}", flush=True)
    start = time.monotonic()
    code, summary = run_once(check)
    runs = 1
    while code == 0 and runs < check.times:
        code, summary = run_once(check)
        runs += 1
    if check.times > 1:
        summary += f", run {runs} of {check.times}"
    return Outcome(check, code, summary, time.monotonic() - start)


def run_once(check: Check) -> tuple[int, str]:
    """Run a check, show its output as it comes, and return its exit code and last line."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
    summary = "no output"
    with subprocess.Popen(
        check.command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            summary = line.strip("= \n") or summary
    return process.returncode, summary


def commit() -> str:
    """Return the commit that was checked, and whether the tree differed from it."""
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty= with uncommitted changes"]
    result = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    return result.stdout.strip() or "not under version control"


def page(outcomes: list[Outcome], checked_commit: str) -> str:
    """Return the text of ``docs/robustness.md``."""
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
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run every check, write the page, and return 1 when one of them failed."""
    checked_commit = commit()
    outcomes = [run(check) for check in CHECKS]
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(outcomes, checked_commit), encoding="utf-8")
    print(f"summary in {PAGE.relative_to(ROOT)}")
    return int(any(outcome.code for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
