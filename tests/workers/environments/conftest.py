from __future__ import annotations

import os
import subprocess
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
