"""How Python packages, modules and files come into this process, and in which version."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from noodle.distribution_names import DISTRIBUTION_NAMES
from noodle.errors import (
    LibraryLoadError,
    MissingPackageError,
    NameNotFoundError,
    SettingsError,
    VersionError,
    did_you_mean,
)

__all__ = [
    "DISTRIBUTION_NAMES",
    "check_found_version",
    "check_interpreter",
    "check_version",
    "import_file",
    "import_module",
    "import_name",
    "is_importable",
    "submodule_names",
    "version_of",
]


def check_interpreter(library: str, wanted: str) -> None:
    """Refuse a library that is wanted on another version of Python.

    Args:
        library: The library's name in messages.
        wanted: A specifier of the interpreter's version (PEP 440).

    Raises:
        VersionError: This interpreter does not satisfy it.
    """
    import platform

    from packaging.specifiers import SpecifierSet

    running = platform.python_version()
    if not SpecifierSet(wanted).contains(running, prereleases=True):
        raise VersionError(
            f"{library} is wanted on another version of Python",
            expected=f"Python {wanted}",
            received=f"Python {running}",
            where=library,
            remedy="leave the version of Python out, or start the program with that one",
        )


def import_name(location: str) -> str:
    """Return the import name for what may be a distribution's name (``scikit-learn``)."""
    if all(part.isidentifier() for part in location.split(".")) and is_importable(location):
        return location
    for import_name, distribution in DISTRIBUTION_NAMES.items():
        if distribution.casefold() == location.casefold():
            return import_name
    from importlib import metadata

    try:
        files = metadata.distribution(location).read_text("top_level.txt") or ""
    except (metadata.PackageNotFoundError, ValueError):
        return location
    candidates = [*files.split(), location.replace("-", "_")]
    return next((c for c in candidates if not c.startswith("_") and is_importable(c)), location)


def is_importable(name: str) -> bool:
    """Return whether this interpreter has the top-level module of a name, without importing it."""
    top = name.partition(".")[0]
    if top in sys.modules:
        return True
    try:
        return importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        return False


def import_module(name: str, written: str) -> ModuleType:
    """Import a module.

    Args:
        name: Its import name.
        written: What the user wrote, for messages.

    Raises:
        MissingPackageError: There is no such package.
        NameNotFoundError: The package has no such module.
        LibraryLoadError: Importing it raised.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise _missing_package(name, written, error.name) from None
        raise LibraryLoadError(
            f"importing {name} failed: it needs {error.name}, which is not installed",
            expected=f"the package {error.name}",
            received="no such package",
            remedy=f"{_pip_install(error.name or '')}",
        ) from error
    except (Exception, SystemExit) as error:
        raise LibraryLoadError(
            f"importing {name} failed: {type(error).__name__}: {error}",
            where=name,
            remedy=f'python -c "import {name}" shows the whole traceback',
        ) from error


def _missing_package(name: str, written: str, absent: str) -> Exception:
    top = name.partition(".")[0]
    if absent != top:
        parent = absent.rpartition(".")[0]
        return NameNotFoundError(
            f"{parent} has no module {absent.rpartition('.')[2]!r}",
            expected=f"a module of {parent}",
            received=absent,
            remedy=did_you_mean(absent.rpartition(".")[2], submodule_names(parent)),
        )
    near = did_you_mean(top, _installed_modules())
    install = _pip_install(written.partition(".")[0])
    return MissingPackageError(
        f"no Python package {written!r}",
        expected="a package or module that this interpreter can import",
        received=written,
        remedy=f"{near}, or {install}" if near else install,
    )


def _pip_install(name: str, requirement: str = "", interpreter: str = "python") -> str:
    wanted = DISTRIBUTION_NAMES.get(name, name) + requirement
    return f"{interpreter} -m pip install {repr(wanted) if requirement else wanted}"


def _installed_modules() -> set[str]:
    import pkgutil

    names = {*sys.stdlib_module_names, *(module.name for module in pkgutil.iter_modules())}
    return {name for name in names if not name.startswith("_")}


def submodule_names(package: str) -> list[str]:
    """Return the names of an imported package's modules, whether they are imported or not."""
    import pkgutil

    path = getattr(sys.modules.get(package), "__path__", None)
    return [module.name for module in pkgutil.iter_modules(path)] if path else []


