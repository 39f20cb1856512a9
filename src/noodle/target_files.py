"""Target files: which bridge loads a file or directory, judged by its name and content."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from noodle.errors import AmbiguousTargetError, TargetError, did_you_mean

__all__ = ["FILE_SUFFIXES", "MANIFESTS", "LocalFile", "identify", "shown"]

FILE_SUFFIXES: dict[str, tuple[str, str]] = {
    ".py": ("python", "file"),
    **dict.fromkeys((".mjs", ".cjs", ".js", ".mts", ".cts", ".ts"), ("javascript", "file")),
    ".so": ("native", "file"),
    **dict.fromkeys((".c", ".cc", ".cpp", ".cxx", ".rs"), ("native", "source")),
}
"""The bridge and the kind of a file, by the end of its name."""

MANIFESTS: dict[str, tuple[str, str]] = {
    "Cargo.toml": ("native", "crate"),
    "package.json": ("javascript", "directory"),
    "__init__.py": ("python", "directory"),
}
"""The bridge and the kind of a directory, by the file that it holds."""

_SUFFIX_REMEDIES = {
    ".h": 'load the library itself, with header="./NAME.h"',
    ".hpp": "load the library itself, and give it prototypes",
    ".a": "link it into a shared library (.so)",
    ".o": "link it into a shared library (.so)",
    ".noodle": 'import a Noodle file without ffi: import "./other.noodle" as other',
}

_CHECK = "check the name; a relative path counts from the program's directory"
"""What to do about a path that is nowhere."""

_LISTED_NAMES = 1000  # chosen: directory entries that are compared with a mistyped name
_SHARED_SUFFIX = re.compile(r"\.so(?:\.[0-9]+)+")


class LocalFile(NamedTuple):
    """A file or directory that a bridge loads.

    Args:
        location: Its path; a relative one begins with ``./`` or ``../``.
        bridge: The bridge that loads it.
        kind: ``file``, ``source``, ``crate`` or ``directory``.
    """

    location: str
    bridge: str
    kind: str


def shown(text: str) -> str:
    """Return a text as a message quotes it: escaped, and cut where it is long."""
    return repr(text if len(text) <= 80 else f"{text[:77]}...")


def identify(text: str, directory: str | Path) -> LocalFile:
    """Find what a path names, and the bridge that loads it.

    Args:
        text: The path as written, without blanks around it.
        directory: The directory against which a relative path is resolved.

    Raises:
        TargetError: There is nothing that a bridge loads; the remedy has the nearest names.
        AmbiguousTargetError: Several files fit; the message lists them.
    """
    location = _location(text)
    full_path = os.path.join(directory, location)
    mode = _mode(text, full_path)
    if stat.S_ISREG(mode):
        return _regular_file(text, location)
    found = _manifests_in(full_path) if stat.S_ISDIR(mode) else []
    candidates = [f"{location.rstrip('/')}/{manifest}" for manifest in found]
    if not text.endswith(("/", ".")):
        candidates += [location + end for end in FILE_SUFFIXES if os.path.isfile(full_path + end)]
    if len(candidates) == 1:
        return _regular_file(text, candidates[0])
    if candidates:
        raise AmbiguousTargetError(
            f"{location} fits several files",
            expected=f"one of {', '.join(candidates)}",
            received=shown(text),
            remedy=" or ".join(candidates),
        )
    if mode:
        raise _unusable(text, location, mode)
    raise _missing(text, location, directory)


def _location(written: str) -> str:
    """Return a path without repeated slashes and needless dots.

    ``..`` stays: where the part before it is a link, leaving both out names another place.
    """
    location = str(PurePosixPath(written))
    marked = location.startswith(("/", "../")) or location in (".", "..")
    return location if marked else f"./{location}"


def _mode(text: str, path: str) -> int:
    """Return the file's mode, or 0 where there is none."""
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise TargetError(
            f"the path cannot be used: {error.strerror}",
            expected="a file or directory that can be read",
            received=shown(text),
        ) from None


def _manifests_in(path: str) -> list[str]:
    return [name for name in MANIFESTS if os.path.isfile(os.path.join(path, name))]


def _regular_file(text: str, location: str) -> LocalFile:
    folder, name = os.path.split(location)
    if name in MANIFESTS:
        return LocalFile(folder, *MANIFESTS[name])
    suffix = ".so" if _SHARED_SUFFIX.search(name) else os.path.splitext(name)[1]
    if suffix not in FILE_SUFFIXES:
        raise TargetError(
            f"no bridge loads {f'a {suffix} file' if suffix else 'a file without a suffix'}",
            expected=f"a file that ends in one of {' '.join(FILE_SUFFIXES)}",
            received=shown(text),
            remedy=_SUFFIX_REMEDIES.get(suffix),
        )
    return LocalFile(location, *FILE_SUFFIXES[suffix])


def _unusable(text: str, location: str, mode: int) -> TargetError:
    if not stat.S_ISDIR(mode):
        return TargetError(
            "neither a regular file nor a directory",
            expected="a file or directory",
            received=shown(text),
        )
    return TargetError(
        f"the directory {location} holds none of {', '.join(MANIFESTS)}",
        expected="a Rust crate, an npm package or a Python package",
        received=shown(text),
        remedy="name a file in it",
    )


def _missing(text: str, location: str, directory: str | Path) -> TargetError:
    folder, name = os.path.split(location)
    full_folder = os.path.join(directory, folder)
    if not os.path.isdir(full_folder):
        return TargetError(
            f"there is no directory {folder}",
            expected="a path whose directory exists",
            received=shown(text),
            remedy="write the home directory in full" if location.startswith("./~") else _CHECK,
        )
    near = did_you_mean(name, _names_in(full_folder))
    prefix = "/" if folder == "/" else f"{folder}/"
    return TargetError(
        f"there is no file {location}",
        expected="a file or directory that exists",
        received=shown(text),
        remedy=" or ".join(prefix + found for found in near.split(" or ")) if near else _CHECK,
    )


def _names_in(folder: str) -> Iterable[str]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, _LISTED_NAMES)]
    except OSError:
        return []
    return [name for name in names if name.isprintable()]
