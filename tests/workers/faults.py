"""The module of ``samples/faults.mjs`` in workers of its own, and what tests of faults share."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import noodle
from noodle.bridges.javascript.node import find_node
from noodle.bridges.javascript.options import JavaScriptOptions
from noodle.bridges.javascript.pools import pool_for
from noodle.workers.pool import Pool

SAMPLES = Path(__file__).parent / "samples"
LIMIT = 30.0
"""Seconds that any call of these tests may take on a busy machine."""

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Faults:
    """A loaded module and the pool that runs it."""

    module: ModuleType
    pool: Pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)


@contextmanager
def load_faults(options: Mapping[str, Any] | None = None, **environment: str) -> Iterator[Faults]:
    """Load the module in a worker that no other test uses, and that ends with the block."""
    variables = {"FAULTS": f"{os.getpid()} {next(_numbers)}", **environment}
    given = {**(options or {}), "environment": variables}
    module = noodle.load(str(SAMPLES / "faults.mjs"), **given)
    pool = pool_for(find_node(), JavaScriptOptions.read(given))
    try:
        yield Faults(module, pool)
    finally:
        pool.stop()


def start_program(program: str) -> subprocess.Popen[str]:
    """Start a Python program that has the module as ``faults``."""
    path = str(SAMPLES / "faults.mjs")
    head = f"import noodle, os, sys, threading\nfaults = noodle.load({path!r})\n"
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-c", head + program],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_program(program: str) -> tuple[int, str, str]:
    """Run such a program to its end; return its status, output and errors."""
    with start_program(program) as host:
        try:
            output, errors = host.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            host.kill()
            raise
    return host.returncode, output, errors


@contextmanager
def in_thread(work: Callable[[], object]) -> Iterator[list[BaseException]]:
    """Run something beside the block, and wait for it at the end; gives what it raised."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield errors
    finally:
        thread.join(LIMIT)
        assert not thread.is_alive()
