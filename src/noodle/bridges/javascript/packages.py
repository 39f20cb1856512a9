"""npm packages: resolved once into the lock file, installed once into the user's cache.

A target is installed with all that it needs into a folder of its own, named by a digest of its lock
entry. Two programs with the same entry share the folder; two versions of one package never meet.
Scripts of packages do not run, except for those that the load allows by name.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noodle.bridges.javascript.node import NodeRuntime
from noodle.bridges.javascript.npm import Npm
from noodle.build_cache import digest
from noodle.errors import InstallationError, SettingsError, VersionError, did_you_mean
from noodle.installation.policy import InstallPolicy
from noodle.installation.progress import announced, unlocked
from noodle.installation.store import PackageStore, User
from noodle.installation.tool import disk_errors
from noodle.lock_file import LockFile, Packages, table_digest

__all__ = ["InstalledPackage", "LockedPackage", "NpmPackages"]

DOWNLOADS = "downloads"
"""The folder in which npm keeps what it has downloaded."""

SECTION = "npm"
"""The lock file's section."""

_LAYOUT = "2"
"""Chosen: changes with what an installed folder looks like, which makes new folders."""

_PACKAGE = r"(?:@[\w.~-]+/)?[\w~-][\w.~-]*"
_PLACE = re.compile(rf"node_modules/{_PACKAGE}(?:/node_modules/{_PACKAGE})*", re.ASCII)
"""Where a package stands in the tree: ``node_modules/a/node_modules/@scope/b``."""

