"""The builds of system libraries in the lock file: one line for each platform."""

from __future__ import annotations

import os

from noodle.calls import Preparation
from noodle.errors import InstallationError, VersionError
from noodle.lock_file import LockFile

__all__ = ["lock_build", "platform_name", "require_locked"]


def lock_build(lock_file: LockFile, preparation: Preparation, *, frozen: bool) -> None:
    """Note which build of a library this platform has; those of other platforms stay.

    Args:
        lock_file: The lock file.
        preparation: The library, with the facts of its build.
        frozen: Whether another build than the one that is noted is an error.

    Raises:
        VersionError: It is another build.
        SettingsError: The lock file cannot be read.
        InstallationError: It cannot be written.
    """
    section, target = preparation.section, preparation.target
    known = (lock_file.packages(section, target) or {}).get(platform_name())
    if frozen and known != preparation.facts:
        raise VersionError(
            f"{target} is not the build that {lock_file.path.name} names for {platform_name()}",
            expected=_text(known) if known else "a build that is locked",
            received=_text(preparation.facts),
            where=f"{lock_file.path.name}, table {section}.{target}",
            remedy="noodle sync, without --frozen, if the new build is right",
        )
    try:
        lock_file.note(section, target, platform_name(), preparation.facts)
    except OSError as error:
        raise _not_written(lock_file, f": {(error.strerror or '').lower()}") from None


def require_locked(lock_file: LockFile, preparation: Preparation) -> None:
    """Refuse a target whose packages are not in the lock file, because it cannot be written.

    Args:
        lock_file: The lock file.
        preparation: What should be in it.

    Raises:
        SettingsError: The lock file cannot be read.
        InstallationError: The target is not there.
    """
    if lock_file.packages(preparation.section, preparation.target) is None:
        raise _not_written(lock_file)


def _not_written(lock_file: LockFile, why: str = "") -> InstallationError:
    return InstallationError(
        f"{lock_file.path.name} cannot be written{why}",
        expected="a lock file in a folder that may be written to",
        where=str(lock_file.path),
        remedy="make it writable, or leave it as it is with --frozen",
    )


def platform_name() -> str:
    """Return the name of this platform in the lock file: processor and distribution."""
    import platform

    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {"ID": "linux"}
    parts = (os.uname().machine, release.get("ID", "linux"), release.get("VERSION_ID", ""))
    return "-".join(filter(None, parts))


def _text(facts: object) -> str:
    pairs = facts.items() if isinstance(facts, dict) else ()
    return ", ".join(f"{name} {text}" for name, text in pairs)
