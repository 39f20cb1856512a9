"""What is installed: one folder a key, complete or not there, with what it is and who uses it.

A folder is never changed once it is complete. What may change, who uses it and when, is kept in
a file beside it.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from noodle.build_cache import BuildCache
from noodle.errors import InstallationError
from noodle.installation.policy import InstallPolicy
from noodle.installation.progress import announced, say
from noodle.installation.tool import disk_errors

__all__ = ["FACTS_FILE", "PackageStore", "StoredPackages", "User"]

FACTS_FILE = "noodle.json"
"""The file of a folder that says what it is; its last one to be written."""

_USES_SUFFIX = ".uses"

_KEY = re.compile(r"[0-9a-f]{32}")
"""What ``digest`` returns. A folder of another name is no installation: npm's downloads are one."""


@dataclass(frozen=True, slots=True)
class User:
    """What needs an installation.

    Args:
        lock_file: The lock file that names it.
        section: The section of its table there.
        target: The table.
        digest: A digest of the table, which tells whether the table still says the same.
    """

    lock_file: str
    section: str
    target: str
    digest: str


@dataclass(frozen=True, slots=True)
class StoredPackages:
    """An installation.

    Args:
        key: Its key.
        directory: Its folder.
        facts: What it is: ``kind``, ``target``, ``packages`` and more; none where it was damaged.
        users: What has used it.
        last_use: When it was used last, in seconds since the epoch.
    """

    key: str
    directory: Path
    facts: Mapping[str, Any]
    users: tuple[User, ...] = ()
    last_use: float = field(default=0.0, compare=False)

    def size(self) -> int:
        """Return the bytes that its files take on the disk; a linked file counts in full."""
        total = 0
        for folder, _, names in os.walk(self.directory):
            for name in names:
                with suppress(OSError):
                    total += os.lstat(os.path.join(folder, name)).st_blocks * 512
        return total


class PackageStore:
    """A folder of installations.

    Args:
        directory: The folder.
    """

    def __init__(self, directory: Path) -> None:
        self._cache = BuildCache.at(directory)

    @property
    def cache(self) -> BuildCache:
        """Where the folders are."""
        return self._cache

    @property
    def note(self) -> str | None:
        """What ``explain`` should tell about the place, or None."""
        return self._cache.note

    def provide(
        self,
        key: str,
        target: str,
        install: Callable[[Path], Mapping[str, Any]],
        *,
        policy: InstallPolicy,
        user: User,
        count: int,
    ) -> StoredPackages:
        """Return an installation, made now if it is not there, and keep it until the process ends.

        Args:
            key: Its key.
            target: What is being installed, for messages.
            install: Fills the folder that it is given, which does not exist yet, and returns the
                facts to keep with it.
            policy: Whether it may be made now.
            user: What needs it.
            count: How many packages it has, for the progress display.

        Raises:
            MissingPackageError: It is not there and may not be made now.
            InstallationError: The disk is full or cannot be written.
            DeadlineExceededError: It was not made before the deadline.
        """

        def build(folder: Path) -> None:
            packages = "1 package" if count == 1 else f"{count} packages"
            with announced(f"installing {target} ({packages})"):
                facts = install(folder)
            text = json.dumps({"target": target, **facts}, indent=1)
            (folder / FACTS_FILE).write_text(text, encoding="utf-8")

        with disk_errors(target):
            while not self._cache.hold(key):
                policy.require_installing(target)
                self._cache.get(
                    key,
                    build,
                    waiting=lambda: say(f"waiting for another process that installs {target}"),
                )
        self._note_use(key, user)
        return self._stored(key)

    def find(self, key: str) -> StoredPackages | None:
        """Return an installation, or None where it is not there."""
        return self._stored(key) if (self._cache.path(key) / FACTS_FILE).exists() else None

    def installations(self) -> list[StoredPackages]:
        """Return all installations, those first that were used last; damaged ones without facts."""
        names = [folder.name for folder in self._cache.folders()]
        found = [self._stored_or_damaged(name) for name in names if _KEY.fullmatch(name)]
        return sorted(found, key=lambda stored: -stored.last_use)

    def _stored_or_damaged(self, key: str) -> StoredPackages:
        try:
            return self._stored(key)
        except InstallationError:
            return StoredPackages(key, self._cache.path(key), {})

    def remove(self, key: str) -> bool:
        """Remove an installation, unless a process uses it.

        Returns:
            Whether it is gone.
        """
        if _runs_from(self._cache.path(key)) or not self._cache.remove(key):
            return False
        self._uses(key).unlink(missing_ok=True)
        return True

    def in_use(self, key: str) -> bool:
        """Return whether a process uses an installation now, this one included."""
        return self._cache.is_held(key) or _runs_from(self._cache.path(key))

    def _uses(self, key: str) -> Path:
        return self._cache.path(f"{key}{_USES_SUFFIX}")

    def _note_use(self, key: str, user: User) -> None:
        """Note who uses it and when; one line for each, so that processes may append at once."""
        line = json.dumps([user.lock_file, user.section, user.target, user.digest])
        with suppress(OSError):  # what cannot be noted is only missing in a list
            if line not in self._lines(key):
                with self._uses(key).open("a", encoding="utf-8") as file:
                    file.write(f"{line}\n")
            os.utime(self._uses(key))

    def _lines(self, key: str) -> list[str]:
        try:
            return self._uses(key).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return []

    def _stored(self, key: str) -> StoredPackages:
        folder = self._cache.path(key)
        try:
            facts = json.loads((folder / FACTS_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InstallationError(
                f"an installation in the cache was changed: {FACTS_FILE} cannot be read",
                expected="a folder as it was installed",
                received=f"{type(error).__name__}",
                where=str(folder),
                remedy=f"rm -r {folder}",
            ) from None
        users = tuple(User(*json.loads(line)) for line in self._lines(key) if _is_user(line))
        try:
            last_use = self._uses(key).stat().st_mtime
        except OSError:
            last_use = time.time()
        return StoredPackages(key, folder, facts, users, last_use)


def _is_user(line: str) -> bool:
    try:
        fields = json.loads(line)
    except ValueError:
        return False
    return isinstance(fields, list) and [str] * 4 == [type(part) for part in fields]


def _runs_from(folder: Path) -> bool:
    """Return whether a process of this user was started from a program in a folder."""
    prefix = os.fsencode(folder) + b"/"
    with os.scandir("/proc") as entries:
        processes = [entry.name for entry in entries if entry.name.isdigit()]
    for process in processes:
        with suppress(OSError), open(f"/proc/{process}/cmdline", "rb") as file:
            if any(part.startswith(prefix) for part in file.read().split(b"\0")):
                return True
    return False
