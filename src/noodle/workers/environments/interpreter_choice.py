"""The choice of an interpreter: those here that may be used, the preferred first, or the error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from noodle.build_cache import BuildCache
from noodle.errors import MissingToolError
from noodle.installation.progress import announced
from noodle.installation.tool import disk_errors
from noodle.workers.environments.interpreters import (
    OLDEST,
    Interpreter,
    Interpreters,
    running_interpreter,
)
from noodle.workers.environments.requirements import Requirements
from noodle.workers.environments.uv import DOWNLOADS_VARIABLE, downloads_allowed, find_uv

__all__ = ["InterpreterChoice", "first_of_each_series"]

_OLDEST = f"{OLDEST[0]}.{OLDEST[1]}"


class InterpreterChoice:
    """Chooses among the interpreters of this machine.

    Args:
        cache: Where what was learned about them is kept, and where uv works.
        offline: Whether uv does without the network.
    """

    def __init__(self, cache: BuildCache, *, offline: bool) -> None:
        self._cache = cache
        self._offline = offline
        self._interpreters = Interpreters(cache)

    def found(self, requirements: Requirements, series: str | None = None) -> list[Interpreter]:
        """Return the interpreters that may be used, the preferred first, without asking uv.

        Args:
            requirements: What they must satisfy.
            series: The series that it has to be; None for any.
        """
        return _fitting(self._interpreters.found(), requirements.python, series)

    def preferred(self, requirements: Requirements, series: str) -> Interpreter | None:
        """Return the interpreter of a series to use; none is sought where the running one fits.

        Args:
            requirements: What it must satisfy.
            series: The series that it has to be.

        Raises:
            InstallationError, DeadlineExceededError: As ``candidates``.
        """
        running = _fitting([running_interpreter()], requirements.python, series)
        found = running or self.candidates(requirements, series)
        return found[0] if found else None

    def candidates(
        self, requirements: Requirements, series: str | None = None
    ) -> list[Interpreter]:
        """Return the interpreters that may be used, the preferred first; uv helps to find them.

        One is downloaded where there is none and the user lets uv do so.

        Args:
            requirements: What they must satisfy.
            series: The series that it has to be; None for any.

        Raises:
            InstallationError: The download failed.
            DeadlineExceededError: They were not found before the deadline.
        """
        fitting = self.found(requirements, series)
        wanted = f"=={series}.*" if series else requirements.python
        if not fitting and downloads_allowed():
            self._download(wanted)
            fitting = self.found(requirements, series)
        return fitting or _fitting(self._found_by_uv(wanted), requirements.python, series)

    def first_of_series(self, requirements: Requirements) -> list[Interpreter]:
        """Return the preferred interpreter of each series that may be used.

        Args:
            requirements: What they must satisfy.

        Raises:
            MissingToolError: There is none.
            InstallationError, DeadlineExceededError: As ``candidates``.
        """
        found = first_of_each_series(self.candidates(requirements))
        if not found:
            raise self.error(requirements, requirements.python or f">={_OLDEST}")
        return found

    def error(self, requirements: Requirements, wanted: str) -> MissingToolError:
        """Return the error for requirements that no interpreter here can satisfy.

        Args:
            requirements: What was wanted.
            wanted: A specifier of the interpreter's version.
        """
        found = self._interpreters.found()
        usable = [str(one) for one in found if not one.refusal()]
        refused = [one for one in found if one.refusal() and _satisfies(one, wanted, None)]
        told = [f"{one}: {one.refusal()}" for one in refused]
        version = _short(wanted)
        return MissingToolError(
            f"there is no Python {version} for {requirements}",
            expected=f"CPython {wanted} on PATH, or installed by pyenv, asdf, mise, conda or uv",
            received="; ".join([f"found {', '.join(usable) or 'none'}", *told]),
            where=requirements.title,
            remedy=f"choose Python {_OLDEST} or later: older ones cannot run a worker"
            if _is_too_old(wanted)
            else f"uv python install {version}, or let it be downloaded: {DOWNLOADS_VARIABLE}=1",
        )

    def _download(self, wanted: str) -> None:
        target = f"Python {_short(wanted)}"
        with (
            announced(f"downloading {target}"),
            disk_errors(target),
            self._cache.private_folder() as folder,
        ):
            uv = find_uv(offline=self._offline)
            uv.run(["python", "install", "--no-bin", _short(wanted)], folder=folder, target=target)

    def _found_by_uv(self, wanted: str) -> list[Interpreter]:
        """Return what uv finds beyond our own search."""
        try:
            uv = find_uv(offline=True)
        except MissingToolError:
            return []
        command = ["python", "find", "--no-project", "--system", _short(wanted)]
        path = uv.attempt(command, folder=Path("/"), target=f"Python {_short(wanted)}")
        found = self._interpreters.at(path.strip(), "uv") if path else None
        return [found] if found else []


def first_of_each_series(interpreters: Iterable[Interpreter]) -> list[Interpreter]:
    """Return the first interpreter of each series, in the order of the interpreters."""
    series: dict[str, Interpreter] = {}
    for interpreter in interpreters:
        series.setdefault(interpreter.series, interpreter)
    return list(series.values())


def _short(specifier: str) -> str:
    """Return a version of Python as uv takes it: ``3.9`` for ``==3.9.*``."""
    return specifier.removeprefix("==").removesuffix(".*") or "3"


def _is_too_old(specifier: str) -> bool:
    """Return whether a specifier names one version, older than those that can be used."""
    numbers = _short(specifier).split(".")
    known = len(numbers) >= 2 and all(number.isdigit() for number in numbers)
    return known and tuple(map(int, numbers[:2])) < OLDEST


def _fitting(found: Sequence[Interpreter], specifier: str, series: str | None) -> list[Interpreter]:
    return [one for one in found if not one.refusal() and _satisfies(one, specifier, series)]


def _satisfies(interpreter: Interpreter, specifier: str, series: str | None) -> bool:
    from packaging.specifiers import SpecifierSet

    if series is not None and interpreter.series != series:
        return False
    if not specifier:
        return True
    return SpecifierSet(specifier).contains(interpreter.version, prereleases=True)
