"""Runs benchmarks and reports ours, theirs, their ratio and the budget, as tables and as JSON.

    python benchmarks/run.py [NAME ...] [--json FILE] [--quick]

Exit codes: 0 every budget was met, or ``--quick``; 1 one was missed; 2 a wrong command line, or a
benchmark that could give no figures.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import machine
import noodle
from measure import BenchmarkError
from results import Row, table

NAMES = (
    "handle_calls",
    "native_calls",
    "callbacks",
    "headers",
    "worker_calls",
    "python_workers",
    "native_workers",
    "shared_arrays",
    "async_calls",
    "worker_costs",
    "leaks",
    "map_loops",
    "node_client",
    "language_speed",
    "start_up",
    "environments",
    "import_time",
    "context",
)
"""The benchmarks, one module each, in the order in which they run."""

OUTPUT = Path(__file__).parent.parent / "build" / "benchmarks"


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = parse(arguments)
    started = datetime.now(UTC)
    facts = {"noodle": noodle.__version__} | machine.describe()
    facts["load average before"] = machine.load_average()
    print_facts(facts | {"date": f"{started:%Y-%m-%d %H:%M} UTC"})
    try:
        rows = run_all(chosen.names or NAMES, quick=chosen.quick)
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    facts["load average after"] = machine.load_average()
    file = chosen.json or OUTPUT / f"{started:%Y-%m-%dT%H%M%SZ}.json"
    write_json(file, report(started, facts, rows, quick=chosen.quick))
    missed = sum(row.verdict == "missed" for row in rows)
    met = sum(row.verdict == "met" for row in rows)
    print(f"{met} met, {missed} missed; load average {facts['load average after']} after the run")
    print(f"figures in {shown(file)}")
    if chosen.quick:
        print("a quick run shows that the benchmarks work; its times mean nothing")
    return int(missed > 0 and not chosen.quick)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run Noodle's benchmarks.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which ones: {', '.join(NAMES)}; default: all"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where to write JSON; default: build/benchmarks"
    )
    parser.add_argument("--quick", action="store_true", help="few repeats: does it all work?")
    chosen = parser.parse_args(arguments)
    for name in chosen.names:
        if name not in NAMES:
            parser.error(f"there is no benchmark {name!r}; there are {', '.join(NAMES)}")
    return chosen


def run_all(names: Sequence[str], *, quick: bool) -> list[Row]:
    # A cache of their own: figures must not depend on what earlier runs of Noodle left behind.
    with tempfile.TemporaryDirectory() as cache:
        os.environ["NOODLE_CACHE_DIR"] = cache
        return [row for name in names for row in run(name, quick=quick)]


def run(name: str, *, quick: bool) -> list[Row]:
    benchmark = importlib.import_module(name)
    summary = (benchmark.__doc__ or "").partition("\n")[0]
    print(f"{name}: {summary}\n", flush=True)
    rows: list[Row] = benchmark.run(quick=quick)
    print(f"{table(rows)}\n", flush=True)
    return rows


def report(
    started: datetime, facts: dict[str, str], rows: Sequence[Row], *, quick: bool
) -> dict[str, Any]:
    return {
        "date": started.isoformat(timespec="seconds"),
        "quick": quick,
        "machine": facts,
        "results": [row.as_json() for row in rows],
    }


def write_json(file: Path, content: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def shown(file: Path) -> str:
    root = OUTPUT.parent.parent
    return str(file.relative_to(root)) if file.is_relative_to(root) else str(file)


def print_facts(facts: dict[str, str]) -> None:
    width = max(map(len, facts))
    print("\n".join(f"{name:<{width}}  {value}" for name, value in facts.items()), end="\n\n")


if __name__ == "__main__":
    sys.exit(main())
