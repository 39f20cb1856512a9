"""What a native library is configured to need: whether it is there, and what would install it.

Nothing is installed. A dependency is the name of a package, under any distribution's name, or of a
library; it is met when a library of it is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from noodle.bridges.native.linker import find_library
from noodle.bridges.native.packages import install_command, libraries_of
from noodle.errors import MissingLibraryError, NoodleError

__all__ = ["check_dependencies", "find_with_dependencies"]


def find_with_dependencies(
    location: str, directory: Path, library_paths: Sequence[str], dependencies: Sequence[str]
) -> Path:
    """Return the path of a shared library as ``find_library`` does, once its dependencies are met.

    Args:
        location: See ``find_library``.
        directory: See ``find_library``.
        library_paths: See ``find_library``.
        dependencies: What the library is configured to need.

    Raises:
        MissingLibraryError: It is nowhere, or a dependency is; the remedy installs what is missing.
        LibraryLoadError: There are only files of that name that this process cannot load.
    """
    try:
        path = find_library(location, directory, library_paths)
    except MissingLibraryError as error:
        error.remedy = install_command([location, *dependencies]) or error.remedy
        raise
    check_dependencies(location, directory, library_paths, dependencies)
    return path


def check_dependencies(
    location: str, directory: Path, library_paths: Sequence[str], dependencies: Sequence[str]
) -> None:
    """Refuse a library or source of which a known dependency is not there.

    One of which it is not known what it has counts as met: the library that needs it is there.

    Args:
        location: The library, as the user wrote it.
        directory: Where a relative path begins.
        library_paths: Directories to search before all others.
        dependencies: What the library is configured to need.

    Raises:
        MissingLibraryError: Some are not there; the remedy installs them.
    """
    missing = [one for one in dependencies if not _is_met(one, directory, library_paths)]
    if missing:
        raise MissingLibraryError(
            f"{location!r} is configured to need libraries that were not found",
            expected=", ".join(dependencies),
            received=f"without {', '.join(missing)}",
            where=location,
            remedy=install_command(missing),
        )


def _is_met(dependency: str, directory: Path, library_paths: Sequence[str]) -> bool:
    names = libraries_of(dependency)
    return not names or any(_is_found(name, directory, library_paths) for name in names)


def _is_found(name: str, directory: Path, library_paths: Sequence[str]) -> bool:
    try:
        find_library(name, directory, library_paths)
    except NoodleError:
        return False
    return True
