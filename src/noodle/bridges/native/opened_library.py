"""A shared library opened in this process, and clear errors when it cannot be."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from noodle.bridges.native.elf import ElfFile, NotElfError, facts_of, read_library
from noodle.bridges.native.packages import install_command
from noodle.errors import LibraryLoadError

__all__ = [
    "LOAD_ANEW",
    "START_ANEW",
    "LoadedFile",
    "OpenedLibrary",
    "note_opened",
    "refuse_replaced",
    "replaced",
]

START_ANEW = "start the program anew, or give the new file another name"
"""What to do about a replaced file of this process."""

LOAD_ANEW = "noodle.unload(library), then load it again: another worker opens the new file"
"""What to do about one of a worker."""

_identities: dict[object, str] = {}
"""What each file was when it was opened: the loader hands out the old library for a known path."""


class OpenedLibrary:
    """A library in this process. It stays for the life of the process.

    Args:
        path: Its absolute real path.
        elf: What the file says about itself.
        shown: Its name in messages.

    Raises:
        LibraryLoadError: The loader refused it, or the file was replaced since it was opened.
    """

    def __init__(self, path: Path, elf: ElfFile, shown: str) -> None:
        self._elf = elf
        self._shown = shown
        import ctypes

        identity = elf.identity()
        refuse_replaced(path, identity, shown)
        try:
            self.handle = ctypes.CDLL(str(path), mode=os.RTLD_NOW | os.RTLD_LOCAL)
        except OSError as error:
            raise _load_error(shown, path, str(error)) from error
        note_opened(path, identity)

    @cached_property
    def exports(self) -> Mapping[str, bool]:
        """The exported names; the value says whether the name is a function."""
        try:
            return self._elf.exports()
        except (NotElfError, OSError):
            return {}

    def is_function(self, name: str) -> bool:
        """Return whether the library itself exports a function of that name."""
        return self.exports.get(name, False) if self._elf.complete else hasattr(self.handle, name)

    def is_variable(self, name: str) -> bool:
        """Return whether the library itself exports a variable of that name."""
        if self._elf.complete:
            return self.exports.get(name) is False
        return hasattr(self.handle, name)

    def address_of(self, name: str) -> int:
        """Return the address of an exported symbol."""
        import ctypes

        return ctypes.cast(self.handle[name], ctypes.c_void_p).value or 0


def refuse_replaced(path: Path, identity: str, shown: str) -> None:
    """Refuse a file that is not what was opened under its name before.

    Args:
        path: The library's absolute real path.
        identity: Its build id or digest now.
        shown: Its name in messages.

    Raises:
        LibraryLoadError: Another content is loaded, which the loader would hand out again.
    """
    for key in _keys(path):
        if _identities.get(key, identity) != identity:
            raise replaced(shown, START_ANEW)


class LoadedFile:
    """The file of a library, as it was when it was loaded.

    Args:
        path: Its absolute real path.
        identity: Its build id or digest.
        shown: Its name in messages.
        remedy: What to type once it is another file.
    """

    def __init__(self, path: Path, identity: str, shown: str, remedy: str) -> None:
        self._path = path
        self._identity = identity
        self._shown = shown
        self._remedy = remedy
        self._facts = facts_of(path)

    def refuse_replaced(self) -> None:
        """Refuse to go on with a file that is another one by now; one that is gone stays loaded.

        Raises:
            LibraryLoadError: It has another content.
        """
        facts = facts_of(self._path)
        if facts is None or facts == self._facts:
            return
        try:
            same = read_library(self._path, self._shown).identity() == self._identity
        except (LibraryLoadError, OSError):
            same = False
        if not same:
            raise replaced(self._shown, self._remedy)
        self._facts = facts


def replaced(shown: str, remedy: str) -> LibraryLoadError:
    """Return the error for a file that is another one by now.

    Args:
        shown: The library's name in messages.
        remedy: What to type.
    """
    return LibraryLoadError(
        f"{shown!r} was replaced while its old version is loaded",
        expected="the file that was loaded",
        received="another one of the same name",
        where=shown,
        remedy=remedy,
    )


def note_opened(path: Path, identity: str) -> None:
    """Remember what a file was when it was opened.

    Args:
        path: The library's absolute real path.
        identity: Its build id or digest.
    """
    _identities.update(dict.fromkeys(_keys(path), identity))


def _keys(path: Path) -> tuple[object, object]:
    facts = path.stat()
    return str(path), (facts.st_dev, facts.st_ino)


def _load_error(shown: str, path: Path, reason: str) -> LibraryLoadError:
    import re

    missing = re.match(r"(\S+): cannot open shared object file", reason)
    if missing and missing[1] != str(path):
        return LibraryLoadError(
            f"{shown!r} needs {missing[1]}, which was not found",
            expected=missing[1],
            received="no such library",
            where=shown,
            remedy=install_command([missing[1]])
            or "install it, or add its directory to LD_LIBRARY_PATH and start anew",
        )
    return LibraryLoadError(
        f"{shown!r} does not load",
        received=reason.replace(str(path), shown).removeprefix(f"{shown}: "),
        where=shown,
    )
