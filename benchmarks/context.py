"""Figures without a budget: what happens once, or rarely, so that calls can be fast."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy

from measure import StatementTimer, WrongResultError, interleave, time_statements
from noodle.runtime.engine import Engine
from noodle.settings import resolve
from results import Row

ITEM = "context"

FIRST_CALL = """
import time
start = time.perf_counter_ns()
{statements}
result = function(0.0)
print(time.perf_counter_ns() - start, result)
"""
"""Prints the nanoseconds from a bare Python to the first result."""

STATEMENTS = {
    "noodle": """
import noodle
function = noodle.load("libm.so.6", prototypes="double cos(double);").cos
""",
    "ctypes": """
import ctypes
function = ctypes.CDLL("libm.so.6").cos
function.argtypes, function.restype = [ctypes.c_double], ctypes.c_double
""",
}


def run(*, quick: bool) -> list[Row]:
    repeats = 3 if quick else 500
    engine = Engine(resolve(start_directory=Path(__file__).parent))
    return [
        attribute_look_up(engine, repeats),
        planning(engine, "a Python function", "python_functions", "identity", None, repeats),
        planning(engine, "a C function", "libm.so.6", "cos", "double cos(double);", repeats),
        engine_creation(repeats),
        *first_loads(1 if quick else 20),
    ]


def attribute_look_up(engine: Engine, repeats: int) -> Row:
    sides = {"ours": engine.load("numpy"), "numpy": numpy}
    timers = {
        name: StatementTimer("module.matmul", {"module": module}, module.matmul)
        for name, module in sides.items()
    }
    times = time_statements(timers, repeats)
    return Row(ITEM, "look-up of np.matmul", "ns", times["ours"], times["numpy"], "numpy's own")


def planning(
    engine: Engine, what: str, target: str, name: str, prototypes: str | None, repeats: int
) -> Row:
    """Time a call whose plan has just become stale beside a warm one."""
    options = {"prototypes": prototypes} if prototypes else {}
    handle = getattr(engine.load(target, **options), name)
    names = {"function": handle, "invalidate": engine.dispatcher.invalidate, "value": 0.5}
    result = handle(0.5)
    timers = {
        "ours": StatementTimer("(invalidate(), function(value))", names, (None, result)),
        "warm": StatementTimer("function(value)", names, result),
    }
    times = time_statements(timers, repeats)
    return Row(
        ITEM, f"call of {what} with a new plan", "ns", times["ours"], times["warm"], "warm plan"
    )


def engine_creation(repeats: int) -> Row:
    def create() -> float:
        start = time.perf_counter_ns()
        Engine(resolve(start_directory=Path(__file__).parent))
        return (time.perf_counter_ns() - start) / 1e3

    return Row(ITEM, "a new engine", "µs", interleave({"ours": create}, repeats)["ours"])


def first_loads(repeats: int) -> list[Row]:
    """Time the first call of libm's cos in new processes, with and without a filled cache."""
    with tempfile.TemporaryDirectory() as directory:
        times = interleave(
            {
                "cold": lambda: first_call("noodle", tempfile.mkdtemp(dir=directory)),
                "warm": lambda: first_call("noodle", directory),
                "ctypes": lambda: first_call("ctypes", directory),
            },
            repeats,
        )
    return [
        Row(
            ITEM,
            f"from start to cos of libm, {state} cache",
            "ms",
            times[state],
            times["ctypes"],
            "ctypes",
        )
        for state in ("cold", "warm")
    ]


def first_call(module: str, cache: str) -> float:
    program = FIRST_CALL.format(statements=STATEMENTS[module])
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"NOODLE_CACHE_DIR": cache},
        capture_output=True,
        text=True,
        check=True,
    )
    nanoseconds, value = result.stdout.split()
    if float(value) != 1.0:
        raise WrongResultError(f"cos(0) was {value}")
    return int(nanoseconds) / 1e6
