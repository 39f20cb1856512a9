"""``noodle sync``: everything that programs and the configuration need, installed and locked."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from noodle.calls import Preparation
from noodle.cli.exit_codes import NOT_LOADED, OK
from noodle.cli.failures import print_error
from noodle.cli.sync_stamp import state_of, write_stamp
from noodle.cli.terminal import error_console, output_console, visible
from noodle.errors import InternalError, NoodleError, VersionError
from noodle.language import ForeignImport, check_files
from noodle.lock_file import LockFile
from noodle.runtime.host import EngineHost
from noodle.settings.config_file import FILE_NAME as CONFIG_NAME

if TYPE_CHECKING:
    from noodle.cli.sync_stamp import State

__all__ = ["sync"]


def sync(
    programs: Sequence[str],
    *,
    config: Path | None = None,
    offline: bool = False,
    frozen: bool = False,
) -> int:
    """Install what programs, the configuration and the lock file name, and lock what is new.

    Args:
        programs: The programs; their imports are followed.
        config: The configuration file; None for the nearest one.
        offline: Whether to do without the network.
        frozen: Whether a target that is not locked yet is an error.

    Returns:
        The exit code: 4 when something cannot be had.

    Raises:
        LanguageError: A program does not compile.
    """
    begin = time.monotonic()
    syncing = _Sync(config, offline=offline, frozen=frozen)
    for program in programs:
        syncing.add_program(program)
    syncing.add_configuration()
    syncing.add_lock_file()
    return syncing.report(programs, time.monotonic() - begin)


@dataclass
class _Sync:
    config: Path | None
    offline: bool
    frozen: bool
    count: int = 0
    failures: int = 0
    states: dict[str, State] = field(default_factory=dict)
    done: set[tuple[str, str, str]] = field(default_factory=set)
    lock_files: dict[Path, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._output: Console = output_console()
        self._errors: Console = error_console()
        self._here = self._host(os.getcwd())
        self._watch(*sys.path[1:])

    def _host(self, directory: str) -> EngineHost:
        arguments: dict[str, object] = {"install": "locked" if self.frozen else "always"}
        if self.offline:
            arguments["offline"] = True
        return EngineHost(directory, config=self.config, arguments=arguments)

    # ------------------------------------------------------------------- what there is to do

    def add_program(self, program: str) -> None:
        """Prepare what a program and the files that it imports load."""
        host = self._host(os.path.dirname(os.path.abspath(program)))
        checked = check_files(_WatchingHost(host, self._watch), program)
        for file in checked:
            if file.errors:
                first, *others = file.errors
                first.others = (*first.others, *others)
                raise first
            for request in file.foreign_imports:
                directory = host.directory_of(file.path)
                self._prepare(host, request.target, directory, request.options)

    def add_configuration(self) -> None:
        """Prepare the configured libraries."""
        for name in self._here.engine.settings.ffi.bridges:
            self._prepare(self._here, name, os.getcwd(), {})

    def add_lock_file(self) -> None:
        """Prepare what the lock files name and nothing else did: programs in Python load it."""
        self._note_places(os.getcwd())
        for path in list(self.lock_files):
            lock_file = LockFile(path)
            for section, prepare in _PREPARED_FROM_LOCK.items():
                for target in lock_file.targets(section):
                    if (str(path), section, target) not in self.done:
                        self._attempt(
                            _shown(section, target),
                            lock_file,
                            partial(prepare, self._here, lock_file, target),
                        )

    def _prepare(
        self, host: EngineHost, target: str, directory: str, options: dict[str, object]
    ) -> None:
        self._note_places(directory)
        self._attempt(
            target,
            LockFile.of_directory(Path(directory)),
            lambda: host.engine.dispatcher.prepare(target, directory=directory, **options),
        )

    # ---------------------------------------------------------------------------- doing it

    def _attempt(
        self, target: str, lock_file: LockFile, prepare: Callable[[], Preparation | None]
    ) -> None:
        try:
            preparation = prepare()
            if preparation is None:
                return
            self._note(target, lock_file, preparation)
        except InternalError:
            raise
        except NoodleError as error:
            self.failures += 1
            print_error(self._errors, visible(target), error)

    def _note(self, target: str, lock_file: LockFile, preparation: Preparation) -> None:
        entry = (str(lock_file.path), preparation.section, preparation.target)
        self._watch(*_signs(preparation.path))
        if entry in self.done:
            return
        if preparation.facts:
            self._lock_facts(lock_file, preparation)
        self.done.add(entry)
        self.count += 1
        self._output.print(
            Text.assemble((visible(target), "label"), "  ", visible(preparation.summary))
        )

    def _lock_facts(self, lock_file: LockFile, preparation: Preparation) -> None:
        """Keep what this platform's copy is; with ``--frozen``, refuse another one."""
        section, target = preparation.section, preparation.target
        known = (lock_file.packages(section, target) or {}).get(platform_name())
        if self.frozen and known != preparation.facts:
            raise VersionError(
                f"{target} is not the build that {lock_file.path.name} names for {platform_name()}",
                expected=_text(known) if known else "a build that is locked",
                received=_text(preparation.facts),
                where=f"{lock_file.path.name}, table {section}.{target}",
                remedy="noodle sync, without --frozen, if the new build is right",
            )
        lock_file.note(section, target, platform_name(), preparation.facts)

    def _note_places(self, directory: str) -> None:
        """Note which files were looked for, whether they are there or not."""
        lock_file = LockFile.of_directory(Path(directory)).path
        if lock_file not in self.lock_files:
            self.lock_files[lock_file] = _content(lock_file)
        folder = os.path.abspath(directory)
        while (config := os.path.join(folder, CONFIG_NAME)) not in self.states:
            self._watch(config)
            if self.states[config] or folder == "/":
                break
            folder = os.path.dirname(folder)

    def _watch(self, *paths: str) -> None:
        """Note the state of files before they are read; one that changes later is not missed."""
        for path in paths:
            self.states.setdefault(path, state_of(path))

    # ------------------------------------------------------------------------------- result

    def report(self, programs: Sequence[str], seconds: float) -> int:
        """Print how it ended, and return the exit code."""
        changed = [path for path, before in self.lock_files.items() if _content(path) != before]
        targets = "1 target" if self.count == 1 else f"{self.count} targets"
        for path in changed:
            self._output.print(Text(f"{visible(os.path.relpath(path))} has changed", "place"))
        if self.failures:
            failed = "1 target" if self.failures == 1 else f"{self.failures} targets"
            self._errors.print(Text(f"{failed} cannot be had; {targets} in place", "error"))
            return NOT_LOADED
        self._output.print(Text(f"{targets} in place ({seconds:.1f} s)", "ok"))
        if self.config is None:
            locks = {str(path): state_of(str(path)) for path in self.lock_files}
            write_stamp(programs, {**self.states, **locks}, self.count)
        return OK


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _signs(path: Path) -> list[str]:
    """Return what tells that an installation is as it was: its folder and its interpreter."""
    own = ("noodle.json", "bin/python") if path.is_dir() else ()
    return [str(path), *(str(path / name) for name in own)]


