"""Which installations are needed: those that a lock file still asks for in the same words."""

from __future__ import annotations

from pathlib import Path

import pytest

from noodle.installation.needs import needing, without_interpreter
from noodle.installation.store import StoredPackages, User
from noodle.lock_file import LockFile, table_digest

TABLE = {"small==1.0": {"sha256": ["00"]}}


@pytest.fixture
def lock_file(tmp_path: Path) -> LockFile:
    lock_file = LockFile(tmp_path / "noodle.lock")
    lock_file.add("pypi", "small", TABLE)
    return lock_file


@pytest.fixture
def stored(lock_file: LockFile, tmp_path: Path) -> StoredPackages:
    user = User(str(lock_file.path), "pypi", "small", table_digest(TABLE))
    return StoredPackages("key", tmp_path / "key", {}, (user,))


def test_a_table_that_says_the_same_needs_it(stored: StoredPackages) -> None:
    assert list(stored.users) == needing(stored)


def test_a_table_that_has_changed_does_not(stored: StoredPackages, lock_file: LockFile) -> None:
    lock_file.path.write_text(lock_file.path.read_text().replace("1.0", "1.1"))
    assert [] == needing(stored)


def test_a_lock_file_that_is_gone_does_not(stored: StoredPackages, lock_file: LockFile) -> None:
    lock_file.path.unlink()
    assert [] == needing(stored)


def test_one_that_cannot_be_read_may_need_it(stored: StoredPackages, lock_file: LockFile) -> None:
    lock_file.path.write_text("<<<<<<< mine")
    assert list(stored.users) == needing(stored)


def test_an_interpreter_that_is_gone_is_seen(stored: StoredPackages, tmp_path: Path) -> None:
    program = tmp_path / "key" / "bin" / "python"
    program.parent.mkdir(parents=True)
    assert not without_interpreter(stored)
    program.symlink_to(tmp_path / "python3.9")
    assert without_interpreter(stored)
    (tmp_path / "python3.9").touch()
    assert not without_interpreter(stored)
