"""Environments that several need at once, or whose interpreter is not here (any more)."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from tests.workers.environments.conftest import Project, own_interpreter, run_in
from tests.workers.environments.package_index import PackageIndex

import noodle
from noodle.deadlines import deadline
from noodle.errors import (
    DeadlineExceededError,
    MissingPackageError,
    MissingToolError,
    NoodleError,
    WorkerCrashedError,
)
from noodle.installation.policy import InstallPolicy
from noodle.workers.environments import Environment, Requirements

SERIES = f"{sys.version_info.major}.{sys.version_info.minor}"


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


@pytest.mark.usefixtures("repetition")
def test_processes_that_need_an_environment_at_once_build_it_once(
    small: PackageIndex, project: Project
) -> None:
    """Both resolve and build: one download, one environment, one lock."""
    project.interpreters()
    small.before_file.clear()
    processes = [start_builder(project) for _ in range(2)]
    wait_for(lambda: any(path.endswith(".whl") for path in small.requests), processes[0])
    small.before_file.set()
    outputs = [process.communicate(timeout=100) for process in processes]
    assert [0, 0] == [process.returncode for process in processes], outputs
    assert project.complete() * 2 == [output.strip() for output, _ in outputs]
    assert 1 == len([path for path in small.requests if path.endswith(".whl")])
    assert ["small==1.0"] == project.lock_file.targets("pypi")
    said = "".join(errors for _, errors in outputs)
    assert 1 == said.count("installing small==1.0 (1 package)")


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


@pytest.mark.usefixtures("repetition")
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


# ------------------------------------------------------------ interpreters
def test_an_interpreter_that_nobody_has_is_an_error_that_names_those_found(
    index: PackageIndex, project: Project
) -> None:
    with pytest.raises(MissingToolError, match=r"there is no Python 3\.99 for small") as caught:
        project.provide("small", "1.0", python="==3.99.*")
    assert sys.version.split()[0] in (caught.value.received or "")
    assert "NOODLE_PYTHON_DOWNLOADS=1" in (caught.value.remedy or "")
    assert [] == index.requests


def lock_for(project: Project, series: str) -> None:
    """Let the lock file say that its only table was resolved for another series."""
    text = project.lock_path.read_text()
    assert 1 == text.count("version =")
    project.lock_path.write_text(re.sub(r'version = "[0-9.]+"', f'version = "{series}"', text))


def test_an_interpreter_that_vanished_is_an_error_and_its_return_is_enough(
    index: PackageIndex, project: Project
) -> None:
    """The lock names a series of which no interpreter is left, and files that need that one."""
    number = SERIES.replace(".", "")
    index.publish("fast", "1.0", tag=f"cp{number}-cp{number}-manylinux_2_17_{os.uname().machine}")
    project.provide("fast", "1.0")
    table = project.lock_file.packages("pypi", "fast==1.0") or {}
    only_old = {**table, "fast==1.0": {"sha256": ["0" * 64]}}
    project.lock_path.unlink()
    project.lock_file.add("pypi", "fast==1.0", only_old)
    lock_for(project, "3.99")
    with pytest.raises(MissingToolError, match=r"no Python 3\.99 for fast==1\.0") as caught:
        project.provide("fast", "1.0")
    assert sys.version.split()[0] in str(caught.value.received)
    project.lock_path.unlink()
    project.lock_file.add("pypi", "fast==1.0", table)
    assert "1.0" == project.provide("fast", "1.0").packages["fast"]


def test_files_that_are_enough_on_another_series_are_installed_there(
    small: PackageIndex, project: Project
) -> None:
    """A lock of another machine: exactly its files are installed, and it stays as it is."""
    project.provide("small", "2.0")
    lock_for(project, "3.99")
    text = project.lock_path.read_text()
    project.cache = project.cache.with_name("other")
    requirements = Requirements.of("small", "2.0")
    assert project.environments().find(requirements, project.lock_file) is None
    environment = project.provide("small", "2.0")
    assert {"small": "2.0", "helper": "2.1"} == dict(environment.packages)
    assert (
        "locked for Python 3.99, which is not here: the same files are installed on Python "
        f"{SERIES}",
    ) == environment.notes
    assert text == project.lock_path.read_text()
    project.policy = InstallPolicy("never")
    assert environment.key == project.provide("small", "2.0").key
    found = project.environments().find(requirements, project.lock_file)
    assert found
    assert environment.key == found.key


def test_files_that_are_not_enough_on_another_series_are_not_installed_there(
    small: PackageIndex, project: Project
) -> None:
    """There it needs one more package than the lock has."""
    table = {
        "python": {"version": "3.99"},
        "top==1.0": {"sha256": [small.publish("top", "1.0", needs=["helper"])]},
    }
    project.lock_file.add("pypi", "top==1.0", table)
    with pytest.raises(MissingToolError, match=r"there is no Python 3\.99"):
        project.provide("top", "1.0")
    assert [] == project.complete()


def test_another_series_is_not_tried_where_nothing_may_be_installed(
    small: PackageIndex, project: Project
) -> None:
    project.provide("small", "1.0")
    lock_for(project, "3.99")
    project.cache = project.cache.with_name("other")
    project.policy = InstallPolicy("never")
    with pytest.raises(MissingPackageError, match=r"small==1\.0 are not installed"):
        project.provide("small", "1.0")


def test_another_series_is_not_taken_where_the_target_names_its_own(
    small: PackageIndex, project: Project
) -> None:
    table = {"python": {"version": "3.99"}, "small==1.0": {"sha256": ["0" * 64]}}
    project.lock_file.add("pypi", "small==1.0; python=3.99", table)
    with pytest.raises(MissingToolError, match=r"there is no Python 3\.99 for small==1\.0"):
        project.provide("small", "1.0", python="==3.99.*")
    assert [] == small.requests


def test_a_worker_whose_interpreter_vanished_cannot_start_again_until_it_is_back(
    index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host and its other libraries go on meanwhile."""
    series, folder = own_interpreter(tmp_path / "pyenv", tmp_path)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    text = "import os\ndef end(): os._exit(3)\ndef value(): return 7\n"
    index.publish("frail", "1.0", {"frail.py": text})
    options = {"install": "always", "cache_directory": str(tmp_path / "cache")}
    frail = noodle.load(f"frail==1.0; python={series}", **options)
    assert 7 == frail.value()
    folder.rename(tmp_path / "away")
    with pytest.raises(WorkerCrashedError):
        frail.end()
    with pytest.raises(NoodleError) as caught, deadline(20):
        frail.value()
    assert caught.value.remedy
    assert 2 == noodle.load("math").sqrt(4)
    (tmp_path / "away").rename(folder)
    with deadline(20):
        assert 7 == frail.value()
