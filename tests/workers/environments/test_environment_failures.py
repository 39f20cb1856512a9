"""What cannot be had: each cause has its error, and once it is gone the same call works."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.workers.environments.conftest import Project, run_in
from tests.workers.environments.package_index import PackageIndex

from noodle.deadlines import deadline
from noodle.errors import (
    DeadlineExceededError,
    InstallationError,
    MissingPackageError,
    MissingToolError,
    NoodleError,
    SettingsError,
    VersionError,
)
from noodle.installation.policy import InstallPolicy

NOWHERE = "http://127.0.0.1:9/simple"
"""The port of the discard service, where nothing listens."""

SERIES = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.mark.parametrize(
    ("location", "requirement", "error", "told"),
    [
        ("nosuch", "==1", MissingPackageError, "there is no Python package for nosuch==1"),
        ("small", "==99", VersionError, "no version of small==99"),
        ("broken", "", MissingPackageError, "or for something that it needs"),
    ],
)
def test_what_does_not_exist_is_named_with_uvs_own_words(
    small: PackageIndex,
    project: Project,
    location: str,
    requirement: str,
    error: type[NoodleError],
    told: str,
) -> None:
    small.publish("broken", "1.0", needs=["nosuch"])
    with pytest.raises(error, match=told) as caught:
        project.provide(location, requirement)
    assert (caught.value.received or "").startswith("uv: No solution found")
    assert not project.lock_path.exists()
    assert [] == project.complete()


def test_requirements_that_contradict_each_other_are_explained(
    small: PackageIndex, project: Project
) -> None:
    with pytest.raises(VersionError, match=r"small.*2\.0 depends on helper>=2") as caught:
        project.provide("small", "2.0", dependencies=["helper<2"])
    assert "no versions satisfy small==2.0 + helper<2" == caught.value.summary
    assert not project.lock_path.exists()


@pytest.mark.parametrize("requirement", ["==", ">>1", "=1", "1.0; x", " @ file:///etc/passwd"])
def test_a_version_that_is_nonsense_is_refused_before_anything_is_asked(
    index: PackageIndex, project: Project, requirement: str
) -> None:
    with pytest.raises((SettingsError, NoodleError), match="requirement"):
        project.provide("small", requirement)
    with pytest.raises((SettingsError, NoodleError), match="requirement"):
        project.provide("small", "", dependencies=[f"helper{requirement}"])
    assert [] == index.requests


def test_a_version_without_wheels_names_the_versions_of_python_that_were_tried(
    index: PackageIndex, project: Project
) -> None:
    index.publish("old", "1.0", tag="cp27-cp27m-linux_x86_64")
    with pytest.raises(VersionError, match="no wheels that can be used") as caught:
        project.provide("old", "1.0")
    assert f"Python {SERIES}" in (caught.value.received or "")
    assert 'from_source=["old"]' in (caught.value.remedy or "")


# ------------------------------------------------------------ built from source


def test_a_package_is_built_from_source_only_where_that_is_allowed(
    index: PackageIndex, project: Project
) -> None:
    index.publish_source("rough", "1.0")
    with pytest.raises(VersionError, match="no wheels"):
        project.provide("rough", "1.0")
    environment = project.provide("rough", "1.0", from_source=["Rough"])
    assert "True" == run_in(environment, "import rough; print(rough.built)")
    assert ["rough==1.0; source rough"] == project.lock_file.targets("pypi")


def test_a_build_that_fails_is_told_in_its_own_words(index: PackageIndex, project: Project) -> None:
    index.publish_source("rough", "1.0", statement="raise RuntimeError('no compiler here')")
    with pytest.raises(InstallationError, match="cannot be built from source") as caught:
        project.provide("rough", "1.0", from_source=["rough"])
    assert "no compiler here" in (caught.value.received or "")
    assert [] == project.complete()
    assert [] == list(project.cache.glob("python/build-*"))


# ------------------------------------------------------------ the network


def test_no_network_is_an_error_within_seconds(
    index: PackageIndex, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", NOWHERE)
    with deadline(60), pytest.raises(InstallationError, match="cannot be reached") as caught:
        project.provide("small", "1.0")
    assert "Connection refused" in (caught.value.received or "")
    assert not project.lock_path.exists()


def test_an_index_that_does_not_answer_is_overdue_at_the_deadline(
    index: PackageIndex, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.interpreters()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address, port = silent.getsockname()
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://{address}:{port}/simple")
        begin = time.monotonic()
        with pytest.raises(DeadlineExceededError, match="before the deadline"), deadline(1.0):
            project.provide("small", "1.0")
        assert time.monotonic() - begin < 1.0 + 2
    assert [] == list(project.cache.glob("python/build-*"))


def test_offline_installs_what_uv_has_and_names_what_it_lacks(
    small: PackageIndex, project: Project
) -> None:
    project.provide("small", "1.0")
    project.policy = InstallPolicy("always", offline=True)
    project.cache = project.cache.with_name("other")
    assert "1.0" == project.provide("small", "1.0").packages["small"]
    asked = len(small.requests)
    with pytest.raises(InstallationError, match="without the network") as caught:
        project.provide("helper", "2.1")
    assert "noodle sync, without --offline" == caught.value.remedy
    assert asked == len(small.requests)


def test_credentials_do_not_appear_in_errors(
    index: PackageIndex, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://me:s3cret@127.0.0.1:9/simple")
    with pytest.raises(InstallationError) as caught:
        project.provide("small", "1.0")
    assert "s3cret" not in str(caught.value)


# ------------------------------------------------------------ a full disk


def test_a_full_disk_is_an_error_that_says_so(
    index: PackageIndex, project: Project, small_disk: Path
) -> None:
    """On a disk of its own where one may be mounted, else with a limit on the size of files."""
    text = "x = 1\n" * 900_000
    index.publish("large", "1.0", {"large.py": text})
    project.cache = small_disk / "cache"
    program = f"""
        import resource
        from pathlib import Path
        from noodle.errors import InstallationError
        from noodle.installation.policy import InstallPolicy
        from noodle.lock_file import LockFile
        from noodle.workers.environments import Environments, Requirements

        if not Path({str(small_disk)!r}).is_mount():
            resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
        environments = Environments(Path({str(project.cache)!r}), InstallPolicy("always"))
        lock_file = LockFile(Path({str(project.lock_path)!r}))
        try:
            environments.provide(Requirements.of("large"), lock_file)
        except InstallationError as error:
            print(error)
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    assert "large cannot be installed: " in result.stdout, result
    assert "NOODLE_CACHE_DIR" in result.stdout
    assert [] == project.complete()
    assert [] == list(project.cache.glob("python/build-*"))


