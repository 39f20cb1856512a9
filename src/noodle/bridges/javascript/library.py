"""A loaded JavaScript module as a namespace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from noodle import _host
from noodle.bridges.javascript import pools
from noodle.bridges.javascript.functions import JavaScriptFunction, prototype_of
from noodle.calls import Submodule
from noodle.errors import NameNotFoundError, did_you_mean
from noodle.workers.modules import RemoteModule
from noodle.workers.operations import Operation

__all__ = ["JavaScriptLibrary"]


_CALLED = ("function", "async function", "class")
"""The kinds of members that a call goes to."""


class JavaScriptLibrary:
    """A module, or a namespace within it.

    Args:
        module: The module in the workers.
        name: Its name.
        version: Its version.
        notes: What ``explain`` should tell.
        documentation: Its docstring.
        path: The dotted name of the namespace in the module; ``""`` for the module itself.
    """

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
        """Return the names of the module's exports."""
        names: list[str] = _host.request(self._reference(), Operation.NAMES)
        return names

    def member(self, name: str) -> Any:
        """Return a function, class, namespace or value.

        Raises:
            NameNotFoundError: There is no export of that name.
        """
        if name.startswith("__"):
            raise self._unknown(name)
        reference = self._reference()
        if not _host.request(reference, Operation.HAS, name):
            raise self._unknown(name)
        kind, parameters, documentation = _host.request(reference, Operation.DESCRIBE, name)
        path = f"{self._path}.{name}" if self._path else name
        if kind in _CALLED:
            prototype = prototype_of(name, parameters)
            shown = f"{name}({', '.join(parameters)})"
            text = documentation or f"{shown}: {kind} of {self.name}, in JavaScript."
            return JavaScriptFunction(
                self._module.function(path), prototype, text, is_class=kind == "class"
            )
        if kind == "module":
            return Submodule(
                JavaScriptLibrary(self._module, f"{self.name}.{name}", self.version, path=path)
            )
        return _host.request(reference, Operation.GET, name)

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
            expected=f"an export of {self.name}",
            received=name,
            remedy=did_you_mean(name, self.names()),
        )
