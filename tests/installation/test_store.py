"""What is installed: complete or not there, with its users, and never removed under one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from noodle.errors import InstallationError, MissingPackageError
from noodle.installation.policy import InstallPolicy
from noodle.installation.store import PackageStore, StoredPackages, User

KEY = "0123456789abcdef" * 2
USER = User("/project/noodle.lock", "pypi", "small", "0123")


def fill(folder: Path) -> Mapping[str, Any]:
    folder.mkdir()
    (folder / "content").write_text("x" * 5000)
    return {"kind": "python", "packages": ["small==1.0"]}


@pytest.fixture
def store(tmp_path: Path) -> PackageStore:
    return PackageStore(tmp_path / "store")


def provide(store: PackageStore, key: str = KEY, user: User = USER) -> StoredPackages:
    policy = InstallPolicy("always")
    return store.provide(key, "small", fill, policy=policy, user=user, count=1)


def test_it_says_what_it_is_and_who_uses_it(store: PackageStore) -> None:
    stored = provide(store)
    assert ("small", "python") == (stored.facts["target"], stored.facts["kind"])
    assert (USER,) == stored.users
    assert stored == store.find(KEY)
    assert stored.size() >= 5000
    assert [stored] == store.installations()


def test_each_user_is_noted_once(store: PackageStore) -> None:
    other = User("/other/noodle.lock", "pypi", "small", "0123")
    for user in (USER, other, USER):
        stored = provide(store, user=user)
    assert (USER, other) == stored.users


def test_a_use_counts_as_the_last_one(store: PackageStore) -> None:
    provide(store)
    os.utime(store.cache.path(f"{KEY}.uses"), (1000, 1000))
    assert 1000 == store.installations()[0].last_use
    assert provide(store).last_use > 1000


def test_one_that_fails_leaves_nothing(store: PackageStore) -> None:
    def fail(folder: Path) -> Mapping[str, Any]:
        fill(folder)
        raise InstallationError("no")

    with pytest.raises(InstallationError):
        store.provide(KEY, "small", fail, policy=InstallPolicy("always"), user=USER, count=1)
    assert store.find(KEY) is None
    assert [] == store.installations()


def test_one_that_may_not_be_made_is_an_error(store: PackageStore) -> None:
    with pytest.raises(MissingPackageError):
        store.provide(KEY, "small", fill, policy=InstallPolicy("never"), user=USER, count=1)


def test_what_this_process_uses_is_not_removed(store: PackageStore) -> None:
    provide(store)
    assert store.in_use(KEY)
    assert not store.remove(KEY)
    assert store.find(KEY)


HOLDER = """
import sys
from pathlib import Path
from noodle.installation.policy import InstallPolicy
from noodle.installation.store import PackageStore, User

store = PackageStore(Path(sys.argv[1]))
user = User("a", "b", "c", "d")
store.provide(sys.argv[2], "small", None, policy=InstallPolicy("never"), user=user, count=1)
print("uses it", flush=True)
sys.stdin.read()
"""


def make(place: Path) -> None:
    """Make an installation in a process that ends, so that this one does not use it."""
    program = (
        "import sys; from pathlib import Path; from noodle.installation.store import PackageStore\n"
        "from tests.installation.test_store import provide\n"
        "provide(PackageStore(Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", program, str(place)]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True, timeout=60)


def test_what_another_process_uses_goes_only_after_it(store: PackageStore, tmp_path: Path) -> None:
    place = tmp_path / "store"
    make(place)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(place), KEY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout
        assert "uses it\n" == holder.stdout.readline()
        assert not store.remove(KEY)
        holder.kill()
        holder.wait(30)
    assert not store.in_use(KEY)
    assert store.remove(KEY)
    assert [] == list(place.iterdir())


def running(program: Path) -> subprocess.Popen[str]:
    """Start an interpreter that waits for a line, and wait until it does."""
    process = subprocess.Popen(
        [program, "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    process.stdout.readline()
    return process


def test_a_program_that_runs_from_it_counts_as_use(store: PackageStore, tmp_path: Path) -> None:
    """A worker goes on while its host is being ended, and nobody holds the lock any more."""
    make(tmp_path / "store")
    program = store.cache.path(KEY) / "python"
    program.symlink_to(sys.executable)
    with running(program) as process:
        assert store.in_use(KEY)
        assert not store.remove(KEY)
        process.communicate("\n", timeout=30)
    assert store.remove(KEY)


def test_one_that_was_changed_by_hand_is_refused(store: PackageStore) -> None:
    stored = provide(store)
    (stored.directory / "noodle.json").write_text("{")
    with pytest.raises(InstallationError, match="was changed") as caught:
        provide(store)
    assert f"rm -r {stored.directory}" == caught.value.remedy


def test_a_damaged_list_of_users_is_passed_over(store: PackageStore) -> None:
    provide(store)
    with store.cache.path(f"{KEY}.uses").open("a") as file:
        file.write('half of a li\n{"a": 1}\n[1, 2, 3, 4]\n')
    assert (USER,) == provide(store).users


def test_the_facts_are_plain_json(store: PackageStore) -> None:
    stored = provide(store)
    content = json.loads((stored.directory / "noodle.json").read_text())
    assert {"target": "small", "kind": "python", "packages": ["small==1.0"]} == content
