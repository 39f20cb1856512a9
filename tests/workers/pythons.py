"""The interpreters of CPython that this machine has, and workers in them."""

from __future__ import annotations

import functools
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from noodle import _host
from noodle.workers.modules import RemoteModule
from noodle.workers.operations import Operation
from noodle.workers.pool import Pool
from noodle.workers.python_program import python_program

SAMPLES = Path(__file__).parent / "samples"
VERSIONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13")
MISSING = "there is no CPython "
"""What the reason of a skip begins with; tests/conftest.py allows it."""


def _fault_runs() -> list[Any]:
    """The oldest and the newest; in the slow tests all in turn, until it has been 50 runs."""
    first = (VERSIONS[0], VERSIONS[-1])
    versions = [*first, *itertools.islice(itertools.cycle(VERSIONS), 48)]
    runs = []
    for run, version in enumerate(versions, 1):
        marks = [pytest.mark.repeated, *([] if run <= len(first) else [pytest.mark.slow])]
        runs.append(pytest.param(version, id=f"{version}-run{run}", marks=marks))
    return runs


FAULT_RUNS = _fault_runs()
"""For a fixture of tests of faults: the version that a run has its worker of."""


@functools.cache
def find_python(version: str) -> Path | None:
    """An interpreter of that version: the running one, one of pyenv's, or one on the path."""
    if version == "{}.{}".format(*sys.version_info):
        return Path(sys.executable)
    candidates = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    candidates += [
        Path(folder, f"python{version}") for folder in os.environ["PATH"].split(os.pathsep)
    ]
    return next((found for found in candidates if _has_version(found, version)), None)


def _has_version(path: Path, version: str) -> bool:
    program = "import sys; print('%d.%d' % sys.version_info[:2], end='')"
    try:
        result = subprocess.run([path, "-c", program], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return result.stdout == version


def require_python(version: str) -> Path:
    """The interpreter of a version; without one the test is skipped."""
    found = find_python(version)
    if found is None:
        pytest.skip(f"{MISSING}{version} here")
    return found


@dataclass(frozen=True)
class PythonWorker:
    """A worker of one interpreter, and what tests do with it."""

    pool: Pool
    version: str

    @property
    def root(self) -> _host.Reference:
        return self.pool.worker().root()

    def module(self, name: str) -> RemoteModule:
        """A module by its name, or a file of the samples."""
        return RemoteModule(self.pool, str(SAMPLES / name) if name.endswith(".py") else name)

    def function(self, path: str) -> Callable[..., Any]:
        """A function by the name of its module, then its own: ``math.hypot``."""
        module, _, name = path.rpartition(".")
        return self.module(module).function(name)

    def run(self, source: str) -> Any:
        """Run a program in the worker; return its global ``result``, or None."""
        return self.function("python_sample.py.run")(source)

    def statistics(self) -> dict[str, int]:
        counters: dict[str, int] = _host.request(self.root, Operation.STATISTICS)
        return counters


@contextmanager
def python_worker(version: str, **settings: Any) -> Iterator[PythonWorker]:
    """A worker that ends with the block."""
    interpreter = require_python(version)
    own = {
        name: settings.pop(name)
        for name in ("environment", "directory", "search_path")
        if name in settings
    }
    program = python_program(interpreter, name=f"python{version}", **own)
    pool = Pool(replace(program, **{"start_seconds": 20.0, **settings}))
    try:
        yield PythonWorker(pool, version)
    finally:
        pool.stop()
