"""``noodle sync``: everything that is needed, installed and locked, and quick when it is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from noodle.lock_file import LockFile
from tests.bridges.javascript.registry import Registry
from tests.cli.conftest import Command
from tests.test_imports import HEAVY, imported_by_command
from tests.workers.environments.package_index import PackageIndex, offer

Write = Callable[[str, str], Path]

SERIES = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def index(environment: dict[str, str], tmp_path: Path) -> Iterator[PackageIndex]:
    """An index of this machine that the command uses, with an empty cache of uv's."""
    with PackageIndex() as index:
        offer(index, environment, tmp_path / "uv")
        index.publish("helper", "2.1")
        index.publish("small", "1.0")
        index.publish("small", "1.2", needs=["helper"])
        yield index


@pytest.fixture
def lock_file(folder: Path) -> LockFile:
    return LockFile(folder / "noodle.lock")


def test_it_installs_what_a_program_and_the_files_that_it_imports_need(
    noodle: Command, write: Write, index: PackageIndex, lock_file: LockFile
) -> None:
    write("part.noodle", 'import ffi "small==1.2" as s\nlet x = 1\n')
    write("main.noodle", 'import "part.noodle" as part\nimport ffi "libm.so.6" as m\nprint(1)\n')
    result = noodle("sync", "main.noodle")
    assert 0 == result.returncode, result.stderr
    assert re.search(
        r"small==1\.2  environment \w+: Python \S+ with small 1\.2, 1 more", result.stdout
    )
    assert re.search(r"libm\.so\.6  build [0-9a-f]{12}", result.stdout)
    assert "noodle.lock has changed" in result.stdout
    assert "2 targets in place" in result.stdout
    assert ["small==1.2"] == lock_file.targets("pypi")


def test_it_installs_what_is_configured_with_its_dependencies(
    noodle: Command, write: Write, index: PackageIndex, lock_file: LockFile
) -> None:
    write(
        "noodle.toml",
        '[ffi.bridges.small]\npath = "small"\nversion = "1.0"\ndependencies = ["helper"]\n',
    )
    assert 0 == noodle("sync").returncode
    assert ["small==1.0 + helper"] == lock_file.targets("pypi")
    table = lock_file.packages("pypi", "small==1.0 + helper")
    assert {"python", "small==1.0", "helper==2.1"} == set(table or {})


def test_it_installs_what_only_the_lock_file_names(
    noodle: Command, write: Write, index: PackageIndex, environment: dict[str, str], folder: Path
) -> None:
    """Programs in Python state their targets in code, which is not read."""
    write("main.noodle", 'import ffi "small==1.0" as s\n')
    assert 0 == noodle("sync", "main.noodle").returncode
    (folder / "main.noodle").unlink()
    environment["XDG_CACHE_HOME"] += "2"
    result = noodle("sync", "--frozen")
    assert (0, True) == (result.returncode, "small==1.0  environment" in result.stdout)


def test_without_a_name_it_installs_what_the_programs_here_need(
    noodle: Command, write: Write, index: PackageIndex, lock_file: LockFile
) -> None:
    """As the remedy ``noodle sync`` says."""
    write("one.noodle", 'import ffi "small==1.0" as s\n')
    assert "1 target in place" in noodle("sync").stdout
    assert "up to date: 1 target\n" == noodle("sync").stdout
    write("two.noodle", 'import ffi "helper==2.1" as h\n')
    assert "2 targets in place" in noodle("sync").stdout
    assert ["helper==2.1", "small==1.0"] == lock_file.targets("pypi")


@pytest.mark.parametrize(
    ("target", "title"),
    [
        ("small==1.0", "small==1.0"),
        (f"small == 1.0; python == {SERIES}", f"small==1.0; python={SERIES}"),
        ("helper==2.1 + small==1.0", "helper==2.1 + small==1.0"),
        (f"standard library; python={SERIES}", f"standard library; python={SERIES}"),
    ],
)
def test_it_installs_a_target_that_only_a_program_in_python_names(
    noodle: Command, index: PackageIndex, lock_file: LockFile, target: str, title: str
) -> None:
    result = noodle("sync", target)
    assert (0, True) == (result.returncode, "1 target in place" in result.stdout), result.stderr
    assert [title] == lock_file.targets("pypi")
    assert "up to date: 1 target\n" == noodle("sync", target).stdout


