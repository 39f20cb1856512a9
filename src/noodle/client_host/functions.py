"""The functions that the client calls, each behind a governed handle.

What is named by data always passes the call path: a class and a method get a handle here, which a
program in this process would call as itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from noodle._handle import Handle, binding
from noodle.client_host.members import Step, attribute, dotted, follow, public, steps
from noodle.client_host.references import Exported, Namespace
from noodle.errors import ArgumentTypeError, UnknownBridgeError
from noodle.libraries import Library, library_of
from noodle.values import describe

__all__ = ["ClientCall", "Functions"]

HANDLES_MOST = 4096
"""Chosen: handles that are kept, so that classes made at run time do not pile up."""


@dataclass(frozen=True, slots=True)
class ClientCall:
    """A function as the client calls it.

    Args:
        function: Its handle; a plain callable for what no library gave.
        leading: Arguments that come before the client's: the object, for a method.
    """

    function: Callable[..., Any]
    leading: tuple[Any, ...] = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it."""
        return self.function(*self.leading, *args, **kwargs)

    def handle(self) -> Handle:
        """Return its handle.

        Raises:
            ArgumentTypeError: It has none.
        """
        if not isinstance(self.function, Handle):
            raise ArgumentTypeError(
                "only functions of a library, and of its objects, have a plan",
                received=describe(self.function),
            )
        return self.function

    def with_options(self, options: Mapping[str, Any]) -> ClientCall:
        """Return the same function with options for its handle.

        Args:
            options: Those of ``handle.options``; and ``cancellable`` for a call that the client may
                give up, so that a worker is told then.

        Raises:
            SettingsError: An option is unknown or has a wrong value.
            PlacementError: The target cannot have that placement.
        """
        if not options:
            return self
        chosen = dict(options)
        cancellable = bool(chosen.pop("cancellable", False))
        handle = self.handle().options(**chosen) if chosen else self.function
        if cancellable and isinstance(handle, Handle) and _runs_in_worker(handle):
            return ClientCall(_later(handle), self.leading)
        return ClientCall(handle, self.leading)


def _runs_in_worker(handle: Handle) -> bool:
    return binding(handle).function.awaitable is not None


def _later(handle: Handle) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        return await handle.aio(*args, **kwargs)

    return call


class Functions:
    """Finds functions and other members; keeps their handles; any thread."""

    def __init__(self) -> None:
        self._handles: dict[Hashable, Handle] = {}
        self._lock = threading.Lock()

    def find(self, entry: Exported, written: Any) -> ClientCall:
        """Return the function that a path leads to from an object.

        Args:
            entry: The object.
            written: The path as the client writes it; see ``members``.

        Raises:
            NameNotFoundError: A name on the way is private, or there is no such function.
            ArgumentError: It is not a function.
        """
        if not isinstance(written, str):
            return self._find(entry, steps(written))
        found: ClientCall | None = entry.functions.get(written)
        if found is None:
            found = self._find(entry, steps(written))
            # What members of members are may change from call to call.
            if isinstance(entry.object, Namespace) or "." not in written:
                entry.functions[written] = found
        return found

    def _find(self, entry: Exported, path: Sequence[Step]) -> ClientCall:
        if not path:
            return ClientCall(self._governed(entry.library, entry.object))
        namespace = entry.object
        name = dotted(path)
        if isinstance(namespace, Namespace) and name is not None:
            full = f"{namespace.prefix}{name}"
            library = namespace.library
            return ClientCall(self._kept((library, full), lambda: library.function(full)))
        holder = _object(self.member(entry, path[:-1]))
        last = path[-1]
        if isinstance(last, str):
            return self._method(entry.library, holder, public(last))
        return ClientCall(self._governed(entry.library, follow(holder, [last])))

    def _method(self, library: Library | None, holder: Any, name: str) -> ClientCall:
        if library is None or isinstance(holder, ModuleType):
            return ClientCall(self._governed(library, attribute(holder, name)))

        def call(target: Any, /, *args: Any, **kwargs: Any) -> Any:
            return getattr(target, name)(*args, **kwargs)

        def make() -> Handle:
            call.__name__ = call.__qualname__ = f"{type(holder).__qualname__}.{name}"
            return library.govern(call.__name__, call)

        return ClientCall(self._kept((library, type(holder), name), make), (holder,))

    def _governed(self, library: Library | None, function: Any) -> Callable[..., Any]:
        if isinstance(function, Handle):
            return function
        if not callable(function):
            raise ArgumentTypeError(
                "what is no function was called",
                expected="a function or class",
                received=describe(function),
            )
        if library is None:
            found: Callable[..., Any] = function
            return found
        return library.govern(getattr(function, "__qualname__", type(function).__name__), function)

    def _kept(self, key: Hashable, make: Callable[[], Handle]) -> Handle:
        handle = self._handles.get(key)
        if handle is None:
            handle = make()
            with self._lock:
                if len(self._handles) >= HANDLES_MOST:
                    self._handles.clear()
                self._handles[key] = handle
        return handle

    def member(self, entry: Exported, path: Sequence[Step]) -> Any:
        """Return what a path leads to from an object: a value, or a namespace.

        Raises:
            NameNotFoundError: A name on the way is private, or the library has no such name.
        """
        if not isinstance(entry.object, Namespace):
            return follow(entry.object, path)
        namespace = entry.object
        names = _leading_names(path)
        if not names:
            return namespace if not path else follow(namespace.module, path)
        full = f"{namespace.prefix}{'.'.join(names)}"
        value = namespace.library.member(full)
        if len(names) < len(path):
            return follow(value, path[len(names) :])
        return _as_namespace(value, full)


def _object(member: Any) -> Any:
    return member.module if isinstance(member, Namespace) else member


def _leading_names(path: Sequence[Step]) -> list[str]:
    names = []
    for step in path:
        if not isinstance(step, str):
            break
        names.append(step)
    return names


def _as_namespace(value: Any, name: str) -> Any:
    """Return a namespace of a library for its module, and anything else as it is."""
    if not isinstance(value, ModuleType):
        return value
    try:
        library = library_of(value)
    except UnknownBridgeError:
        return value
    return Namespace(library, value, f"{name}." if value is not library.module else "")
