"""Environments: what is resolved is locked, what is locked is installed once, and exactly so."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
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
from noodle.workers.environments import Environment, Requirements

HEADER = "# system configuration generated and used by the sysconfig module\n"

NOWHERE = "http://127.0.0.1:9/simple"
"""The port of the discard service, where nothing listens."""

SERIES = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def small(index: PackageIndex) -> PackageIndex:
    """An index with ``small`` in three versions, the last of which needs ``helper``."""
    index.publish("helper", "2.1")
    index.publish("small", "1.0")
    index.publish("small", "1.2")
    index.publish("small", "2.0", needs=["helper>=2"])
    return index


def test_an_environment_has_the_version_that_was_asked_for(
    small: PackageIndex, project: Project
) -> None:
    environment = project.provide("small", "==1.0")
    assert {"small": "1.0"} == dict(environment.packages)
    assert "1.0" == run_in(environment, "import small; print(small.__version__)")
    assert environment.interpreter.is_absolute()
    assert f"Python {sys.version.split()[0]} with small 1.0" in environment.description


def test_what_a_package_needs_is_locked_and_installed_with_it(
    small: PackageIndex, project: Project
) -> None:
    environment = project.provide("small", "")
    assert {"small": "2.0", "helper": "2.1"} == dict(environment.packages)
    table = project.lock_file.packages("pypi", "small")
    assert table is not None
    assert ["helper==2.1", "python", "small==2.0"] == sorted(table)
    assert {"version": SERIES} == table["python"]
    assert "127.0.0.1" not in project.lock_path.read_text()


def test_dependencies_of_the_configuration_and_extras_are_in_the_same_environment(
    small: PackageIndex, project: Project
) -> None:
    small.publish("extended", "1.0", needs=["helper; extra == 'more'"])
    environment = project.provide("small", "1.2", dependencies=["small", "extended[more]>=1"])
    assert {"small": "1.2", "extended": "1.0", "helper": "2.1"} == dict(environment.packages)
    assert ["small==1.2 + extended[more]>=1"] == project.lock_file.targets("pypi")


def test_a_locked_target_stays_at_its_version(small: PackageIndex, project: Project) -> None:
    project.provide("small", "<2")
    text = project.lock_path.read_text()
    small.publish("small", "1.9")
    assert "1.2" == project.provide("small", "<2").packages["small"]
    assert text == project.lock_path.read_text()


def test_an_environment_needs_neither_network_nor_uv_once_it_is_there(
    small: PackageIndex, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = project.provide("small", "1.0")
    asked = len(small.requests)
    monkeypatch.setenv("NOODLE_UV", "/nowhere/uv")
    monkeypatch.setenv("UV_DEFAULT_INDEX", NOWHERE)
    assert first == project.provide("small", "1.0")
    assert asked == len(small.requests)


def test_equal_locks_share_one_environment_and_versions_have_their_own(
    small: PackageIndex, project: Project
) -> None:
    first = project.provide("small", "1.2")
    assert first.key == project.provide("small", "<2").key
    assert first.key != project.provide("small", "1.0").key
    assert 2 == len(project.complete())


def test_bytecode_is_there_before_the_first_import(small: PackageIndex, project: Project) -> None:
    environment = project.provide("small", "1.0")
    folder = environment.interpreter.parent.parent
    assert list(folder.glob("lib/python*/site-packages/small/__pycache__/*.pyc"))
    before = sorted(folder.rglob("*"))
    run_in(environment, "import small")
    assert before == sorted(folder.rglob("*"))


def test_the_interpreter_starts_without_code_of_the_installer(
    small: PackageIndex, project: Project
) -> None:
    environment = project.provide("small", "1.0")
    assert "False" == run_in(environment, "import sys; print('_virtualenv' in sys.modules)")


def test_a_module_of_the_standard_library_needs_no_package(project: Project) -> None:
    environment = project.provide("json", python=f"=={SERIES}.*")
    assert {} == dict(environment.packages)
    assert "without packages" in environment.description
    assert "[1]" == run_in(environment, "import json; print(json.dumps([1]))")


def test_the_locks_of_the_same_index_are_the_same_text(
    small: PackageIndex, project: Project
) -> None:
    project.provide("small", "2.0")
    first = project.lock_path.read_bytes()
    project.lock_path.unlink()
    project.provide("small", "2.0")
    assert first == project.lock_path.read_bytes()


# -------------------------------------------------------------------------- what does not exist


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


# --------------------------------------------------------------------------- built from source


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


# --------------------------------------------------------------------------------- the network


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


# --------------------------------------------------------------------------- the lock's content


def test_another_content_than_was_locked_is_refused(index: PackageIndex, project: Project) -> None:
    index.publish("small", "1.0")
    project.provide("small", "1.0")
    index.replace_file("small", {"small/__init__.py": "evil()"})
    project.cache = project.cache.with_name("other")
    os.environ["UV_CACHE_DIR"] += "2"
    with pytest.raises(InstallationError, match="is not the one that was locked") as caught:
        project.provide("small", "1.0")
    assert "Hash mismatch" in (caught.value.received or "")
    assert [] == project.complete()


def test_a_changed_lock_makes_another_environment(small: PackageIndex, project: Project) -> None:
    first = project.provide("small", "<2")
    table = dict(project.lock_file.packages("pypi", "small<2") or {})
    older = project.provide("small", "1.0").packages
    assert {"small": "1.0"} == dict(older)
    text = project.lock_path.read_text()
    other = dict(project.lock_file.packages("pypi", "small==1.0") or {})
    for entry in (table, other):
        entry.pop("python")
    (new,), (old,) = other.items(), table.items()
    text = text.replace(old[0], new[0]).replace(old[1]["sha256"][0], new[1]["sha256"][0])
    project.lock_path.write_text(text)
    second = project.provide("small", "<2")
    assert ("1.2", "1.0") == (first.packages["small"], second.packages["small"])


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"small==1.0"', '"../small"', "is no package with its version"),
        ('"small==1.0"', '"small==1.0 --index-url=x"', "is no package with its version"),
        ("sha256 =", "sha512 =", "has no hash"),
        ('["', '["0', "not SHA-256"),
        ("sha256 =", 'marker = "a\\n--pre", sha256 =', "has a marker that cannot be read"),
        ("sha256 =", 'marker = "x == 1 --pre", sha256 =', "has a marker that cannot be read"),
        (f'version = "{SERIES}"', "version = 3", "names no version of Python"),
    ],
)
def test_a_lock_that_was_edited_wrongly_is_refused(
    small: PackageIndex, project: Project, old: str, new: str, told: str
) -> None:
    project.provide("small", "1.0")
    text = project.lock_path.read_text()
    assert old in text
    head, table, rest = text.partition("[pypi.")
    heading, line_end, rest = rest.partition("\n")
    project.lock_path.write_text(head + table + heading + line_end + rest.replace(old, new))
    with pytest.raises(InstallationError, match=told):
        project.provide("small", "1.0")


def test_a_lock_file_that_cannot_be_written_is_noted(small: PackageIndex, project: Project) -> None:
    project.lock_path = Path("/proc/noodle.lock")
    environment = project.provide("small", "1.0")
    assert any("noodle.lock cannot be written" in note for note in environment.notes)


# -------------------------------------------------------------------------- when it is installed


def test_what_may_not_be_installed_is_an_error_with_its_remedy(
    small: PackageIndex, project: Project
) -> None:
    project.policy = InstallPolicy("never")
    with pytest.raises(MissingPackageError, match="may not be resolved now") as caught:
        project.provide("small", "1.0")
    assert "noodle sync" == caught.value.remedy
    project.policy = InstallPolicy("always")
    project.provide("small", "1.0")
    project.policy = InstallPolicy("never")
    assert "1.0" == project.provide("small", "1.0").packages["small"]
    project.cache = project.cache.with_name("other")
    with pytest.raises(MissingPackageError, match=r"packages of small==1\.0 are not installed"):
        project.provide("small", "1.0")
    assert [] == project.complete()


def test_with_the_policy_locked_only_what_is_locked_is_installed(
    small: PackageIndex, project: Project
) -> None:
    project.provide("small", "1.0")
    project.policy = InstallPolicy("locked")
    project.cache = project.cache.with_name("other")
    assert "1.0" == project.provide("small", "1.0").packages["small"]
    with pytest.raises(MissingPackageError, match="which may not be changed now"):
        project.provide("small", "1.2")


def test_nothing_is_installed_unasked_where_nobody_looks(
    small: PackageIndex, project: Project
) -> None:
    project.policy = InstallPolicy()
    with pytest.raises(MissingPackageError, match="no terminal or notebook") as caught:
        project.provide("small", "1.0")
    assert "NOODLE_INSTALL=always" in (caught.value.remedy or "")


# ---------------------------------------------------------------------------- several at once


def test_threads_that_need_an_environment_at_once_build_it_once(
    small: PackageIndex, project: Project
) -> None:
    project.provide("small", "1.0")
    os.environ["UV_CACHE_DIR"] += "2"
    asked = len(small.requests)
    project.cache = project.cache.with_name("other")
    together = threading.Barrier(4)
    found: list[Environment] = []

    def work() -> None:
        together.wait(30)
        found.append(project.provide("small", "1.0"))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [found[0]] * 4 == found
    assert 1 == len(project.complete())
    assert 1 == len([path for path in small.requests[asked:] if path.endswith(".whl")])


BUILDER = """
    from pathlib import Path
    from noodle.installation.policy import InstallPolicy
    from noodle.lock_file import LockFile
    from noodle.workers.environments import Environments, Requirements

    environments = Environments(Path({cache!r}), InstallPolicy("always"))
    lock_file = LockFile(Path({lock!r}))
    print(environments.provide(Requirements.of("small", "1.0"), lock_file).key)