_KEPT_FACTS = (
    "bin",
    "bundleDependencies",
    "cpu",
    "dependencies",
    "hasInstallScript",
    "inBundle",
    "integrity",
    "libc",
    "name",
    "optional",
    "optionalDependencies",
    "os",
    "peer",
    "peerDependencies",
    "peerDependenciesMeta",
    "resolved",
    "version",
)
"""What npm needs in order to install exactly the same; its lock file has more."""


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """A package as the lock file has it.

    Args:
        name: Its name.
        version: Its exact version.
        target: The target as the lock file names it.
    """

    name: str
    version: str
    target: str


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """A package that is ready to be imported.

    Args:
        name: Its name.
        version: Its exact version.
        directory: The folder whose ``node_modules`` holds it.
        target: The target as the lock file names it.
        notes: What ``explain`` should tell.
    """

    name: str
    version: str
    directory: Path
    target: str = ""
    notes: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The folder of the package itself."""
        return self.directory / "node_modules" / self.name


class NpmPackages:
    """Installs npm packages.

    Args:
        runtime: The Node.js that will run them.
        cache_directory: The user's cache of Noodle.
        policy: What may be installed.
    """

    def __init__(self, runtime: NodeRuntime, cache_directory: Path, policy: InstallPolicy) -> None:
        self._runtime = runtime
        self._policy = policy
        self._store = PackageStore(cache_directory / "node")
        downloads = self._store.cache.path(DOWNLOADS)
        self._npm = Npm(runtime, downloads, offline=policy.offline)

    def install(
        self, name: str, wanted: str, lock_file: LockFile, allow_scripts: Sequence[str] = ()
    ) -> InstalledPackage:
        """Return a package in the locked version, installed now if it is not there.

        Args:
            name: The package's name.
            wanted: A version range or tag, or ``""`` for the newest version.
            lock_file: Where the exact versions are, or will be.
            allow_scripts: The packages of the tree whose install scripts may run.

        Raises:
            MissingPackageError: There is no such package, or it may not be installed now.
            VersionError: No version satisfies the range.
            InstallationError: It cannot be downloaded or installed, or is not what was locked.
            SettingsError: The lock file cannot be read, or no package has an allowed name.
            MissingToolError: There is no npm.
        """
        notes: list[str] = []
        tree = self._locked(name, wanted, lock_file, notes)
        scripts = tree.with_scripts(allow_scripts)
        stored = self._store.provide(
            self._key(tree, scripts),
            f"npm:{tree.target}",
            lambda folder: self._install(tree, scripts, folder),
            policy=self._policy,
            user=tree.user,
            count=len(tree.packages),
        )
        notes += filter(None, [self._store.note, _silent_scripts(tree, scripts, stored.directory)])
        return InstalledPackage(name, tree.version, stored.directory, tree.target, tuple(notes))

    def lock(self, name: str, wanted: str, lock_file: LockFile) -> LockedPackage:
        """Return a package as it is locked, resolved and locked now if it is not; install nothing.

        Args:
            name: The package's name.
            wanted: A version range or tag, or ``""`` for the newest version.
            lock_file: Where the exact versions are, or will be.

        Raises:
            MissingPackageError, VersionError, InstallationError, SettingsError, MissingToolError:
                As ``install``.
        """
        tree = self._locked(name, wanted, lock_file, [])
        return LockedPackage(name, tree.version, tree.target)

    def _locked(self, name: str, wanted: str, lock_file: LockFile, notes: list[str]) -> _Tree:
        target = f"{name}@{wanted}" if wanted else name
        locked = lock_file.packages(SECTION, target)
        if locked is None:
            self._policy.require_locking(f"npm:{target}", lock_file.path.name)
            resolved = self._resolve(name, wanted, lock_file)
            locked = self._lock(target, resolved, lock_file, notes)
        return _Tree(name, target, locked, lock_file)

    def _lock(
        self, target: str, packages: Packages, lock_file: LockFile, notes: list[str]
    ) -> Packages:
        try:
            return lock_file.add(SECTION, target, packages)
        except OSError as error:
            notes.append(unlocked(f"npm:{target}", lock_file.path, error))
            return packages

    def _resolve(self, name: str, wanted: str, lock_file: LockFile) -> Packages:
        """Return the exact versions and hashes that the registry gives for a range."""
        target = f"npm:{name}@{wanted}" if wanted else f"npm:{name}"
        with announced(f"resolving {target}"), self._folder(target) as folder:
            _write_json(folder / "package.json", _manifest({name: wanted or "*"}))
            _use_project_settings(folder, lock_file)
            self._npm.run(
                ["install", "--package-lock-only"], folder=folder, target=target, scripts=False
            )
            content = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))
        return {
            place: {fact: facts[fact] for fact in _KEPT_FACTS if fact in facts}
            for place, facts in content["packages"].items()
            if place
        }

    def _install(self, tree: _Tree, scripts: Sequence[str], folder: Path) -> dict[str, Any]:
        target = f"npm:{tree.target}"
        folder.mkdir()
        manifest = _manifest({tree.name: tree.version})
        _write_json(folder / "package.json", manifest)
        _write_json(folder / "package-lock.json", tree.package_lock(manifest))
        _use_project_settings(folder, tree.lock_file)
        self._install_exactly(folder, target)
        if scripts:
            self._npm.run(["rebuild", *scripts], folder=folder, target=target, scripts=True)
        (folder / ".npmrc").unlink(missing_ok=True)
        return {"kind": "npm", "packages": tree.versions, "scripts": list(scripts)}

    def _install_exactly(self, folder: Path, target: str) -> None:
        """Install what is locked, without the network where the downloads have all of it."""
        try:
            command = ["ci", "--prefer-offline"]
            self._npm.run(command, folder=folder, target=target, scripts=False)
        except VersionError:
            # What the downloads know about the registry is older than the lock.
            self._npm.run(["ci"], folder=folder, target=target, scripts=False)

    @contextmanager
    def _folder(self, target: str) -> Iterator[Path]:
        with disk_errors(target), self._store.cache.private_folder() as folder:
            yield folder

    def _key(self, tree: _Tree, scripts: Sequence[str]) -> str:
        machine = (sys.platform, os.uname().machine)
        # What a script builds may depend on the version of Node.js; nothing else does.
        built_for = (self._binary_interface(), *scripts) if scripts else ()
        return digest(_LAYOUT, *machine, tree.name, table_digest(tree.packages), *built_for)

    def _binary_interface(self) -> str:
        command = [str(self._runtime.node), "-p", "process.versions.modules"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@dataclass(frozen=True, slots=True)
class _Tree:
    """The locked packages of one target, checked: the lock file may have been edited."""

    name: str
    target: str
    packages: Packages
    lock_file: LockFile

    def __post_init__(self) -> None:
        for place, facts in self.packages.items():
            if not _PLACE.fullmatch(place):
                raise self._refuse(f"{place!r} is no place in a tree of packages")
            if not isinstance(facts.get("version"), str):
                raise self._refuse(f"{place} has no version")
            held = facts.get("integrity") or facts.get("inBundle")
            if not held and not re.search(r"#[0-9a-f]{40}$", str(facts.get("resolved"))):
                raise self._refuse(f"{place} has no hash")
        if f"node_modules/{self.name}" not in self.packages:
            raise self._refuse("the package itself is missing")

    def _refuse(self, why: str) -> InstallationError:
        return InstallationError(
            f"the lock of npm:{self.target} cannot be used: {why}",
            expected="each package with its exact version and its hash",
            where=f"{self.lock_file.path.name}, table {SECTION}.{self.target}",
            remedy=f"delete the table from {self.lock_file.path.name} to let it be resolved anew",
        )

    @property
    def version(self) -> str:
        return str(self.packages[f"node_modules/{self.name}"]["version"])

    @property
    def versions(self) -> list[str]:
        """The packages with their versions, each once."""
        return sorted({f"{_name(place)}@{f['version']}" for place, f in self.packages.items()})

    @property
    def user(self) -> User:
        """What needs the installation: the table of the lock file."""
        lock_file = os.path.abspath(self.lock_file.path)
        return User(lock_file, SECTION, self.target, table_digest(self.packages))

    def package_lock(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Return the content of npm's own lock file."""
        return {
            "lockfileVersion": 3,
            "requires": True,
            "packages": {"": manifest, **self.packages},
        }

    def with_scripts(self, names: Iterable[str]) -> list[str]:
        """Return the sorted names of packages whose scripts may run, each of which must exist."""
        known = set(map(_name, self.packages))
        for name in names:
            if name not in known:
                raise SettingsError(
                    f"allow_scripts names {name!r}, which npm:{self.target} does not contain",
                    expected="a package of the tree that has install scripts",
                    received=name,
                    where="allow_scripts",
                    remedy=did_you_mean(name, known),
                )
        return sorted(set(names))


def _silent_scripts(tree: _Tree, allowed: Sequence[str], directory: Path) -> str | None:
    """Return a note about the install scripts that exist and did not run."""
    names = sorted(
        _name(place)
        for place, facts in tree.packages.items()
        if facts.get("hasInstallScript") and (directory / place).is_dir()
    )
    silent = [name for name in names if name not in allowed]
    if not silent:
        return None
    return f"install scripts that did not run: {', '.join(silent)} (allow_scripts={silent!r})"


def _name(place: str) -> str:
    """Return the name of the package at a place in the tree."""
    return place.rpartition("node_modules/")[2]


def _manifest(dependencies: Mapping[str, str]) -> dict[str, Any]:
    return {"name": "noodle-target", "private": True, "dependencies": dict(dependencies)}


def _use_project_settings(folder: Path, lock_file: LockFile) -> None:
    """Copy the project's npm settings, which may name the registry of a scope."""
    settings = lock_file.path.with_name(".npmrc")
    if settings.is_file():
        shutil.copyfile(settings, folder / ".npmrc")
        (folder / ".npmrc").chmod(0o600)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
