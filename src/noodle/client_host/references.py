"""Objects that cross by reference: ours, which the client names by number, and the client's."""

from __future__ import annotations

import inspect
import threading
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from noodle import _host
from noodle._handle import Handle
from noodle.client_host.client_objects import ClientObject, Held, held_by
from noodle.errors import ReferenceReleasedError
from noodle.libraries import Library

__all__ = ["ByReference", "Exported", "Exports", "Imports", "Namespace"]

Fields = tuple[int, int, int, int, int, str]
"""Owner, kind, sendings, id, incarnation and name: a REFERENCE of ``noodle/wire.h``."""

HOST = 0
CLIENT = 1
"""The owners: the client stands where a worker does in ``noodle/wire.h``."""

OBJECT, FUNCTION, ASYNC_FUNCTION, CLASS, ITERATOR, ASYNC_ITERATOR, AWAITABLE, MODULE = range(1, 9)
"""The kinds of ``enum wire_reference_kind``."""

NAME_BYTES_MAX = 255


@dataclass(frozen=True, slots=True)
class ByReference:
    """A value that crosses by reference, although it could go by value.

    Args:
        object: The value.
    """

    object: Any


@dataclass(frozen=True, slots=True)
class Namespace:
    """A loaded library, or a submodule of it, as the client holds it.

    Args:
        library: The library.
        module: The namespace itself.
        prefix: The submodule's dotted name and a dot; ``""`` for the library.
    """

    library: Library
    module: ModuleType
    prefix: str = ""


@dataclass(slots=True, eq=False)
class Exported:
    """An object that the client holds.

    Args:
        id: Its number.
        object: The object.
        library: The library whose functions gave it; the policy of calls on it is that one's.
        sendings: How often it was sent and not let go.
    """

    id: int
    object: Any
    library: Library | None
    sendings: int = 0
    functions: dict[str, Any] = field(default_factory=dict)
    """Its functions by the paths in which they were called; see ``functions.Functions``."""


class Exports:
    """The objects that the client holds; any thread.

    Args:
        incarnation: The number of this process, so that references to an earlier one are refused.
    """

    def __init__(self, incarnation: int) -> None:
        self._incarnation = incarnation
        self._lock = threading.Lock()
        self._by_id: dict[int, Exported] = {}
        self._by_object: dict[int, Exported] = {}
        self._last_id = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def send(self, value: Any, library: Library | None) -> tuple[Exported, Fields]:
        """Note that an object is sent once more, and return what the message says of it."""
        held = value.module if isinstance(value, Namespace) else value
        with self._lock:
            entry = self._by_object.get(id(held))
            if entry is None:
                self._last_id += 1
                owner = value.library if isinstance(value, Namespace) else library
                entry = Exported(self._last_id, value, owner)
                self._by_id[entry.id] = self._by_object[id(held)] = entry
            entry.sendings += 1
        name = _name_of(value)
        return entry, (HOST, _kind_of(value), 1, entry.id, self._incarnation, name)

    def take_back(self, entry: Exported) -> None:
        """Undo one sending: the message was never sent."""
        self.release(entry.id, 1)

    def release(self, number: int, sendings: int) -> None:
        """Note that the client has let go of so many sendings of an object."""
        with self._lock:
            entry = self._by_id.get(number)
            if entry is None or sendings < 1:
                return
            entry.sendings -= sendings
            if entry.sendings <= 0:
                del self._by_id[number]
                held = entry.object
                del self._by_object[id(held.module if isinstance(held, Namespace) else held)]

    def get(self, number: int, incarnation: int | None = None) -> Exported:
        """Return what the client means by a number.

        Args:
            number: The object's number.
            incarnation: The process whose object it is; None for this one.

        Raises:
            ReferenceReleasedError: There is no such object any more.
        """
        entry = self._by_id.get(number)
        if entry is None or incarnation not in (None, self._incarnation):
            raise ReferenceReleasedError(
                "an object of the host cannot be used any more",
                received="it was released, or its host has ended",
                remedy="ask the library for it again",
            )
        return entry


class Imports:
    """The client's objects that this process holds; any thread.

    Args:
        make: Makes a proxy of what is held, its kind and its name.
    """

    def __init__(self, make: Callable[[Held, int, str], ClientObject]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._proxies: weakref.WeakValueDictionary[int, ClientObject] = (
            weakref.WeakValueDictionary()
        )
        self._released: deque[Held] = deque()

    def __len__(self) -> int:
        return len(self._proxies)

    def proxy(self, number: int, kind: int, sendings: int, name: str) -> ClientObject:
        """Return what stands for an object of the client."""
        with self._lock:
            proxy = self._proxies.get(number)
            if proxy is None:
                held = Held(number)
                proxy = self._proxies[number] = self._make(held, kind, name)
                # Finalizers send nothing, and take no lock: the next frame tells.
                weakref.finalize(proxy, self._released.append, held).atexit = False
            held_by(proxy).sendings += sendings
            return proxy

    def released(self) -> list[tuple[int, int]]:
        """Return the numbers of what was let go since this was asked last, with its sendings."""
        found = []
        while self._released:
            held = self._released.popleft()
            found.append((held.number, held.sendings))
        return found


def _kind_of(value: Any) -> int:
    if isinstance(value, (Namespace, ModuleType)):
        return MODULE
    if isinstance(value, _host.Reference):
        return _host.facts(value)[2]
    if isinstance(value, type):
        return CLASS
    if isinstance(value, Handle) or callable(value):
        return ASYNC_FUNCTION if inspect.iscoroutinefunction(value) else FUNCTION
    if hasattr(type(value), "__next__"):
        return ITERATOR
    return ASYNC_ITERATOR if hasattr(type(value), "__anext__") else OBJECT


def _name_of(value: Any) -> str:
    if isinstance(value, Namespace):
        return f"{value.library.name}.{value.prefix}".rstrip(".")[:NAME_BYTES_MAX]
    if isinstance(value, _host.Reference):
        return str(_host.facts(value)[3])
    try:
        name = getattr(value, "__qualname__", None)
    except Exception:  # a proxy's own code may raise anything
        name = None
    text = name if isinstance(name, str) else type(value).__qualname__
    return text.encode("utf-8", "replace")[:NAME_BYTES_MAX].decode("utf-8", "ignore")