"""


def start_builder(project: Project) -> subprocess.Popen[str]:
    program = textwrap.dedent(BUILDER).format(cache=str(project.cache), lock=str(project.lock_path))
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition: object, process: subprocess.Popen[str]) -> None:
    limit = time.monotonic() + 60
    while not condition():  # type: ignore[operator]
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_a_builder_that_is_killed_half_way_leaves_nothing_that_is_used(
    small: PackageIndex, project: Project
) -> None:
    """Two processes build one environment; the first holds the lock and is killed in a download."""
    project.provide("small", "1.0")
    project.cache = project.cache.with_name("other")
    os.environ["UV_CACHE_DIR"] += "2"
    small.before_file.clear()
    asked = len(small.requests)
    first = start_builder(project)
    wait_for(lambda: any(p.startswith("/files") for p in small.requests[asked:]), first)
    second = start_builder(project)
    waiting = second.stderr
    assert waiting is not None
    assert "waiting for another process that installs small==1.0" in waiting.readline()
    assert [] == project.complete()
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=30)
    small.before_file.set()
    output, errors = second.communicate(timeout=60)
    assert (0, [output.strip()]) == (second.returncode, project.complete()), errors
    assert "1.0" == run_in(
        project.provide("small", "1.0"), "import small; print(small.__version__)"
    )


def test_the_wait_for_another_process_ends_at_the_deadline(
    small: PackageIndex, project: Project
) -> None:
    project.provide("small", "1.0")
    project.cache = project.cache.with_name("other")
    project.interpreters()
    os.environ["UV_CACHE_DIR"] += "2"
    small.before_file.clear()
    asked = len(small.requests)
    first = start_builder(project)
    wait_for(lambda: any(p.startswith("/files") for p in small.requests[asked:]), first)
    with pytest.raises(DeadlineExceededError, match="not built before the deadline"), deadline(0.3):
        project.provide("small", "1.0")
    small.before_file.set()
    first.communicate(timeout=60)
    assert 0 == first.returncode


# ------------------------------------------------------------------------------- disk, interpreter


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB where this may be made; else None stands for a limit on file sizes."""
    place = tmp_path / "disk"
    place.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "tmpfs", str(place)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, check=False).returncode == 0
    yield place
    if mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


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


