"""``noodle sync --lock-only``: what is needed is resolved and locked, and nothing is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from noodle.lock_file import LockFile
from tests.bridges.javascript.registry import Registry
from tests.cli.conftest import Command
from tests.workers.environments.package_index import PackageIndex, offer

Write = Callable[[str, str], Path]


@pytest.fixture
def index(environment: dict[str, str], tmp_path: Path) -> Iterator[PackageIndex]:
    """An index of this machine that the command uses, with an empty cache of uv's."""
    with PackageIndex() as index:
        offer(index, environment, tmp_path / "uv")
        index.publish("helper", "2.1")
        index.publish("small", "1.0")
        yield index


@pytest.fixture
def lock_file(folder: Path) -> LockFile:
    return LockFile(folder / "noodle.lock")


def installed(environment: dict[str, str]) -> list[Path]:
    """Return the files of packages in Noodle's cache."""
    cache = Path(environment["XDG_CACHE_HOME"]) / "noodle"
    return [*cache.rglob("small*"), *cache.rglob("helper*"), *cache.rglob("tiny")]


def test_it_locks_programs_configuration_and_system_libraries_and_installs_nothing(
    noodle: Command,
    write: Write,
    index: PackageIndex,
    environment: dict[str, str],
    lock_file: LockFile,
) -> None:
    write("noodle.toml", '[ffi.bridges.s]\npath = "small"\nversion = "1.0"\n')
    write("main.noodle", 'import ffi "helper==2.1" as h\nimport ffi "libm.so.6" as m\n')
    result = noodle("sync", "--lock-only", "main.noodle")
    assert (0, True) == (result.returncode, "3 targets locked" in result.stdout), result.stderr
    assert "with helper==2.1\n" in result.stdout
    assert ["helper==2.1", "small==1.0"] == lock_file.targets("pypi")
    assert lock_file.packages("native", "libm.so.6")
    assert [] == installed(environment)


def test_a_sync_afterwards_installs_exactly_that(
    noodle: Command,
    write: Write,
    index: PackageIndex,
    environment: dict[str, str],
    folder: Path,
) -> None:
    write("main.noodle", 'import ffi "small" as s\n')
    write("noodle.toml", '[ffi.bridges.small]\nversion = ">=1"\n')
    assert 0 == noodle("sync", "--lock-only").returncode
    locked = (folder / "noodle.lock").read_bytes()
    index.publish("small", "1.9")
    result = noodle("sync")
    assert (0, True) == (result.returncode, "small 1.0" in result.stdout), result.stderr
    assert locked == (folder / "noodle.lock").read_bytes()
    assert installed(environment)


def test_it_locks_packages_that_belong_together(
    noodle: Command, index: PackageIndex, environment: dict[str, str], lock_file: LockFile
) -> None:
    assert 0 == noodle("sync", "--lock-only", "helper==2.1 + small==1.0").returncode
    assert ["helper==2.1 + small==1.0"] == lock_file.targets("pypi")
    assert [] == installed(environment)


def test_it_locks_npm_packages(
    noodle: Command, write: Write, environment: dict[str, str], lock_file: LockFile
) -> None:
    with Registry() as registry:
        environment["npm_config_registry"] = registry.url
        registry.publish("@scope/tiny", "1.2.0", {"index.js": ""})
        write("main.noodle", 'import ffi "npm:@scope/tiny@1" as t\n')
        result = noodle("sync", "--lock-only")
        assert 0 == result.returncode, result.stderr
        assert "npm:@scope/tiny@1  locked: @scope/tiny 1.2.0" in result.stdout
    table = lock_file.packages("npm", "@scope/tiny@1") or {}
    assert "1.2.0" == table["node_modules/@scope/tiny"]["version"]
    assert [] == installed(environment)


def test_it_is_an_error_where_the_lock_file_cannot_be_written(
    noodle: Command, index: PackageIndex, folder: Path, environment: dict[str, str]
) -> None:
    (folder / "noodle.lock").mkdir()
    result = noodle("sync", "--lock-only", "small==1.0")
    assert 4 == result.returncode
    assert "noodle.lock" in result.stderr
    assert [] == installed(environment)


def test_it_cannot_be_asked_for_together_with_frozen(noodle: Command) -> None:
    result = noodle("sync", "--lock-only", "--frozen")
    assert 2 == result.returncode
    assert "--lock-only writes the lock file, and --frozen does not" in result.stderr
