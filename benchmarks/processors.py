"""What a process may use of the processors: one of them, or a share of their time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from measure import BenchmarkError

ONE_PROCESSOR = "one processor"

QUOTA = 0.5
"""Chosen: of one processor; host and worker together want up to two."""

PERIOD_MICROSECONDS = 100_000

_MOUNT = Path("/sys/fs/cgroup")
_LEAVE_SECONDS = 2.0


class NoQuotaError(BenchmarkError):
    """This machine, or this user, cannot limit a process's share of the processors."""


def enter(place: str) -> None:
    """Put this process, and all that it starts, where it may use less of the processors.

    Args:
        place: ``ONE_PROCESSOR``, the path of a control group, or nothing to stay.
    """
    if place == ONE_PROCESSOR:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    elif place:
        Path(place, "cgroup.procs").write_text(str(os.getpid()))


@contextmanager
def quota_group() -> Iterator[str]:
    """Make a control group whose processes get ``QUOTA`` together, and give its path.

    Raises:
        NoQuotaError: None can be made below that of this process.
    """
    for group, settings in _possible_groups():
        if not _make(group, settings):
            continue
        try:
            yield str(group)
        finally:
            _remove(group)
        return
    raise NoQuotaError("no control group with a quota can be made here")


def _make(group: Path, settings: Mapping[str, str]) -> bool:
    try:
        group.mkdir()
    except OSError:
        return False
    try:
        for name, value in settings.items():
            (group / name).write_text(value)
    except OSError:
        group.rmdir()
        return False
    return True


def _remove(group: Path) -> None:
    """Remove a group as soon as the last of its processes has ended."""
    limit = time.monotonic() + _LEAVE_SECONDS
    while True:
        try:
            return group.rmdir()
        except OSError:
            if time.monotonic() > limit:
                raise
        time.sleep(0.01)


def _possible_groups() -> Iterator[tuple[Path, Mapping[str, str]]]:
    """Give where the group would be, and the files that set its quota, for both versions."""
    name = f"noodle-benchmark-{os.getpid()}"
    quota = int(PERIOD_MICROSECONDS * QUOTA)
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        below = path.strip("/")
        if not controllers:
            settings = {"cpu.max": f"{quota} {PERIOD_MICROSECONDS}"}
            yield _MOUNT / below / name, settings
        elif "cpu" in controllers.split(","):
            settings = {
                "cpu.cfs_period_us": str(PERIOD_MICROSECONDS),
                "cpu.cfs_quota_us": str(quota),
            }
            yield _MOUNT / controllers / below / name, settings
