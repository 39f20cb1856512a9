"""Where what was built is kept: one private folder per user, one file or folder per key.

It appears under its key only when it is complete. Processes and threads that need the same key
at once wait for one of them to build it. A build that is killed leaves a private folder that a
later build removes.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from noodle.settings.parts import default_cache_directory

__all__ = ["BuildCache", "digest", "user_cache_directory"]

_STALE = 3600  # seconds; chosen: longer than any build may take


def user_cache_directory() -> Path:
    """Return ``$NOODLE_CACHE_DIR``, else ``$XDG_CACHE_HOME/noodle``, else ``~/.cache/noodle``."""
    own = os.environ.get("NOODLE_CACHE_DIR")
    return Path(own).absolute() if own else default_cache_directory()


def digest(*parts: str) -> str:
    """Return a key for these texts; no two different sequences give the same one."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        content = part.encode("utf-8", "surrogateescape")
        state.update(len(content).to_bytes(8, "little") + content)
    return state.hexdigest()


class BuildCache:
    """A folder of what was compiled or installed.

    It is code that will be run, so the folder must belong to the user and be
    writable by nobody else. Where no such folder can be had, a temporary one serves this process.

    Args:
        directory: The folder; it is made when it does not exist.
    """

    def __init__(self, directory: Path) -> None:
        self.note: str | None = None
        reason = _unusable(directory)
        if reason:
            self.note = f"the cache cannot be used ({reason}), so what is built is not kept"
            directory = _temporary_directory()
        self._directory = directory

    @classmethod
    def at(cls, directory: Path) -> BuildCache:
        """Return this process's cache for a folder; the same folder gives the same cache.

        Args:
            directory: The folder.
        """
        with _caches_lock:
            if directory not in _caches:
                _caches[directory] = cls(directory)
            return _caches[directory]

    def path(self, name: str) -> Path:
        """Return where the file of that name is, or would be."""
        return self._directory / name

    def get(self, name: str, build: Callable[[Path], None]) -> Path:
        """Return the file or folder of that name, built now if it is not there.

        Args:
            name: The key, with a suffix for a file.
            build: Makes the file or folder at the path that it is given, in a private folder; what
                else is there is removed afterwards.

        Returns:
            The complete file or folder.
        """
        final = self._directory / name
        if final.exists():
            return final
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._lock(name):
            if not final.exists():
                self._build(final, build)
        return final

    def replace(self, name: str, text: str) -> None:
        """Write a small text file, complete or not at all."""
        with self.private_folder() as folder:
            (folder / name).write_text(text, encoding="utf-8")
            (folder / name).rename(self._directory / name)

    @contextmanager
    def private_folder(self) -> Iterator[Path]:
        """Make a folder for one build, and remove it afterwards."""
        import shutil
        import tempfile

        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._remove_stale()
        folder = Path(tempfile.mkdtemp(prefix="build-", dir=self._directory))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _build(self, final: Path, build: Callable[[Path], None]) -> None:
        with self.private_folder() as folder:
            made = folder / final.name
            build(made)
            descriptor = os.open(made, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            made.rename(final)

    def _remove_stale(self) -> None:
        import shutil

        for folder in self._directory.glob("build-*"):
            with suppress(FileNotFoundError):
                if time.time() - folder.lstat().st_mtime > _STALE:
                    shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        # The kernel releases the lock when its holder ends, however it ends.
        descriptor = os.open(self._directory / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _unusable(directory: Path) -> str | None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = directory.lstat()
    except OSError as error:
        return (error.strerror or "it cannot be made").lower()
    if not stat.S_ISDIR(facts.st_mode):
        return "it is not a directory"
    if facts.st_uid != os.geteuid():
        return "it belongs to another user"
    if facts.st_mode & 0o022:
        return "other users may write to it"
    return (
        None if os.access(directory, os.W_OK | os.X_OK, effective_ids=True) else "it is read-only"
    )


def _temporary_directory() -> Path:
    import shutil
    import tempfile

    directory = Path(tempfile.mkdtemp(prefix="noodle-cache-"))
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(directory, ignore_errors=True)

    atexit.register(remove)
    return directory


_caches: dict[Path, BuildCache] = {}
_caches_lock = threading.Lock()


def _renew_lock() -> None:
    global _caches_lock
    _caches_lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)
