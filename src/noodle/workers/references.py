"""Objects of a worker that stand here as proxies.

A proxy has the attributes, items, iteration, calls and context manager of its object; each use is a
call to the worker. The object is kept alive there until its proxy is gone here: by ``release``, at
the end of a ``scope``, or, as a backstop, when the proxy is collected.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, NoReturn

from noodle import _host
from noodle.errors import ArgumentTypeError, ReferenceReleasedError, WorkerCrashedError
from noodle.workers.operations import Operation

__all__ = ["TYPES", "Proxy", "copy", "no_subclass", "ref", "release", "scope", "undefined"]


class _Undefined:
    """JavaScript's ``undefined`` where it differs from null: inside lists and objects."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "noodle.undefined"

    def __bool__(self) -> bool:
        return False


undefined = _Undefined()


class Proxy(_host.Reference):
    """An object of a worker."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        cls.__new__ = _refuse_new  # type: ignore[method-assign, assignment]

    def __mro_entries__(self, bases: tuple[object, ...]) -> NoReturn:
        raise no_subclass(_host.facts(self)[3])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return _host.request(self, Operation.GET, name)

    def __setattr__(self, name: str, value: Any) -> None:
        _host.request(self, Operation.SET, name, value)

    def __delattr__(self, name: str) -> None:
        _host.request(self, Operation.DELETE, name)

    def __dir__(self) -> list[str]:
        names: list[str] = _host.request(self, Operation.NAMES)
        return names

    def __getitem__(self, key: Any) -> Any:
        return _host.request(self, Operation.ITEM, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        _host.request(self, Operation.SET_ITEM, key, value)

    def __contains__(self, item: Any) -> bool:
        if _host.request(self, Operation.HAS, "has"):  # a set, a map, or what is like one
            return bool(_host.request(self, Operation.METHOD, "has", item))
        return any(each is item or each == item for each in self)

    def __len__(self) -> int:
        length: int = _host.request(self, Operation.LENGTH)
        return length

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        return _each(self)

    def __aiter__(self) -> AsyncIterator[Any]:
        return _each_later(self)

    def __repr__(self) -> str:
        link, number, _, name, _ = _host.facts(self)
        state = f"of {link.name}" if link is not None else "released"
        return f"<{name or 'object'} {number} {state}>"

    def __str__(self) -> str:
        text: str = _host.request(self, Operation.TEXT)
        return text

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        release(self)


def no_subclass(name: str) -> ArgumentTypeError:
    """Return the error for a class statement that derives from a class of a worker."""
    return ArgumentTypeError(
        f"{name} is in a worker, and cannot have a subclass in this process",
        expected="a class of this process",
        received=name,
        remedy=f"derive from {name} in a file of its own language and load that, or keep an object "
        "of it in an attribute",
    )


def _refuse_new(cls: type[Proxy], *args: Any, **kwargs: Any) -> Any:
    raise TypeError(f"{cls.__name__} cannot be made here; it stands for an object of a worker")


class IteratorProxy(Proxy):
    """An iterator of a worker; each item is asked for when it is wanted, and not before.

    It keeps its place when a loop over it ends early. ``close`` ends it, and so does the last
    reference to it here, as for a generator of Python.
    """

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        _, *items = _host.request(self, Operation.NEXT, 1)
        if not items:
            raise StopIteration
        return items[0]

    def close(self) -> None:
        """End it: what it has open is closed, and it gives nothing any more."""
        _host.request(self, Operation.CLOSE)


class AsyncIteratorProxy(IteratorProxy):
    """An asynchronous iterator of a worker: for ``async for``, and ``for`` where nothing awaits."""

    __slots__ = ()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        from noodle.workers.event_loop import request

        _, *items = await request(self, Operation.NEXT, 1)
        if not items:
            raise StopAsyncIteration
        return items[0]

    async def aclose(self) -> None:
        """End it, without blocking the running event loop."""
        from noodle.workers.event_loop import request

        await request(self, Operation.CLOSE)


def _each(iterable: Proxy) -> Generator[Any, None, None]:
    """Iterate an object; the iterator that is made for it ends with the loop."""
    iterator = _host.request(iterable, Operation.ITERATE)
    try:
        yield from iterator
    finally:
        with suppress(WorkerCrashedError, ReferenceReleasedError):  # ended with its worker
            iterator.close()
        release(iterator)


async def _each_later(iterable: Proxy) -> AsyncGenerator[Any, None]:
    from noodle.workers.event_loop import request

    iterator = await request(iterable, Operation.ITERATE)
    try:
        while items := (await request(iterator, Operation.NEXT, 1))[1:]:
            yield items[0]
    finally:
        with suppress(WorkerCrashedError, ReferenceReleasedError):
            await request(iterator, Operation.CLOSE)
        release(iterator)


class AwaitableProxy(Proxy):
    """A promise or coroutine of a worker."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, Any]:
        from noodle.workers.event_loop import request

        return request(self, Operation.AWAIT).__await__()

    def result(self) -> Any:
        """Wait for it on this thread."""
        return _host.request(self, Operation.AWAIT)


TYPES: tuple[type[Proxy], ...] = (
    Proxy,
    Proxy,
    Proxy,
    Proxy,
    Proxy,
    IteratorProxy,
    AsyncIteratorProxy,
    AwaitableProxy,
    Proxy,
)
"""The class of a proxy, by the kind of its reference in ``noodle/wire.h``."""


def release(value: Any) -> None:
    """Give up a worker's object or an array now; after that it can only be released again.

    No call takes a released array any more. Its memory goes back to the arena with the last view
    of it, the array itself included: whoever still reads it reads valid memory. An array in
    ordinary memory holds nothing of noodle's, and stays as it is.

    Args:
        value: A proxy; or an array, or a view of one.

    Raises:
        ArgumentTypeError: The argument is neither.
    """
    if isinstance(value, _host.Reference):
        _host.release(value)
    elif not _host.release_memory(value) and not _is_buffer(value):
        raise ArgumentTypeError(
            "only an object of a worker or an array can be released",
            expected="a proxy or an array",
            received=type(value).__name__,
        )


def _is_buffer(value: object) -> bool:
    try:
        memoryview(value).release()  # type: ignore[arg-type]
    except (TypeError, BufferError, ValueError):
        return hasattr(value, "__array_interface__")
    return True


def copy(value: Any) -> Any:
    """Return a worker's object by value; anything else is returned as it is.

    Raises:
        RemoteCallError: The object has no value that can be sent.
    """
    if isinstance(value, _host.Reference):
        return _host.request(value, Operation.VALUE)
    return value


def ref(value: Any) -> Any:
    """Return an argument that is sent by reference where it would be copied, such as a list."""
    return value if isinstance(value, _host.Reference) else _host.ByReference(value)


class scope:
    """A ``with`` block at whose end proxies and arrays are released.

    Only what was given to ``keep`` is: what other threads made, or what is stored elsewhere, stays.
    """

    def __init__(self) -> None:
        self._kept: list[weakref.ref[Any]] = []

    def keep(self, value: Any) -> Any:
        """Release this proxy or array at the end of the block; returns it."""
        if isinstance(value, _host.Reference):
            self._kept.append(weakref.ref(value))
        else:
            memory = _host.memory_of(value)
            if memory is not None:
                self._kept.append(weakref.ref(memory))
        return value

    def __enter__(self) -> scope:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for kept in self._kept:
            value = kept()
            if value is not None:
                release(value)
        self._kept.clear()