def test_an_interpreter_that_nobody_has_is_an_error_that_names_those_found(
    index: PackageIndex, project: Project
) -> None:
    with pytest.raises(MissingToolError, match=r"there is no Python 3\.7 for small") as caught:
        project.provide("small", "1.0", python="==3.7.*")
    assert sys.version.split()[0] in (caught.value.received or "")
    assert "NOODLE_PYTHON_DOWNLOADS=1" in (caught.value.remedy or "")
    assert [] == index.requests


def answers_as(version: str) -> str:
    """A program that answers as the interpreter of a version would."""
    answers = f"'/usr/bin/python{version}' '{version}' cpython 0 ''"
    return f"#!/bin/sh\nprintf '%s\\n' {answers}\n"


@pytest.fixture
def downloads(tmp_path: Path, index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of interpreters that uv may download from this machine, with Python 3.70.1."""
    (tmp_path / "python" / "bin").mkdir(parents=True)
    library = tmp_path / "python" / "lib" / "python3.70"
    library.mkdir(parents=True)
    for name in ("_sysconfigdata__linux_x86_64-linux-gnu.py", "_sysconfigdata__linux_.py"):
        (library / name).write_text(HEADER + "build_time_vars = {}\n")
    program = tmp_path / "python" / "bin" / "python3.70"
    program.write_text(answers_as("3.70.1"))
    program.chmod(0o755)
    archive = shutil.make_archive(str(tmp_path / "p"), "gztar", tmp_path, "python")
    machine = os.uname().machine
    entry = {
        "name": "cpython",
        "arch": {"family": machine, "variant": None},
        "os": "linux",
        "libc": "gnu",
        **{"major": 3, "minor": 70, "patch": 1, "prerelease": ""},
        "url": f"file://{archive}",
        "sha256": hashlib.sha256(Path(archive).read_bytes()).hexdigest(),
        "variant": None,
        "build": "20250101",
    }
    listing = tmp_path / "list.json"
    listing.write_text(json.dumps({f"cpython-3.70.1-linux-{machine}-gnu": entry}))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", f"file://{listing}")
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "interpreters"))
    return listing


def test_an_interpreter_is_downloaded_only_where_the_user_lets_it(
    downloads: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    requirements = Requirements.of("json", python="==3.70.*")
    with pytest.raises(MissingToolError, match=r"there is no Python 3\.70"):
        project.environments().lock(requirements, project.lock_file)
    assert not (downloads.parent / "interpreters").exists()
    monkeypatch.setenv("NOODLE_PYTHON_DOWNLOADS", "1")
    locked = project.environments().lock(requirements, project.lock_file)
    assert "3.70" == locked.series


def test_a_download_that_fails_is_told(
    downloads: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOODLE_PYTHON_DOWNLOADS", "1")
    downloads.write_text(downloads.read_text().replace("p.tar.gz", "gone.tar.gz"))
    with pytest.raises(InstallationError, match=r"Python 3\.70"):
        project.environments().lock(Requirements.of("json", python="==3.70.*"), project.lock_file)


def test_an_interpreter_that_vanished_is_an_error_and_its_return_is_enough(
    small: PackageIndex, project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The lock names a series of which no interpreter is left; the environment is not used."""
    project.provide("small", "1.0")
    text = project.lock_path.read_text()
    project.lock_path.write_text(text.replace(f'version = "{SERIES}"', 'version = "3.99"'))
    with pytest.raises(MissingToolError, match=r"there is no Python 3\.99 for small==1\.0"):
        project.provide("small", "1.0")
    project.lock_path.write_text(text)
    assert "1.0" == project.provide("small", "1.0").packages["small"]


def test_an_environment_in_use_is_not_removed(small: PackageIndex, project: Project) -> None:
    environment = project.provide("small", "1.0")
    from noodle.installation.store import PackageStore

    store = PackageStore(project.cache / "python")
    assert store.in_use(environment.key)
    assert not store.remove(environment.key)
    assert [environment.key] == project.complete()


def test_what_is_not_there_is_found_without_making_it(
    small: PackageIndex, project: Project
) -> None:
    requirements = Requirements.of("small", "1.0")
    environments = project.environments()
    assert environments.find(requirements, project.lock_file) is None
    made = environments.provide(requirements, project.lock_file)
    assert made == environments.find(requirements, project.lock_file)


def test_a_file_size_limit_stays_out_of_this_process() -> None:
    """The tests of full disks limit their own child processes only."""
    assert resource.RLIM_INFINITY == resource.getrlimit(resource.RLIMIT_FSIZE)[0]
