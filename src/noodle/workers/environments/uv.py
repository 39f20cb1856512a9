"""uv, which locks and installs Python packages: where it is, how it is run."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from noodle.errors import MissingToolError
from noodle.installation.tool import ToolRun, run_tool
from noodle.workers.environments.interpreters import search_path
from noodle.workers.environments.package_index import index_flags, index_variables
from noodle.workers.environments.uv_failures import uv_error

__all__ = [
    "DOWNLOADS_VARIABLE",
    "UV_VARIABLE",
    "Uv",
    "downloads_allowed",
    "find_uv",
]

UV_VARIABLE = "NOODLE_UV"
"""The environment variable that names another uv than the one from PyPI."""

DOWNLOADS_VARIABLE = "NOODLE_PYTHON_DOWNLOADS"
"""The environment variable that lets uv download interpreters, when it is ``1``."""

PIP_COMMAND = "python -m pip install uv"

_USE_AN_INDEX = ("lock", "pip")
"""The commands that look for packages."""

_DROPPED = re.compile(
    # What belongs to the user's own projects and would change what is locked or installed here.
    r"UV_(?:PROJECT\w*|PYTHON|SYSTEM_PYTHON|FROZEN|LOCKED|NO_SYNC|NO_BUILD\w*|NO_BINARY\w*"
    r"|CONSTRAINT|BUILD_CONSTRAINT|OVERRIDE|EXCLUDE|REQUIRE_HASHES|NO_VERIFY_HASHES|WORKING_DIR\w*"
    r"|MANAGED_PYTHON|NO_MANAGED_PYTHON|PYTHON_DOWNLOADS|PYTHON_PREFERENCE|VENV_\w*|ISOLATED"
    r"|NO_PROGRESS|TORCH_BACKEND)"
    r"|VIRTUAL_ENV|CONDA_PREFIX|PYTHONPATH|PYTHONHOME|PYTHONSTARTUP"
)


class Uv:
    """Runs uv.

    The user's own configuration of uv, else of pip, says where packages come from; uv's own cache
    is used.

    Args:
        program: uv.
        offline: Whether it does without the network.
    """

    def __init__(self, program: Path, *, offline: bool = False) -> None:
        self.program = program
        self._offline = offline

    def run(self, arguments: Sequence[str | Path], *, folder: Path, target: str) -> str:
        """Run a uv command and return what it prints.

        Args:
            arguments: The command with its arguments.
            folder: Its working directory.
            target: What is being installed, for messages.

        Raises:
            MissingPackageError: The index has no such package.
            VersionError: There is no fitting version, no wheel of it, or requirements contradict
                each other.
            InstallationError: Anything else that uv reports.
            DeadlineExceededError: It did not end before the deadline.
        """
        run = self._run(arguments, folder, target)
        if run.status:
            raise uv_error(target, run, folder, offline=self._offline)
        return run.output

    def attempt(self, arguments: Sequence[str | Path], *, folder: Path, target: str) -> str | None:
        """Run a uv command and return what it prints, or None when it fails."""
        run = self._run(arguments, folder, target)
        return None if run.status else run.output

    def _run(self, arguments: Sequence[str | Path], folder: Path, target: str) -> ToolRun:
        flags = ["--no-progress", "--color=never", *(["--offline"] if self._offline else [])]
        if arguments[0] in _USE_AN_INDEX:
            flags += index_flags(os.environ)
        return run_tool(
            [self.program, *arguments, *flags],
            folder=folder,
            environment=_environment(),
            target=target,
        )


def _environment() -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not _DROPPED.fullmatch(name)}
    return {
        "UV_NO_WRAP": "1",
        "UV_HTTP_RETRIES": "1",  # a network that is not there is reported in seconds
        **kept,
        **index_variables(os.environ),
        "PATH": os.pathsep.join(search_path()),
        "UV_PYTHON_DOWNLOADS": "manual" if downloads_allowed() else "never",
    }


def downloads_allowed() -> bool:
    """Return whether uv may download interpreters, which only the user can allow."""
    return os.environ.get(DOWNLOADS_VARIABLE) == "1"


def find_uv(*, offline: bool = False) -> Uv:
    """Return the uv that ``NOODLE_UV`` names, else the one from PyPI, else that on PATH.

    Args:
        offline: Whether it does without the network.

    Raises:
        MissingToolError: It names no program, or there is none.
    """
    named = os.environ.get(UV_VARIABLE)
    if named:
        program = shutil.which(os.path.expanduser(named))
        if program is None:
            raise MissingToolError(
                f"{UV_VARIABLE} names no program",
                expected="the path of uv",
                received=named,
                where=UV_VARIABLE,
                remedy=f"unset {UV_VARIABLE}, or set it to the output of: command -v uv",
            )
        return Uv(Path(program).absolute(), offline=offline)
    program = _from_wheel() or shutil.which("uv")
    if program is None:
        raise MissingToolError(
            "uv is not installed, which makes environments for Python packages",
            expected=f"the package uv, uv on PATH, or a path in {UV_VARIABLE}",
            received="none of them",
            remedy=PIP_COMMAND,
        )
    return Uv(Path(program).absolute(), offline=offline)


def _from_wheel() -> str | None:
    if importlib.util.find_spec("uv") is None:
        return None
    from uv import find_uv_bin

    try:
        return find_uv_bin()
    except FileNotFoundError:
        return None
