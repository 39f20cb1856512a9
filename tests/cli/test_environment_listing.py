"""``noodle env``: what is installed, who needs it, and what goes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from noodle.bridges.javascript.packages import DOWNLOADS
from noodle.installation.policy import InstallPolicy
from noodle.installation.store import PackageStore, User
from noodle.lock_file import LockFile, table_digest
from tests.cli.conftest import Command
from tests.installation.test_store import running

ROOT = Path(__file__).parents[2]

TABLE = {"python": {"version": "3.9"}, "small==1.0": {"sha256": ["00"]}}

INSTALL = """
import sys
from pathlib import Path
from tests.cli.test_environment_listing import install
install(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
"""


def install(cache: Path, target: str, lock_path: Path) -> None:
    """Put an installation into the cache that a lock file asks for."""
    lock_file = LockFile(lock_path)
    lock_file.add("pypi", target, TABLE)

    def fill(folder: Path) -> dict[str, object]:
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").symlink_to(sys.executable)
        (folder / "content").write_bytes(bytes(3_000_000))
        return {"kind": "python", "python": "3.9.18", "packages": ["small==1.0"], "modules": {}}

    user = User(str(lock_path), "pypi", target, table_digest(TABLE))
    key = target.encode().hex().ljust(32, "0")
    store = PackageStore(cache / "noodle" / "python")
    store.provide(key, target, fill, policy=InstallPolicy("always"), user=user, count=1)


@pytest.fixture
def cache(environment: dict[str, str], folder: Path) -> Path:
    """A cache with the environments of ``a`` and ``b``, which no process uses."""
    place = Path(environment["XDG_CACHE_HOME"])
    for target in "ab":
        command = [sys.executable, "-c", INSTALL, str(place), target, str(folder / "noodle.lock")]
        subprocess.run(command, cwd=ROOT, check=True, timeout=60, stderr=subprocess.DEVNULL)
    return place


def keys(cache: Path) -> set[str]:
    """The first characters of the keys of all installations."""
    return {path.parent.name[:2] for path in cache.glob("noodle/*/*/noodle.json")}


def test_it_lists_size_last_use_and_state(invoke: Command, cache: Path) -> None:
    result = invoke("env", "list")
    assert 0 == result.returncode
    heading, *rows = result.stdout.splitlines()
    assert ["key", "for", "contents", "size", "last use", "state"] == re.split(
        r"\s{2,}", heading.strip()
    )
    assert 2 == len(rows)
    for row in rows:
        assert re.match(
            r"6[12]000000  [ab]\s+Python 3\.9\.18: small==1\.0\s+3\.0 MB\s+just now", row
        )
        assert row.rstrip().endswith("needed by 1 lock file")


def test_an_empty_cache_has_nothing(invoke: Command) -> None:
    assert "nothing is installed\n" == invoke("env", "list").stdout


def test_one_is_shown_with_all_that_uses_it(invoke: Command, cache: Path, folder: Path) -> None:
    text = invoke("env", "show", "61").stdout
    assert re.search(r"packages\s+small==1\.0", text)
    assert f"needed by   {folder}/noodle.lock: a" in text
    (folder / "noodle.lock").unlink()
    assert f"was used by {folder}/noodle.lock: a" in invoke("env", "show", "61").stdout


@pytest.mark.parametrize("key", ["6", "ff"])
def test_a_key_that_is_not_one_is_an_error(invoke: Command, cache: Path, key: str) -> None:
    result = invoke("env", "show", key)
    assert 1 == result.returncode
    assert "installations have a key that begins with" in result.stderr


def test_prune_removes_what_no_lock_file_needs(invoke: Command, cache: Path, folder: Path) -> None:
    assert "0 kB freed\n" == invoke("env", "prune").stdout
    assert {"61", "62"} == keys(cache)
    text = (folder / "noodle.lock").read_text()
    (folder / "noodle.lock").write_text(text.replace("[pypi.a]", "[pypi.other]"))
    assert "would be removed" in invoke("env", "prune", "--dry-run").stdout
    assert {"61", "62"} == keys(cache)
    assert "3.0 MB freed" in invoke("env", "prune").stdout
    assert {"62"} == keys(cache)


def test_prune_removes_one_whose_interpreter_is_gone(invoke: Command, cache: Path) -> None:
    (program,) = cache.glob("noodle/python/61*/bin/python")
    program.unlink()
    program.symlink_to("/nowhere/python3.9")
    assert "its interpreter is gone" in invoke("env", "list").stdout
    invoke("env", "prune")
    assert {"62"} == keys(cache)


def test_a_damaged_one_is_listed_and_pruned(invoke: Command, cache: Path) -> None:
    (facts,) = cache.glob("noodle/python/61*/noodle.json")
    facts.write_text("{")
    rows = invoke("env", "list").stdout.splitlines()
    assert any(re.match(r"61000000 .*unknown .*damaged", row) for row in rows)
    assert "damaged" in invoke("env", "show", "61").stdout
    assert "61000000  damaged  3.0 MB removed" in invoke("env", "prune").stdout
    assert {"62"} == keys(cache)


def test_what_npm_has_downloaded_is_no_installation(invoke: Command, cache: Path) -> None:
    downloads = cache / "noodle" / "node" / DOWNLOADS
    (downloads / "_cacache").mkdir(parents=True)
    rows = invoke("env", "list").stdout.splitlines()
    assert 3 == len(rows)
    assert not any("damaged" in row for row in rows)
    invoke("env", "prune", "--all")
    assert set() == keys(cache)
    assert (downloads / "_cacache").is_dir()


def test_prune_removes_what_a_killed_build_has_left(invoke: Command, cache: Path) -> None:
    left = cache / "noodle" / "python" / "build-x"
    left.mkdir()
    invoke("env", "prune", "--dry-run")
    assert left.exists()
    invoke("env", "prune")
    assert not left.exists()
    assert {"61", "62"} == keys(cache)


def test_prune_takes_the_long_unused_and_all_where_asked(invoke: Command, cache: Path) -> None:
    (uses,) = cache.glob("noodle/python/61*.uses")
    os.utime(uses, (1_000_000, 1_000_000))
    invoke("env", "prune", "--unused-for", "30")
    assert {"62"} == keys(cache)
    invoke("env", "prune", "--all")
    assert set() == keys(cache)


def test_prune_leaves_what_a_process_uses(invoke: Command, cache: Path) -> None:
    (program,) = cache.glob("noodle/python/61*/bin/python")
    with running(program) as process:
        result = invoke("env", "prune", "--all")
        assert "61000000  a  is in use, and stays" in result.stdout
        assert {"61"} == keys(cache)
        process.communicate("\n", timeout=30)
