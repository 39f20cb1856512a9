"""What stands for the client's functions and objects in this process.

Each use is a request to the client, which the calling thread waits for. JavaScript has no keyword
arguments; those of a call become one object, the last argument.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from noodle.workers.operations import Operation

__all__ = ["ClientFunction", "ClientObject", "Held", "Requests", "held_by"]

ITEMS_A_CALL = 64
"""Chosen: so many items of an iterator come with one request."""


class Requests(Protocol):
    """What asks the client."""

    def request(self, what: str, operation: Operation, number: int, *arguments: Any) -> Any:
        """Ask something of the client's object with that number, and wait for the answer."""

    def request_later(
        self, what: str, operation: Operation, number: int, *arguments: Any
    ) -> Awaitable[Any]:
        """Ask the same without blocking the running event loop."""


@dataclass(slots=True, eq=False)
class Held:
    """What this process holds of an object of the client.

    Args:
        number: The object's number there.
        sendings: How many of its sendings the proxy stands for.
    """

    number: int
    sendings: int = 0


class ClientObject:
    """An object of the client.

    Args:
        requests: What asks the client.
        held: What is held of it.
        name: The name of its class or function, for people.
    """

    __slots__ = ("__weakref__", "_held", "_name", "_requests")

    def __init__(self, requests: Requests, held: Held, name: str) -> None:
        object.__setattr__(self, "_requests", requests)
        object.__setattr__(self, "_held", held)
        object.__setattr__(self, "_name", name)

    def _ask(self, operation: Operation, *arguments: Any) -> Any:
        requests: Requests = self._requests
        return requests.request(self._name, operation, self._held.number, *arguments)

    def __repr__(self) -> str:
        return f"<{self._name or 'object'} {self._held.number} of the client>"

    def __str__(self) -> str:
        return str(self._ask(Operation.TEXT))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return self._ask(Operation.GET, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._ask(Operation.SET, name, value)

    def __delattr__(self, name: str) -> None:
        self._ask(Operation.DELETE, name)

    def __dir__(self) -> list[str]:
        return list(self._ask(Operation.NAMES))

    def __getitem__(self, key: Any) -> Any:
        return self._ask(Operation.ITEM, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._ask(Operation.SET_ITEM, key, value)

    def __len__(self) -> int:
        return int(self._ask(Operation.LENGTH))

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        iterator: ClientObject = self._ask(Operation.ITERATE)
        done = False
        try:
            while not done:
                done, *items = iterator._ask(Operation.NEXT, ITEMS_A_CALL)
                yield from items
        finally:
            if not done:
                iterator._ask(Operation.CLOSE)

    def result(self) -> Any:
        """Wait for it, if it is a promise."""
        return self._ask(Operation.AWAIT)


class ClientFunction(ClientObject):
    """A function or class of the client, called like one of this process."""

    __slots__ = ()

    @property
    def __name__(self) -> str:
        name: str = self._name
        return name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it, and wait; a promise that it returns is waited for too."""
        return self._ask(Operation.CALL, *args, *([kwargs] if kwargs else ()))

    def aio(self, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        """Call it without blocking the running event loop.

        Returns:
            What to await.
        """
        requests: Requests = self._requests
        arguments = (*args, *([kwargs] if kwargs else ()))
        return requests.request_later(self._name, Operation.CALL, self._held.number, *arguments)


def held_by(proxy: ClientObject) -> Held:
    """Return what a proxy holds."""
    held: Held = proxy._held
    return held
