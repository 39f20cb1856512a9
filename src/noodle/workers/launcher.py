"""Starting a worker's process: through the launcher, from a thread that outlives its starter."""

from __future__ import annotations

import os
from pathlib import Path

from noodle import _host
from noodle.errors import ForeignError, InternalError, MissingToolError
from noodle.workers.program import Program

__all__ = ["launch"]

LAUNCHER = Path(__file__).resolve().parent.parent / "noodle-launcher"


def launch(
    program: Program, link: _host.Link, standard_output: int, standard_error: int
) -> tuple[int, int]:
    """Start a worker for a link.

    Args:
        program: What to run.
        link: The host's end of its memory.
        standard_output: The descriptor that becomes its standard output; stays open here.
        standard_error: The same for its standard error.

    Returns:
        Its process id, and a pidfd that belongs to the caller.

    Raises:
        MissingToolError: The program or its directory does not exist or cannot be run.
        ForeignError: The system cannot start another process now.
        InternalError: The launcher failed.
    """
    control, socket, event, lifeline = link.descriptors()
    status, report = os.pipe2(os.O_CLOEXEC)
    arguments = [
        str(LAUNCHER),
        f"--parent={os.getpid()}",
        f"--status={report}",
        f"--control={control}",
        f"--socket={socket}",
        f"--event={event}",
        f"--lifeline={lifeline}",
        f"--stdout={standard_output}",
        f"--stderr={standard_error}",
        f"--directory={program.directory}",
        *(f"--env={name}={value}" for name, value in program.environment.items()),
    ]
    if program.memory_bytes is not None:
        arguments.append(f"--limit-data={program.memory_bytes + program.reserved_bytes}")
    arguments += ["--", *map(str, program.command)]
    inherited = [report, control, socket, event, lifeline, standard_output, standard_error]
    try:
        pid, pidfd = _host.start([os.fsencode(argument) for argument in arguments], inherited)
    except OSError as error:
        os.close(status)
        raise ForeignError(
            f"the worker {program.name} cannot be started",
            received=error.strerror,
            where=str(LAUNCHER),
        ) from error
    finally:
        os.close(report)
    with open(status, encoding="utf-8", errors="replace") as reader:
        failure = reader.readline().strip()
    if failure:
        os.close(pidfd)
        raise _launch_error(program, failure)
    return pid, pidfd


def _launch_error(program: Program, failure: str) -> Exception:
    """Return the error for the launcher's line, such as ``exec 2 No such file or directory: …``."""
    step, _, rest = failure.partition(" ")
    reason = rest.partition(" ")[2]
    if step in ("exec", "directory"):
        return MissingToolError(
            f"the worker {program.name} cannot be started",
            expected="a program that can be run, and a directory that exists",
            received=reason,
            where=str(program.command[0]) if step == "exec" else str(program.directory),
            remedy="install it again; in an environment of Noodle: noodle env prune, noodle sync"
            if step == "exec"
            else "make the directory again, or start from another one",
        )
    return InternalError(f"the launcher of {program.name} failed at {step}", received=reason)
