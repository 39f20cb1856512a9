"""P4: calls to a C function in a worker, beside the same in this process, and through a pipe.

All call the same function of the same shared library. A library in a worker of Python is judged by
the same limits as a library of Python there. The extension that Noodle compiles for it is there
before the clock runs.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from latencies import BARE, Comparison, batch_rows
from native_calls import require_compiler, shared_library
from native_peers import environment
from native_sides import LIBRARY, load
from results import Row
from sides import link_of

ITEM = "P4"

COMPARISON = Comparison(
    ITEM,
    "add(double, double) of C in a worker",
    "noodle, isolated C",
    {
        "noodle, C in this process": "noodle, in process",
        "ctypes": "ctypes, in process",
        "multiprocessing.Pipe, ctypes": "multiprocessing.Pipe, ctypes",
        BARE: "bare os.pipe",
    },
    ("noodle, C in this process", "ctypes"),
    "",
    None,
)


def run(*, quick: bool) -> list[Row]:
    with tempfile.TemporaryDirectory() as directory:
        library = shared_library(require_compiler(), Path(directory))
        with environment(LIBRARY, str(library)):
            module = load("isolated")
            link = link_of(module.process_id())
            batch = batch_rows(ITEM, module.add, lambda: link.calls, 1 if quick else 200)
            return [*COMPARISON.rows(quick=quick), *batch]
