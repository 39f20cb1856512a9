"""Functions of libraries that are loaded in workers."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import partial
from inspect import Signature
from typing import Any, Generic, TypeVar

from noodle import _handle, _host
from noodle._handle import Handle
from noodle.calls import Function
from noodle.prototypes import Parameter, Prototype

__all__ = ["BatchedFunction", "RawFunction", "WorkerFunction", "reference_of"]

_Single = TypeVar("_Single", bound=Function)


class WorkerFunction(Function):
    """A function of a library in workers; its bridge says how calls are bound.

    Args:
        remote: What calls it.
        prototype: What it declares.
        raw: The function as a Python callable.
    """

    __slots__ = ("_call", "_prototype", "_raw", "_remote")

    def __init__(
        self, remote: _host.RemoteFunction, prototype: Prototype, raw: RawFunction
    ) -> None:
        self._remote = remote
        self._prototype = prototype
        self._raw = raw
        self._call: Callable[..., Any] = remote

    @property
    def prototype(self) -> Prototype:
        """What it declares."""
        return self._prototype

    @property
    def raw(self) -> Callable[..., Any]:
        """The function itself, as a Python callable."""
        return self._raw

    @property
    def awaitable(self) -> Function:
        """The same function, whose calls give futures of the running event loop."""
        from noodle.workers import event_loop

        function = copy(self)
        function._call = partial(event_loop.call, self._remote)
        return function


class BatchedFunction(Function, Generic[_Single]):
    """Many calls of a function at once, whose only argument is the rows; see ``Function.batched``.

    Its bridge says how they are called.

    Args:
        function: What each row is a call of.
    """

    __slots__ = ("_function",)

    def __init__(self, function: _Single) -> None:
        self._function = function

    @property
    def prototype(self) -> Prototype:
        """What it declares: the rows."""
        return Prototype(self._function.prototype.name, (Parameter("rows"),))

    @property
    def raw(self) -> Callable[..., Any]:
        """The function itself, as a Python callable."""
        return self._function.raw


class RawFunction:
    """A function in workers as a Python callable that is not governed.

    Its attributes are those of the function in the worker.

    Args:
        remote: What calls it.
        name: Its name.
        documentation: Its docstring.
        signature: What ``inspect.signature`` shows; None where it cannot be read.
    """

    def __init__(
        self,
        remote: _host.RemoteFunction,
        name: str,
        documentation: str | None,
        signature: Signature | None,
    ) -> None:
        self.__name__ = name
        self.__qualname__ = remote.__name__
        self.__doc__ = documentation
        if signature is not None:
            self.__signature__ = signature
        self._remote = remote

    def __repr__(self) -> str:
        return repr(self._remote)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it in a worker."""
        return self._remote(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._remote.reference(), name)

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *dir(self._remote.reference())})


def reference_of(function: RawFunction) -> _host.Reference:
    """Return the reference of a function in the worker that a call would go to."""
    return function._remote.reference()


def _behind(value: Handle | RawFunction) -> object:
    """Return the worker's function that a handle stands for; any other handle is itself."""
    raw = value if isinstance(value, RawFunction) else _handle.binding(value).function.raw
    return raw._remote if isinstance(raw, RawFunction) else value


# In its own worker a function arrives as itself; in another one it is a callback.
_host.set_stand_ins((Handle, RawFunction), _behind)
