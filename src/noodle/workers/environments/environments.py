"""Environments: made once for the packages that the lock file names, and found again.

An environment is named by a digest of the interpreter, the platform and the locked packages with
their hashes. Two programs with the same lock share it; another version of anything is another one.
It is built in a private folder, bytecode included, and appears when it is complete.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from noodle.build_cache import digest
from noodle.errors import VersionError
from noodle.installation.policy import InstallPolicy
from noodle.installation.progress import announced, unlocked
from noodle.installation.store import PackageStore
from noodle.installation.tool import disk_errors
from noodle.lock_file import LockFile, Packages
from noodle.workers.environments.environment import Environment
from noodle.workers.environments.installed_modules import (
    installed_modules,
    installed_versions,
    site_packages,
)
from noodle.workers.environments.interpreter_choice import (
    InterpreterChoice,
    first_of_each_series,
)
from noodle.workers.environments.interpreters import Interpreter
from noodle.workers.environments.locked_packages import SECTION, LockedPackages
from noodle.workers.environments.requirements import Requirements
from noodle.workers.environments.resolution import resolve
from noodle.workers.environments.uv import Uv, find_uv

__all__ = ["Environments"]

_LAYOUT = "1"
"""Chosen: changes with what an environment looks like, which makes new ones."""


class Environments:
    """Makes and finds environments.

    Args:
        cache_directory: The user's cache of Noodle.
        policy: What may be installed.
    """

    def __init__(self, cache_directory: Path, policy: InstallPolicy) -> None:
        self._policy = policy
        self._store = PackageStore(cache_directory / "python")
        self._choice = InterpreterChoice(self._store.cache, offline=policy.offline)

    def provide(self, requirements: Requirements, lock_file: LockFile) -> Environment:
        """Return the environment of requirements, made now if it is not there.

        What is not locked yet is resolved and locked. The environment is kept from being removed
        until this process ends.

        Args:
            requirements: What it must have.
            lock_file: Where the exact versions are, or will be.

        Raises:
            MissingPackageError: There is no such package, or it may not be installed now.
            VersionError: No version satisfies the requirements together, or none has wheels.
            InstallationError: Something cannot be downloaded, built or installed, or is not what
                was locked.
            MissingToolError: There is no such Python, or no uv.
            SettingsError: The lock file cannot be read.
            DeadlineExceededError: It was not made before the deadline.
        """
        locked = self.lock(requirements, lock_file)
        interpreter = self._interpreter(locked)
        stored = self._store.provide(
            _key(locked, interpreter),
            requirements.title,
            lambda folder: self._install(locked, interpreter, folder),
            policy=self._policy,
            user=locked.user,
            count=len(locked.packages),
        )
        notes = filter(None, [locked.note, self._store.note, _other_series(locked, interpreter)])
        return Environment.of(stored, requirements, tuple(notes))

    def lock(self, requirements: Requirements, lock_file: LockFile) -> LockedPackages:
        """Return what the lock file holds for requirements, resolved and locked now if need be.

        Args:
            requirements: What an environment must have.
            lock_file: Where the exact versions are, or will be.

        Raises:
            MissingPackageError, VersionError, InstallationError, MissingToolError, SettingsError,
            DeadlineExceededError: As ``provide``.
        """
        locked = self.locked(requirements, lock_file)
        if locked is not None:
            return locked
        self._policy.require_locking(requirements.title, lock_file.path.name)
        resolved = LockedPackages(requirements, self._resolve(requirements), lock_file)
        try:
            table = lock_file.add(SECTION, requirements.title, resolved.table)
        except OSError as error:
            note = unlocked(requirements.title, lock_file.path, error)
            return replace(resolved, note=note)
        return LockedPackages(requirements, table, lock_file)

    def locked(self, requirements: Requirements, lock_file: LockFile) -> LockedPackages | None:
        """Return what the lock file holds for requirements, or None where it holds nothing.

        Raises:
            InstallationError: The lock was edited and cannot be used.
            SettingsError: The lock file cannot be read.
        """
        table = lock_file.packages(SECTION, requirements.title)
        return None if table is None else LockedPackages(requirements, table, lock_file)

    def find(self, requirements: Requirements, lock_file: LockFile) -> Environment | None:
        """Return the environment of requirements if it is there; nothing is locked or installed.

        Raises:
            InstallationError: Its lock was edited and cannot be used.
            SettingsError: The lock file cannot be read.
        """
        locked = self.locked(requirements, lock_file)
        if locked is None:
            return None
        fitting = self._choice.found(requirements, locked.series)
        for interpreter in fitting or self._choice.found(requirements):
            stored = self._store.find(_key(locked, interpreter))
            if stored is not None:
                return Environment.of(stored, requirements)
        return None

    # ------------------------------------------------------------------------------ resolving

    def _resolve(self, requirements: Requirements) -> Packages:
        """Return the lock for the first series of Python that has wheels of everything."""
        if not requirements.packages:
            return {"python": {"version": self._choice.first_of_series(requirements)[0].series}}
        uv = find_uv(offline=self._policy.offline)
        refusals: list[tuple[str, VersionError]] = []
        interpreters = self._choice.first_of_series(requirements)
        with announced(f"resolving {requirements}"):
            for interpreter in interpreters:
                try:
                    return self._resolve_for(interpreter, uv, requirements)
                except VersionError as error:
                    refusals.append((interpreter.series, error))
        raise _no_series(refusals)

    def _resolve_for(
        self, interpreter: Interpreter, uv: Uv, requirements: Requirements
    ) -> Packages:
        with self._folder(requirements.title) as folder:
            return resolve(uv, requirements, interpreter, folder, requirements.title)

    # --------------------------------------------------------------------------- interpreters

    def _interpreter(self, locked: LockedPackages) -> Interpreter:
        """Return the interpreter to use: one of the locked series, else one that does as well."""
        preferred = self._choice.preferred(locked.requirements, locked.series)
        return preferred or self._substitute(locked)

    def _substitute(self, locked: LockedPackages) -> Interpreter:
        """Return an interpreter of another series on which exactly the locked files are enough."""
        others = self._choice.found(locked.requirements)
        for interpreter in others:
            if self._store.find(_key(locked, interpreter)):
                return interpreter
        if others:
            self._policy.require_installing(locked.requirements.title)
        for interpreter in first_of_each_series(others):
            if self._is_enough(locked, interpreter):
                return interpreter
        raise self._choice.error(locked.requirements, f"=={locked.series}.*")

    def _is_enough(self, locked: LockedPackages, interpreter: Interpreter) -> bool:
        """Return whether all locked files can be installed, and need nothing that is not locked."""
        if not locked.packages:
            return True
        uv = find_uv(offline=self._policy.offline)
        with self._folder(locked.requirements.title) as folder:
            # Not with --dry-run, which takes a file whose hash is not among those that are locked.
            command = [
                *("pip", "install", "--python", interpreter.path),
                *("--target", folder / "packages", *_locked_only(locked, folder)),
            ]
            return uv.attempt(command, folder=folder, target=locked.requirements.title) is not None

    # ----------------------------------------------------------------------------- installing

    def _install(
        self, locked: LockedPackages, interpreter: Interpreter, folder: Path
    ) -> dict[str, Any]:
        target = locked.requirements.title
        uv = find_uv(offline=self._policy.offline)
        # Relocatable, because it is moved into place when it is complete.
        uv.run(
            [
                *("venv", "--relocatable", "--no-project", "--python", interpreter.path),
                folder,
            ],
            folder=folder.parent,
            target=target,
        )
        if locked.packages:
            self._install_packages(uv, locked, folder)
        _remove_start_code(folder)
        return {
            "kind": "python",
            "python": interpreter.version,
            "interpreter": str(interpreter.path),
            "packages": [
                f"{name}=={it}" for name, it in sorted(installed_versions(folder).items())
            ],
            "modules": installed_modules(folder),
        }

    def _install_packages(self, uv: Uv, locked: LockedPackages, folder: Path) -> None:
        uv.run(
            [
                *("pip", "install", "--python", folder / "bin" / "python"),
                *("--no-deps", "--compile-bytecode", *_locked_only(locked, folder.parent)),
            ],
            folder=folder.parent,
            target=locked.requirements.title,
        )

    @contextmanager
    def _folder(self, target: str) -> Iterator[Path]:
        with disk_errors(target), self._store.cache.private_folder() as folder:
            yield folder


def _other_series(locked: LockedPackages, interpreter: Interpreter) -> str | None:
    """Return what ``explain`` should tell where the interpreter is not of the locked series."""
    if interpreter.series == locked.series:
        return None
    return (
        f"locked for Python {locked.series}, which is not here: the same files are installed on "
        f"Python {interpreter.series}"
    )


def _key(locked: LockedPackages, interpreter: Interpreter) -> str:
    machine = (sys.platform, os.uname().machine)
    return digest(
        _LAYOUT, *machine, *interpreter.identity, locked.digest, *locked.requirements.from_source
    )


def _remove_start_code(folder: Path) -> None:
    """Remove what uv lets every start of Python run: it serves pip, and takes 7 to 15 ms."""
    packages = site_packages(folder)
    for path in (*packages.glob("_virtualenv.*"), *packages.glob("__pycache__/_virtualenv.*")):
        path.unlink()


def _locked_only(locked: LockedPackages, folder: Path) -> list[str | Path]:
    """Return the options that let uv install exactly the locked files, and build none unasked."""
    requirements = folder / "requirements.txt"
    requirements.write_text(locked.text, encoding="utf-8")
    built = [f"--no-binary={name}" for name in locked.requirements.from_source]
    return [
        *("--require-hashes", "--only-binary=:all:", *built),
        *("--requirements", requirements),
    ]


def _no_series(refusals: Sequence[tuple[str, VersionError]]) -> VersionError:
    """Return the error for requirements that no series of Python here satisfies."""
    _, error = refusals[0]
    if len(refusals) > 1:
        others = ", ".join(series for series, _ in refusals[1:])
        error.received = (
            f"{error.received}\nfor Python {refusals[0][0]}; nor is there one for {others}"
        )
    return error
