"""Limits on memory where control groups can be had: a folder stands in for the kernel's."""

from __future__ import annotations

from pathlib import Path

import pytest

from noodle.workers.memory_limit import MemoryLimit, says_out_of_memory
from noodle.workers.program import Program

LIMIT = 128 * 10**6


def limited(folder: Path, given: str | None) -> tuple[MemoryLimit, Path]:
    """A limit in a folder of groups whose own group gives these controllers on."""
    own = folder / "a" / "b"
    own.mkdir(parents=True)
    if given is not None:
        (own / "cgroup.subtree_control").write_text(given, encoding="ascii")
    membership = folder / "membership"
    membership.write_text("4:memory:/x\n0::/a/b\n", encoding="ascii")
    program = Program("limited", ("/bin/true",), memory_bytes=LIMIT)
    return MemoryLimit(program, folder, membership), own


def test_a_group_of_its_own_limits_a_worker(tmp_path: Path) -> None:
    limit, own = limited(tmp_path, "cpu memory\n")
    limit.admit(1234)
    (group,) = own.glob("noodle-*")
    told = {path.name: path.read_text(encoding="ascii") for path in group.iterdir()}
    assert (str(LIMIT), "0", "1234") == (
        told["memory.max"],
        told["memory.swap.max"],
        told["cgroup.procs"],
    )
    assert not limit.was_killed()
    (group / "memory.events").write_text("max 7\noom 1\noom_kill 1\n", encoding="ascii")
    assert limit.was_killed()
    limit.close()
    assert "1" == (group / "cgroup.kill").read_text(encoding="ascii")


@pytest.mark.parametrize("given", [None, "cpu io\n"])
def test_without_the_memory_controller_there_is_no_group(tmp_path: Path, given: str | None) -> None:
    limit, own = limited(tmp_path, given)
    limit.admit(1234)
    assert not limit.was_killed()
    limit.close()
    assert [] == list(own.glob("noodle-*"))


def test_without_a_limit_nothing_is_exceeded(tmp_path: Path) -> None:
    limit = MemoryLimit(Program("free", ("/bin/true",)), tmp_path)
    assert not limit.is_exceeded(1, 1 << 60)


def test_what_a_worker_was_lent_counts(tmp_path: Path) -> None:
    limit = MemoryLimit(Program("limited", ("/bin/true",), memory_bytes=LIMIT), tmp_path)
    gone = 2**22 + 1
    assert not limit.is_exceeded(gone, LIMIT)
    assert limit.is_exceeded(gone, LIMIT + 1)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("FATAL ERROR: Reached heap limit - JavaScript heap out of memory", True),
        ("terminate called after throwing an instance of 'std::bad_alloc'", True),
        ("MemoryError", True),
        ("sh: fork: Cannot allocate memory", True),
        ("TypeError: x is not a function", False),
    ],
)
def test_the_words_of_a_runtime_without_memory_are_known(line: str, says: bool) -> None:
    assert says == says_out_of_memory(["something", line])
