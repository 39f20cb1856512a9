"""The program of a Python worker, for any interpreter of CPython 3.8 or later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from noodle.workers.program import Program
from noodle.workers.variables import kept_variables, working_directory

__all__ = ["python_program"]

SCRIPT = Path(__file__).with_name("worker_main.py")

_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "LD_LIBRARY_PATH",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VIRTUAL_ENV",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
)
"""What libraries of Python look at, and is no secret."""


def python_program(
    interpreter: Path,
    *,
    name: str = "python",
    environment: Mapping[str, str] | None = None,
    directory: str | Path | None = None,
    search_path: Sequence[str] = (),
    trusted: bool = True,
    memory_bytes: int | None = None,
    shared_bytes: int | None = None,
) -> Program:
    """Return what runs a worker in an interpreter, into which nothing has to be installed.

    Args:
        interpreter: The absolute path of the interpreter; of a virtual environment, the one in it.
        name: What people call it.
        environment: Variables beside those that every worker gets.
        directory: Its working directory; this process's by default.
        search_path: Directories that come first on its ``sys.path``.
        trusted: Whether its results may share memory with this process.
        memory_bytes: The most memory that it may have; None for no limit.
        shared_bytes: The most bytes of segments that it may have at once.
    """
    return Program(
        name,
        (interpreter, SCRIPT, *search_path),
        environment={**kept_variables(_VARIABLES), **(environment or {})},
        directory=directory if directory is not None else working_directory(),
        trusted=trusted,
        memory_bytes=memory_bytes,
        shared_bytes=shared_bytes,
        dedicated=True,
    )
