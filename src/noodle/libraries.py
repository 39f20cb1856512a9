"""A loaded library: the namespace that a caller sees, and the specification's ``bridge``.

The namespace is a plain module whose ``__getattr__`` (PEP 562) makes handles on first use and keeps
them in the module's own dictionary: the interpreter's fast path for module attributes then makes
``np.matmul`` cost what it costs on the library itself. Values other than functions, classes and
submodules are read through each time, so that they are never stale.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from noodle._handle import Handle
from noodle.bindings import prototype_of
from noodle.bridges.python import PythonFunction
from noodle.calls import Function, LoadedLibrary, Submodule
from noodle.errors import (
    ArgumentError,
    ArityError,
    NameNotFoundError,
    NoodleError,
    UnknownBridgeError,
    did_you_mean,
)
from noodle.planner import Origin

__all__ = ["Library", "LibraryInstance", "library_of"]

_LIBRARY = "__noodle_library__"

_LOADED = "__noodle_loaded__"

_BY_POSITION = ("native", "javascript")
"""Bridges of languages without keyword arguments (conformance S15)."""

HandleFactory = Callable[[Origin, str, Function], Handle]


class _Assignable(ModuleType):
    """The namespace of a library with variables: assigning to a name changes the variable."""

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__[_LOADED].assign(name, value)


class LibraryInstance:
    """One running copy of a library.

    Args:
        library: The library.
        name: A name that is unique among the instances of the library.
    """

    def __init__(self, library: Library, name: str) -> None:
        self._library = library
        self.name = name

    def __repr__(self) -> str:
        return f"<instance {self.name} of {self._library}>"

    def available(self) -> bool:
        """Return whether calls may be sent to it now."""
        return self._library.available()

    def execute(self, operation: str, data: Any) -> Any:
        """Run an operation on it; see ``Library.execute``."""
        return self._library.execute(operation, data)


class Library:
    """A loaded library with its functions behind handles; the specification's ``bridge``.

    Args:
        origin: Its name, target, bridge and placement.
        loaded: What the bridge loaded.
        new_handle: Makes the handle of a function.
    """

    def __init__(self, origin: Origin, loaded: LoadedLibrary, new_handle: HandleFactory) -> None:
        self.origin = origin
        self._loaded = loaded
        self._new_handle = new_handle
        self._lock = threading.RLock()
        self.module = self._namespace(loaded, "")

    @property
    def name(self) -> str:
        """The name under which it was loaded or configured."""
        return self.origin.library

    @property
    def version(self) -> str | None:
        """Its version, or None where it has none to tell."""
        return self._loaded.version

    def __str__(self) -> str:
        return self.origin.target

    def __repr__(self) -> str:
        return f"<library {self.origin.target} ({self.origin.bridge}, {self.origin.placement})>"

    def available(self) -> bool:
        """Return whether calls may be sent to it now."""
        return self._loaded.available()

    def outdated(self) -> bool:
        """Return whether loading it again gives another one; not all bridges know that."""
        outdated = getattr(self._loaded, "outdated", None)
        return bool(outdated and outdated())

    def refuse_replaced(self) -> None:
        """Raise where what it was loaded from is another one by now; not all bridges know that."""
        refuse = getattr(self._loaded, "refuse_replaced", None)
        if refuse is not None:
            refuse()

    def retire(self) -> None:
        """End what runs for it alone once that is idle; what a bridge loaded may have no such."""
        retire = getattr(self._loaded, "retire", None)
        if retire is not None:
            retire()

    def close(self) -> None:
        """End what runs for it alone; what a bridge loaded may have no ``close``."""
        close = getattr(self._loaded, "close", None)
        if close is not None:
            close()

    def instances(self) -> tuple[LibraryInstance, ...]:
        """Return the running copies; in process there is one."""
        return tuple(LibraryInstance(self, name) for name in self.origin.instances)

    def names(self) -> Sequence[str]:
        """Return the library's public names."""
        return self._loaded.names()

    def unbound(self) -> Mapping[str, str]:
        """Return what it has and declares that cannot be used, with the reasons."""
        found: Mapping[str, str] = getattr(self._loaded, "unbound", {})
        return found

    def _namespace(self, loaded: LoadedLibrary, prefix: str) -> ModuleType:
        kind = _Assignable if getattr(loaded, "assigns", bool)() else ModuleType
        module = kind(prefix.rstrip(".") or self.name, loaded.documentation)

        def __getattr__(name: str) -> Any:
            value = self._member(loaded, prefix, name)
            if isinstance(value, (Handle, ModuleType, type)):
                with self._lock:
                    return module.__dict__.setdefault(name, value)
            return value

        def __dir__() -> list[str]:
            return sorted(loaded.names())

        module.__dict__.update({"__getattr__": __getattr__, "__dir__": __dir__, _LIBRARY: self})
        if isinstance(module, _Assignable):
            module.__dict__[_LOADED] = loaded
        return module

    def _member(self, loaded: LoadedLibrary, prefix: str, name: str) -> Any:
        member = loaded.member(name)
        if isinstance(member, Submodule):
            return self._namespace(member.library, f"{prefix}{name}.")
        if isinstance(member, Function):
            return self._new_handle(self.origin, f"{prefix}{name}", member)
        return member

    def member(self, operation: str) -> Any:
        """Return a member by its dotted name, such as ``linalg.solve``.

        Args:
            operation: The dotted name; no part may begin with ``_``.

        Raises:
            NameNotFoundError: There is none, or a part is private.
        """
        value: Any = self.module
        for part in operation.split("."):
            if not part or part.startswith("_"):
                raise NameNotFoundError(
                    f"{operation!r} is not an operation of {self.name}",
                    expected="a public name, dotted for submodules",
                    received=operation,
                )
            value = self._attribute(value, part, operation)
        return value

    def _attribute(self, value: Any, name: str, operation: str) -> Any:
        try:
            return getattr(value, name)
        except NameNotFoundError:
            raise
        except AttributeError as error:
            raise NameNotFoundError(
                f"{self.name} has no {operation!r}",
                expected=f"an attribute of a {type(value).__name__}",
                received=name,
                remedy=did_you_mean(name, dir(value)),
            ) from error

    def function(self, operation: str) -> Handle:
        """Return the handle of an operation.

        A class, or a method of a value, has none in the namespace. Here it gets one, so that what
        is named by data passes the call path like everything else.

        Args:
            operation: The function's dotted name; see ``member``.

        Raises:
            NameNotFoundError: There is none, or a part is private.
            ArgumentError: The member is not a function.
        """
        return self._handle(operation, self.member(operation))

    def handle(self, name: str) -> Handle:
        """Return the handle of a function by the name that its plans have, which may be private.

        Args:
            name: Its dotted name.

        Raises:
            NameNotFoundError: There is none.
            ArgumentError: The member is not a function.
        """
        value: Any = self.module
        for part in name.split("."):
            value = self._attribute(value, part, name)
        return self._handle(name, value)

    def _handle(self, operation: str, member: Any) -> Handle:
        if isinstance(member, Handle):
            return member
        if not callable(member):
            raise ArgumentError(
                f"{self.name}.{operation} cannot be called",
                expected="a function",
                received=type(member).__name__,
            )
        return self.govern(operation, member)

    def govern(self, name: str, function: Callable[..., Any]) -> Handle:
        """Return a handle for a callable that is the library's without having a name in it.

        Args:
            name: What the handle is called in plans and messages.
            function: A class, a method of one of the library's objects, or the like.
        """
        return self._new_handle(self.origin, name, PythonFunction(name, function))

    def offers(self, operation: str) -> bool:
        """Return whether there is such a function."""
        try:
            return callable(self.member(operation))
        except NoodleError:
            return False

    def execute(self, operation: str, data: Any) -> Any:
        """Call a function of the library with arguments given as data (conformance S15).

        Args:
            operation: The function's name, dotted for submodules.
            data: A dict whose keys are all keyword parameters: by keyword; whose keys are the
                positional-only parameters: each to its own; whose keys are neither: by position,
                in the dict's order. A list or tuple: by position. Anything else: one argument.

        Returns:
            What the function returns.

        Raises:
            NameNotFoundError: There is no such operation, or its name is private.
            ArityError: Some keys of the dict are parameters and some are not.
            ArgumentError: The member is not a function.
        """
        function = self.function(operation)
        if isinstance(data, Mapping):
            return self._execute_mapping(operation, function, data)
        if isinstance(data, (list, tuple)):
            return function(*data)
        return function(data)

    def _execute_mapping(self, operation: str, function: Handle, data: Mapping[Any, Any]) -> Any:
        prototype = prototype_of(function, operation)
        leading = [p.name for p in prototype.parameters if not p.keyword and p.name]
        if leading and data.keys() == set(leading):
            return function(*(data[name] for name in leading))
        keywords = {p.name for p in prototype.parameters if p.keyword and p.name}
        given = [key for key in data if isinstance(key, str)]
        matching = [key for key in given if key in keywords]
        all_named = len(given) == len(data)
        if all_named and (len(matching) == len(data) or prototype.any_keyword):
            return function(**data)
        if not matching or self.origin.bridge in _BY_POSITION:
            return function(*data.values())
        raise ArityError(
            f"some keys for {self.name}.{operation} are its parameters and some are not",
            expected=f"keys among {', '.join(sorted(keywords))}, or none of these",
            received=f"{', '.join(matching)} (known) and "
            f"{', '.join(str(key) for key in data if key not in keywords)} (unknown)",
            where=f"{self.name}.{operation}",
            remedy="a list of the arguments in order",
        )


def library_of(module: object) -> Library:
    """Return the library behind a namespace that ``noodle.load`` returned.

    Raises:
        UnknownBridgeError: The object is no such namespace.
    """
    library = getattr(module, "__dict__", {}).get(_LIBRARY)
    if not isinstance(library, Library):
        raise UnknownBridgeError(
            "not a loaded library",
            expected="what noodle.load returned",
            received=type(module).__name__,
        )
    return library
