"""A loaded JavaScript module as a namespace."""

from __future__ import annotations

from typing import Any

from noodle import _host
from noodle.bridges.javascript.functions import JavaScriptFunction, prototype_of
from noodle.bridges.remote.library import RemoteLibrary
from noodle.calls import Submodule
from noodle.workers.operations import Operation

__all__ = ["JavaScriptLibrary"]


_CALLED = ("function", "async function", "class")
"""The kinds of members that a call goes to."""


class JavaScriptLibrary(RemoteLibrary):
    """A module, or a namespace within it."""

    kind_of_name = "an export"

    def _make(self, name: str, kind: str, details: Any, documentation: str | None) -> Any:
        path = self._path_of(name)
        if kind in _CALLED:
            prototype = prototype_of(name, details)
            shown = f"{name}({', '.join(details)})"
            text = documentation or f"{shown}: {kind} of {self.name}, in JavaScript."
            return JavaScriptFunction(
                self._module.function(path), prototype, text, is_class=kind == "class"
            )
        if kind == "module":
            return Submodule(
                JavaScriptLibrary(self._module, f"{self.name}.{name}", self.version, path=path)
            )
        return _host.request(self._reference(), Operation.GET, name)
