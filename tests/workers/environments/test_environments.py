"""Environments: what is resolved is locked, what is locked is installed once, and exactly so."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from tests.workers.environments.conftest import Project, run_in
from tests.workers.environments.package_index import PackageIndex, make_wheel

import noodle
from noodle.errors import (
    InstallationError,
    MissingPackageError,
)
from noodle.installation.policy import InstallPolicy
from noodle.workers.environments import Requirements

NOWHERE = "http://127.0.0.1:9/simple"
"""The port of the discard service, where nothing listens."""

SERIES = f"{sys.version_info.major}.{sys.version_info.minor}"


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


# ---------------------------------------------------------------------- the lock's content


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


def test_a_lock_file_that_cannot_be_written_is_told_and_noted(
    small: PackageIndex, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.lock_path = Path("/proc/noodle.lock")
    environment = project.provide("small", "1.0")
    assert any("noodle.lock cannot be written" in note for note in environment.notes)
    told = f"noodle: {environment.title} is not locked: noodle.lock cannot be written: "
    assert 1 == capsys.readouterr().err.count(told)


def test_where_pip_uses_no_index_neither_does_uv(
    small: PackageIndex, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wheels in a folder are enough, as on a machine without a network."""
    (tmp_path / "wheels").mkdir()
    name = "own-1.0-py3-none-any.whl"
    (tmp_path / "wheels" / name).write_bytes(make_wheel("own", "1.0", {"own.py": "value = 5\n"}))
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", small.url)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    assert "5" == run_in(project.provide("own", "1.0"), "import own; print(own.value)")
    with pytest.raises(MissingPackageError):
        project.provide("small", "1.0")
    assert [] == small.requests


# ------------------------------------------------------------ when it is installed


def test_what_may_not_be_installed_is_an_error_with_its_remedy(
    small: PackageIndex, project: Project
) -> None:
    project.policy = InstallPolicy("never")
    with pytest.raises(MissingPackageError, match="may not be resolved now") as caught:
        project.provide("small", "1.0")
    assert "noodle sync small==1.0" == caught.value.remedy
    project.policy = InstallPolicy("always")
    project.provide("small", "1.0")
    project.policy = InstallPolicy("never")
    assert "1.0" == project.provide("small", "1.0").packages["small"]
    project.cache = project.cache.with_name("other")
    with pytest.raises(
        MissingPackageError, match=r"packages of small==1\.0 are not installed"
    ) as caught:
        project.provide("small", "1.0")
    assert "noodle sync" == caught.value.remedy
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


def test_a_library_in_a_worker_installs_nothing(
    small: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this process may do is no permission for its workers."""
    monkeypatch.setenv("NOODLE_INSTALL", "always")
    monkeypatch.chdir(tmp_path)
    text = "import noodle\ndef load(target): return noodle.load(target).__name__\n"
    (tmp_path / "inner.py").write_text(text)
    inner = noodle.load("./inner.py", placement="isolated")
    assert "json" == inner.load("json")
    with pytest.raises(MissingPackageError, match=r"noodle sync small==1\.0"):
        inner.load("small==1.0")
    assert [] == small.requests
    assert not (tmp_path / "noodle.lock").exists()
    noodle.unload(inner)


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
