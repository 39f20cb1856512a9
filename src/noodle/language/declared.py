"""What is known of foreign libraries before a program runs: names, and how functions are called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from noodle.errors import NoodleError
from noodle.language.foreign_imports import ForeignImport
from noodle.stubs.model import StubClass, StubFunction, StubMember, StubModule

__all__ = ["DeclaredLibraries", "Describe", "UnknownName", "callable_of"]

Describe = Callable[[ForeignImport], StubModule | None]
"""Says what the library of an import declares; it installs nothing, and runs no code of it."""


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A name that a library certainly does not have.

    Args:
        library: What does not have it: the library, or a namespace in it.
        name: The name.
        reason: Why it cannot be used, where it is known for something; ``""`` else.
        names: Those that there are.
    """

    library: str
    name: str
    reason: str
    names: Sequence[str]


class DeclaredLibraries:
    """What the imports of a program declare, each asked for once.

    Args:
        describe: Says what a library declares; None where nobody does.
    """

    def __init__(self, describe: Describe | None = None) -> None:
        self._describe = describe
        self._known: dict[int, StubModule | None] = {}
        self._requests: list[ForeignImport] = []

    def library(self, request: ForeignImport) -> StubModule | None:
        """Return what the library of an import declares; None where that is not known."""
        if self._describe is None:
            return None
        if id(request) not in self._known:
            self._requests.append(request)  # which keeps its number
            try:
                self._known[id(request)] = self._describe(request)
            except NoodleError:  # it shows when the import is run
                self._known[id(request)] = None
        return self._known[id(request)]

    def find(
        self, request: ForeignImport, path: Sequence[str]
    ) -> StubMember | StubModule | UnknownName | None:
        """Return what a dotted name of a library is; None where that is not known.

        Args:
            request: The import.
            path: The parts of the name.
        """
        found: StubMember | StubModule | None = self.library(request)
        shown = request.name
        for part in path[:-1]:
            found = found.member(part) if isinstance(found, StubModule) else None
            shown = f"{shown}.{part}"
        if not path or not isinstance(found, StubModule):
            return found if not path else None
        member = found.member(path[-1])
        if member is None and found.complete and path[-1] not in found.further:
            reason = found.unusable.get(path[-1], "")
            return UnknownName(shown, path[-1], reason, found.names)
        return member


def callable_of(found: object) -> StubFunction | None:
    """Return how something that a library declares is called; None where that is not known."""
    if isinstance(found, StubClass):
        return found.constructor
    return found if isinstance(found, StubFunction) and found.signatures else None
