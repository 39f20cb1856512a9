"""What an environment must have: packages with their versions, on a version of Python."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from noodle.distribution_names import distribution_name, normalized_name
from noodle.errors import SettingsError, TargetError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

__all__ = ["Requirements", "missing_here"]

_TITLE = re.compile(
    r"(?P<packages>[^;]+)(?:; python(?P<python>[^;]+))?(?:; source (?P<source>.+))?"
)
_SERIES = re.compile(r"==([0-9]+\.[0-9]+)\.\*|==([0-9]+\.[0-9]+\.[0-9]+)")
_BETWEEN = " + "
_NO_PACKAGES = "standard library"


@dataclass(frozen=True, slots=True)
class Requirements:
    """Packages on a version of Python, in one form for everything that means the same.

    Args:
        packages: PEP 508 requirements without blanks: the library's own, then its dependencies,
            sorted.
        python: A specifier of the interpreter's version (PEP 440), or ``""`` for any.
        from_source: The normalised names of packages that are built from source, sorted; their
            build runs their code.
    """

    packages: tuple[str, ...]
    python: str = ""
    from_source: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        location: str,
        requirement: str = "",
        *,
        python: str = "",
        dependencies: Iterable[str] = (),
        from_source: Iterable[str] = (),
    ) -> Requirements:
        """Return what a library needs.

        Args:
            location: Its import name or the name of its distribution.
            requirement: A specifier of its version, a plain version as an exact pin, or ``""``.
            python: A specifier of the interpreter's version, or ``""``.
            dependencies: What it needs beside itself, as PEP 508 requirements.
            from_source: The names of packages to build from source.

        Raises:
            SettingsError: A dependency or a version cannot be read.
        """
        own = _own(location, requirement)
        others = {_canonical(_read(one, location)) for one in dependencies}
        return cls(
            (*own, *sorted(others - {*own, distribution_name(location)})),
            python.replace(" ", ""),
            tuple(sorted({normalized_name(name) for name in from_source})),
        )

    @classmethod
    def parse(cls, title: str) -> Requirements:
        """Return the requirements that a table of the lock file is named after.

        Raises:
            SettingsError: The title is none.
        """
        match = _TITLE.fullmatch(title)
        if match is None:
            raise SettingsError(
                "the lock file has a table whose name is no requirement",
                expected='a name such as "numpy==1.21.0; python=3.9"',
                received=title,
            )
        written = match["packages"]
        packages = () if written == _NO_PACKAGES else tuple(written.split(_BETWEEN))
        for package in packages:
            _read(package, title)
        python = match["python"] or ""
        plain = re.fullmatch(r"=([0-9]+\.[0-9]+)(\.[0-9]+)?", python)
        if plain:
            python = f"=={plain[1]}{plain[2] or '.*'}"
        return cls(packages, python, tuple((match["source"] or "").split()))

    @property
    def title(self) -> str:
        """The text that names them in the lock file and in messages."""
        text = _BETWEEN.join(self.packages) or _NO_PACKAGES
        if self.python:
            series = _SERIES.fullmatch(self.python)
            text += f"; python={series[1] or series[2]}" if series else f"; python{self.python}"
        return f"{text}; source {' '.join(self.from_source)}" if self.from_source else text

    def __str__(self) -> str:
        return self.title

    @property
    def names(self) -> tuple[str, ...]:
        """The normalised names of the packages."""
        return tuple(normalized_name(_read(text, text).name) for text in self.packages)


def missing_here(requirements: Iterable[str]) -> list[str]:
    """Return those of some PEP 508 requirements that this interpreter does not have installed.

    Raises:
        SettingsError: One cannot be read.
    """
    return [one for one in requirements if not _is_installed(_read(one, one))]


def _own(location: str, requirement: str) -> tuple[str, ...]:
    """Return the requirement of the library itself; what comes with Python needs none."""
    if not requirement and location.partition(".")[0] in sys.stdlib_module_names:
        return ()
    pin = f"=={requirement}" if requirement[:1].isdigit() else requirement
    own = f"{distribution_name(location)}{pin}".replace(" ", "")
    _read(own, location)
    return (own,)


def _read(text: str, where: str) -> Requirement:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise SettingsError(
            f"not a requirement: {text!r}",
            expected='a name and a version, such as "scipy>=1.7" or "requests[socks]"',
            received=str(error).partition("\n")[0],
            where=where,
        ) from None
    if requirement.url or ";" in text or _BETWEEN in text:
        raise TargetError(
            f"a requirement is a name and a version: {text!r}",
            expected="a package of the index, without an address and without markers",
            received=text,
            where=where,
        )
    return requirement


def _canonical(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def _is_installed(requirement: Requirement) -> bool:
    from importlib import metadata

    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return False
    return requirement.specifier.contains(version, prereleases=True)
