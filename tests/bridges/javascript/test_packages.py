"""npm packages: what is resolved is locked, what is locked is installed once, and exactly so."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from noodle.bridges.javascript.node import find_node
from noodle.bridges.javascript.packages import InstalledPackage, NpmPackages
from noodle.deadlines import deadline
from noodle.errors import (
    DeadlineExceededError,
    InstallationError,
    MissingPackageError,
    NoodleError,
    SettingsError,
    VersionError,
)
from noodle.installation.policy import InstallPolicy
from noodle.lock_file import LockFile
from tests.bridges.javascript.registry import Registry

NOWHERE = "http://127.0.0.1:9/"
"""The port of the discard service, where nothing listens."""


class Project:
    """A folder with a lock file, and a cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        self.lock_path = folder / "noodle.lock"
        self.policy = InstallPolicy("always")

    def install(self, name: str, wanted: str = "", **options: list[str]) -> InstalledPackage:
        packages = NpmPackages(find_node(), self.cache, self.policy)
        return packages.install(name, wanted, LockFile(self.lock_path), **options)

    def lock(self, target: str, *packages: dict[str, Any]) -> None:
        """Lock a target as resolving it would, but without asking the registry."""
        facts = {
            f"node_modules/{package['name']}": {
                "version": package["version"],
                "integrity": package["dist"]["integrity"],
                "hasInstallScript": "scripts" in package,
                "dependencies": package.get("dependencies", {}),
            }
            for package in packages
        }
        LockFile(self.lock_path).add("npm", target, facts)

    def installed(self) -> list[Path]:
        """What the cache holds of complete and half installations."""
        return [
            path for path in (self.cache / "node").glob("*") if (path / "package.json").exists()
        ]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def main_file(package: InstalledPackage) -> str:
    return (package.folder / "index.js").read_text()


@pytest.fixture
def small(registry: Registry) -> Registry:
    """A registry with ``small`` in three versions, the last of which needs ``helper``."""
    registry.publish("helper", "2.1.0", {"index.js": "exports.help = 1"})
    for version in ("1.0.0", "1.2.0"):
        registry.publish("small", version, {"index.js": f"module.exports = '{version}'"})
    registry.publish(
        "small", "2.0.0", {"index.js": "module.exports = 2"}, dependencies={"helper": "^2"}
    )
    return registry


def test_a_range_gives_the_newest_version_that_fits(small: Registry, project: Project) -> None:
    package = project.install("small", "^1.0.0")
    assert ("small", "1.2.0") == (package.name, package.version)
    assert "module.exports = '1.2.0'" == main_file(package)


def test_a_tag_is_the_version_that_it_had_when_it_was_locked(
    small: Registry, project: Project
) -> None:
    small.tag("small", "old", "1.0.0")
    assert "1.0.0" == project.install("small", "old").version
    small.tag("small", "old", "1.2.0")
    assert "1.0.0" == project.install("small", "old").version


def test_what_a_package_needs_is_locked_and_installed_with_it(
    small: Registry, project: Project
) -> None:
    package = project.install("small")
    assert "2.0.0" == package.version
    assert (package.directory / "node_modules" / "helper" / "index.js").is_file()
    locked = LockFile(project.lock_path).packages("npm", "small")
    assert locked is not None
    assert ["node_modules/helper", "node_modules/small"] == sorted(locked)
    assert all(facts["integrity"].startswith("sha512-") for facts in locked.values())
    assert "127.0.0.1" not in project.lock_path.read_text()


def test_a_locked_target_stays_at_its_version(small: Registry, project: Project) -> None:
    project.install("small", "1")
    text = project.lock_path.read_text()
    small.publish("small", "1.9.0", {"index.js": "module.exports = '1.9.0'"})
    assert "1.2.0" == project.install("small", "1").version
    assert text == project.lock_path.read_text()
    assert "1.9.0" == project.install("small", "^1").version


