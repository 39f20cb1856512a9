"""Where what was built is kept: one private folder per user, one file or folder per key.

It appears under its key only when it is complete. Processes and threads that need the same key
at once wait for one of them to build it. A build that is killed leaves a private folder that the
next build removes: nobody has a lock on it any more. What a process holds is not removed before
that process ends.
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

from noodle.deadlines import remaining_seconds
from noodle.errors import DeadlineExceededError
from noodle.settings.parts import default_cache_directory

__all__ = ["BuildCache", "digest", "user_cache_directory"]

_LOOK_AGAIN = 0.02  # seconds between looks at a lock, where there is a deadline; chosen

_BUILD_LOCK = ".lock"
_USE_LOCK = ".use"
"""Two locks for each entry: a process that uses it must not keep another thread from finding it."""


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
        self._holding = threading.Lock()
        self._held: dict[str, int] = {}

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

    def get(
        self,
        name: str,
        build: Callable[[Path], None],
        *,
        waiting: Callable[[], None] | None = None,
    ) -> Path:
        """Return the file or folder of that name, built now if it is not there.

        Args:
            name: The key, with a suffix for a file.
            build: Makes the file or folder at the path that it is given, in a private folder; what
                else is there is removed afterwards.
            waiting: Called when somebody else is building it, before that is waited for.

        Returns:
            The complete file or folder.

        Raises:
            DeadlineExceededError: Somebody else was building it until the deadline.
        """
        final = self._directory / name
        if final.exists():
            return final
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = self._lock(name + _BUILD_LOCK, fcntl.LOCK_EX, waiting)
        try:
            if not final.exists():
                self._build(final, build)
        finally:
            os.close(descriptor)
        return final

    def hold(self, name: str) -> bool:
        """Keep an entry from being removed until this process ends.

        Args:
            name: The key.

        Returns:
            Whether the entry is there.
        """
        if not self.path(name).exists():
            return False
        with self._holding:
            if name not in self._held:
                self._held[name] = self._lock(name + _USE_LOCK, fcntl.LOCK_SH)
        if self.path(name).exists():
            return True
        self._let_go(name)
        return False

    def is_held(self, name: str) -> bool:
        """Return whether a process holds an entry; this one counts too."""
        descriptor = self._lock_at_once(name + _USE_LOCK)
        if descriptor is None:
            return True
        os.close(descriptor)
        return False

    def remove(self, name: str) -> bool:
        """Remove an entry, unless a process holds it or is building it.

        Args:
            name: The key.

        Returns:
            Whether it is gone.
        """
        held: list[int] = []
        try:
            for lock in (name + _BUILD_LOCK, name + _USE_LOCK):
                descriptor = self._lock_at_once(lock)
                if descriptor is None:
                    return False
                held.append(descriptor)
            with self.private_folder() as folder, suppress(FileNotFoundError):
                self.path(name).rename(folder / name)
            for lock in (name + _BUILD_LOCK, name + _USE_LOCK):
                self.path(lock).unlink(missing_ok=True)
            return True
        finally:
            for descriptor in held:
                os.close(descriptor)

    def folders(self) -> list[Path]:
        """Return the folders of complete entries, in no particular order."""
        try:
            with os.scandir(self._directory) as entries:
                names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            return []
        return [self.path(name) for name in names if not name.startswith("build-")]

    def replace(self, name: str, text: str) -> None:
        """Write a small text file, complete or not at all."""
        with self.private_folder() as folder:
            (folder / name).write_text(text, encoding="utf-8")
            (folder / name).rename(self._directory / name)

    @contextmanager
    def private_folder(self) -> Iterator[Path]:
        """Make a folder for one build, and remove it afterwards."""
        import shutil

        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.remove_left()
        folder, descriptor = self._locked_folder()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)

    def remove_left(self) -> int:
        """Remove the private folders that builds have left which were killed.

        Returns:
            How many there were.
        """
        import shutil

        count = 0
        for folder in self._directory.glob("build-*"):
            with suppress(OSError):
                descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
                    count += 1
                finally:
                    os.close(descriptor)
        return count

    def _locked_folder(self) -> tuple[Path, int]:
        """Return a new private folder, and a descriptor that locks it until it is closed."""
        import tempfile

        while True:
            folder = Path(tempfile.mkdtemp(prefix="build-", dir=self._directory))
            with suppress(FileNotFoundError):  # another process took it for one that was left
                descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                fcntl.flock(descriptor, fcntl.LOCK_SH)
                if _is_file(descriptor, folder):
                    return folder, descriptor
                os.close(descriptor)

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

    def _let_go(self, name: str) -> None:
        with self._holding:
            descriptor = self._held.pop(name, None)
        if descriptor is not None:
            os.close(descriptor)

    def _lock(self, name: str, operation: int, waiting: Callable[[], None] | None = None) -> int:
        """Return a descriptor that has a lock until it is closed.

        The kernel releases the lock when its holder ends, however it ends.
        """
        while True:
            descriptor = self._open_lock(name)
            try:
                _wait_for_lock(descriptor, operation, name, waiting)
                if _is_file(descriptor, self.path(name)):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # the lock's file was removed with its entry meanwhile

    def _lock_at_once(self, name: str) -> int | None:
        """Return a descriptor that has a lock alone until it is closed; None where it is taken."""
        descriptor = self._open_lock(name)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if _is_file(descriptor, self.path(name)):
            return descriptor
        os.close(descriptor)
        return self._lock_at_once(name)

    def _open_lock(self, name: str) -> int:
        return os.open(self.path(name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _wait_for_lock(
    descriptor: int, operation: int, name: str, waiting: Callable[[], None] | None
) -> None:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
        return
    except BlockingIOError:
        if waiting:
            waiting()
    while (left := remaining_seconds()) is not None:
        if left <= 0:
            raise DeadlineExceededError(
                f"{name.removesuffix(_BUILD_LOCK)} was not built before the deadline",
                expected="an end of the build in another thread or process",
                received="a build that goes on",
                remedy="allow more time with noodle.deadline(seconds)",
            )
        time.sleep(min(_LOOK_AGAIN, left))
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
            return
    fcntl.flock(descriptor, operation)


def _is_file(descriptor: int, path: Path) -> bool:
    """Return whether a path still leads to the file that a descriptor has open."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


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
    for cache in _caches.values():
        cache._holding = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)