def test_the_remedy_of_a_load_that_may_not_install_is_enough(
    noodle: Command, index: PackageIndex, folder: Path, environment: dict[str, str]
) -> None:
    script = "import noodle; noodle.load('small==1.0', install='never')"
    command = [sys.executable, "-c", script]

    def load() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=folder, env=environment, text=True, capture_output=True, check=False
        )

    errors = load().stderr
    assert "try:      noodle sync small==1.0\n" in errors
    noodle("sync", "small==1.0")
    ended = load()
    assert (0, "") == (ended.returncode, ended.stderr)


def test_a_target_that_this_interpreter_has_needs_nothing(noodle: Command) -> None:
    result = noodle("sync", "json")
    assert (0, "") == (result.returncode, result.stderr)
    assert "json  needs nothing but this interpreter\n" in result.stdout


def test_a_name_that_is_nothing_is_an_error(noodle: Command, index: PackageIndex) -> None:
    for name, told in (
        ("missing.noodle", "missing.noodle: error: there is no such file"),
        ("small==", "not a"),
        ("a + = b", "requirement"),
    ):
        result = noodle("sync", name)
        assert result.returncode in (3, 4)
        assert told in result.stderr
    assert [] == index.requests


def test_where_nothing_names_a_package_it_says_what_to_name(noodle: Command) -> None:
    result = noodle("sync")
    assert 0 == result.returncode
    assert "there is no Noodle program here, no noodle.toml and no noodle.lock" in result.stdout


def test_it_installs_npm_packages_too(
    noodle: Command, write: Write, environment: dict[str, str], lock_file: LockFile
) -> None:
    with Registry() as registry:
        environment["npm_config_registry"] = registry.url
        registry.publish("@scope/tiny", "1.2.0", {"index.js": ""})
        write("main.noodle", 'import ffi "npm:@scope/tiny@1" as t\n')
        result = noodle("sync", "main.noodle")
        assert 0 == result.returncode, result.stderr
        assert "npm:@scope/tiny@1  @scope/tiny 1.2.0" in result.stdout
        assert ["@scope/tiny@1"] == lock_file.targets("npm")
    environment["XDG_CACHE_HOME"] += "2"
    assert 4 == noodle("sync", "--offline").returncode