def test_what_is_installed_needs_no_network(
    registry: Registry, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.lock("small@2", registry.publish("small", "2.0.0", {"index.js": ""}))
    first = project.install("small", "2")
    monkeypatch.setenv("npm_config_registry", NOWHERE)
    asked = len(registry.requests)
    assert first.directory == project.install("small", "2").directory
    assert asked == len(registry.requests)


def test_equal_locks_share_one_folder_and_versions_have_their_own(
    registry: Registry, project: Project
) -> None:
    one, two = (registry.publish("small", f"{n}.0.0", {"index.js": str(n)}) for n in (1, 2))
    for target, package in (("small@1", one), ("small@1.x", one), ("small@2", two)):
        project.lock(target, package)
    first = project.install("small", "1")
    assert first.directory == project.install("small", "1.x").directory
    assert ("1", "2") == (main_file(first), main_file(project.install("small", "2")))


@pytest.mark.parametrize(
    ("name", "wanted", "error", "told"),
    [
        ("nosuch", "1", MissingPackageError, "there is no npm package for npm:nosuch@1"),
        ("small", "^99", VersionError, "no version satisfies npm:small@^99"),
        ("broken", "1", MissingPackageError, "or for something that it needs"),
    ],
)
def test_what_does_not_exist_is_named_with_npms_own_words(
    small: Registry,
    project: Project,
    name: str,
    wanted: str,
    error: type[NoodleError],
    told: str,
) -> None:
    small.publish("broken", "1.0.0", {}, dependencies={"nosuch": "1"})
    with pytest.raises(error, match=told.replace("^", r"\^")) as caught:
        project.install(name, wanted)
    assert (caught.value.received or "").startswith("npm: E")
    assert not project.lock_path.exists()
    assert [] == project.installed()


def test_no_network_is_an_error_within_seconds(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", NOWHERE)
    with pytest.raises(InstallationError, match="the registry cannot be reached") as caught:
        project.install("small")
    assert "ECONNREFUSED" in (caught.value.received or "")
    assert not project.lock_path.exists()


def test_a_registry_that_does_not_answer_is_overdue_at_the_deadline(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address, port = silent.getsockname()
        monkeypatch.setenv("npm_config_registry", f"http://{address}:{port}/")
        begin = time.monotonic()
        with pytest.raises(DeadlineExceededError, match="before the deadline"), deadline(1.0):
            project.install("small")
        assert time.monotonic() - begin < 1.0 + 2
    assert not project.lock_path.exists()
    assert [] == project.installed()


def test_another_content_than_was_locked_is_refused(registry: Registry, project: Project) -> None:
    project.lock("small@1", registry.publish("small", "1.2.0", {"index.js": ""}))
    registry.replace_tarball("small", "1.2.0")
    with pytest.raises(InstallationError, match="is not the one that was locked") as caught:
        project.install("small", "1")
    assert "EINTEGRITY" in (caught.value.received or "")
    assert [] == project.installed()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"node_modules/small" =', '"node_modules/../../small" =', "is no place in a tree"),
        ('"node_modules/small" =', '"../small" =', "is no place in a tree"),
        ('"node_modules/small" =', '"node_modules/smaller" =', "the package itself is missing"),
        (' version = "1.2.0"', " version = 1", "has no version"),
        ("integrity", "integrity2", "has no hash"),
    ],
)
def test_a_lock_that_was_edited_wrongly_is_refused(
    registry: Registry, project: Project, old: str, new: str, told: str
) -> None:
    project.lock("small@1", registry.publish("small", "1.2.0", {"index.js": ""}))
    text = project.lock_path.read_text()
    assert old in text
    project.lock_path.write_text(text.replace(old, new))
    with pytest.raises(InstallationError, match=told):
        project.install("small", "1")


@pytest.fixture
def with_script(registry: Registry, project: Project) -> Project:
    """A locked ``user``, which needs ``built``, whose install script writes ``made.js``."""
    write = "node -e \"require('fs').writeFileSync('made.js', process.version)\""
    built = registry.publish("built", "1.0.0", {"index.js": ""}, scripts={"postinstall": write})
    user = registry.publish("user", "1.0.0", {"index.js": ""}, dependencies={"built": "1"})
    project.lock("user", user, built)
    return project


def test_install_scripts_do_not_run_and_are_noted(with_script: Project) -> None:
    package = with_script.install("user")
    assert not (package.directory / "node_modules" / "built" / "made.js").exists()
    (note,) = package.notes
    assert "install scripts that did not run: built (allow_scripts=['built'])" == note


def test_install_scripts_run_where_they_are_allowed_by_name(with_script: Project) -> None:
    package = with_script.install("user", allow_scripts=["built"])
    assert (package.directory / "node_modules" / "built" / "made.js").read_text().startswith("v")
    assert () == package.notes


def test_a_name_that_the_tree_does_not_hold_cannot_be_allowed(with_script: Project) -> None:
    with pytest.raises(SettingsError, match="names 'build'") as caught:
        with_script.install("user", allow_scripts=["build"])
    assert "built" == caught.value.remedy


def test_a_script_that_fails_leaves_nothing(registry: Registry, project: Project) -> None:
    bad = registry.publish("bad", "1.0.0", {"index.js": ""}, scripts={"install": "echo no; exit 3"})
    project.lock("bad", bad)
    with pytest.raises(InstallationError, match="npm:bad cannot be installed"):
        project.install("bad", allow_scripts=["bad"])
    assert [] == project.installed()
    assert [] == list((project.cache / "node").glob("build-*"))


def test_a_script_is_found_when_a_package_is_resolved(registry: Registry, project: Project) -> None:
    registry.publish("bad", "1.0.0", {"index.js": ""}, scripts={"install": "exit 3"})
    (note,) = project.install("bad").notes
    assert "did not run: bad" in note


def test_threads_that_need_a_package_at_once_install_it_once(
    registry: Registry, project: Project
) -> None:
    project.lock("small@1", registry.publish("small", "1.2.0", {"index.js": ""}))
    together = threading.Barrier(4)
    found: list[Path] = []

    def work() -> None:
        together.wait(30)
        found.append(project.install("small", "1").directory)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert 4 == len(found)
    assert 1 == len(set(found))
    assert 1 == len([path for path in registry.requests if path.endswith(".tgz")])


def test_an_installation_that_is_killed_does_not_count(
    registry: Registry, project: Project
) -> None:
    project.lock("small@1", registry.publish("small", "1.2.0", {"index.js": "whole"}))
    program = f"""
        import os, signal
        from pathlib import Path
        from noodle.bridges.javascript import npm
        from noodle.bridges.javascript.node import find_node
        from noodle.bridges.javascript.packages import NpmPackages
        from noodle.installation.policy import InstallPolicy
        from noodle.lock_file import LockFile

        class Dying(npm.Npm):
            def run(self, arguments, **options):
                super().run(arguments, **options)
                if arguments[0] == "ci":
                    os.kill(os.getpid(), signal.SIGKILL)

        folder = Path({str(project.folder)!r})
        packages = NpmPackages(find_node(), folder / "cache", InstallPolicy("always"))
        packages._npm.__class__ = Dying
        packages.install("small", "1", LockFile(folder / "noodle.lock"))
    """
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert -signal.SIGKILL == result.returncode
    assert [] == project.installed()
    assert "whole" == main_file(project.install("small", "1"))


def test_a_lock_file_that_cannot_be_written_is_told_and_noted(
    small: Registry, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.lock_path = Path("/proc/noodle.lock")
    package = project.install("small", "1")
    assert "1.2.0" == package.version
    assert any("noodle.lock cannot be written" in note for note in package.notes)
    told = "noodle: npm:small@1 is not locked: noodle.lock cannot be written: "
    assert 1 == capsys.readouterr().err.count(told)
    project.install("small", "1")  # is resolved again, as nothing says which versions it has
    assert 1 == capsys.readouterr().err.count(told)


def test_the_projects_npm_settings_hold_and_do_not_stay(
    small: Registry, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("npm_config_registry")
    (project.folder / ".npmrc").write_text(f"registry={small.url}\n")
    package = project.install("small", "1")
    assert not (package.directory / ".npmrc").exists()


def test_credentials_do_not_appear_in_errors(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://me:s3cret@127.0.0.1:9/")
    with pytest.raises(InstallationError) as caught:
        project.install("small")
    assert "s3cret" not in str(caught.value)


def test_a_full_disk_is_an_error_that_says_so(
    registry: Registry, project: Project, small_disk: Path
) -> None:
    """On a disk of its own where one may be mounted, else with a limit on the size of files."""
    project.lock("large", registry.publish("large", "1.0.0", {"index.js": "x" * 5_000_000}))
    project.cache = small_disk / "cache"
    program = f"""
        import resource
        from pathlib import Path
        from noodle.bridges.javascript.node import find_node
        from noodle.bridges.javascript.packages import NpmPackages
        from noodle.errors import InstallationError
        from noodle.installation.policy import InstallPolicy
        from noodle.lock_file import LockFile

        if not Path({str(small_disk)!r}).is_mount():
            resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
        packages = NpmPackages(find_node(), Path({str(project.cache)!r}), InstallPolicy("always"))
        try:
            packages.install("large", "", LockFile(Path({str(project.lock_path)!r})))
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
    assert "npm:large cannot be installed" in result.stdout, result
    assert "free some space" in result.stdout
    assert [] == project.installed()
    assert [] == list(project.cache.glob("node/build-*"))


def test_a_lock_is_the_same_text_each_time(small: Registry, project: Project) -> None:
    project.install("small", "2")
    first = project.lock_path.read_bytes()
    project.lock_path.unlink()
    project.install("small", "2")
    assert first == project.lock_path.read_bytes()
