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
from noodle.cli.exit_codes import NOT_COMPILED, NOT_LOADED, OK
from noodle.cli.failures import print_error, print_language_error
from noodle.cli.library_builds import lock_build, require_locked
from noodle.cli.lock_preparation import PREPARED, lock_packages, prepare_locked
from noodle.cli.sync_stamp import PROGRAM_SUFFIX, programs_here, state_of, write_stamp
from noodle.cli.terminal import error_console, output_console, visible
from noodle.errors import InternalError, LanguageError, NoodleError
from noodle.language import ForeignImport, check_files
from noodle.lock_file import FILE_NAME as LOCK_NAME
from noodle.lock_file import LockFile
from noodle.runtime.host import EngineHost
from noodle.settings.config_file import FILE_NAME as CONFIG_NAME

if TYPE_CHECKING:
    from noodle.cli.sync_stamp import State

__all__ = ["sync"]


def sync(
    names: Sequence[str],
    *,
    config: Path | None = None,
    offline: bool = False,
    frozen: bool = False,
    lock_only: bool = False,
) -> int:
    """Install what programs, the configuration and the lock file name, and lock what is new.

    Args:
        names: Programs, whose imports are followed, and targets that programs in Python load;
            where there are none, the programs of the working directory.
        config: The configuration file; None for the nearest one.
        offline: Whether to do without the network.
        frozen: Whether a target that is not locked yet is an error.
        lock_only: Whether nothing is installed.

    Returns:
        The exit code: 3 when a program does not compile, 4 when something cannot be had.
    """
    begin = time.monotonic()
    names = names or programs_here()
    syncing = _Sync(config, offline=offline, frozen=frozen, lock_only=lock_only)
    for name in names:
        if name.endswith(PROGRAM_SUFFIX) or os.path.isfile(name):
            syncing.add_program(name)
        else:
            syncing.add_target(name)
    syncing.add_configuration()
    if not lock_only:
        syncing.add_lock_file()
    return syncing.report(names, time.monotonic() - begin)


