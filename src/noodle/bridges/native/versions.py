"""The version of a shared library, and whether it is enough."""

from __future__ import annotations

import ctypes
import operator
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    file beside the library, the name of the file.

    Args:
        path: The library's real path.
        handle: The opened library.
    """
    stem = library_stem(path.name)
    return _own_version(stem, handle) or _packaged_version(stem, path) or _named_version(path)


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
    for name in (stem, f"lib{stem}"):
        try:
            text = (path.parent / "pkgconfig" / f"{name}.pc").read_text("utf-8", "replace")
        except OSError:
            continue
        match = re.search(r"^Version:\s*(\S+)", text, re.MULTILINE)
        if match:
            return match[1]
    return None


def _named_version(path: Path) -> str | None:
    match = re.search(r"\.so\.(\d+(?:\.\d+)*)$|-(\d+(?:\.\d+)+)\.so$", path.name)
    return (match[1] or match[2]) if match else None


def satisfies(version: str, requirement: str) -> bool:
    """Return whether a version is enough.

    Args:
        version: The library's.
        requirement: A minimum (``1.2``), or comparisons separated by commas (``>=1.2,<2``).

    Raises:
        VersionError: The requirement cannot be read.
    """
    for clause in requirement.split(","):
        match = _CLAUSE.fullmatch(clause)
        if match is None:
            raise VersionError(
                "the version asked for cannot be read",
                expected="a minimum such as 1.2, or comparisons such as >=1.2,<2",
                received=requirement,
            )
        ours, asked = _parts(version), _parts(match[2])
        width = max(len(ours), len(asked))
        ours += [0] * (width - len(ours))
        if not _COMPARISONS[match[1]](ours, asked + [0] * (width - len(asked))):
            return False
        if match[1] == "~=" and ours[: max(1, len(_parts(match[2])) - 1)] != asked[:-1]:
            return False
    return True


def _parts(version: str) -> list[int]:
    match = re.match(r"\D*(\d+(?:\.\d+)*)", version)
    return [int(part) for part in match[1].split(".")] if match else [0]
