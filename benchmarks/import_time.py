"""P8: what importing noodle adds to the start of a bare Python, as whole processes."""

from __future__ import annotations

import sys
from pathlib import Path

from measure import interleave, process_timer
from results import Budget, Row

ITEM = "P8"
BUDGET = Budget("difference", 40)  # milliseconds


def run(*, quick: bool) -> list[Row]:
    here = Path(__file__).parent
    times = interleave(
        {
            name: process_timer([sys.executable, "-c", statement], here, "")
            for name, statement in {"ours": "import noodle", "bare": "pass"}.items()
        },
        repeats=2 if quick else 40,
    )
    return [Row(ITEM, "import noodle", "ms", times["ours"], times["bare"], "bare Python", BUDGET)]
