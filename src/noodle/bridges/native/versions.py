"""The version of a shared library, and whether it is enough."""

from __future__ import annotations

import ctypes
import operator
import re
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

from noodle.bridges.native.elf import ElfFile, NotElfError
from noodle.bridges.native.packages import library_stem
from noodle.errors import VersionError

__all__ = ["satisfies", "version_of"]

# Functions that return their library's version as text, with the arguments that they take.
_VERSION_FUNCTIONS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "blas": ("openblas_get_config", ()),
    "c": ("gnu_get_libc_version", ()),
    "crypto": ("OpenSSL_version", (0,)),
    "curl": ("curl_version", ()),
    "expat": ("XML_ExpatVersion", ()),
    "m": ("gnu_get_libc_version", ()),
    "openblas": ("openblas_get_config", ()),
    "png16": ("png_get_libpng_ver", (None,)),
    "pthread": ("gnu_get_libc_version", ()),
    "sqlite3": ("sqlite3_libversion", ()),
    "ssl": ("OpenSSL_version", (0,)),
    "z": ("zlibVersion", ()),
    "zstd": ("ZSTD_versionString", ()),
}
_NUMBER = re.compile(r"\d+(?:\.\d+)+")
_CLAUSE = re.compile(r"\s*(>=|<=|==|!=|~=|>|<|)\s*v?(\d+(?:\.\d+)*)[\w.+-]*\s*")
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "": operator.ge,
    ">=": operator.ge,
    "~=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}


def version_of(path: Path, handle: ctypes.CDLL) -> str | None:
    """Return the version of a library, or None when it tells none.

    Asked are, in this order: the library's own version function where it is known, the pkg-config
    file beside the library, the name of the file, the SONAME.

    Args:
        path: The library's real path.
        handle: The opened library.
    """
    soname = _soname(path)
    names = [name for name in (path.name, soname) if name]
    stems = list(dict.fromkeys(map(library_stem, names)))
    own = (_own_version(stem, handle) for stem in stems)
    packaged = (_packaged_version(stem, path) for stem in stems)
    named = map(_named_version, names)
    return next(filter(None, chain(own, packaged, named)), None)


def _soname(path: Path) -> str:
    try:
        return ElfFile(path).soname() or ""
    except (NotElfError, OSError):
        return ""


def _own_version(stem: str, handle: ctypes.CDLL) -> str | None:
    symbol, arguments = _VERSION_FUNCTIONS.get(stem, ("", ()))
    try:
        function = handle[symbol] if symbol else None
    except AttributeError:
        return None
    if function is None:
        return None
    function.restype = ctypes.c_char_p
    text = function(*arguments)
    match = _NUMBER.search(text.decode("utf-8", "replace")) if text else None
    return match[0] if match else None


def _packaged_version(stem: str, path: Path) -> str | None:
    """Return the version of the package beside a library, by its name or the first it links."""
    folder = path.parent / "pkgconfig"
    for name in (stem, f"lib{stem}"):
        version = _version_in(folder / f"{name}.pc")
        if version:
            return version
    links = re.compile(rf"^Libs:(?:\s+(?!-l)\S+)*\s+-l{re.escape(stem)}(?:\s|$)", re.MULTILINE)
    found = (_version_in(file, links) for file in sorted(folder.glob("*.pc")))
    return next(filter(None, found), None)


def _version_in(file: Path, links: re.Pattern[str] | None = None) -> str | None:
    """Return the version that a pkg-config file states, if it has a line of that pattern."""
    try:
        text = file.read_text("utf-8", "replace")
    except OSError:
        return None
    match = re.search(r"^Version:\s*(\S+)", text, re.MULTILINE)
    return match[1] if match and (links is None or links.search(text)) else None


def _named_version(name: str) -> str | None:
    match = re.search(r"\.so\.(\d+(?:\.\d+)*)$|-(\d+(?:\.\d+)+)\.so$", name)
    return (match[1] or match[2]) if match else None


def satisfies(version: str, requirement: str) -> bool | None:
    """Return whether a version is enough; None where it does not say.

    A lone number, as in most SONAMEs, says nothing of the numbers behind it.

    Args:
        version: The library's; ``""`` where it tells none.
        requirement: A minimum (``1.2``), or comparisons separated by commas (``>=1.2,<2``).

    Raises:
        VersionError: The requirement cannot be read.
    """
    answers = [_satisfies(version, *clause) for clause in _clauses(requirement)]
    if False in answers:
        return False
    return None if None in answers else True


def _clauses(requirement: str) -> list[tuple[str, list[int]]]:
    """Return the comparisons of a requirement, each with the version that it names."""
    matches = [_CLAUSE.fullmatch(clause) for clause in requirement.split(",")]
    if None in matches:
        raise VersionError(
            "the version asked for cannot be read",
            expected="a minimum such as 1.2, or comparisons such as >=1.2,<2",
            received=requirement,
        )
    return [(match[1], _parts(match[2])) for match in matches if match]


def _satisfies(version: str, comparison: str, asked: list[int]) -> bool | None:
    ours = _parts(version) if version else []
    if len(ours) < 2 and len(asked) > len(ours) and ours == asked[: len(ours)]:
        return None
    width = max(len(ours), len(asked))
    ours += [0] * (width - len(ours))
    if not _COMPARISONS[comparison](ours, asked + [0] * (width - len(asked))):
        return False
    return comparison != "~=" or ours[: max(1, len(asked) - 1)] == asked[: max(1, len(asked) - 1)]


def _parts(version: str) -> list[int]:
    match = re.match(r"\D*(\d+(?:\.\d+)*)", version)
    return [int(part) for part in match[1].split(".")] if match else [0]