@dataclass
class _Sync:
    config: Path | None
    offline: bool
    frozen: bool
    lock_only: bool
    count: int = 0
    failures: int = 0
    not_compiled: int = 0
    states: dict[str, State] = field(default_factory=dict)
    done: set[tuple[str, str, str]] = field(default_factory=set)
    failed: set[tuple[str, str]] = field(default_factory=set)
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
        try:
            checked = check_files(_WatchingHost(host, self._watch), program)
        except LanguageError as error:  # there is no such file
            self._refuse(error.all())
            return
        errors = [error for file in checked for error in file.errors]
        if errors:
            self._refuse(errors)
            return
        for file in checked:
            for request in file.foreign_imports:
                directory = host.directory_of(file.path)
                self._prepare(host, request.target, directory, request.options)

    def _refuse(self, errors: Sequence[LanguageError]) -> None:
        self.not_compiled += 1
        for error in errors:
            print_language_error(self._errors, error)

    def add_target(self, text: str) -> None:
        """Prepare a target, or the packages that a message or the lock file names in this way."""
        if _is_target(text):
            self._prepare(self._here, text, os.getcwd(), {}, always=True)
            return
        self._note_places(os.getcwd())
        lock_file = LockFile.of_directory(Path.cwd())
        how = lock_packages if self.lock_only else partial(prepare_locked, section="pypi")
        self._attempt(text, lock_file, lambda: how(self._here, lock_file, target=text))

    def add_configuration(self) -> None:
        """Prepare the configured libraries."""
        for name in self._here.engine.settings.ffi.bridges:
            self._prepare(self._here, name, os.getcwd(), {})

    def add_lock_file(self) -> None:
        """Prepare what the lock files name and nothing else did: programs in Python load it."""
        self._note_places(os.getcwd())
        for path in list(self.lock_files):
            lock_file = LockFile(path)
            for section in PREPARED:
                for target in lock_file.targets(section):
                    shown = _shown(section, target)
                    tried = _attempt_of(shown, lock_file) in self.failed
                    if not tried and (str(path), section, target) not in self.done:
                        prepare = partial(prepare_locked, self._here, lock_file, section, target)
                        self._attempt(shown, lock_file, prepare)

    def _prepare(
        self,
        host: EngineHost,
        target: str,
        directory: str,
        options: dict[str, object],
        *,
        always: bool = False,
    ) -> None:
        """Prepare a target; where nothing is to be installed, say so only if ``always``."""
        self._note_places(directory)
        dispatcher = host.engine.dispatcher
        how = dispatcher.lock if self.lock_only else dispatcher.prepare
        prepared = self._attempt(
            target,
            LockFile.of_directory(Path(directory)),
            lambda: how(target, directory=directory, **options),
        )
        if always and not prepared:
            self._output.print(
                Text.assemble((visible(target), "label"), "  needs nothing but this interpreter")
            )

    # ---------------------------------------------------------------------------- doing it

    def _attempt(
        self, target: str, lock_file: LockFile, prepare: Callable[[], Preparation | None]
    ) -> bool:
        """Prepare a target and report it; return False where nothing is to be installed."""
        try:
            preparation = prepare()
            if preparation is None:
                return False
            self._note(target, lock_file, preparation)
        except InternalError:
            raise
        except NoodleError as error:
            self.failures += 1
            self.failed.add(_attempt_of(target, lock_file))
            print_error(self._errors, visible(target), error)
        return True

    def _note(self, target: str, lock_file: LockFile, preparation: Preparation) -> None:
        entry = (str(lock_file.path), preparation.section, preparation.target)
        self._watch(*_signs(preparation.path))
        if entry in self.done:
            return
        if preparation.facts:
            lock_build(lock_file, preparation, frozen=self.frozen)
        elif self.lock_only:
            require_locked(lock_file, preparation)
        self.done.add(entry)
        self.count += 1
        self._output.print(
            Text.assemble((visible(target), "label"), "  ", visible(preparation.summary))
        )

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

    def report(self, names: Sequence[str], seconds: float) -> int:
        """Print how it ended, and return the exit code."""
        changed = [path for path, before in self.lock_files.items() if _content(path) != before]
        for path in changed:
            self._output.print(Text(f"{visible(os.path.relpath(path))} has changed", "place"))
        done = f"{_counted(self.count, 'target')} {'locked' if self.lock_only else 'in place'}"
        if self.failures or self.not_compiled:
            self._errors.print(Text(f"{self._troubles()}; {done}", "error"))
            return NOT_COMPILED if self.not_compiled else NOT_LOADED
        self._output.print(Text(f"{done} ({seconds:.1f} s)", "ok"))
        if not (names or self._found_something()):
            self._output.print(Text(_NOTHING_HERE, "place"))
        if self.config is None and not self.lock_only:
            locks = {str(path): state_of(str(path)) for path in self.lock_files}
            write_stamp(names, {**self.states, **locks}, self.count)
        return OK

    def _troubles(self) -> str:
        """Say how much went wrong."""
        programs, failed = self.not_compiled, self.failures
        told = []
        if programs:
            do = "does" if programs == 1 else "do"
            told.append(f"{_counted(programs, 'program')} {do} not compile")
        if failed:
            told.append(f"{_counted(failed, 'target')} cannot be had")
        return ", ".join(told)

    def _found_something(self) -> bool:
        """Return whether there is a file that could name something."""
        named = any(
            state and os.path.basename(path) == CONFIG_NAME for path, state in self.states.items()
        )
        return named or any(self.lock_files.values())


_NOTHING_HERE = (
    f"there is no Noodle program here, no {CONFIG_NAME} and no {LOCK_NAME}: name a program, or a "
    "target such as numpy==1.21.0"
)


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def _is_target(text: str) -> bool:
    """Return whether a text is a target, and not what a table of several packages is named."""
    return " + " not in text and "; source " not in text and not text.startswith("standard lib")


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


def _attempt_of(target: str, lock_file: LockFile) -> tuple[str, str]:
    """Return what is the same for a target of a program and the table that it is locked in."""
    return str(lock_file.path), target.replace(" ", "")


def _shown(section: str, target: str) -> str:
    return f"npm:{target}" if section == "npm" else target
