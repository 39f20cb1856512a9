"""Objects of a Python worker that stand here as proxies, and behave as the objects do.

Operators, comparisons, numbers, texts, items and context managers are the object's own: each use is
a call to its worker, where both operands have their say. ``with proxy:`` enters and leaves the
object if it is a context manager, and otherwise releases the proxy at the end, like any other.

What a proxy is not: an instance of a class here. ``isinstance(proxy, library.Class)`` asks the
worker; classes of this process know nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, NoReturn

from noodle import _host
from noodle.errors import NoodleError, RemoteCallError
from noodle.workers import references
from noodle.workers.operations import Operation
from noodle.workers.references import (
    AsyncIteratorProxy,
    AwaitableProxy,
    IteratorProxy,
    Proxy,
    release,
)

__all__ = ["TYPES", "PythonProxy", "is_instance", "is_subclass"]

_ASKED = frozenset(
    {
        "__all__",
        "__annotations__",
        "__author__",
        "__file__",
        "__members__",
        "__module__",
        "__name__",
        "__qualname__",
        "__self__",
        "__version__",
        "__wrapped__",
    }
)
"""Of the names with two underscores those that are told as they are. Others, such as
``__array_interface__``, hold addresses of the other process, or mean what Python does here."""


def _method(name: str) -> Callable[..., Any]:
    def method(self: Any, *arguments: Any) -> Any:
        return _host.request(self, Operation.METHOD, name, *arguments)

    method.__name__ = method.__qualname__ = name
    return method


class PythonProxy(Proxy):
    """An object of a Python worker."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__") and name not in _ASKED:
            raise AttributeError(name)
        return _host.request(self, Operation.GET, name)

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        text: str | None = _host.request(self, Operation.GET, "__doc__")
        return text

    def __repr__(self) -> str:
        try:
            text: str = _host.request(self, Operation.METHOD, "__repr__")
        except NoodleError:  # its worker has ended, or it was released
            return super().__repr__()
        return text

    def __bool__(self) -> bool:
        truth: bool = _host.request(self, Operation.METHOD, "__bool__")
        return truth

    def __hash__(self) -> int:
        number: int = _host.request(self, Operation.METHOD, "__hash__")
        return number

    def __eq__(self, other: object) -> Any:
        return self is other or _host.request(self, Operation.METHOD, "__eq__", other)

    def __ne__(self, other: object) -> Any:
        return self is not other and _host.request(self, Operation.METHOD, "__ne__", other)

    def __delitem__(self, key: Any) -> None:
        _host.request(self, Operation.METHOD, "__delitem__", key)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"{Proxy.__repr__(self)} cannot be pickled or copied: it is in a worker")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Let NumPy take it as an array if it is one there; else as an object."""
        import numpy

        if not _host.request(self, Operation.HAS, "__array__"):
            box = numpy.empty((), dtype=object)
            box[()] = self
            return box
        result = _host.request(self, Operation.METHOD, "__array__")
        return result if dtype is None else result.astype(dtype)

    def __enter__(self) -> Any:
        if _host.request(self, Operation.HAS, "__enter__"):
            return _host.request(self, Operation.METHOD, "__enter__")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        if _host.request(self, Operation.HAS, "__exit__"):
            return _host.request(self, Operation.METHOD, "__exit__", error)
        return release(self)

    async def __aenter__(self) -> Any:
        from noodle.workers.event_loop import request

        return await request(self, Operation.METHOD, "__aenter__")

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        from noodle.workers.event_loop import request

        return await request(self, Operation.METHOD, "__aexit__", error)

    def __instancecheck__(self, instance: Any) -> bool:
        return is_instance(self, instance)

    def __subclasscheck__(self, other: Any) -> bool:
        return is_subclass(self, other)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> NoReturn:
        raise TypeError(f"a class of a worker cannot have subclasses here: {self!r}")


_BINARY = "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and or xor"
_OTHERS = (
    "lt le gt ge neg pos abs invert int float complex index round trunc floor ceil contains "
    "reversed format bytes fspath"
)

for _name in [
    *(prefix + name for name in _BINARY.split() for prefix in ("", "r")),
    *("i" + name for name in _BINARY.split() if name != "divmod"),
    *_OTHERS.split(),
]:
    setattr(PythonProxy, f"__{_name}__", _method(f"__{_name}__"))


def is_instance(kind: _host.Reference, instance: Any) -> bool:
    """Return whether an object of a worker is an instance of a class of that worker."""
    if not isinstance(instance, _host.Reference):
        return False
    result: bool = _host.request(kind, Operation.METHOD, "__instancecheck__", instance)
    return result


def is_subclass(kind: _host.Reference, other: Any) -> bool:
    """Return whether a class of a worker is a subclass of another one of it."""
    if not isinstance(other, _host.Reference):
        return False
    result: bool = _host.request(kind, Operation.METHOD, "__subclasscheck__", other)
    return result


class PythonIteratorProxy(PythonProxy, IteratorProxy):
    """An iterator of a Python worker; a generator's result comes with its end."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return IteratorProxy.__iter__(self)

    def __next__(self) -> Any:
        finished, *items = _host.request(self, Operation.NEXT, 1)
        if not items:
            raise StopIteration(*finished if isinstance(finished, list) else ())
        return items[0]

    def send(self, value: Any) -> Any:
        """Resume a generator with a value; return what it yields next."""
        return _resumed(self, "send", value)

    def throw(self, *error: Any) -> Any:
        """Resume a generator with an exception; return what it yields next."""
        return _resumed(self, "throw", *error)


def _resumed(generator: Proxy, method: str, *arguments: Any) -> Any:
    try:
        return _host.request(generator, Operation.METHOD, method, *arguments)
    except RemoteCallError as error:
        if (error.language, error.type_name) != ("python", "StopIteration"):
            raise
        raise StopIteration(*error.args) from None


class PythonAsyncIteratorProxy(PythonProxy, AsyncIteratorProxy):
    """An asynchronous iterator of a Python worker."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return AsyncIteratorProxy.__iter__(self)


class PythonAwaitableProxy(PythonProxy, AwaitableProxy):
    """A coroutine or future of a Python worker."""

    __slots__ = ()


for _kind in (PythonIteratorProxy, PythonAsyncIteratorProxy, PythonAwaitableProxy):
    setattr(_kind, "__doc__", PythonProxy.__dict__["__doc__"])  # noqa: B010 - a property

_KINDS: dict[type[Proxy], type[Proxy]] = {
    Proxy: PythonProxy,
    IteratorProxy: PythonIteratorProxy,
    AsyncIteratorProxy: PythonAsyncIteratorProxy,
    AwaitableProxy: PythonAwaitableProxy,
}

TYPES: tuple[type[Proxy], ...] = tuple(_KINDS[kind] for kind in references.TYPES)
"""The class of a proxy, by the kind of its reference in ``noodle/wire.h``."""
