"""Python libraries in workers, as namespaces that behave like those in this process."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from noodle import _host
from noodle.bridges.python_descriptions import Declared, read_declared, read_names
from noodle.bridges.remote.functions import BatchedFunction, RawFunction, WorkerFunction
from noodle.bridges.remote.library import RemoteLibrary
from noodle.calls import BoundFunction, Call, Function, Submodule, require_rows
from noodle.prototypes import Prototype
from noodle.workers.modules import RemoteModule
from noodle.workers.operations import Operation
from noodle.workers.references import no_subclass
from noodle.workers.remote_errors import python_error_class

__all__ = ["RemoteClass", "RemotePythonFunction", "RemotePythonLibrary"]


class RemotePythonLibrary(RemoteLibrary):
    """A module in workers, or a module within it.

    Functions come as handles, classes as :class:`RemoteClass`, exception classes as the classes
    that stand for them here, and other values as they cross.
    """

    told_names = frozenset({"__author__", "__version__"})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._classes: dict[str, RemoteClass] = {}

    def member(self, name: str) -> Any:
        """Return a function, class, module or value."""
        return self._classes.get(name) or super().member(name)

    def _make(self, name: str, kind: str, details: Any, documentation: str | None) -> Any:
        path = self._path_of(name)
        if kind in ("function", "async function"):
            return RemotePythonFunction(
                self._module.function(path),
                name,
                read_declared(details),
                documentation,
            )
        if kind == "class":
            return self._classes.setdefault(
                name,
                RemoteClass(self._module, path, self.name, read_declared(details), documentation),
            )
        names = read_names(details) if kind == "exception" else ()
        if names:
            return python_error_class(names[0], tuple(names[1:]))
        if kind == "module":
            library = RemotePythonLibrary(
                self._module,
                f"{self.name}.{name}",
                self.version,
                documentation=documentation,
                path=path,
            )
            return Submodule(library)
        return _host.request(self._reference(), Operation.GET, name)


class RemotePythonFunction(WorkerFunction):
    """A function of a Python module in workers.

    Args:
        remote: What calls it.
        name: Its name.
        declared: What it declares; None where that cannot be read.
        documentation: Its docstring.
    """

    __slots__ = ()

    def __init__(
        self,
        remote: _host.RemoteFunction,
        name: str,
        declared: Declared | None,
        documentation: str | None,
    ) -> None:
        if declared is None:
            raw = RawFunction(remote, name, documentation, None)
            super().__init__(remote, Prototype(name, readable=False), raw)
        else:
            raw = RawFunction(remote, name, documentation, declared.signature)
            super().__init__(remote, declared.prototype(name), raw)

    @property
    def batched(self) -> Function:
        """What sends many calls in one message."""
        return _Batched(self)

    def bind(self, call: Call) -> BoundFunction:
        """Return what calls the function in a worker, whatever the signature."""
        return BoundFunction(self._call, generic=not call.signature.keywords)


class _Batched(BatchedFunction[RemotePythonFunction]):
    __slots__ = ()

    def bind(self, call: Call) -> BoundFunction:
        return BoundFunction(self._call, generic=True)

    def _call(self, rows: list[Sequence[Any] | Mapping[str, Any]]) -> list[Any]:
        from noodle.workers.batches import call_rows

        return call_rows(self._function._remote, rows, self._lists, ())

    def _lists(self, rows: Sequence[Sequence[Any] | Mapping[str, Any]]) -> list[list[Any]] | None:
        require_rows(self._function.prototype.name, rows)
        if any(isinstance(row, Mapping) for row in rows):
            return None
        return [list(row) for row in rows]


class RemoteClass(_host.RemoteFunction):
    """A class of a Python module in workers: it constructs, and has the class's own attributes.

    It goes on when its worker is started anew. It has no subclasses in this process.
    """

    def __new__(
        cls,
        module: RemoteModule,
        path: str,
        library: str,
        declared: Declared | None,
        documentation: str | None,
    ) -> RemoteClass:
        """Stand for the class of that path in a module."""
        made = super().__new__(cls, module.resolver(path), path, module.pool.size)
        made.__qualname__ = path
        made.__module__ = library
        made.__doc__ = documentation
        if declared is not None:
            made.__signature__ = declared.signature
        made._noodle_module = module
        made._noodle_path = path
        return made

    _noodle_module: RemoteModule
    _noodle_path: str
    __qualname__: str
    __signature__: inspect.Signature

    def __repr__(self) -> str:
        return f"<class '{self.__module__}.{self.__qualname__}' in workers>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return getattr(self.reference(), name)

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *dir(self.reference())})

    def __getitem__(self, key: Any) -> Any:
        return _host.request(self.reference(), Operation.ITEM, key)

    def __iter__(self) -> Any:
        return iter(_host.request(self.reference(), Operation.ITERATE))

    def __instancecheck__(self, instance: Any) -> bool:
        from noodle.workers.python_references import is_instance

        own = self._in_worker_of(instance)
        return own is not None and is_instance(own, instance)

    def __subclasscheck__(self, other: Any) -> bool:
        from noodle.workers.python_references import is_subclass

        if isinstance(other, RemoteClass):
            other = other.reference()
        own = self._in_worker_of(other)
        return own is not None and is_subclass(own, other)

    def _in_worker_of(self, value: Any) -> _host.Reference | None:
        """Return this class in the worker that a proxy's object lives in, or None."""
        link = _host.facts(value)[0] if isinstance(value, _host.Reference) else None
        for index in range(self._noodle_module.pool.size if link is not None else 0):
            found = self._noodle_module.member(self._noodle_path, index)
            if isinstance(found, _host.Reference) and _host.facts(found)[0] is link:
                return found
        return None

    def __mro_entries__(self, bases: tuple[Any, ...]) -> NoReturn:
        raise no_subclass(self.__qualname__)
