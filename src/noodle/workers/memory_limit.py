"""The limit on a worker's memory: what enforces it, and how it is told that it was reached.

Never ``RLIMIT_AS``, which counts what a runtime only reserves. A control group enforces it exactly
where this process may make one. Everywhere the supervisor watches the worker's private resident
memory ten times a second, and ``RLIMIT_DATA`` is a coarse bound above the limit. The segments that
a worker was given count as its own.
"""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import count
from pathlib import Path

from noodle.workers.program import Program

__all__ = ["WATCH_SECONDS", "MemoryLimit", "says_out_of_memory"]

WATCH_SECONDS = 0.1
"""Chosen: memory is touched first at some 2 GB/s, so a worker exceeds its limit by 200 MB at most;
looking costs 20 µs."""

_PAGE = os.sysconf("SC_PAGE_SIZE")
_GROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_numbers = count(1)

_WORDS = (
    "out of memory",
    "cannot allocate memory",
    "bad_alloc",
    "memoryerror",
    "allocation failed",
)


class MemoryLimit:
    """The limit on one worker's memory.

    Args:
        program: What it runs; without ``memory_bytes`` there is no limit.
        groups: Where control groups are.
        membership: What tells which of them this process is in.
    """

    def __init__(
        self, program: Program, groups: Path = _GROUPS, membership: Path = _MEMBERSHIP
    ) -> None:
        self.most = program.memory_bytes
        own = None if self.most is None else _own_group(groups, membership)
        self._group = None if own is None or self.most is None else _make_group(own, self.most)

    def admit(self, pid: int) -> None:
        """Put a process that has just been started under the limit."""
        if self._group is not None:
            with suppress(OSError):
                (self._group / "cgroup.procs").write_text(str(pid), encoding="ascii")

    def is_exceeded(self, pid: int, lent_bytes: int) -> bool:
        """Return whether a process has more memory than it may.

        Args:
            pid: The process.
            lent_bytes: The bytes of the segments that it was given.
        """
        return self.most is not None and _private_bytes(pid) + lent_bytes > self.most

    def was_killed(self) -> bool:
        """Return whether the kernel has killed a process because of the limit."""
        if self._group is None:
            return False
        try:
            events = (self._group / "memory.events").read_text(encoding="ascii").split()
        except OSError:
            return False
        return int(dict(zip(events[::2], events[1::2], strict=True)).get("oom_kill", 0)) > 0

    def close(self) -> None:
        """End what is left of the worker's processes, and forget its group."""
        if self._group is None:
            return
        with suppress(OSError):
            (self._group / "cgroup.kill").write_text("1", encoding="ascii")
        with suppress(OSError):
            self._group.rmdir()


def says_out_of_memory(lines: list[str]) -> bool:
    """Return whether the last output of a worker says that it had no memory."""
    text = "\n".join(lines).lower()
    return any(words in text for words in _WORDS)


def _private_bytes(pid: int) -> int:
    """Return the resident memory of a process that is its own; 0 once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * _PAGE


def _make_group(own: Path, most: int) -> Path | None:
    """Make a control group below this process's own, or return None where that is not allowed."""
    group = own / f"noodle-{os.getpid()}-{next(_numbers)}"
    try:
        group.mkdir()
    except OSError:
        return None
    try:
        (group / "memory.max").write_text(str(most), encoding="ascii")
        (group / "memory.oom.group").write_text("1", encoding="ascii")
    except OSError:  # the memory controller is not given to groups below this one
        with suppress(OSError):
            group.rmdir()
        return None
    with suppress(OSError):  # a kernel without swap accounting has no such file
        (group / "memory.swap.max").write_text("0", encoding="ascii")
    return group


def _own_group(groups: Path, membership: Path) -> Path | None:
    """Return this process's control group, if it is one of version 2 that gives memory on."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
        own = next(line[3:] for line in lines if line.startswith("0::"))
        group = groups / own.lstrip("/")
        given = (group / "cgroup.subtree_control").read_text(encoding="ascii").split()
    except (OSError, StopIteration):
        return None
    return group if "memory" in given else None
