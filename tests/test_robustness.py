"""The page of the slow checks: what it shows, what stays on it, and the tests that it names."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from tests.workers.pythons import FAULT_RUNS, VERSIONS


@pytest.fixture(scope="module")
def robustness(repository: Path) -> ModuleType:
    path = repository / "tools" / "robustness.py"
    spec = importlib.util.spec_from_file_location("robustness", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["robustness"] = module
    spec.loader.exec_module(module)
    return module


def named_tests(repository: Path) -> list[tuple[str, str]]:
    text = (repository / "docs" / "robustness.md").read_text(encoding="utf-8")
    return re.findall(r"`([\w/]+\.(?:py|c))::(\w+)`", text)


def test_every_test_that_the_page_names_exists(repository: Path) -> None:
    named = named_tests(repository)
    assert len(named) > 50
    missing = []
    for file, name in named:
        path = repository / ("native/tests" if file.endswith(".c") else ".") / file
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        pattern = rf"^CASE\({name}\)" if file.endswith(".c") else rf"^ *def {name}\("
        if not re.search(pattern, text, re.MULTILINE):
            missing.append(f"{file}::{name}")
    assert [] == missing


def test_what_fails_is_named_and_what_is_late_is_ended(robustness: ModuleType) -> None:
    printed = "print('FAILED tests/a.py::test_b[1] - no'); print('1 failed'); raise SystemExit(1)"
    failed = robustness.run(robustness.Check("x", "y", [sys.executable, "-c", printed], 1))
    assert (1, "1 failed", ["tests/a.py::test_b[1]"]) == (
        failed.code,
        failed.summary,
        failed.failures,
    )
    endless = [sys.executable, "-c", "print('begun', flush=True)\nwhile True: pass"]
    late = robustness.run(robustness.Check("x", "y", endless, 0.02))
    assert late.code != 0
    assert "the last line was: begun" in late.summary


def test_the_page_keeps_what_is_written_by_hand(robustness: ModuleType) -> None:
    check = robustness.CHECKS[0]
    outcome = robustness.Outcome(check, 1, "1 failed", ["tests/a.py::test_b"], 5.0)
    by_hand = robustness.written_by_hand("# Robustness\n\nold\n\n## Traps\n\n| a | b |\n")
    text = robustness.page([outcome], "abc", by_hand)
    assert text.endswith("\n## Traps\n\n| a | b |\n")
    assert "- `tests/a.py::test_b`" in text
    assert "old" not in text
    assert by_hand == robustness.written_by_hand(text)
    assert "" == robustness.written_by_hand("# Robustness\n")


def test_the_checks_end_within_four_hours(robustness: ModuleType) -> None:
    """These are the limits; on two processors all of them together take half of that."""
    assert sum(check.minutes for check in robustness.CHECKS) <= 240
    assert len({check.name for check in robustness.CHECKS}) == len(robustness.CHECKS)


def test_every_file_with_faults_belongs_to_one_check(
    repository: Path, robustness: ModuleType
) -> None:
    marks = ('usefixtures("repetition")', "params=FAULT_RUNS")
    marked = {
        path.relative_to(repository).as_posix()
        for path in (repository / "tests").rglob("test_*.py")
        if path != Path(__file__) and any(mark in path.read_text("utf-8") for mark in marks)
    }
    named = [*robustness.NODE_FAULTS, *robustness.PYTHON_FAULTS, *robustness.NATIVE_FAULTS]
    assert sorted(marked) == sorted(named)


def test_a_fault_of_python_runs_fifty_times_and_often_on_every_version() -> None:
    runs = Counter(run.values[0] for run in FAULT_RUNS)
    assert (50, set(VERSIONS)) == (sum(runs.values()), set(runs))
    assert min(runs.values()) >= 8