@dataclass(frozen=True, slots=True)
class _WatchingHost:
    """Reads source files for a check, and tells which."""

    host: EngineHost
    watch: Callable[[str], None]

    def load_foreign(self, spec: ForeignImport) -> object:
        return self.host.load_foreign(spec)

    def read_source(self, path: str) -> str:
        self.watch(os.path.abspath(path))
        return self.host.read_source(path)

    def write(self, text: str) -> None:
        self.host.write(text)


def _text(facts: object) -> str:
    pairs = facts.items() if isinstance(facts, dict) else ()
    return ", ".join(f"{name} {text}" for name, text in pairs)


def _shown(section: str, target: str) -> str:
    return f"npm:{target}" if section == "npm" else target


def platform_name() -> str:
    """Return the name of this platform in the lock file: processor and distribution."""
    import platform

    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {"ID": "linux"}
    parts = (os.uname().machine, release.get("ID", "linux"), release.get("VERSION_ID", ""))
    return "-".join(filter(None, parts))


# --- what only the lock file names ------------------------------------------------------------


def _python_environment(host: EngineHost, lock_file: LockFile, target: str) -> Preparation:
    from noodle.installation.policy import InstallPolicy
    from noodle.workers.environments import Environments, Requirements
    from noodle.workers.environments.locked_packages import SECTION

    settings = host.engine.settings
    policy = InstallPolicy(settings.install, settings.offline)
    environments = Environments(settings.cache_directory, policy)
    environment = environments.provide(Requirements.parse(target), lock_file)
    folder = environment.interpreter.parent.parent
    return Preparation(environment.description, folder, SECTION, target)


def _npm_package(host: EngineHost, lock_file: LockFile, target: str) -> Preparation:
    from noodle.bridges.javascript.node import find_node
    from noodle.bridges.javascript.packages import SECTION, NpmPackages
    from noodle.installation.policy import InstallPolicy

    settings = host.engine.settings
    policy = InstallPolicy(settings.install, settings.offline)
    at = target.find("@", 1)
    name, wanted = (target, "") if at < 0 else (target[:at], target[at + 1 :])
    packages = NpmPackages(find_node(), settings.cache_directory, policy)
    package = packages.install(name, wanted, lock_file)
    return Preparation(f"{package.name} {package.version}", package.directory, SECTION, target)


_PREPARED_FROM_LOCK: dict[str, Callable[[EngineHost, LockFile, str], Preparation]] = {
    "npm": _npm_package,
    "pypi": _python_environment,
}
