"""A package manager as a child process: it ends with its deadline, and its words are kept."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from noodle.deadlines import remaining_seconds
from noodle.errors import DeadlineExceededError, InstallationError, NoodleError

__all__ = ["FREE_SPACE", "ToolRun", "disk_errors", "run_tool"]

FREE_SPACE = "free some space, or name another folder in NOODLE_CACHE_DIR"

_SECRETS = re.compile(r"(//)[^/@\s]+@")
"""Credentials in an address, which package managers repeat in their messages."""


@dataclass(frozen=True, slots=True)
class ToolRun:
    """How a run of a package manager ended.

    Args:
        status: Its exit code; negative for the signal that ended it.
        output: What it wrote to standard output.
        errors: What it wrote to standard error.

    Credentials in addresses are left out of both texts.
    """

    status: int
    output: str
    errors: str


def run_tool(
    command: Sequence[str | Path], *, folder: Path, environment: Mapping[str, str], target: str
) -> ToolRun:
    """Run a package manager and wait for it.

    Args:
        command: The program and its arguments.
        folder: Its working directory.
        environment: All its environment variables.
        target: What is being installed, for messages.

    Raises:
        DeadlineExceededError: It did not end before the deadline; it and all that it has started
            were ended.
        OSError: It cannot be run.
    """
    # A session of its own: what it has started ends with it at the deadline.
    with subprocess.Popen(
        list(map(str, command)),
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        output, errors = _communicate(process, target, Path(command[0]).name)
    return ToolRun(process.returncode, *(_SECRETS.sub(r"\1", text) for text in (output, errors)))


def _communicate(process: subprocess.Popen[str], target: str, name: str) -> tuple[str, str]:
    limit = remaining_seconds()
    try:
        return process.communicate(timeout=None if limit is None else max(0.0, limit))
    except BaseException as error:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        raise DeadlineExceededError(
            f"{target} was not installed before the deadline",
            expected=f"an end within {max(0.0, limit or 0.0):.3g} s",
            received=f"{name}, still at work",
            remedy="allow more time with noodle.deadline(seconds), or install it with noodle sync",
        ) from None


@contextmanager
def disk_errors(target: str) -> Iterator[None]:
    """Raise what the disk refuses as an error of the installation.

    Args:
        target: What is being installed, for the message.

    Raises:
        InstallationError: The system refused to write.
    """
    try:
        yield
    except NoodleError:  # of which some are an OSError too
        raise
    except OSError as error:
        raise InstallationError(
            f"{target} cannot be installed: {(error.strerror or str(error)).lower()}",
            where="the cache of Noodle",
            remedy=FREE_SPACE,
        ) from error
