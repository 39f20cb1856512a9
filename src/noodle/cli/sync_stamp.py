"""Whether everything is as the last ``noodle sync`` left it, found out in a few milliseconds.

A stamp holds the state of all that a sync looked at: programs, configuration, lock file, what was
installed, the folders that this interpreter imports from, the variables that matter. What has
changed in any way is looked at anew. This module imports almost nothing.
"""

from __future__ import annotations

import marshal
import os
import sys
from zlib import crc32

from noodle import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    State = tuple[int, ...] | None

__all__ = ["PROGRAM_SUFFIX", "programs_here", "state_of", "up_to_date", "write_stamp"]

_FORMAT = 1

PROGRAM_SUFFIX = ".noodle"
"""How the file of a Noodle program ends."""

_FLAGS = ("--frozen", "--offline")
"""What decides how a sync gets where it ends, and not where."""

_VARIABLES = ("HOME", "LD_LIBRARY_PATH", "PATH", "VIRTUAL_ENV")
_VARIABLE_PREFIXES = ("NOODLE_", "UV_", "PIP_", "NPM_CONFIG_", "PYTHON", "PYENV_", "XDG_")


def up_to_date(arguments: Sequence[str]) -> int | None:
    """Return the number of targets that an earlier sync left complete; None to sync.

    Args:
        arguments: The command line behind ``sync``.
    """
    names = [argument for argument in arguments if argument not in _FLAGS]
    if any(name.startswith("-") for name in names):
        return None
    try:
        names = names or programs_here()
        with open(_file(names), "rb") as file:
            if not _is_private(os.fstat(file.fileno())):
                return None
            identity, states, count = marshal.loads(file.read())
    except (OSError, ValueError, EOFError, TypeError):
        return None
    if identity != _identity(names):
        return None
    unchanged = all(state_of(path) == state for path, state in states)
    return int(count) if unchanged else None


def programs_here() -> list[str]:
    """Return the names of the Noodle programs in the working directory, sorted.

    Raises:
        OSError: The directory cannot be read.
    """
    return sorted(name for name in os.listdir() if name.endswith(PROGRAM_SUFFIX))


def write_stamp(names: Sequence[str], states: Mapping[str, State], count: int) -> None:
    """Keep the state that a sync has reached; a folder that cannot be written is left alone.

    Args:
        names: The programs and targets as they were named.
        states: The state of every file and folder that it looked at, those included that did not
            exist.
        count: How many targets there are.
    """
    stamp: Any = (_identity(names), tuple(states.items()), count)
    file = _file(names)
    temporary = f"{file}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(file), mode=0o700, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as stream:
            stream.write(marshal.dumps(stamp))
        os.replace(temporary, file)
    except OSError:
        return


def _identity(names: Sequence[str]) -> tuple[object, ...]:
    variables = sorted(
        (name, text)
        for name, text in os.environ.items()
        if name in _VARIABLES or name.upper().startswith(_VARIABLE_PREFIXES)
    )
    return (
        *(_FORMAT, __version__, sys.version, sys.executable, os.getcwd()),
        tuple(names),
        tuple(variables),
    )


def _file(names: Sequence[str]) -> str:
    base = os.environ.get("NOODLE_CACHE_DIR")
    if not base:
        caches = os.environ.get("XDG_CACHE_HOME") or ""
        if not os.path.isabs(caches):
            caches = os.path.join(os.path.expanduser("~"), ".cache")
        base = os.path.join(caches, "noodle")
    name = crc32("\0".join([os.getcwd(), *names]).encode("utf-8", "surrogateescape"))
    return os.path.join(base, "sync", f"{name:08x}")


def state_of(path: str) -> State:
    """Return what changes with a file or folder; None where there is none."""
    try:
        facts = os.stat(path)
    except (OSError, ValueError):
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino, facts.st_dev


def _is_private(facts: os.stat_result) -> bool:
    return facts.st_uid == os.geteuid() and not facts.st_mode & 0o022
