"""Bytecode kept between runs, like ``.pyc`` files.

An entry holds the whole source that it was made from, so a stale one is never used. It is trusted
only when the directory and the file belong to this user and nobody else may write to them; a
checksum finds damage. Whatever is wrong with an entry or a directory, the program is compiled anew
and runs.

This module is part of every start, so it imports almost nothing.
"""

from __future__ import annotations

import marshal
import os
import sys
from zlib import crc32

from noodle import __version__
from noodle.language import LANGUAGE_VERSION
from noodle.language.program import CompiledProgram

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["BytecodeCache", "default_directory"]

FORMAT = 1
"""Version of the layout of an entry."""

_MAGIC = b"noodle bytecode\n"
_PACKAGE = os.path.dirname(__file__)


def default_directory() -> str:
    """Return where bytecode is kept: in ``NOODLE_CACHE_DIR``, else in the user's caches."""
    named = os.environ.get("NOODLE_CACHE_DIR")
    if named:
        return os.path.join(named, "bytecode")
    base = os.environ.get("XDG_CACHE_HOME")
    if not base or not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "noodle", "bytecode")


class BytecodeCache:
    """A directory of compiled programs, one file each.

    Args:
        directory: Where to keep them; made when it is missing. ``""`` keeps nothing.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._stamp = _stamp() if directory else None

    def load(self, path: str, source: str) -> CompiledProgram | None:
        """Return the program compiled earlier from this very source, or None."""
        try:
            data = self._read(self._file(path))
            if data is None or not data.startswith(_MAGIC):
                return None
            payload = memoryview(data)[len(_MAGIC) + 4 :]
            if crc32(payload) != int.from_bytes(data[len(_MAGIC) : len(_MAGIC) + 4], "little"):
                return None
            stamp, stored_path, stored_source, code, exports, imports = marshal.loads(payload)
        except (OSError, ValueError, EOFError, TypeError, MemoryError):
            return None
        if (stamp, stored_path, stored_source) != (self._stamp, path, source):
            return None
        return CompiledProgram(path, source, code, exports, imports)

    def store(self, program: CompiledProgram) -> None:
        """Keep a program; a directory that cannot be written is left alone."""
        if not self._directory:
            return
        try:
            payload = marshal.dumps(
                (
                    self._stamp,
                    program.path,
                    program.source,
                    program.code,
                    program.exports,
                    program.plain_imports,
                )
            )
            self._write(
                self._file(program.path), _MAGIC + crc32(payload).to_bytes(4, "little") + payload
            )
        except (OSError, ValueError):
            return

    def _file(self, path: str) -> str:
        name = os.path.basename(path)[:80].replace("\0", "")
        digest = crc32(os.path.abspath(path).encode("utf-8", "surrogatepass"))
        return os.path.join(self._directory, f"{name}.{digest:08x}.{sys.implementation.cache_tag}")

    def _read(self, file: str) -> bytes | None:
        if not self._directory or not _is_private(os.lstat(self._directory)):
            return None
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not _is_private(status) or status.st_mode & 0o170000 != 0o100000:
                return None
            data = b""
            while len(data) < status.st_size:
                piece = os.read(descriptor, status.st_size - len(data))
                if not piece:
                    break
                data += piece
            return data
        finally:
            os.close(descriptor)

    def _write(self, file: str, data: bytes) -> None:
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        if not _is_private(os.lstat(self._directory)):
            return
        temporary = f"{file}.{os.getpid()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, 0o600)
        try:
            with open(descriptor, "wb") as stream:
                stream.write(data)
            os.replace(temporary, file)
        except OSError:
            os.unlink(temporary)
            raise


def _is_private(status: os.stat_result) -> bool:
    """Whether something belongs to this user, and nobody else may write to it."""
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _stamp() -> Any:
    """Return what changes whenever bytecode of earlier runs must not be used any more.

    Besides versions these are the times and sizes of the compiler's own files, so a compiler that
    was upgraded or edited never runs what another one made. Sizes, because reproducible builds
    give every file the same time.
    """
    with os.scandir(_PACKAGE) as entries:
        files = [entry.stat() for entry in entries if entry.name.endswith((".py", ".lark"))]
    times, sizes = sum(f.st_mtime_ns for f in files), sum(f.st_size for f in files)
    return FORMAT, __version__, LANGUAGE_VERSION, sys.version, len(files), times, sizes
