"""The host that Noodle programs run on: it loads libraries, reads source files and writes output.

The language core knows no engine, and a program that imports nothing foreign never makes one. This
module is part of every start, so it imports almost nothing.
"""

from __future__ import annotations

import os
import sys

from noodle.language.source_files import read_source_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import ModuleType
    from typing import Any

    from noodle.language.foreign_imports import ForeignImport
    from noodle.runtime.engine import Engine
    from noodle.stubs.model import StubModule

__all__ = ["EngineHost", "make_engine"]

_LISTED_NAMES = 1000  # chosen: directory entries that are compared with a mistyped name

_RESERVED_OPTIONS = ("directory", "prototypes", "target")
"""What an import states in other ways than with an option."""


def make_engine(
    directory: str | Path,
    config: str | Path | None = None,
    *,
    arguments: Mapping[str, Any] | None = None,
    install: str = "auto",
) -> Engine:
    """Make the engine of a program, and let ``noodle.load`` in its Python helpers use it too.

    Args:
        directory: Where the program is; the configuration is looked for from there upward.
        config: The configuration file, in place of the nearest one.
        arguments: Settings that win over all others.
        install: What the setting ``install`` is where nobody has stated it.

    Raises:
        SettingsError: The configuration is not in order.
    """
    from dataclasses import replace
    from pathlib import Path

    from noodle.runtime.engine import Engine, use, with_pins
    from noodle.settings import resolve

    settings = resolve(
        arguments=with_pins(arguments or {}),
        config_file=Path(config) if config is not None else None,
        start_directory=Path(directory),
    )
    if settings.install == "auto":
        settings = replace(settings, install=install)
    return use(Engine(settings))


class EngineHost:
    """What the language core asks for, given by an engine that is made when it is first needed.

    Args:
        directory: Where the program is.
        config: The configuration file; None for the nearest one above the program.
        arguments: Settings that win over all others.
        install: What the setting ``install`` is where nobody has stated it.
    """

    def __init__(
        self,
        directory: str,
        *,
        config: str | Path | None = None,
        arguments: Mapping[str, Any] | None = None,
        install: str = "auto",
    ) -> None:
        self._directory = directory
        self._config = config
        self._arguments = arguments
        self._install = install
        self._engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        """The engine, made on first use."""
        if self._engine is None:
            self._engine = make_engine(
                self._directory, self._config, arguments=self._arguments, install=self._install
            )
        return self._engine

    def load_foreign(self, spec: ForeignImport) -> ModuleType:
        """Load the library of an ``import ffi`` and return its namespace.

        Args:
            spec: The import; a relative path in its target starts at the file that states it.

        Raises:
            NoodleError: It cannot be loaded; ``where`` tells the place of the import.
        """
        from noodle.errors import InternalError, NoodleError

        place = f"{spec.path}:{spec.line}:{spec.column}"
        try:
            _refuse_reserved(spec.options)
            return self.engine.load(
                spec.target,
                directory=self.directory_of(spec.path),
                prototypes=spec.prototypes or None,
                **spec.options,
            )
        except NoodleError as error:
            error.where = f"{error.where}, imported at {place}" if error.where else place
            raise
        except Exception as error:
            raise InternalError(
                f"loading {spec.target!r} failed",
                received=f"{type(error).__name__}: {error}",
                where=place,
            ) from error

    def describe_foreign(self, spec: ForeignImport, *, run: bool = False) -> StubModule | None:
        """Return what the library of an ``import ffi`` declares; None where that is not known.

        Args:
            spec: The import.
            run: Whether the library may be installed and its code run to find out.

        Raises:
            NoodleError: The import cannot be right.
        """
        _refuse_reserved(spec.options)
        return self.engine.dispatcher.describe(
            spec.target,
            directory=self.directory_of(spec.path),
            run=run,
            prototypes=spec.prototypes or None,
            **spec.options,
        )

    def directory_of(self, path: str) -> str:
        """Return the directory against which a relative path in a program is resolved.

        Args:
            path: The program; a session's input has no file, and stands for the host's directory.
        """
        return os.path.dirname(os.path.abspath(path)) if os.path.isfile(path) else self._directory

    def read_source(self, path: str) -> str:
        """Return the text of a Noodle file.

        Raises:
            SourceError: It cannot be read; where there is no program, the remedy has those near it.
        """
        try:
            return read_source_file(path)
        except Exception as error:
            raise _with_programs_near(path, error) from None

    def write(self, text: str) -> None:
        """Write what the program prints to standard output, whatever that is now."""
        # None where the process was started without one.
        if sys.stdout is not None:
            sys.stdout.write(text)


def _refuse_reserved(options: dict[str, object]) -> None:
    from noodle.errors import SettingsError

    for option in _RESERVED_OPTIONS:
        if option in options:
            raise SettingsError(
                f"an import has no option {option!r}",
                expected="an option of the library's bridge",
                received=option,
                remedy="write prototypes in braces behind the name: `{ fn cos(x: f64): f64 }`"
                if option == "prototypes"
                else f"leave {option} out",
            )


def _with_programs_near(path: str, error: Exception) -> Exception:
    from noodle.errors import SourceError

    if isinstance(error, SourceError):
        error.remedy = _programs_near(path) or error.remedy
    return error


def _programs_near(path: str) -> str | None:
    """Return what may have been meant by a path at which there is no file, or None."""
    if os.path.isdir(path):
        programs = [name for name in _names_in(path) if name.endswith(".noodle")][:3]
        return " or ".join(os.path.join(path, name) for name in programs) or None
    if os.path.lexists(path):
        return None
    from noodle.errors import did_you_mean

    folder, name = os.path.split(path)
    if os.path.isfile(f"{path}.noodle"):
        return f"{path}.noodle"
    near = did_you_mean(name, _names_in(folder or "."))
    return (
        " or ".join(os.path.join(folder, found) for found in near.split(" or ")) if near else None
    )


def _names_in(folder: str) -> list[str]:
    from itertools import islice

    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, _LISTED_NAMES)]
    except (OSError, ValueError):
        return []
    return sorted(name for name in names if name.isprintable())
