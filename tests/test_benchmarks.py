"""The benchmarks run and say what they measured; how fast anything is, no test asserts."""

from __future__ import annotations

import json
import math
import platform
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import noodle
from noodle.errors import ArgumentTypeError

BUDGETED = {
    "P1",
    "P2",
    "P3",
    "P4",
    "P5",
    "P6",
    "P7",
    "P8",
    "callback",
    "environments",
    "headers",
    "idle",
    "leaks",
    "map",
}
MAY_BE_NONE = {"modules", "bytes", "objects"}
"""Units of what is counted; times and memory are never 0."""
PARTS = ("median", "min", "max", "repeats")


pytestmark = pytest.mark.timeout(600)
"""Seconds: every benchmark runs once, each library in an interpreter of its own."""


def run_benchmarks(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, repository / "benchmarks" / "run.py", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def quick_run(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Any]]:
    """What a quick run of everything prints, and the JSON that it writes."""
    file = tmp_path_factory.mktemp("benchmarks") / "folder" / "figures.json"
    result = run_benchmarks(repository, "--quick", "--json", str(file))
    assert result.returncode == 0, result.stderr
    return result.stdout, json.loads(file.read_text(encoding="utf-8"))


@pytest.fixture
def load_module(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What imports a module of the benchmarks by name."""
    monkeypatch.syspath_prepend(str(repository / "benchmarks"))
    return import_module


@pytest.fixture
def measure(load_module: Any) -> ModuleType:
    return load_module("measure")


@pytest.fixture
def results(load_module: Any) -> ModuleType:
    return load_module("results")


def test_every_item_of_the_budget_is_measured(quick_run: tuple[str, dict[str, Any]]):
    _, report = quick_run
    judged = {row["id"] for row in report["results"] if row["budget"]}
    assert judged == BUDGETED
    assert {row["id"] for row in report["results"]} == BUDGETED | {"context"}
    assert report["quick"] is True


def test_figures_are_positive_and_in_order(quick_run: tuple[str, dict[str, Any]]):
    _, report = quick_run
    for row in report["results"]:
        for side in ("ours", "theirs", "ratio"):
            figures = row[side]
            if figures is None or row["unit"] in MAY_BE_NONE:
                continue
            assert tuple(figures) == PARTS, row
            assert all(math.isfinite(figures[part]) and figures[part] > 0 for part in PARTS), row
            assert figures["min"] <= figures["median"] <= figures["max"], row


def test_a_row_has_a_verdict_exactly_where_it_has_a_budget(
    quick_run: tuple[str, dict[str, Any]],
):
    _, report = quick_run
    for row in report["results"]:
        assert row["verdict"] in (("met", "missed") if row["budget"] else (None,)), row
        assert (row["theirs"] is None) == (row["against"] is None) == (row["ratio"] is None), row


def test_every_pair_of_programs_has_a_row(repository: Path, quick_run: tuple[str, dict[str, Any]]):
    _, report = quick_run
    programs = repository / "benchmarks" / "programs"
    noodle_names = {path.stem for path in programs.glob("*.noodle")}
    assert noodle_names == {path.stem for path in programs.glob("*.py")}
    measured = {row["what"] for row in report["results"] if row["against"] == "CPython"}
    assert measured == {name.replace("_", " ") for name in noodle_names}


def test_a_warm_start_loads_neither_parser_nor_numpy(quick_run: tuple[str, dict[str, Any]]):
    _, report = quick_run
    (loaded,) = [row for row in report["results"] if row["unit"] == "modules"]
    assert (loaded["ours"]["median"], loaded["verdict"]) == (0, "met")


def test_the_tables_show_what_the_json_holds(quick_run: tuple[str, dict[str, Any]]):
    printed, report = quick_run
    for row in report["results"]:
        assert any(
            line.startswith(row["id"]) and row["what"] in line for line in printed.splitlines()
        ), row["what"]


def test_the_machine_is_described_without_names_or_paths(
    quick_run: tuple[str, dict[str, Any]],
):
    _, report = quick_run
    facts = report["machine"]
    assert facts["Python"].endswith(platform.python_version())
    assert facts["noodle"] == noodle.__version__
    assert {"processor", "cores", "frequency governor", "cffi", "numpy"} <= set(facts)
    assert platform.node() not in facts.values()
    assert "/" not in "\n".join(facts.values())


def test_an_unknown_benchmark_is_refused_with_the_known_ones(repository: Path):
    result = run_benchmarks(repository, "handle_call")
    assert result.returncode == 2
    assert "there is no benchmark 'handle_call'" in result.stderr
    assert "handle_calls, native_calls, callbacks, headers" in result.stderr


def test_comparisons_are_made_within_each_repeat(measure: ModuleType):
    """A disturbance that doubles both sides of one repeat leaves the ratio as it was."""
    ours, theirs = measure.Sample((3.0, 6.0, 3.0)), measure.Sample((2.0, 4.0, 2.0))
    assert ours.over(theirs).values == (1.5, 1.5, 1.5)
    assert ours.minus(theirs).values == (1.0, 2.0, 1.0)


def test_sides_take_turns_and_each_repeat_begins_with_another(measure: ModuleType):
    order: list[str] = []
    sides = {name: (lambda name=name: order.append(name) or len(order)) for name in "abc"}
    samples = measure.interleave(sides, repeats=3)
    assert "".join(order) == "abc" + "abc" + "bca" + "cab"
    assert {name: sample.values for name, sample in samples.items()} == {
        "a": (4, 9, 11),
        "b": (5, 7, 12),
        "c": (6, 8, 10),
    }


@pytest.mark.parametrize(
    ("kind", "limit", "verdict"),
    [
        ("ratio", 1.5, "met"),
        ("ratio", 1.49, "missed"),
        ("difference", 10, "met"),
        ("difference", 9, "missed"),
        ("ours", 30, "met"),
        ("ours", 29, "missed"),
    ],
)
def test_a_budget_is_kept_up_to_its_limit(
    results: ModuleType, measure: ModuleType, kind: str, limit: float, verdict: str
):
    row = results.Row(
        "P0",
        "something",
        "ns",
        ours=measure.Sample((30.0,)),
        theirs=measure.Sample((20.0,)),
        budget=results.Budget(kind, limit),
    )
    assert row.verdict == verdict


def test_it_is_enough_to_keep_one_of_two_budgets(results: ModuleType, measure: ModuleType):
    def verdict(limit: float, other: float) -> str:
        either = results.Budget("ours", limit, alternative=results.Budget("ratio", other))
        ours, theirs = measure.Sample((30.0,)), measure.Sample((20.0,))
        return str(results.Row("P0", "something", "µs", ours, theirs, "it", either).verdict)

    assert ["met", "met", "missed"] == [verdict(29, 1.5), verdict(30, 1.4), verdict(29, 1.4)]


def test_a_slow_first_call_does_not_shorten_the_timings(measure: ModuleType):
    calls: list[int] = []

    def slow_at_first() -> int:
        calls.append(0)
        return sum(range(2_000_000)) * 0 if len(calls) == 1 else 0

    timer = measure.call_timer(slow_at_first, (), {}, expected=0)
    timer.calibrate()
    assert timer.rounds > 10
    assert timer.executions == len(calls)


def test_a_wrong_result_stops_the_benchmark(measure: ModuleType):
    timer = measure.call_timer(abs, (-2,), {}, expected=3)
    with pytest.raises(measure.WrongResultError, match="2 instead of 3"):
        timer()


def test_a_process_that_fails_stops_the_benchmark(measure: ModuleType, tmp_path: Path):
    run = measure.process_timer([sys.executable, "-c", "raise SystemExit(3)"], tmp_path, "")
    with pytest.raises(measure.WrongResultError, match="exit code 3"):
        run()


def test_calls_that_are_not_counted_one_by_one_stop_the_benchmark(
    load_module: Any, measure: ModuleType
):
    """Here the peer is the handle itself, so it counts the calls of both sides."""
    handle_calls = load_module("handle_calls")
    handle = noodle.load("math").sqrt
    with pytest.raises(measure.WrongResultError, match="calls made"):
        handle_calls.time_handle(handle, {"bare": handle}, (4.0,), {}, 2.0, repeats=1)


def test_a_function_that_is_no_handle_cannot_be_benchmarked_as_one(load_module: Any):
    handle_calls = load_module("handle_calls")
    with pytest.raises(ArgumentTypeError):
        handle_calls.time_handle(math.sqrt, {"bare": math.sqrt}, (4.0,), {}, 2.0, repeats=1)


def pretend_jspybridge(directory: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """Let new interpreters find a module of that name, whether or not the real one is installed."""
    (directory / "javascript.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(directory))


def test_a_library_that_does_not_load_is_absent_and_no_error(
    load_module: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    pretend_jspybridge(tmp_path, monkeypatch, "raise ImportError('not for this machine')")
    with load_module("callers").callers(("noodle", "JSPyBridge")) as started:
        assert ["noodle"] == list(started)
    assert "JSPyBridge is absent: ImportError: not for this machine" in capsys.readouterr().out


def test_a_function_that_does_not_run_in_another_process_stops_the_benchmark(
    load_module: Any, measure: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pretend_jspybridge(
        tmp_path,
        monkeypatch,
        """
import os
class require:
    def __init__(self, path): pass
    def add(self, a, b): return a + b
    def processId(self): return os.getpid()
""",
    )
    with pytest.raises(measure.WrongResultError, match="runs in process"):
        load_module("callers").Caller("JSPyBridge")


def test_calls_that_a_library_does_not_count_stop_the_benchmark(
    load_module: Any, measure: ModuleType
):
    program = load_module("caller_program")
    side = program.Side(lambda a, b: a + b, 0, counted=lambda: 0)
    with pytest.raises(program.WrongError, match="calls made, 0 counted"):
        program.time_hot(side, 3, 0.0)
