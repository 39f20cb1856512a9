"""What a shared library says about itself: processor, SONAME, build id, names.

The file is read, never run. Every offset comes from the file and is checked against its size, so a
damaged or hostile file gives an error and nothing else. Format: System V ABI, chapters 4 and 5.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from noodle.errors import LibraryLoadError

__all__ = [
    "ElfFile",
    "Machine",
    "NotElfError",
    "facts_of",
    "file_digest",
    "machine_of",
    "read_library",
    "running_machine",
]

_DYNAMIC_SECTION, _NOTE_SECTION, _DYNAMIC_SYMBOLS = 6, 7, 11
_SHARED_OBJECT = 3
_NEEDED, _SONAME = 1, 14
_BUILD_ID_NOTE = 3
_FUNCTIONS = {2, 10}  # STT_FUNC and STT_GNU_IFUNC, which libm uses for most of its functions
_ABSOLUTE = 0xFFF1
"""The place of what is in no section: with the value 0 the names of symbol versions."""
_EXPORTED = {0, 1, 5, 6} | _FUNCTIONS  # untyped, object, common, thread-local
_WRITABLE = 1  # SHF_WRITE
_LINKERS_OWN = (".got", ".dynamic", ".data.rel.ro", ".relro_padding")
"""Sections that are written once, when the library is opened: addresses of what it refers to."""

_ARCHIVE = b"!<arch>\n"
"""What a static library begins with."""

_MACHINES = {3: "x86", 21: "PowerPC", 22: "s390x", 40: "ARM", 62: "x86-64", 183: "AArch64"}


class NotElfError(Exception):
    """The file is not an ELF file, or is damaged; the text says which."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The processor that a file is for.

    Args:
        number: ``e_machine`` of the ELF header.
        bits: 32 or 64.
        little_endian: Its byte order.
    """

    number: int
    bits: int
    little_endian: bool

    def __str__(self) -> str:
        name = _MACHINES.get(self.number, f"machine {self.number}")
        order = "" if self.little_endian else ", big-endian"
        return f"{name}, {self.bits} bits{order}"


@dataclass(frozen=True, slots=True)
class _Section:
    kind: int
    offset: int
    size: int
    link: int
    name: int
    writable: bool


class ElfFile:
    """The tables of an ELF file. Only those that are asked for are read, however large the file is.

    Args:
        path: The file.

    Raises:
        NotElfError: It is no ELF file, or its headers point outside it.
        OSError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        header = self._read(0, 64)
        self.machine = machine_of(header)
        self._order = "<" if self.machine.little_endian else ">"
        try:
            self.shared = self._unpack("H", header, 16)[0] == _SHARED_OBJECT
            self._sections = tuple(self._read_sections(header))
            self._names = self._unpack("H", header, 62 if self.machine.bits == 64 else 50)[0]
        except struct.error as error:
            raise NotElfError("its section headers point outside the file") from error

    @property
    def complete(self) -> bool:
        """Whether the file has a table of exported names that can be read."""
        return any(section.kind == _DYNAMIC_SYMBOLS for section in self._sections)

    def identity(self) -> str:
        """Return what tells this content from another: the GNU build id, or a digest."""
        return self._build_id() or file_digest(self._path)

    def soname(self) -> str | None:
        """Return the name that the library gives itself, or None."""
        return next(iter(self._dynamic_names(_SONAME)), None)

    def needed(self) -> list[str]:
        """Return the SONAMEs of the libraries that this one is linked to."""
        return list(self._dynamic_names(_NEEDED))

    def has_variables(self) -> bool:
        """Return whether it has variables of its own, or code that runs when it is opened."""
        if self._names >= len(self._sections):
            return True
        table = self._sections[self._names]
        names = self._read(table.offset, table.size)
        return any(
            section.size > 0 and not _text(names, section.name).startswith(_LINKERS_OWN)
            for section in self._sections
            if section.writable
        )

    def exports(self) -> Mapping[str, bool]:
        """Return the exported names; the value says whether the name is a function."""
        return dict(self._read_exports())

    def _read(self, offset: int, size: int) -> bytes:
        with self._path.open("rb") as file:
            end = os.fstat(file.fileno()).st_size
            if offset >= end:
                return b""
            file.seek(offset)
            return file.read(min(size, end - offset))

    def _unpack(self, layout: str, content: bytes, offset: int = 0) -> tuple[int, ...]:
        return struct.unpack_from(self._order + layout, content, offset)

    def _read_sections(self, header: bytes) -> Iterator[_Section]:
        wide = self.machine.bits == 64
        start = self._unpack("Q" if wide else "I", header, 40 if wide else 32)[0]
        size, count = self._unpack("HH", header, 58 if wide else 46)
        table = self._read(start, size * count) if start else b""
        for index in range(count if start else 0):
            layout = "IIQQQQI" if wide else "IIIIIII"
            name, kind, flags, _, offset, length, link = self._unpack(layout, table, index * size)
            yield _Section(kind, offset, length, link, name, bool(flags & _WRITABLE))

    def _records(self, section: _Section, layout: str) -> Iterator[tuple[int, ...]]:
        record = struct.Struct(self._order + layout)
        body = self._read(section.offset, section.size)
        return record.iter_unpack(body[: len(body) // record.size * record.size])

    def _strings(self, section: _Section) -> bytes:
        if section.link >= len(self._sections):
            return b""
        strings = self._sections[section.link]
        return self._read(strings.offset, strings.size)

    def _read_exports(self) -> Iterator[tuple[str, bool]]:
        wide = self.machine.bits == 64
        for section in self._sections:
            if section.kind != _DYNAMIC_SYMBOLS:
                continue
            strings = self._strings(section)
            for record in self._records(section, "IBBHQQ" if wide else "IIIBBH"):
                if wide:
                    name, info, visibility, place, value, _ = record
                else:
                    name, value, _, info, visibility, place = record
                kind = info & 15
                # Binding 0 is local, visibility 1 and 2 internal and hidden, place 0 undefined.
                public = info >> 4 and visibility & 3 in (0, 3)
                version = place == _ABSOLUTE and value == 0
                if place and public and kind in _EXPORTED and not version:
                    yield _text(strings, name), kind in _FUNCTIONS

    def _dynamic_names(self, wanted: int) -> Iterator[str]:
        layout = "qQ" if self.machine.bits == 64 else "iI"
        for section in self._sections:
            if section.kind == _DYNAMIC_SECTION:
                for tag, value in self._records(section, layout):
                    if tag == wanted:
                        yield _text(self._strings(section), value)

    def _build_id(self) -> str | None:
        for section in self._sections:
            note = self._read(section.offset, 256) if section.kind == _NOTE_SECTION else b""
            if len(note) < 16:
                continue
            name_size, size, kind = self._unpack("III", note)
            start = 12 + (name_size + 3) // 4 * 4
            is_build_id = kind == _BUILD_ID_NOTE and note[12 : 12 + name_size] == b"GNU\0"
            if is_build_id and 8 <= size <= len(note) - start:
                return note[start : start + size].hex()
        return None


def facts_of(path: Path) -> tuple[int, ...] | None:
    """Return what changes when a file is replaced or written: device, inode, size, time in ns.

    Args:
        path: The file; None is returned where there is none.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def file_digest(path: Path) -> str:
    """Return a digest of a file's content, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=20)).hexdigest()


def _text(strings: bytes, offset: int) -> str:
    end = strings.find(b"\0", offset)
    return strings[offset:end].decode("utf-8", "replace") if end >= 0 else ""


def machine_of(header: bytes) -> Machine:
    """Return the processor that the first 64 bytes of an ELF file name.

    Raises:
        NotElfError: They are not the beginning of an ELF file.
    """
    if header[:4] != b"\x7fELF":
        raise NotElfError("it does not begin like one")
    if len(header) < 64:
        raise NotElfError("it ends within its header")
    little = header[5] == 1
    number = int.from_bytes(header[18:20], "little" if little else "big")
    return Machine(number, 64 if header[4] == 2 else 32, little)


@cache
def running_machine() -> Machine | None:
    """Return the processor that this process runs on, or None where the system does not tell."""
    try:
        with open("/proc/self/exe", "rb") as program:
            return machine_of(program.read(64))
    except (OSError, NotElfError):
        return None


def read_library(path: Path, shown: str) -> ElfFile:
    """Read a shared library and check that this process could load it.

    Args:
        path: The file.
        shown: Its name in messages, as the user wrote it.

    Raises:
        LibraryLoadError: It is not a shared library, or for another processor.
    """
    try:
        elf = ElfFile(path)
    except (NotElfError, OSError) as error:
        reason = str(error) if isinstance(error, NotElfError) else error.strerror
        raise LibraryLoadError(
            f"{shown!r} is not a shared library",
            expected="an ELF shared object",
            received=f"a file of {_size(path)}: {reason}",
            where=shown,
            remedy=_instead_of(path),
        ) from error
    running = running_machine()
    if running and elf.machine != running:
        raise LibraryLoadError(
            f"{shown!r} is for another processor",
            expected=str(running),
            received=str(elf.machine),
            where=shown,
            remedy="build or install it for this machine",
        )
    if not elf.shared:
        raise LibraryLoadError(
            f"{shown!r} is not a shared library",
            expected="an ELF shared object",
            received="an ELF file that is linked or compiled, not shared",
            where=shown,
            remedy="link it with cc -shared",
        )
    return elf


def _instead_of(path: Path) -> str:
    """Return what to load instead of a file that is no library."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_ARCHIVE))
    except OSError as error:
        return f"let this user read the file: {error.strerror}"
    if start == _ARCHIVE:
        return "it is a static library: load the shared one, which ends in .so"
    return "name a shared library (.so), or a source: .c, .cpp, .rs or a folder with Cargo.toml"


def _size(path: Path) -> str:
    try:
        return f"{path.stat().st_size} bytes"
    except OSError:
        return "unknown size"
