"""When a Python library needs an environment of its own, and which one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from noodle.bridges.python_imports import (
    check_interpreter,
    check_version,
    import_name,
    is_importable,
    version_of,
)
from noodle.bridges.python_options import PythonOptions
from noodle.calls import LoadRequest, Preparation
from noodle.errors import MissingPackageError, VersionError

if TYPE_CHECKING:
    from noodle.workers.environments import Environment, Environments, Requirements

__all__ = [
    "describe_needs",
    "environment_of",
    "environments_of",
    "lock_of",
    "require_dependencies",
    "requirements_of",
]


def requirements_of(request: LoadRequest) -> Requirements | None:
    """Return what the environment of a library must have; None where this interpreter has it.

    This interpreter has it when no version and no dependency is asked for, or the installed ones
    are those. A library that names an interpreter is taken as that has it.

    Args:
        request: The load.

    Raises:
        SettingsError: An option, a version or a dependency cannot be read.
    """
    options = PythonOptions.read(request.options)
    dependencies, from_source = options.dependencies, options.from_source
    pinned = request.requirement or request.interpreter or dependencies or from_source
    if request.kind != "package" or not pinned or options.interpreter:
        return None
    from noodle.workers.environments import Requirements, missing_here

    requirements = Requirements.of(
        request.location,
        request.requirement,
        python=request.interpreter,
        dependencies=dependencies,
        from_source=from_source,
    )
    if not from_source and _is_met_here(request) and not missing_here(dependencies):
        return None
    return requirements


def _is_met_here(request: LoadRequest) -> bool:
    name = import_name(request.location)
    try:
        if request.interpreter:
            check_interpreter(request.location, request.interpreter)
        check_version(name, request.requirement)
    except VersionError:
        return False
    return is_importable(name)


def environments_of(request: LoadRequest) -> Environments:
    """Return where the environments of a load are made and found.

    Args:
        request: The load.

    Raises:
        SettingsError: An option has a wrong value.
    """
    from noodle.build_cache import user_cache_directory
    from noodle.installation.policy import InstallPolicy
    from noodle.workers.environments import Environments

    options = PythonOptions.read(request.options)
    directory = options.cache_directory
    cache = Path(directory) if directory else user_cache_directory()
    return Environments(cache, InstallPolicy(options.install, options.offline))


def environment_of(request: LoadRequest) -> Environment | None:
    """Return the environment of a library, made now if need be; None where it needs none.

    Args:
        request: The load.

    Raises:
        UsageError, ForeignError: As ``Environments.provide``.
    """
    requirements = requirements_of(request)
    if requirements is None:
        return None
    from noodle.lock_file import LockFile

    lock_file = LockFile.of_directory(Path(request.directory))
    try:
        return environments_of(request).provide(requirements, lock_file)
    except MissingPackageError as error:
        error.received = "; ".join(filter(None, (error.received, _found_here(request))))
        raise


def lock_of(request: LoadRequest) -> Preparation | None:
    """Note in the lock file what the environment of a library has; nothing is installed.

    Args:
        request: The load.

    Returns:
        What is locked; None where the library needs no environment.

    Raises:
        UsageError, ForeignError: As ``Environments.lock``.
    """
    requirements = requirements_of(request)
    if requirements is None:
        return None
    from noodle.lock_file import LockFile
    from noodle.workers.environments.locked_packages import SECTION

    lock_file = LockFile.of_directory(Path(request.directory))
    locked = environments_of(request).lock(requirements, lock_file)
    return Preparation(f"locked: {locked.contents}", lock_file.path, SECTION, requirements.title)


def _found_here(request: LoadRequest) -> str | None:
    """Return what this interpreter has of a library, where that is not what was asked for."""
    name = import_name(request.location).partition(".")[0]
    version = version_of(name)
    return f"this interpreter has {name} {version}" if version else None


def describe_needs(request: LoadRequest) -> str | None:
    """Return the environment that a library needs and whether it is there, in one line.

    Args:
        request: The load.

    Returns:
        None where it needs none.

    Raises:
        SettingsError: An option, a version or the lock file cannot be read.
        InstallationError: The lock was edited and cannot be used.
    """
    requirements = requirements_of(request)
    if requirements is None:
        return None
    from noodle.lock_file import LockFile

    lock_file = LockFile.of_directory(Path(request.directory))
    environments = environments_of(request)
    environment = environments.find(requirements, lock_file)
    if environment is not None:
        return environment.description
    locked = environments.locked(requirements, lock_file)
    if locked is None:
        return f"environment of {requirements}: not locked yet; try noodle sync"
    return f"environment of {locked.contents}: not installed; try noodle sync"


def require_dependencies(request: LoadRequest) -> None:
    """Refuse a library in this process that needs packages which are not installed here.

    Args:
        request: The load.

    Raises:
        MissingPackageError: One is missing; the remedy installs it.
        SettingsError: The option cannot be read.
    """
    dependencies = PythonOptions.read(request.options).dependencies
    if not dependencies:
        return
    from noodle.workers.environments import missing_here

    missing = missing_here(dependencies)
    if missing:
        raise MissingPackageError(
            f"{request.library} is configured to need packages that are not installed",
            expected=", ".join(dependencies),
            received=f"without {', '.join(missing)}",
            where=f"ffi.bridges.{request.library}.dependencies",
            remedy=f"python -m pip install {' '.join(missing)}",
        )
