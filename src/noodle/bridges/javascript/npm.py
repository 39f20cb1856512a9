"""npm, run in a folder of its own, with its failures as Noodle's errors."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from noodle.bridges.javascript.node import NodeRuntime
from noodle.errors import InstallationError, MissingPackageError, NoodleError, VersionError
from noodle.installation.tool import FREE_SPACE, run_tool

__all__ = ["Npm"]

_SETTINGS = (
    "--audit=false",
    "--fund=false",
    "--global=false",
    "--json",
    "--lockfile-version=3",
    "--loglevel=error",
    "--logs-max=0",
    # Where a registry is reached is the machine's affair; what came from it is held by its hash.
    "--omit-lockfile-registry-resolved=true",
    "--progress=false",
    "--update-notifier=false",
    # A network that is not there is reported in seconds; npm's own settings take minutes.
    "--fetch-retries=1",
    "--fetch-retry-mintimeout=1000",
    "--fetch-timeout=60000",
)

_NETWORK_CODES = (
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ENOTFOUND",
    "ERR_SOCKET_TIMEOUT",
    "ETIMEDOUT",
    "EPROTO",
)

_DISK_CODES = ("ENOSPC", "EDQUOT", "EFBIG")


class Npm:
    """Runs npm.

    The user's own npm configuration holds (registry, proxy, certificates), with the settings above
    in place of the same ones there.

    Args:
        runtime: The Node.js that it belongs to.
        downloads: Where it keeps what it has downloaded.
        offline: Whether it does without the network.
    """

    def __init__(self, runtime: NodeRuntime, downloads: Path, *, offline: bool = False) -> None:
        self._runtime = runtime
        self._downloads = downloads
        self._offline = offline

    def run(self, arguments: Sequence[str], *, folder: Path, target: str, scripts: bool) -> None:
        """Run an npm command and wait for it.

        Args:
            arguments: The command with its arguments.
            folder: The package that it works on.
            target: What is being installed, for messages.
            scripts: Whether the packages' own scripts may run.

        Raises:
            MissingPackageError: The registry has no such package.
            VersionError: It has none in a fitting version.
            InstallationError: Anything else that npm reports.
            DeadlineExceededError: It did not end before the deadline.
        """
        command = [
            *self._runtime.npm(),
            *arguments,
            *_SETTINGS,
            f"--cache={self._downloads}",
            f"--ignore-scripts={'false' if scripts else 'true'}",
            *(["--offline"] if self._offline else []),
        ]
        run = run_tool(command, folder=folder, environment=self._environment(), target=target)
        if run.status:
            raise _error(target, _failure(run.output, run.errors))

    def _environment(self) -> dict[str, str]:
        # Scripts find the Node.js that will run them, not another one on PATH.
        path = os.pathsep.join(
            filter(None, [str(self._runtime.node.parent), os.environ.get("PATH")])
        )
        return {**os.environ, "PATH": path}


class _Failure(NamedTuple):
    code: str
    summary: str
    detail: str


def _failure(stdout: str, stderr: str) -> _Failure:
    """Return what npm reported: as JSON where it got that far, else as text."""
    try:
        error = json.loads(stdout)["error"]
        return _Failure(*(str(error.get(key) or "") for key in _Failure._fields))
    except (ValueError, KeyError, TypeError, AttributeError):
        code = re.search(r"^npm (?:error|ERR!) code (\S+)$", stderr, re.MULTILINE)
        return _Failure(code[1] if code else "", stderr.strip()[-2000:], "")


def _error(target: str, failure: _Failure) -> NoodleError:
    told = "\n".join(filter(None, (failure.summary, failure.detail)))
    received = f"npm: {failure.code}: {told}" if failure.code else f"npm: {told or 'no message'}"
    if failure.code == "E404":
        return MissingPackageError(
            f"there is no npm package for {target}, or for something that it needs",
            expected="a package of the registry",
            received=received,
            where=target,
        )
    if failure.code in ("ETARGET", "ENOVERSIONS"):
        return VersionError(
            f"no version satisfies {target}, or something that it needs",
            expected="a range or tag that a published version satisfies",
            received=received,
            where=target,
            remedy=f"npm view {_name(target)} versions",
        )
    if failure.code == "EINTEGRITY":
        return InstallationError(
            f"a package of {target} is not the one that was locked",
            expected="the hash in noodle.lock",
            received=received,
            where=target,
            remedy="find out why it changed; if you trust it, delete the table from noodle.lock",
        )
    if failure.code == "ENOTCACHED":
        return InstallationError(
            f"{target} cannot be installed without the network",
            expected="packages that npm has downloaded before",
            received=received,
            where=target,
            remedy="noodle sync, without --offline",
        )
    if failure.code in _NETWORK_CODES:
        return InstallationError(
            f"{target} cannot be downloaded: the registry cannot be reached",
            expected="a network, or the package in the cache",
            received=received,
            where=target,
            remedy="what has been installed once needs no network; otherwise check the proxy "
            "and the registry: npm config list",
        )
    return InstallationError(
        f"{target} cannot be installed", received=received, where=target, remedy=_remedy(failure)
    )


def _remedy(failure: _Failure) -> str | None:
    if any(code in f"{failure.code} {failure.summary}" for code in _DISK_CODES):
        return FREE_SPACE
    if failure.code in ("E401", "E403"):
        return "npm login, with the account that may read the package"
    return None


def _name(target: str) -> str:
    name, _, _ = target.removeprefix("npm:").rpartition("@")
    return name or target.removeprefix("npm:")
