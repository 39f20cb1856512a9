"""What a process of ``callers.py`` runs: one library, timed on request.

    python caller_program.py DESCRIPTOR LIBRARY PLACE

It answers on a socket with ``(state, value)``: the milliseconds until the first result, then the
figures of each timing; or ``absent`` or ``wrong`` with the reason.
"""

from __future__ import annotations

import operator
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from struct import Struct
from typing import Any

import processors
from native_sides import open_ctypes, open_noodle_c, open_noodle_isolated_c, open_pipe_to_ctypes
from python_sides import open_appose, open_execnet, open_noodle_isolated, open_rpyc
from sides import AbsentError, Side, WrongError, side_behind_pipe, side_of_noodle

SCALARS = Path(__file__).with_name("scalars.cjs")

ARGUMENTS = (1.5, 2.25)
EXPECTED = 3.75

WARM_UP_CALLS = 10

PAUSE_SECONDS = 0.004
"""Chosen: long after a worker that got no call has gone to sleep."""


def open_noodle() -> Side:
    import noodle

    module = noodle.load(str(SCALARS))
    return side_of_noodle(module, module.processId())


def open_jspybridge() -> Side:
    from javascript import require

    module = require(str(SCALARS))
    return Side(module.add, module.processId())


def open_mini_racer() -> Side:
    from py_mini_racer import MiniRacer

    context = MiniRacer()
    add = context.eval(in_a_bare_engine())
    add.context = context  # the function alone does not keep it
    return Side(add, os.getpid())


def open_pythonmonkey() -> Side:
    import pythonmonkey

    return Side(pythonmonkey.eval(in_a_bare_engine()), os.getpid())


def in_a_bare_engine() -> str:
    """Return the file as an expression for engines without modules; its value is ``add``."""
    return (
        f"(() => {{ const exports = {{}};\n{SCALARS.read_text('utf-8')}\nreturn exports.add }})()"
    )


def open_pipe() -> Side:
    return side_behind_pipe(operator.add)


def open_bare_pipe() -> Side:
    """Make the least that another process can be asked: 16 bytes to it, 8 bytes back, no codec."""
    question, asked = os.pipe()
    answer, answered = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(asked)
        while request := os.read(question, 16):
            a, b = PAIR.unpack(request)
            os.write(answered, SINGLE.pack(a + b))
        os._exit(0)
    os.close(question)

    def add(a: float, b: float) -> Any:
        os.write(asked, PAIR.pack(a, b))
        return SINGLE.unpack(os.read(answer, 8))[0]

    return Side(add, process)


PAIR, SINGLE = Struct("dd"), Struct("d")


OPENERS = {
    "noodle": open_noodle,
    "noodle, isolated Python": open_noodle_isolated,
    "noodle, isolated C": open_noodle_isolated_c,
    "noodle, C in this process": open_noodle_c,
    "ctypes": open_ctypes,
    "rpyc": open_rpyc,
    "execnet": open_execnet,
    "Appose": open_appose,
    "JSPyBridge": open_jspybridge,
    "mini-racer": open_mini_racer,
    "PythonMonkey": open_pythonmonkey,
    "multiprocessing.Pipe": open_pipe,
    "multiprocessing.Pipe, ctypes": open_pipe_to_ctypes,
    "os.pipe": open_bare_pipe,
}

IN_PROCESS = ("mini-racer", "PythonMonkey", "noodle, C in this process", "ctypes")


def main(descriptor: str, library: str, place: str) -> None:
    connection = Connection(int(descriptor))
    processors.enter(place)
    try:
        start = time.perf_counter_ns()
        side = opened(library)
        check(side.add(*ARGUMENTS))
        connection.send(("started", (time.perf_counter_ns() - start) / 1e6))
        while True:
            action, calls, warm_up = connection.recv()
            connection.send(("timed", ACTIONS[action](side, calls, warm_up)))
    except EOFError:
        return
    except AbsentError as error:
        connection.send(("absent", str(error)))
    except Exception as error:
        connection.send(("wrong", f"{type(error).__name__}: {error}"))


def opened(library: str) -> Side:
    try:
        side = OPENERS[library]()
    except Exception as error:
        if library.startswith("noodle"):
            raise
        raise AbsentError(f"{type(error).__name__}: {error}") from error
    if (side.process == os.getpid()) != (library in IN_PROCESS):
        raise WrongError(f"the function runs in process {side.process}, this is {os.getpid()}")
    return side


def check(result: Any) -> None:
    if result != EXPECTED:
        raise WrongError(f"{result!r} instead of {EXPECTED!r}")


def time_hot(side: Side, calls: int, warm_up: float) -> tuple[float, float, float]:
    before = side.counted() if side.counted else 0
    made = calls + 1
    time_each(side.add, 1)
    limit = time.perf_counter() + warm_up
    while time.perf_counter() < limit:
        time_each(side.add, WARM_UP_CALLS)
        made += WARM_UP_CALLS
    taken = time_each(side.add, calls)
    if side.counted and side.counted() - before != made:
        raise WrongError(f"{made} calls made, {side.counted() - before} counted")
    return figures(taken)


def time_busy(side: Side, calls: int, warm_up: float) -> tuple[float, float, float]:
    with computing_thread():
        return time_hot(side, calls, warm_up)


def time_parked(side: Side, calls: int, warm_up: float) -> tuple[float, float, float]:
    taken = []
    for _ in range(calls):
        time.sleep(PAUSE_SECONDS)
        if side.asleep is None or side.asleep():
            taken += time_each(side.add, 1)
        else:
            side.add(*ARGUMENTS)
    if len(taken) < calls / 2:
        raise WrongError(f"the other side was asleep before {len(taken)} of {calls} calls")
    return figures(taken)


ACTIONS: dict[str, Callable[[Side, int, float], tuple[float, float, float]]] = {
    "hot": time_hot,
    "busy": time_busy,
    "parked": time_parked,
}


def time_each(add: Callable[[float, float], Any], calls: int) -> list[int]:
    """Return the nanoseconds of each call, the reading of the clock included."""
    a, b = ARGUMENTS
    clock = time.perf_counter_ns
    taken = []
    for _ in range(calls):
        start = clock()
        result = add(a, b)
        taken.append(clock() - start)
        if result != EXPECTED:
            check(result)
    return taken


def figures(taken: list[int]) -> tuple[float, float, float]:
    """Return median, 99th percentile and mean in microseconds."""
    ordered = sorted(taken)
    p99 = ordered[min(len(ordered) * 99 // 100, len(ordered) - 1)]
    return statistics.median(ordered) / 1e3, p99 / 1e3, statistics.fmean(ordered) / 1e3


@contextmanager
def computing_thread() -> Iterator[None]:
    """Let another thread compute in Python, and so want the GIL all the time."""
    ends = False

    def compute() -> None:
        count = 0
        while not ends:
            count += 1

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        yield
    finally:
        ends = True
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
