"""Python libraries in workers, as namespaces that behave like those in this process."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from noodle import _host
from noodle.bridges.python import declared_type
from noodle.bridges.remote.functions import RawFunction, WorkerFunction
from noodle.bridges.remote.library import RemoteLibrary
from noodle.calls import BoundFunction, Call, Function, Submodule, require_rows
from noodle.prototypes import Parameter, Prototype
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
            return RemotePythonFunction(self._module.function(path), name, details, documentation)
        if kind == "class":
            return self._classes.setdefault(
                name, RemoteClass(self._module, path, self.name, details, documentation)
            )
        if kind == "exception":
            return python_error_class(details[0], tuple(details[1:]))
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
        declared: What it declares, as its worker describes it; None where that cannot be read.
        documentation: Its docstring.
    """

    __slots__ = ()

    def __init__(
        self,
        remote: _host.RemoteFunction,
        name: str,
        declared: Mapping[str, Any] | None,
        documentation: str | None,
    ) -> None:
        raw = RawFunction(remote, name, documentation, _signature(declared))
        super().__init__(remote, _prototype(name, declared), raw)

    @property
    def batched(self) -> Function:
        """What sends many calls in one message."""
        return _Batched(self)

    def bind(self, call: Call) -> BoundFunction:
        """Return what calls the function in a worker, whatever the signature."""
        return BoundFunction(self._call, generic=not call.signature.keywords)


class _Batched(Function):
    """Many calls of a function at once; see ``Function.batched``."""

    __slots__ = ("_function",)

    def __init__(self, function: RemotePythonFunction) -> None:
        self._function = function

    @property
    def prototype(self) -> Prototype:
        return Prototype(self._function.prototype.name, (Parameter("rows"),))

    @property
    def raw(self) -> Callable[..., Any]:
        return self._function.raw

    def bind(self, call: Call) -> BoundFunction:
        return BoundFunction(self._call, generic=True)

    def _call(self, rows: list[Sequence[Any] | Mapping[str, Any]]) -> list[Any]:
        from noodle.workers.batches import call_rows

        name = self._function.prototype.name
        require_rows(name, rows)
        if any(isinstance(row, Mapping) for row in rows):
            return [self._call_row(row) for row in rows]
        return call_rows(self._function._remote, rows, _lists, ())

    def _call_row(self, row: Sequence[Any] | Mapping[str, Any]) -> Any:
        call = self._function._remote
        return call(**row) if isinstance(row, Mapping) else call(*row)


def _lists(rows: Sequence[Sequence[Any] | Mapping[str, Any]]) -> list[list[Any]]:
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
        declared: Mapping[str, Any] | None,
        documentation: str | None,
    ) -> RemoteClass:
        """Stand for the class of that path in a module."""
        made = super().__new__(cls, module.resolver(path), path, module.pool.size)
        made.__qualname__ = path
        made.__module__ = library
        made.__doc__ = documentation
        signature = _signature(declared)
        if signature is not None:
            made.__signature__ = signature
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


# ----------------------------------------------------------------------------------- Declarations


def _prototype(name: str, declared: Mapping[str, Any] | None) -> Prototype:
    if declared is None:
        return Prototype(name, readable=False)
    kinds = inspect.Parameter
    listed = declared["parameters"]
    parameters = tuple(
        Parameter(
            parameter,
            declared_type(type_name),
            optional=default is not None,
            positional=kind != kinds.KEYWORD_ONLY,
            keyword=kind != kinds.POSITIONAL_ONLY,
        )
        for parameter, kind, default, type_name in listed
        if kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)
    )
    found = {kind for _, kind, _, _ in listed}
    return Prototype(
        name,
        parameters,
        declared_type(declared["result"]),
        variadic=kinds.VAR_POSITIONAL in found,
        any_keyword=kinds.VAR_KEYWORD in found,
    )


class _Default:
    """A default value, as its worker shows it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _signature(declared: Mapping[str, Any] | None) -> inspect.Signature | None:
    """Return the parameters as ``inspect.signature`` should show them."""
    if declared is None:
        return None
    return inspect.Signature(
        [
            inspect.Parameter(
                name,
                inspect._ParameterKind(kind),
                default=inspect.Parameter.empty if default is None else _Default(default),
            )
            for name, kind, default, _ in declared["parameters"]
        ]
    )
