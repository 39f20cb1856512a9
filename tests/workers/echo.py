"""Workers with the functions of ``native/tests/echo_*.c``, and how tests reach these.

There are two, each named by a path: the C program, and ``samples/echo.py`` in a Python worker.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.native_core.core_programs import NATIVE, TESTS, build_once

from noodle import _host
from noodle.workers.modules import RemoteModule
from noodle.workers.pool import Pool
from noodle.workers.program import Program
from noodle.workers.python_program import SCRIPT, python_program

Functions = Callable[[str], _host.RemoteFunction]

IN_C = pytest.mark.parametrize("echo_worker", ["c"], indirect=True)
"""For tests of what the worker in C alone does: break the protocol, ignore a cancellation."""


def build_echo_worker(directory: Path) -> Path:
    """Compile the worker unless another of pytest's workers has."""
    sources = [*sorted(TESTS.glob("echo_*.c")), *sorted((NATIVE / "core").glob("*.c"))]
    return build_once(directory, "echo-worker", sources, "-O1")


PYTHON_ECHO = Path(__file__).parent / "samples" / "echo.py"


def echo_program(path: Path, **settings: Any) -> Program:
    """The program of an echo worker, by default with a start that is bounded on a busy machine."""
    settings = {"start_seconds": 20.0, **settings}
    if path == PYTHON_ECHO:
        program = python_program(Path(sys.executable), name="echo")
        return replace(program, **settings)
    return Program("echo", (path,), **settings)


@contextmanager
def echo_pool(path: Path, size: int = 1, **settings: Any) -> Iterator[Pool]:
    """Workers that end with the block; ``restart`` and ``idle_seconds`` are the pool's."""
    options = {name: settings.pop(name) for name in ("restart", "idle_seconds") if name in settings}
    pool = Pool(echo_program(path, **settings), size, **options)
    yield pool
    pool.stop()


def functions_of(pool: Pool) -> Functions:
    """Find functions of the worker by name."""
    in_python = SCRIPT in pool.program.command
    return RemoteModule(pool, str(PYTHON_ECHO) if in_python else "echo").function


def statistics(pool: Pool, index: int = 0) -> dict[str, int]:
    """The counters of one worker's link."""
    return pool.worker(index).link.statistics()


def reaches(expected: int, count: Callable[[], int]) -> bool:
    """Whether a count comes to what is expected, and no further, within ten seconds."""
    end = time.monotonic() + 10
    while (counted := count()) < expected and time.monotonic() < end:
        continue
    return counted == expected


def await_end(pid: int, seconds: float = 10.0) -> bool:
    """Wait until a process of any parent has ended; return whether it has."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        process = select.poll()
        process.register(descriptor, select.POLLIN)
        return bool(process.poll(seconds * 1000))
    finally:
        os.close(descriptor)


HOST = """
import os, sys
from pathlib import Path
from tests.workers.echo import echo_program, functions_of
from noodle.workers.pool import Pool
pool = Pool(echo_program(Path(sys.argv[1])))
function = functions_of(pool)
assert function("add")(1.0, 2.0) == 3.0
print(pool.worker().pid, flush=True)
"""


def start_host(path: Path, then: str) -> tuple[subprocess.Popen[str], int]:
    """Start another host with a worker; return it and the worker's process id.

    Args:
        path: The echo worker.
        then: Python code that the host goes on with.
    """
    host = subprocess.Popen(
        [sys.executable, "-c", HOST + then, str(path)],
        cwd=TESTS.parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert host.stdout is not None
    line = host.stdout.readline()
    assert line, host.communicate()[1]
    return host, int(line)
