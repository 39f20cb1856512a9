"""The loopback bridge: plain Python callables under a library's name, for users' own tests.

It behaves like any other bridge, so that code which uses foreign libraries can be tested without
them: ``noodle.load("loopback:calc")`` gives the callables that were provided as ``calc``. Its
libraries can be stopped, which makes their calls fail the way those of a lost instance do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from noodle.bridges.python import is_function, prototype_of
from noodle.calls import BoundFunction, Call, Function, LoadedLibrary, LoadRequest, Submodule
from noodle.errors import (
    InstanceUnavailableError,
    MissingLibraryError,
    NameNotFoundError,
    did_you_mean,
)
from noodle.prototypes import Prototype

__all__ = ["LoopbackBridge", "LoopbackFunction", "LoopbackLibrary"]


class LoopbackBridge:
    """Serves what ``provide`` was given."""

    name = "loopback"
    option_names: frozenset[str] = frozenset()
    placements = ("inprocess",)

    def __init__(self) -> None:
        self._libraries: dict[str, LoopbackLibrary] = {}

    def provide(
        self, name: str, members: Mapping[str, Any], *, version: str | None = None
    ) -> LoopbackLibrary:
        """Make a library out of callables, values and mappings of these (submodules).

        Args:
            name: The library's name, loaded as ``loopback:<name>``.
            members: What it holds; a mapping among them is a submodule.
            version: The version that it claims to have.

        Returns:
            The library, which can be stopped and started.
        """
        library = LoopbackLibrary(name, members, version)
        self._libraries[name] = library
        return library

    def missing(self) -> str | None:
        """Return None: nothing has to be installed."""
        return None

    def load(self, request: LoadRequest) -> LoadedLibrary:
        """Return a provided library; see ``library``."""
        return self.library(request.location)

    def library(self, name: str) -> LoopbackLibrary:
        """Return the library that was provided under a name.

        Raises:
            MissingLibraryError: Nothing was.
        """
        library = self._libraries.get(name)
        if library is None:
            raise MissingLibraryError(
                f"nothing is provided as {name!r}",
                expected=f"one of {', '.join(self._libraries) or 'the provided libraries'}",
                received=name,
                remedy=did_you_mean(name, self._libraries) or f'noodle.provide("{name}", {{...}})',
            )
        return library


class LoopbackLibrary:
    """A namespace of plain callables.

    Args:
        name: The library's name.
        members: What it holds.
        version: The version that it claims to have.
        parent: The library that this one is a submodule of, which decides whether it is running.
    """

    notes: tuple[str, ...] = ()
    documentation: str | None = None

    def __init__(
        self,
        name: str,
        members: Mapping[str, Any],
        version: str | None = None,
        parent: LoopbackLibrary | None = None,
    ) -> None:
        self._name = name
        self._members = dict(members)
        self._version = version
        self._parent = parent
        self._running = True

    @property
    def name(self) -> str:
        """The library's name."""
        return self._name

    @property
    def version(self) -> str | None:
        """The version that it claims to have."""
        return self._version

    def stop(self) -> None:
        """Let every call fail with ``InstanceUnavailableError``, as if the instance were gone."""
        self._running = False

    def start(self) -> None:
        """Undo ``stop``."""
        self._running = True

    def available(self) -> bool:
        """Return whether it is running."""
        return self._running and (self._parent is None or self._parent.available())

    def names(self) -> Sequence[str]:
        """Return the names of the members."""
        return list(self._members)

    def member(self, name: str) -> Any:
        """Return a function, submodule or value.

        Raises:
            NameNotFoundError: There is none of that name.
        """
        if name not in self._members:
            raise NameNotFoundError(
                f"{self._name} has no {name!r}",
                expected=f"one of {', '.join(self._members)}",
                received=name,
                remedy=did_you_mean(name, self._members),
            )
        value = self._members[name]
        if isinstance(value, Mapping):
            return Submodule(LoopbackLibrary(f"{self._name}.{name}", value, parent=self))
        return LoopbackFunction(self, name, value) if is_function(value) else value


class LoopbackFunction(Function):
    """A provided callable.

    Args:
        library: The library that it belongs to.
        name: Its name there.
        function: The callable.
    """

    def __init__(self, library: LoopbackLibrary, name: str, function: Callable[..., Any]) -> None:
        self._library = library
        self._name = name
        self._function = function
        # One object for all signatures, so that a handle recognises its plans as generic.
        self._checked = self._call

    @property
    def prototype(self) -> Prototype:
        """What the callable's own signature tells."""
        return prototype_of(self._name, self._function)

    @property
    def raw(self) -> Callable[..., Any]:
        """The callable itself."""
        return self._function

    def bind(self, call: Call) -> BoundFunction:
        """Return the callable behind a check that the library is running."""
        return BoundFunction(self._checked, generic=True)

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        if not self._library.available():
            raise InstanceUnavailableError(
                f"{self._library.name} was stopped",
                expected="a running instance",
                received="one that was stopped",
                where=f"{self._library.name}.{self._name}",
            )
        return self._function(*args, **kwargs)
