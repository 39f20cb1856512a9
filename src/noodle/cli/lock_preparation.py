"""Preparing what a lock file names, without the program that has stated it."""

from __future__ import annotations

from collections.abc import Callable

from noodle.calls import Preparation
from noodle.lock_file import LockFile
from noodle.runtime.host import EngineHost

__all__ = ["PREPARED", "prepare_locked"]


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


def _python_environment(host: EngineHost, lock_file: LockFile, target: str) -> Preparation:
    from noodle.installation.policy import InstallPolicy
    from noodle.workers.environments import Environments, Requirements
    from noodle.workers.environments.locked_packages import SECTION

    settings = host.engine.settings
    policy = InstallPolicy(settings.install, settings.offline)
    environments = Environments(settings.cache_directory, policy)
    environment = environments.provide(Requirements.parse(target), lock_file)
    folder = environment.interpreter.parent.parent
    return Preparation(environment.description, folder, SECTION, target)


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
