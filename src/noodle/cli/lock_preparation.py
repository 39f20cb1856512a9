"""Preparing what a lock file names, without the program that has stated it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from noodle.calls import Preparation
from noodle.lock_file import LockFile
from noodle.runtime.host import EngineHost

if TYPE_CHECKING:
    from noodle.workers.environments import Environments

__all__ = ["PREPARED", "lock_packages", "prepare_locked"]


def prepare_locked(host: EngineHost, lock_file: LockFile, section: str, target: str) -> Preparation:
    """Install what a table of a lock file names; a table that is not there is resolved first.

    Args:
        host: Whose settings hold.
        lock_file: The lock file.
        section: The section of the table, one of ``PREPARED``.
        target: The table's name.

    Raises:
        UsageError, ForeignError: It cannot be had.
    """
    return PREPARED[section](host, lock_file, target)


def lock_packages(host: EngineHost, lock_file: LockFile, target: str) -> Preparation:
    """Resolve and lock Python packages that belong together; nothing is installed.

    Args:
        host: Whose settings hold.
        lock_file: The lock file.
        target: The packages, as a table of the lock file is named.

    Raises:
        UsageError, ForeignError: They cannot be resolved.
    """
    from noodle.workers.environments import Requirements
    from noodle.workers.environments.locked_packages import SECTION

    locked = _environments(host).lock(Requirements.parse(target), lock_file)
    return Preparation(f"locked: {locked.contents}", lock_file.path, SECTION, target)


def _python_environment(host: EngineHost, lock_file: LockFile, target: str) -> Preparation:
    from noodle.workers.environments import Requirements
    from noodle.workers.environments.locked_packages import SECTION

    environment = _environments(host).provide(Requirements.parse(target), lock_file)
    folder = environment.interpreter.parent.parent
    return Preparation(environment.description, folder, SECTION, target)


def _environments(host: EngineHost) -> Environments:
    from noodle.installation.policy import InstallPolicy
    from noodle.workers.environments import Environments

    settings = host.engine.settings
    policy = InstallPolicy(settings.install, settings.offline)
    return Environments(settings.cache_directory, policy)


def _npm_package(host: EngineHost, lock_file: LockFile, target: str) -> Preparation:
    from noodle.bridges.javascript.node import find_node
    from noodle.bridges.javascript.packages import SECTION, NpmPackages
    from noodle.installation.policy import InstallPolicy

    settings = host.engine.settings
    policy = InstallPolicy(settings.install, settings.offline)
    at = target.find("@", 1)
    name, wanted = (target, "") if at < 0 else (target[:at], target[at + 1 :])
    packages = NpmPackages(find_node(), settings.cache_directory, policy)
    package = packages.install(name, wanted, lock_file)
    return Preparation(f"{package.name} {package.version}", package.directory, SECTION, target)


PREPARED: dict[str, Callable[[EngineHost, LockFile, str], Preparation]] = {
    "npm": _npm_package,
    "pypi": _python_environment,
}
"""How the sections of a lock file are prepared; the others hold nothing to install."""
