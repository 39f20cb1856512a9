"""The builds of system libraries in the lock file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from noodle.calls import Preparation
from noodle.cli.library_builds import lock_build, platform_name, require_locked
from noodle.errors import InstallationError, VersionError
from noodle.lock_file import LockFile


def library(build: str) -> Preparation:
    return Preparation(f"build {build}", Path("/lib/x.so"), "native", "x.so", {"build": build})


def test_a_platform_is_a_processor_and_a_distribution() -> None:
    assert platform_name().startswith(f"{os.uname().machine}-")
    assert " " not in platform_name()


def test_the_build_of_this_platform_is_noted_beside_those_of_others(tmp_path: Path) -> None:
    lock_file = LockFile(tmp_path / "noodle.lock")
    lock_file.add("native", "x.so", {"other-1": {"build": "00"}})
    lock_file.add("pypi", "small", {"small==1.0": {"sha256": ["00"]}})
    for build in ("aa", "bb"):
        lock_build(lock_file, library(build), frozen=False)
        assert {"other-1": {"build": "00"}, platform_name(): {"build": build}} == (
            lock_file.packages("native", "x.so")
        )
    assert ["small"] == lock_file.targets("pypi")


def test_an_unchanged_build_leaves_the_file_alone(tmp_path: Path) -> None:
    lock_file = LockFile(tmp_path / "noodle.lock")
    lock_build(lock_file, library("aa"), frozen=False)
    before = lock_file.path.stat()
    lock_build(lock_file, library("aa"), frozen=False)
    assert before == lock_file.path.stat()


@pytest.mark.parametrize("known", [None, "aa"])
def test_another_build_is_refused_with_frozen(tmp_path: Path, known: str | None) -> None:
    lock_file = LockFile(tmp_path / "noodle.lock")
    if known:
        lock_build(lock_file, library(known), frozen=False)
    with pytest.raises(VersionError, match=r"x\.so is not the build") as caught:
        lock_build(lock_file, library("bb"), frozen=True)
    assert (f"build {known}" if known else "a build that is locked") == caught.value.expected
    assert (bool(known), "build bb") == (lock_file.path.exists(), caught.value.received)


def test_a_lock_file_that_cannot_be_written_is_told() -> None:
    with pytest.raises(InstallationError, match=r"noodle\.lock cannot be written") as caught:
        lock_build(LockFile(Path("/proc/noodle.lock")), library("aa"), frozen=False)
    assert "--frozen" in str(caught.value.remedy)


def test_what_is_not_in_a_lock_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    lock_file = LockFile(tmp_path / "noodle.lock")
    with pytest.raises(InstallationError, match=r"noodle\.lock cannot be written"):
        require_locked(lock_file, library("aa"))
    lock_build(lock_file, library("aa"), frozen=False)
    require_locked(lock_file, library("aa"))
