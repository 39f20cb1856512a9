"""Loading Python libraries in worker processes: of this interpreter, or of any other."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from noodle import _host
from noodle.bridges.python_descriptions import Facts, read_facts
from noodle.bridges.python_options import PythonOptions
from noodle.bridges.python_remote import RemotePythonLibrary
from noodle.bridges.remote.library import read_description, unreadable
from noodle.bridges.remote.pools import SharedPools
from noodle.calls import LoadedLibrary, LoadRequest
from noodle.distribution_names import DISTRIBUTION_NAMES
from noodle.errors import (
    DeadlineExceededError,
    LibraryLoadError,
    MissingPackageError,
    NoodleError,
    RemoteCallError,
    VersionError,
    WorkerCrashedError,
)
from noodle.workers.modules import RemoteModule
from noodle.workers.operations import Operation
from noodle.workers.pool import Pool
from noodle.workers.program import Program
from noodle.workers.python_program import python_program

__all__ = ["Environment", "load_isolated"]


class Environment(Protocol):
    """An interpreter with the packages that it finds, which somebody has made ready."""

    @property
    def interpreter(self) -> Path:
        """The absolute path of its Python."""

    @property
    def key(self) -> str:
        """What is equal for environments that hold the same."""

    @property
    def description(self) -> str:
        """One line for ``explain``."""

    def import_name(self, location: str) -> str:
        """Return the import name for what may be a distribution's name."""

    def how_to_add(self, package: str) -> str:
        """Return what to type so that it has a further package."""


@dataclass(frozen=True, slots=True)
class _Interpreter:
    """An interpreter as it is.

    Args:
        interpreter: Its absolute path.
        search_path: What its modules are looked for in first.
    """

    interpreter: Path
    search_path: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return str(self.interpreter)

    @property
    def description(self) -> str:
        return f"in workers of {self.interpreter}"

    def import_name(self, location: str) -> str:
        folded = location.casefold()
        return next(
            (name for name, known in DISTRIBUTION_NAMES.items() if known.casefold() == folded),
            location,
        )

    def how_to_add(self, package: str) -> str:
        return f"{self.interpreter} -m pip install {DISTRIBUTION_NAMES.get(package, package)}"


def load_isolated(request: LoadRequest, environment: Environment | None = None) -> LoadedLibrary:
    """Import a library in a worker.

    Args:
        request: The location is an import name, a distribution's name, or a path to a ``.py``
            file or to a directory with ``__init__.py``.
        environment: Where it is installed; by default what the option ``interpreter`` says, else
            this interpreter with its search path.

    Raises:
        MissingPackageError: There is no such package in the environment.
        VersionError: The installed version, or the interpreter's, is not what was asked for.
        LibraryLoadError: Importing it raised.
        WorkerCrashedError: Its worker ended while it was imported.
        DeadlineExceededError: It was not imported before the deadline.
        SettingsError: An option is not in order.
    """
    options = PythonOptions.read(request.options)
    place = environment or _default_environment(options)
    pool = _pool_for(place, options)
    directory = str(Path(request.directory).absolute())
    module = RemoteModule(pool, _specifier(request, place), directory, request.library)
    _check_interpreter(pool, request)
    reference = _import(module, request, place)
    if options.prewarm:
        module.warm()
    name = _host.request(reference, Operation.GET, "__name__")
    if not isinstance(name, str):
        raise unreadable(f"the name of {request.location}")
    answer = _host.request(pool.worker().root(), Operation.DESCRIBE, name)
    _, details, documentation = read_description(answer, name)
    facts = read_facts(details, documentation, str(place.interpreter))
    if "/" not in request.location:
        _check_version(request, facts)
    return RemotePythonLibrary(
        module,
        request.library if "/" in request.location else name,
        facts.version,
        notes=(place.description, *getattr(place, "notes", ())),
        documentation=documentation,
    )


def _default_environment(options: PythonOptions) -> Environment:
    if options.interpreter is not None:
        return _Interpreter(Path(options.interpreter))
    return _Interpreter(Path(sys.executable), tuple(sys.path))


_pools = SharedPools()


def _pool_for(place: Environment, options: PythonOptions) -> Pool:
    search_path: tuple[str, ...] = getattr(place, "search_path", ())
    key = (
        place.key,
        search_path,
        options.environment,
        options.memory,
        options.shared_memory,
    )
    return _pools.pool_for(
        key,
        partial(_program, place, search_path, options),
        options.workers,
        options.idle_seconds,
    )


def _program(place: Environment, search_path: tuple[str, ...], options: PythonOptions) -> Program:
    return python_program(
        place.interpreter,
        environment=dict(options.environment),
        search_path=search_path,
        memory_bytes=options.memory,
        shared_bytes=options.shared_memory,
    )


def _specifier(request: LoadRequest, place: Environment) -> str:
    if "/" in request.location:
        return str(Path(request.directory, request.location).absolute())
    return place.import_name(request.location)


def _import(module: RemoteModule, request: LoadRequest, place: Environment) -> _host.Reference:
    """Import the module in the first worker, so that a module that fails does so now."""
    try:
        return module.reference()
    except RemoteCallError as error:
        raise _import_failure(error, request, place) from error
    except WorkerCrashedError as error:
        error.add_note(f"while {request.location} was imported")
        raise
    except DeadlineExceededError as error:
        raise DeadlineExceededError(
            f"{request.location} was not imported before the deadline",
            received=error.received,
            where=request.location,
            remedy="allow more time with noodle.deadline(seconds)",
        ) from error


def _import_failure(
    error: RemoteCallError, request: LoadRequest, place: Environment
) -> NoodleError:
    absent = getattr(error, "name", None)
    if not isinstance(error, ModuleNotFoundError) or not isinstance(absent, str):
        return LibraryLoadError(
            f"importing {request.location} failed: {error.type_name}: {error.message}",
            where=request.location,
        )
    install = place.how_to_add(absent)
    if absent == _specifier(request, place).partition(".")[0]:
        return MissingPackageError(
            f"no Python package {request.location!r}",
            expected=f"a package or module that {place.interpreter} can import",
            received=request.location,
            remedy=install,
        )
    return LibraryLoadError(
        f"importing {request.location} failed: it needs {absent}, which is not installed",
        expected=f"the package {absent}",
        received="no such package",
        remedy=install,
    )


def _check_interpreter(pool: Pool, request: LoadRequest) -> None:
    from packaging.specifiers import SpecifierSet

    runtime = pool.worker().runtime
    running = runtime.version if runtime is not None else ""
    if request.interpreter and not SpecifierSet(request.interpreter).contains(
        running, prereleases=True
    ):
        raise VersionError(
            f"{request.location} is wanted on another version of Python",
            expected=f"Python {request.interpreter}",
            received=f"Python {running}",
            where=request.location,
            remedy="leave the version of Python out, or name another interpreter",
        )


def _check_version(request: LoadRequest, facts: Facts) -> None:
    from noodle.bridges.python_imports import check_found_version

    check_found_version(
        facts.distribution or request.location,
        facts.version,
        request.requirement,
        interpreter=facts.interpreter,
    )
