from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.workers.environments.package_index import PackageIndex

from noodle.build_cache import BuildCache
from noodle.installation.policy import InstallPolicy
from noodle.lock_file import LockFile
from noodle.workers.environments import Environment, Environments, Requirements
from noodle.workers.environments.interpreters import Interpreter, Interpreters


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PackageIndex]:
    """An index of this machine, which uv uses, with an empty cache of uv's."""
    for name in list(os.environ):
        if name.startswith(("UV_", "PIP_")):
            monkeypatch.delenv(name)
    with PackageIndex() as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        monkeypatch.setenv("UV_NO_CONFIG", "1")
        yield index


@pytest.fixture
def small(index: PackageIndex) -> PackageIndex:
    """An index with ``small`` in three versions, the last of which needs ``helper``."""
    index.publish("helper", "2.1")
    index.publish("small", "1.0")
    index.publish("small", "1.2")
    index.publish("small", "2.0", needs=["helper>=2"])
    return index


class Project:
    """A folder with a lock file, and a cache."""

    def __init__(self, folder: Path) -> None:
        self.cache = folder / "cache"
        self.lock_path = folder / "noodle.lock"
        self.policy = InstallPolicy("always")

    @property
    def lock_file(self) -> LockFile:
        return LockFile(self.lock_path)

    def environments(self) -> Environments:
        return Environments(self.cache, self.policy)

    def provide(self, location: str, requirement: str = "", **options: object) -> Environment:
        requirements = Requirements.of(location, requirement, **options)
        return self.environments().provide(requirements, self.lock_file)

    def complete(self) -> list[str]:
        """The keys of the environments that count as complete."""
        return sorted(path.parent.name for path in self.cache.glob("python/*/noodle.json"))

    def interpreters(self) -> list[Interpreter]:
        return Interpreters(BuildCache.at(self.cache / "python")).found()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def own_interpreter(root: Path, memory: Path) -> tuple[str, Path]:
    """Copy an interpreter of another series to where pyenv would have it, so that it can vanish.

    Returns:
        Its series, and its folder.
    """
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    usable = [one for one in Interpreters(BuildCache.at(memory / "c")).found() if not one.refusal()]
    series = [one.series for one in usable]
    for one in usable:
        prefix = one.path.parent.parent
        if one.series != running and series.count(one.series) == 1:
            folder = root / "versions" / one.version
            (folder / "bin").mkdir(parents=True)
            shutil.copy(one.path, folder / "bin" / f"python{one.series}")
            (folder / "lib").symlink_to(prefix / "lib")
            return one.series, folder
    pytest.skip("no other CPython on this machine")


def run_in(environment: Environment, statement: str) -> str:
    """Run a statement by an environment's interpreter and return what it prints."""
    result = subprocess.run(
        [environment.interpreter, "-I", "-c", statement],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return result.stdout.strip()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without any interpreter, and a PATH without any."""
    home = tmp_path / "home"
    home.mkdir()
    for name in list(os.environ):
        if name.startswith(("PYENV", "ASDF", "MISE", "MAMBA", "UV_", "XDG_", "CONDA")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return home


def pretend(
    folder: Path, version: str, *, implementation: str = "cpython", free_threaded: bool = False
) -> Path:
    """Make a program that answers as another interpreter would, and counts how often."""
    folder.mkdir(parents=True, exist_ok=True)
    series = ".".join(version.split(".")[:2])
    program = folder / f"python{series}{'t' if free_threaded else ''}"
    program.write_text(
        textwrap.dedent(
            f"""\
            #!/bin/sh
            echo asked >> '{folder}/asked'
            printf '%s\\n' '{program}' '{version}' '{implementation}' {int(free_threaded)} ''
            """
        )
    )
    program.chmod(0o755)
    return program
