"""What the lock file holds for an environment: the version of Python, packages with hashes.

::

    [pypi."numpy==1.21.0; python=3.9"]
    "numpy==1.21.0" = { sha256 = ["709884…", "bebab3…"] }
    python = { version = "3.9" }

The version of Python is the series (``3.9``), because what was locked for one patch level holds for
the others. The hashes are those of all files that may be installed on Linux, so that one lock file
holds for every processor and C library. A package that only some of them need has a ``marker``
(PEP 508).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from types import MappingProxyType

from noodle.errors import InstallationError
from noodle.installation.store import User
from noodle.lock_file import LockFile, Packages, table_digest
from noodle.workers.environments.interpreters import Interpreter
from noodle.workers.environments.requirements import Requirements

__all__ = ["SECTION", "LockedPackages", "locked_table", "needed_here"]

SECTION = "pypi"
"""The lock file's section."""

_PYTHON = "python"
_NAME = re.compile(r"(?P<name>[a-z0-9]+(?:-[a-z0-9]+)*)==(?P<version>[A-Za-z0-9.+!]+)")
_SERIES = re.compile(r"3\.[0-9]+")
_HASH = re.compile(r"[0-9a-f]{64}")

_LINUX = "sys_platform == 'linux'"
"""Every environment is made for Linux, which a marker need not say."""


def locked_table(
    series: str,
    exported: str,
    unused_hashes: frozenset[str],
    further_hashes: Mapping[str, Set[str]] = MappingProxyType({}),
) -> Packages:
    """Return the table of a lock file.

    Args:
        series: The series of Python that the packages were resolved for.
        exported: Requirements with hashes as ``uv export`` writes them.
        unused_hashes: Hashes to leave out: those of sources that are not built.
        further_hashes: Hashes that are not exported, by ``name==version``.
    """
    table: dict[str, Mapping[str, object]] = {_PYTHON: {"version": series}}
    for entry in exported.replace("\\\n", " ").splitlines():
        requirement, *hashes = entry.split(" --hash=")
        name, _, marker = (part.strip() for part in requirement.partition(";"))
        digests = {text.strip().removeprefix("sha256:") for text in hashes} - unused_hashes
        digests |= further_hashes.get(name, set())
        facts: dict[str, object] = {"sha256": sorted(digests)}
        marker = re.sub(rf"(?:^| and ){re.escape(_LINUX)}$", "", marker)
        if marker:
            facts["marker"] = _marker_text(marker)
        if name:
            table[name] = facts
    return table


def needed_here(table: Packages, interpreter: Interpreter) -> list[str]:
    """Return the packages of a table, as ``name==version``, that an interpreter here needs.

    Args:
        table: The table of a lock file.
        interpreter: The interpreter.
    """
    from packaging.markers import Marker

    environment = {
        "python_version": interpreter.series,
        "python_full_version": interpreter.version,
        "implementation_version": interpreter.version,
    }
    return [
        name
        for name, facts in table.items()
        if name != _PYTHON
        and ("marker" not in facts or Marker(facts["marker"]).evaluate(environment))
    ]


@dataclass(frozen=True, slots=True)
class LockedPackages:
    """A table of the lock file, checked: it may have been edited.

    Args:
        requirements: What it was locked for.
        table: The table.
        lock_file: The file that holds it.
        note: Why it is not in that file, where that is so.
    """

    requirements: Requirements
    table: Packages
    lock_file: LockFile
    note: str | None = None

    def __post_init__(self) -> None:
        if not _SERIES.fullmatch(str(self.table.get(_PYTHON, {}).get("version"))):
            raise self._refuse("it names no version of Python")
        for name, facts in self.packages.items():
            if not _NAME.fullmatch(name):
                raise self._refuse(f"{name!r} is no package with its version")
            hashes = facts.get("sha256")
            if not isinstance(hashes, list) or not hashes:
                raise self._refuse(f"{name} has no hash")
            if not all(isinstance(one, str) and _HASH.fullmatch(one) for one in hashes):
                raise self._refuse(f"{name} has a hash that is not SHA-256")
            if "marker" in facts and not _is_marker(facts["marker"]):
                raise self._refuse(f"{name} has a marker that cannot be read")

    def _refuse(self, why: str) -> InstallationError:
        return InstallationError(
            f"the lock of {self.requirements} cannot be used: {why}",
            expected="each package with its exact version and its hashes",
            where=f"{self.lock_file.path.name}, table {SECTION}.{self.requirements}",
            remedy=f"delete the table from {self.lock_file.path.name} to let it be resolved anew",
        )

    @property
    def series(self) -> str:
        """The series of Python that it was locked for."""
        return str(self.table[_PYTHON]["version"])

    @property
    def packages(self) -> Packages:
        """The packages: ``name==version`` and their facts."""
        return {name: facts for name, facts in self.table.items() if name != _PYTHON}

    @property
    def contents(self) -> str:
        """Python and the packages, in words."""
        return f"Python {self.series} with {', '.join(sorted(self.packages)) or 'no packages'}"

    @property
    def text(self) -> str:
        """The packages as a requirements file with hashes, which holds for every machine."""
        return "".join(
            f"{name}{' ; ' + facts['marker'] if 'marker' in facts else ''}"
            + "".join(f" --hash=sha256:{one}" for one in facts["sha256"])
            + "\n"
            for name, facts in sorted(self.packages.items())
        )

    @property
    def digest(self) -> str:
        """What is the same for the same packages with the same hashes."""
        return table_digest(self.packages)

    @property
    def user(self) -> User:
        """What needs the environment: the table of the lock file."""
        path = os.path.abspath(self.lock_file.path)
        return User(path, SECTION, self.requirements.title, table_digest(self.table))


def _is_marker(text: object) -> bool:
    from packaging.markers import InvalidMarker

    try:
        # In no other form: blanks and line ends in a requirements file can start an option.
        return isinstance(text, str) and _marker_text(text) == text
    except InvalidMarker:
        return False


def _marker_text(text: str) -> str:
    from packaging.markers import Marker

    return str(Marker(text)).replace('"', "'")
