"""Which installations are still needed: a lock file says the same as when it was installed."""

from __future__ import annotations

import os
from pathlib import Path

from noodle.errors import SettingsError
from noodle.installation.store import StoredPackages, User
from noodle.lock_file import LockFile, table_digest

__all__ = ["needing", "without_interpreter"]


def needing(stored: StoredPackages) -> list[User]:
    """Return the users of an installation whose lock file still asks for it.

    A lock file that cannot be read counts as one that does.

    Args:
        stored: The installation.
    """
    return [user for user in stored.users if _asks_for_it(user)]


def _asks_for_it(user: User) -> bool:
    try:
        table = LockFile(Path(user.lock_file)).packages(user.section, user.target)
    except SettingsError:
        return True
    return table is not None and table_digest(table) == user.digest


def without_interpreter(stored: StoredPackages) -> bool:
    """Return whether the interpreter of an environment is gone, so that it cannot be used."""
    program = stored.directory / "bin" / "python"
    return os.path.islink(program) and not program.exists()
