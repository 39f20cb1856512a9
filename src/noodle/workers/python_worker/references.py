"""Objects of the host that stand here as proxies; each use is a request that waits."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

from . import core, protocol

__all__ = ["TYPES"]

ITEMS_A_REQUEST = 64
"""Chosen: so many items of an iterator of the host come with one request."""


def _ask(reference: core.Reference, operation: int, *arguments: Any) -> Any:
    return core.request(reference._noodle_id, operation, *arguments)


class HostObject(core.Reference):
    """An object of the host."""

    __slots__ = ("__weakref__",)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return _ask(self, protocol.GET, name)

    def __setattr__(self, name: str, value: Any) -> None:
        _ask(self, protocol.SET, name, value)

    def __delattr__(self, name: str) -> None:
        _ask(self, protocol.DELETE, name)

    def __dir__(self) -> list[str]:
        return list(_ask(self, protocol.NAMES))

    def __getitem__(self, key: Any) -> Any:
        return _ask(self, protocol.ITEM, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        _ask(self, protocol.SET_ITEM, key, value)

    def __len__(self) -> int:
        return int(_ask(self, protocol.LENGTH))

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        return iter(_ask(self, protocol.ITERATE))

    def __str__(self) -> str:
        return str(_ask(self, protocol.TEXT))

    def __repr__(self) -> str:
        return f"<{self._noodle_name} of the host>"


class HostFunction(HostObject):
    """A function of the host."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name == "__qualname__":
            return self._noodle_name
        if name == "__name__":
            return self._noodle_name.rpartition(".")[2]
        return super().__getattr__(name)


def _running_loop() -> Any:
    """Return the event loop that runs on this thread, or None."""
    asyncio = sys.modules.get("asyncio")
    return None if asyncio is None else asyncio._get_running_loop()


def _ask_later(loop: Any, reference: core.Reference, operation: int, *arguments: Any) -> Any:
    """Return a future of a loop for what the host answers."""
    future = loop.create_future()
    number = core.request_later(future, reference._noodle_id, operation, *arguments)
    future.add_done_callback(partial(_abandon_if_cancelled, number))
    return future


def _abandon_if_cancelled(number: int, future: Any) -> None:
    """Tell the host of what is not waited for any more: a coroutine of it is cancelled there."""
    if future.cancelled():
        core.abandon(number)


class HostAsyncFunction(HostFunction):
    """A coroutine function of the host: awaited in coroutines, waited for everywhere else."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        loop = _running_loop()
        if loop is None:
            return super().__call__(*args, **kwargs)
        if kwargs:
            return _ask_later(loop, self, protocol.CALL_NAMED, kwargs, *args)
        return _ask_later(loop, self, protocol.CALL, *args)

    @property
    def _is_coroutine(self) -> Any:
        # How asyncio.iscoroutinefunction() knows what is none for inspect.
        return getattr(sys.modules.get("asyncio.coroutines"), "_is_coroutine", None)


class HostAwaitable(HostObject):
    """A coroutine or future of the host."""

    __slots__ = ()

    def __await__(self) -> Iterator[Any]:
        return _ask_later(_running_loop(), self, protocol.AWAIT).__await__()  # type: ignore[no-any-return]


class HostIterator(HostObject):
    """An iterator of the host; items come many at a time."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        finished = False
        try:
            while not finished:
                finished, *items = _ask(self, protocol.NEXT, ITEMS_A_REQUEST)
                yield from items
        finally:
            if not finished:
                _ask(self, protocol.CLOSE)

    def __next__(self) -> Any:
        _, *items = _ask(self, protocol.NEXT, 1)
        if not items:
            raise StopIteration
        return items[0]


TYPES = (
    HostObject,
    HostObject,
    HostFunction,
    HostAsyncFunction,
    HostObject,
    HostIterator,
    HostObject,
    HostAwaitable,
    HostObject,
)
"""The class of a proxy, by the kind of its reference in ``noodle/wire.h``."""
