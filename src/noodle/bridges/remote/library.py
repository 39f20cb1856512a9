"""A library that is loaded in workers, as a namespace."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from noodle import _host
from noodle.bridges.remote import pools
from noodle.errors import ForeignError, NameNotFoundError, did_you_mean
from noodle.workers.function_names import FunctionName
from noodle.workers.modules import RemoteModule
from noodle.workers.operations import Operation

__all__ = ["RemoteLibrary", "read_description", "unreadable"]


def unreadable(what: str) -> ForeignError:
    """Return the error for an answer that has not the form that it should have."""
    return ForeignError(f"its worker described {what} in a way that cannot be read")


def read_description(answer: Any, what: str) -> tuple[str, Any, str | None]:
    """Return what a worker says that something is: the kind, details, and its docstring.

    Args:
        answer: What it says.
        what: What it is about, for the error.

    Raises:
        ForeignError: It does not say that.
    """
    if not isinstance(answer, list) or len(answer) != 3 or not isinstance(answer[0], str):
        raise unreadable(what)
    kind, details, documentation = answer
    return kind, details, documentation if isinstance(documentation, str) else None


class RemoteLibrary(ABC):
    """A module in workers, or a namespace within it.

    Args:
        module: The module in the workers.
        name: Its name.
        version: Its version.
        notes: What ``explain`` should tell.
        documentation: Its docstring.
        path: The dotted name of the namespace in the module; ``""`` for the module itself.
    """

    kind_of_name = "a name"
    """What a member's name is called in messages."""

    told_names: frozenset[str] = frozenset()
    """Names with two underscores that are members; Python asks modules for others by itself."""

    def __init__(
        self,
        module: RemoteModule,
        name: str,
        version: str | None,
        *,
        notes: tuple[str, ...] = (),
        documentation: str | None = None,
        path: str = "",
    ) -> None:
        self._module = module
        self.name = name
        self.version = version
        self.notes = notes
        self.documentation = documentation
        self._path = path
        if not path:
            pools.enter(self, module.pool)

    def close(self) -> None:
        """End its workers, unless another library runs in them."""
        pools.leave(self, self._module.pool)

    def available(self) -> bool:
        """Return True: a worker that has ended is started anew."""
        return True

    def names(self) -> Sequence[str]:
        """Return the public names."""
        names = _host.request(self._reference(), Operation.NAMES)
        if not isinstance(names, list):
            raise unreadable(f"the names of {self.name}")
        return [name for name in names if isinstance(name, str)]

    def member(self, name: str) -> Any:
        """Return a function, class, namespace or value.

        Raises:
            NameNotFoundError: There is none of that name.
        """
        if name.startswith("__") and name not in self.told_names:
            raise self._unknown(name)
        reference = self._reference()
        if not _host.request(reference, Operation.HAS, name):
            raise self._unknown(name)
        return self._make(name, *self.description(name))

    def description(self, name: str) -> tuple[str, Any, str | None]:
        """Return what a worker says of a member: the kind, details, and its docstring.

        Raises:
            ForeignError: Its answer cannot be read.
        """
        answer = _host.request(self._reference(), Operation.DESCRIBE, name)
        return read_description(answer, f"{self.name}.{name}")

    @abstractmethod
    def _make(self, name: str, kind: str, details: Any, documentation: str | None) -> Any:
        """Return what stands for a member, as its runtime describes it."""

    def _path_of(self, name: str) -> FunctionName:
        """Return the dotted name of a member in the module, which knows the module's name."""
        if not self._path:
            return FunctionName(name, self.name)
        return FunctionName(f"{self._path}.{name}", self.name.removesuffix(f".{self._path}"))

    def _reference(self) -> _host.Reference:
        if not self._path:
            return self._module.reference()
        found = self._module.member(self._path)
        if isinstance(found, _host.Reference):
            return found
        raise NameNotFoundError(f"{self.name} is no namespace any more", received=repr(found))

    def _unknown(self, name: str) -> NameNotFoundError:
        return NameNotFoundError(
            f"{self.name} has no {name!r}",
            expected=f"{self.kind_of_name} of {self.name}",
            received=name,
            remedy=did_you_mean(name, self.names()),
        )