def test_a_file_size_limit_stays_out_of_this_process() -> None:
    """The tests of full disks limit their own child processes only."""
    assert resource.RLIM_INFINITY == resource.getrlimit(resource.RLIMIT_FSIZE)[0]


# ------------------------------------------------------------ once the cause is gone


def unreachable(index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    monkeypatch.setenv("UV_DEFAULT_INDEX", NOWHERE)
    return lambda: monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)


def unpublished(index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    index.publish("thing", "0.9")
    return lambda: index.publish("thing", "1.0") and None


def without_wheels(index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    index.publish("thing", "1.0", tag="cp27-cp27m-linux_x86_64")
    return lambda: index.publish("thing", "1.0") and None


def contradictory(index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    index.publish("part", "1.0")
    index.publish("thing", "1.0", needs=["part>=2"])
    return lambda: index.publish("part", "2.0") and None


def without_uv(index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    monkeypatch.setenv("NOODLE_UV", "/nowhere/uv")
    return lambda: monkeypatch.delenv("NOODLE_UV")


def silent(index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    index.before_file.clear()
    return index.before_file.set


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (unreachable, InstallationError),
        (unpublished, VersionError),
        (without_wheels, VersionError),
        (contradictory, VersionError),
        (without_uv, MissingToolError),
        (silent, DeadlineExceededError),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_after_an_error_with_its_remedy_the_same_call_works(
    index: PackageIndex,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[PackageIndex, pytest.MonkeyPatch], Callable[[], None]],
    error: type[NoodleError],
) -> None:
    """Each cause is taken away in the process that has seen the error."""
    project.interpreters()
    if spoil not in (unpublished, without_wheels, contradictory):
        index.publish("thing", "1.0")
    repair = spoil(index, monkeypatch)
    seconds = 5 if spoil is silent else 60
    with pytest.raises(error) as caught, deadline(seconds):
        project.provide("thing", "1.0")
    assert caught.value.remedy
    assert [] == project.complete()
    repair()
    monkeypatch.setenv("UV_CACHE_DIR", str(project.cache.with_name("uv2")))
    assert "1.0" == project.provide("thing", "1.0").packages["thing"]