def test_a_second_sync_loads_no_command_line_library(
    noodle: Command,
    write: Write,
    index: PackageIndex,
    folder: Path,
    environment: dict[str, str],
    noodle_command: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write("main.noodle", 'import ffi "small==1.0" as s\n')
    assert 0 == noodle("sync", "main.noodle").returncode
    for name in os.environ.keys() - environment.keys():
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    # The profile of imports is a variable that counts, as others of Python's do.
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    command = [*noodle_command, "sync", "main.noodle"]
    imported_by_command(command, folder)
    output, imported = imported_by_command(command, folder)
    assert "up to date: 1 target\n" == output
    assert imported & HEAVY == set()
    assert "tomllib" not in imported


@pytest.mark.parametrize("flags", [[], ["--offline"], ["--frozen"], ["--offline", "--frozen"]])
def test_a_second_sync_says_that_all_is_up_to_date(
    noodle: Command, write: Write, index: PackageIndex, flags: list[str]
) -> None:
    write("main.noodle", 'import ffi "small==1.0" as s\n')
    noodle("sync", "main.noodle")
    result = noodle("sync", *flags, "main.noodle")
    assert (0, "up to date: 1 target\n", "") == (result.returncode, result.stdout, result.stderr)


def change_program(folder: Path, environment: dict[str, str]) -> None:
    (folder / "part.noodle").write_text('import ffi "small==1.2" as s\nlet y = 1\n')


def change_lock(folder: Path, environment: dict[str, str]) -> None:
    (folder / "noodle.lock").unlink()


def add_configuration(folder: Path, environment: dict[str, str]) -> None:
    (folder / "noodle.toml").write_text("sample_every = 3\n")


def remove_environment(folder: Path, environment: dict[str, str]) -> None:
    for facts in Path(environment["XDG_CACHE_HOME"]).glob("noodle/python/*/noodle.json"):
        facts.parent.rename(folder / "gone")


def change_variable(folder: Path, environment: dict[str, str]) -> None:
    environment["NOODLE_DEADLINE"] = "7"


@pytest.mark.parametrize(
    "change",
    [change_program, change_lock, add_configuration, remove_environment, change_variable],
)
def test_what_has_changed_is_looked_at_again(
    noodle: Command,
    write: Write,
    index: PackageIndex,
    folder: Path,
    environment: dict[str, str],
    change: Callable[[Path, dict[str, str]], None],
) -> None:
    write("part.noodle", 'import ffi "small==1.0" as s\nlet x = 1\n')
    write("main.noodle", 'import "part.noodle" as part\n')
    assert "in place" in noodle("sync", "main.noodle").stdout
    assert "up to date" in noodle("sync", "main.noodle").stdout
    change(folder, environment)
    result = noodle("sync", "main.noodle")
    assert (0, True) == (result.returncode, "in place" in result.stdout), result.stderr
    assert list(Path(environment["XDG_CACHE_HOME"]).glob("noodle/python/*/noodle.json"))
    assert "up to date" in noodle("sync", "main.noodle").stdout


def test_frozen_refuses_what_is_not_locked_and_goes_on(
    noodle: Command, write: Write, index: PackageIndex, folder: Path
) -> None:
    write("main.noodle", 'import ffi "small==1.0" as s\n')
    noodle("sync", "main.noodle")
    text = (folder / "noodle.lock").read_text()
    write("main.noodle", 'import ffi "helper==2.1" as h\nimport ffi "small==1.0" as s\n')
    result = noodle("sync", "--frozen", "main.noodle")
    assert 4 == result.returncode
    assert "helper==2.1 is not in noodle.lock, which may not be changed now" in result.stderr
    assert "small==1.0  environment" in result.stdout
    assert "1 target cannot be had; 1 target in place" in result.stderr
    assert text == (folder / "noodle.lock").read_text()


@pytest.mark.parametrize("names", [(), ("main.noodle",), ("small==1.0",)])
def test_what_is_not_what_was_locked_is_told_once(
    noodle: Command, write: Write, index: PackageIndex, folder: Path, names: tuple[str, ...]
) -> None:
    """The lock file names it too."""
    write("main.noodle", 'import ffi "small == 1.0" as s\n')
    assert 0 == noodle("sync", "main.noodle").returncode
    text = (folder / "noodle.lock").read_text()
    (folder / "noodle.lock").write_text(re.sub(r'sha256 = \["....', 'sha256 = ["0000', text))
    result = noodle("sync", *names)
    assert (4, 1) == (result.returncode, result.stderr.count("is not the one that was locked"))
    assert "1 target cannot be had; 0 targets in place" in result.stderr


def test_a_library_of_another_build_than_was_locked_is_refused_with_frozen(
    noodle: Command, write: Write, folder: Path, lock_file: LockFile
) -> None:
    write("main.noodle", 'import ffi "libm.so.6" as m\n')
    assert 0 == noodle("sync", "main.noodle").returncode
    right = (folder / "noodle.lock").read_text()
    assert re.search(r'\[native\."libm\.so\.6"\]\n\S+ = { build = "[0-9a-f]{40}" }', right)
    wrong = re.sub('build = "[0-9a-f]+"', 'build = "00ff"', right)
    (folder / "noodle.lock").write_text(wrong)
    result = noodle("sync", "--frozen", "main.noodle")
    assert (4, True) == (result.returncode, "build 00ff" in result.stderr)
    assert wrong == (folder / "noodle.lock").read_text()
    assert 0 == noodle("sync", "main.noodle").returncode
    assert right == (folder / "noodle.lock").read_text()


def test_the_builds_of_other_platforms_are_kept(
    noodle: Command, write: Write, lock_file: LockFile
) -> None:
    lock_file.add("native", "libm.so.6", {"aarch64-other-9": {"build": "00ff"}})
    write("main.noodle", 'import ffi "libm.so.6" as m\n')
    assert 0 == noodle("sync", "main.noodle").returncode
    table = lock_file.packages("native", "libm.so.6")
    assert table is not None
    assert {"build": "00ff"} == table["aarch64-other-9"]
    assert 2 == len(table)


def test_it_says_what_does_not_exist(noodle: Command, write: Write, index: PackageIndex) -> None:
    write("main.noodle", 'import ffi "nosuch==1" as s\nimport ffi "libnosuch.so.7" as m\n')
    result = noodle("sync", "main.noodle")
    assert (4, "") == (result.returncode, result.stdout)
    assert "nosuch==1: error: there is no Python package" in result.stderr
    assert "libnosuch.so.7: error: library 'libnosuch.so.7' was not found" in result.stderr
    assert "2 targets cannot be had; 0 targets in place" in result.stderr


def test_a_program_that_does_not_compile_is_not_synced_and_the_others_are(
    noodle: Command, write: Write, index: PackageIndex, lock_file: LockFile
) -> None:
    write("broken.noodle", "let = 3\n")
    write("main.noodle", 'import ffi "small==1.0" as s\n')
    result = noodle("sync", "broken.noodle", "main.noodle")
    assert (3, True) == (result.returncode, "broken.noodle:1:5: error" in result.stderr)
    assert "1 program does not compile; 1 target in place" in result.stderr
    assert ["small==1.0"] == lock_file.targets("pypi")


def test_a_program_in_another_folder_is_named_in_the_remedy(
    noodle: Command, write: Write, index: PackageIndex, folder: Path
) -> None:
    (folder / "inner").mkdir()
    write("inner/main.noodle", 'import ffi "small==1.0" as s\nprint("done")\n')
    ended = noodle("run", "--frozen", "inner/main.noodle")
    assert (4, True) == (ended.returncode, "noodle sync inner/main.noodle\n" in ended.stderr)
    assert "noodle sync inner/main.noodle\n" in noodle("explain", "inner/main.noodle").stdout
    assert 0 == noodle("sync", "inner/main.noodle").returncode
    assert "done\n" == noodle("run", "--frozen", "inner/main.noodle").stdout


def test_it_wins_over_a_setting_that_forbids_installing(
    noodle: Command, write: Write, index: PackageIndex
) -> None:
    write("noodle.toml", 'install = "never"\n')
    write("main.noodle", 'import ffi "small==1.0" as s\n')
    assert 0 == noodle("sync", "main.noodle").returncode


def test_what_this_interpreter_has_needs_nothing(noodle: Command, write: Write) -> None:
    write("main.noodle", 'import ffi "pytest>=1" as p\nimport ffi "json" as j\n')
    result = noodle("sync", "main.noodle")
    assert (0, True) == (result.returncode, "0 targets in place" in result.stdout)


def test_check_shows_the_environment_that_an_import_needs(
    noodle: Command, write: Write, index: PackageIndex
) -> None:
    write("main.noodle", 'import ffi "small==1.2" as s\n')
    result = noodle("check", "main.noodle")
    assert 0 == result.returncode
    assert "main.noodle:1: small==1.2: environment of small==1.2: not locked yet" in result.stdout
    noodle("sync", "main.noodle")
    assert re.search(
        r"main\.noodle:1: small==1\.2: environment \w+: Python \S+ with small 1\.2",
        noodle("check", "main.noodle").stdout,
    )


def test_explain_shows_the_environment_too(
    noodle: Command, write: Write, index: PackageIndex
) -> None:
    write("main.noodle", 'import ffi "small==1.2" as s\n')
    noodle("sync", "main.noodle")
    assert re.search(
        r"environment \w+: Python \S+ with small 1\.2", noodle("explain", "main.noodle").stdout
    )