def import_file(path: Path) -> ModuleType:
    """Run a ``.py`` file, or a directory with ``__init__.py``, as a module.

    Args:
        path: The file or directory.

    Raises:
        MissingPackageError: There is no such file.
        LibraryLoadError: Running it raised.
    """
    path = path.absolute()
    name = _module_name(path)
    file = path / "__init__.py" if path.is_dir() else path
    folders = [str(path)] if path.is_dir() else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=folders)
    if not file.is_file() or spec is None or spec.loader is None:
        raise MissingPackageError(
            f"no Python file {file.name!r}", expected="an existing .py file", received=file.name
        )
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name)
    sys.modules[name] = module  # where pickle and dataclasses look for it
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        _restore_module(name, before)
        if not isinstance(error, (Exception, SystemExit)):
            raise
        raise LibraryLoadError(
            f"running {path.name} failed: {type(error).__name__}: {error}", where=path.name
        ) from error
    return module


def _module_name(path: Path) -> str:
    """Return the stem of a file, made unique where it would hide another module."""
    name = path.stem
    if name not in sys.modules and not is_importable(name):
        return name
    known = getattr(sys.modules.get(name), "__file__", None)
    if known and Path(known) in (path, path / "__init__.py"):
        return name
    return f"{name}_{hashlib.blake2b(os.fsencode(path), digest_size=4).hexdigest()}"


def _restore_module(name: str, module: ModuleType | None) -> None:
    if module is None:
        sys.modules.pop(name, None)
    else:
        sys.modules[name] = module


def check_version(name: str, requirement: str) -> None:
    """Refuse a package that is installed in another version; one that is missing passes.

    Args:
        name: Its import name.
        requirement: A specifier (PEP 440), or a plain version as an exact pin; ``""`` for any.

    Raises:
        VersionError: The installed version does not satisfy it, or is unknown.
    """
    top = name.partition(".")[0]
    if requirement and (is_importable(top) or version_of(top) is not None):
        check_found_version(top, version_of(top), requirement)


def check_found_version(
    name: str, found: str | None, requirement: str, *, interpreter: str = "python"
) -> None:
    """Refuse a version of a package that is not the one asked for.

    Args:
        name: The package.
        found: Its version; None where that is unknown.
        requirement: A specifier (PEP 440), or a plain version as an exact pin; ``""`` for any.
        interpreter: The interpreter that has it, as it is started.

    Raises:
        VersionError: It does not satisfy the requirement, or is unknown.
        SettingsError: The requirement cannot be read.
    """
    if not requirement:
        return
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion

    # A plain version, as the configuration gives it, is an exact pin.
    pin = requirement if requirement[0] in "<>=!~" else f"=={requirement}"
    try:
        satisfied = found is not None and SpecifierSet(pin).contains(found, prereleases=True)
    except InvalidSpecifier:
        raise SettingsError(
            f"not a version: {requirement!r}",
            expected='a version such as "1.26.4", or a specifier such as ">=1.26,<3"',
            received=requirement,
            where=name,
        ) from None
    except InvalidVersion:
        satisfied = False
    if not satisfied:
        raise VersionError(
            f"{name} {pin} is not what this interpreter has",
            expected=f"{name}{pin}",
            received=f"{name} {found}" if found else f"{name}, whose version is unknown",
            remedy=_pip_install(name, pin, interpreter),
        )


def version_of(top: str) -> str | None:
    """Return the version of the distribution that a top-level module belongs to, or None."""
    from importlib import metadata

    for distribution in (top, DISTRIBUTION_NAMES.get(top)):
        try:
            if distribution:
                return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    version = getattr(sys.modules.get(top), "__version__", None)
    if version is None and top in sys.modules and top not in sys.stdlib_module_names:
        owners = metadata.packages_distributions().get(top, [])
        return metadata.version(owners[0]) if owners else None
    return str(version) if version is not None else None
