"""Calls from Node.js through a host; over the same kind of socket, what any call costs at least."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from measure import BenchmarkError, Sample
from noodle.bridges.javascript.node import find_node
from results import Row

ITEM = "context"
HERE = Path(__file__).parent
CLIENT = HERE.parent / "clients" / "node"
ECHO = "64 bytes, sent back over such a socket"

ROWS = (
    ("call", "a call from Node.js with one number", "µs", "echo"),
    ("callback", "the same with a callback into Node.js", "µs", "echo"),
    ("gather", "a call from Node.js among many in flight", "µs", "echo"),
    ("start", "a host, from its start to the first result", "ms", None),
    ("to 1", "1 MB from Node.js to NumPy", "ms", None),
    ("from 1", "1 MB from NumPy to Node.js", "ms", None),
    ("to 100", "100 MB from Node.js to NumPy", "ms", None),
    ("from 100", "100 MB from NumPy to Node.js", "ms", None),
)


def run(*, quick: bool) -> list[Row]:
    figures = measured(repeats=2 if quick else 9, calls=20 if quick else 1000)
    return [
        Row(
            ITEM,
            what,
            unit,
            Sample(tuple(figures[side])),
            Sample(tuple(figures[against])) if against else None,
            ECHO if against else "",
        )
        for side, what, unit, against in ROWS
    ]


def measured(*, repeats: int, calls: int) -> dict[str, list[float]]:
    """Return the figures of each side, one a repeat."""
    script = HERE / "node_client.mjs"
    command = [find_node().node, script, CLIENT, sys.executable, str(repeats), str(calls)]
    environment = {name: value for name, value in os.environ.items() if name != "NOODLE_PYTHON"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode != 0:
        raise BenchmarkError(f"node_client.mjs ended with {done.returncode}: {done.stderr}")
    figures: dict[str, list[float]] = json.loads(done.stdout)
    return figures
