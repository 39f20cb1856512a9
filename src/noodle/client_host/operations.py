"""What the client's requests do: libraries by the dispatcher, objects through governed handles.

The numbers of the operations are those of ``noodle/protocol.h``. Methods whose names begin with
``$`` are what Noodle itself does with an object; no name in Python can be such.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import asdict, is_dataclass
from types import ModuleType
from typing import Any

from noodle.bindings import prototype_of, statistics
from noodle.client_host.functions import Functions
from noodle.client_host.iterations import AsyncIteration, Iteration, iteration
from noodle.client_host.members import names_of, public, steps
from noodle.client_host.references import Exported, Exports, Namespace
from noodle.client_host.waits import Request
from noodle.errors import ArgumentTypeError
from noodle.libraries import Library
from noodle.runtime.engine import Engine
from noodle.values import describe
from noodle.workers.operations import Operation
from noodle.workers.references import copy

__all__ = ["Operations"]

Result = tuple[Any, Library | None]


class Operations:
    """Does what requests ask.

    Args:
        engine: Gives the engine; made when the first library is loaded.
        exports: The objects that the client holds.
        directory: Against which the path of a target is resolved.
        counts: Gives what the connection has counted.
    """

    def __init__(
        self,
        engine: Callable[[], Engine],
        exports: Exports,
        directory: str,
        counts: Callable[[], Mapping[str, int]],
    ) -> None:
        self._engine = engine
        self._exports = exports
        self._directory = directory
        self._counts = counts
        self._functions = Functions()

    def perform(self, request: Request) -> Result:
        """Do what a request asks; return the result and the library that it comes from.

        Raises:
            ArgumentTypeError: There is no such operation.
            ReferenceReleasedError: The object was released.
        """
        if request.number == 0:
            return self._perform_on_host(request)
        entry = self._exports.get(request.number)
        operation, arguments = request.operation, request.arguments
        if operation == Operation.METHOD and arguments:
            return self._method(request, entry, *arguments), entry.library
        action = _ACTIONS.get(operation)
        if action is None:
            raise _unknown(operation, entry.object)
        return action(self, entry, *arguments), entry.library

    def _perform_on_host(self, request: Request) -> Result:
        match request.operation, *request.arguments:
            case Operation.IMPORT, str(target), dict(options):
                return self._load(target, options)
            case Operation.STATISTICS, *_:
                return dict(self._counts()), None
            case Operation.METHOD, "$dispatch", str(name), *arguments:
                return self._engine().dispatcher.dispatch(name, *arguments), None
            case Operation.METHOD, "$register", str(name), library, dict(options):
                self._engine().dispatcher.register(name, library, **options)
                return None, None
        raise _unknown(request.operation, "the host")

    def _load(self, target: str, options: Mapping[str, Any]) -> Result:
        dispatcher = self._engine().dispatcher
        library = dispatcher.library(target, directory=self._directory, **options)
        return Namespace(library, library.module), library

    # ----------------------------------------------------------------------------- calls

    def _method(self, request: Request, entry: Exported, path: Any, *arguments: Any) -> Any:
        own = _OWN.get(path) if isinstance(path, str) and path.startswith("$") else None
        if own is not None:
            return own(self, request, entry, *arguments)
        return self._functions.find(entry, path)(*arguments)

    def _call(
        self,
        request: Request,
        entry: Exported,
        path: Any,
        options: dict[str, Any],
        named: dict[str, Any],
        *arguments: Any,
    ) -> Any:
        chosen = dict(options)
        request.by_reference = bool(chosen.pop("reference", False))
        function = self._functions.find(entry, path)
        return function.with_options(chosen)(*arguments, **named)

    def _explain(
        self,
        request: Request,
        entry: Exported,
        path: Any,
        options: dict[str, Any],
        named: dict[str, Any],
        *arguments: Any,
    ) -> dict[str, Any]:
        chosen = {name: value for name, value in options.items() if name != "reference"}
        function = self._functions.find(entry, path).with_options(chosen)
        plan = function.handle().explain(*function.leading, *arguments, **named)
        return {
            "text": str(plan),
            "signature": str(plan.signature),
            "prototype": str(plan.prototype),
            "stages": [asdict(decision) for decision in plan.stages],
            "predicted": dict(plan.predicted),
            **{name: getattr(plan, name) for name in _TOLD_OF_PLANS},
        }

    def _batch(
        self, request: Request, entry: Exported, path: Any, options: dict[str, Any], rows: list[Any]
    ) -> Any:
        function = self._functions.find(entry, path).with_options(options)
        return [function(**row) if isinstance(row, dict) else function(*row) for row in rows]

    def _statistics(self, request: Request, entry: Exported, path: Any) -> dict[str, Any]:
        return asdict(statistics(self._functions.find(entry, path).handle()))

    def _execute(self, request: Request, entry: Exported, operation: str, data: Any) -> Any:
        if not isinstance(entry.object, Namespace):
            raise ArgumentTypeError(
                "only a library executes operations", received=describe(entry.object)
            )
        namespace = entry.object
        return namespace.library.execute(f"{namespace.prefix}{operation}", data)

    def _copy(self, request: Request, entry: Exported, path: Any) -> Any:
        request.by_value = True
        return _plain(copy(self._get(entry, path)))

    # --------------------------------------------------------------------------- members

    def _get(self, entry: Exported, path: Any = None) -> Any:
        return self._functions.member(entry, steps(path))

    def _set(self, entry: Exported, path: Any, value: Any) -> None:
        *before, last = steps(path)
        target = self._functions.member(entry, before)
        if isinstance(target, (Namespace, ModuleType)):
            raise ArgumentTypeError("a name of a library cannot be assigned", received=str(last))
        if isinstance(last, str):
            setattr(target, public(last), value)
        else:
            target[last.key] = value

    def _delete(self, entry: Exported, path: Any) -> None:
        *before, last = steps(path)
        target = self._functions.member(entry, before)
        if isinstance(last, str):
            delattr(target, public(last))
        else:
            del target[last.key]

    def _has(self, entry: Exported, name: str) -> bool:
        target = _object(entry)
        return not name.startswith("_") and (name in dir(target) or hasattr(target, name))

    def _names(self, entry: Exported) -> list[str]:
        return names_of(_object(entry))

    def _describe(self, entry: Exported, path: Any = None) -> list[Any]:
        member = self._get(entry, path)
        target = member.module if isinstance(member, Namespace) else member
        documentation = getattr(target, "__doc__", None)
        if not callable(target):
            return [type(target).__qualname__, [], documentation]
        prototype = prototype_of(target, str(path))
        kind = "class" if isinstance(target, type) else "function"
        return [kind, [parameter.name for parameter in prototype.parameters], documentation]

    def _iterate(self, entry: Exported, path: Any = None) -> Iteration | AsyncIteration:
        return iteration(self._get(entry, path))

    def _next(self, entry: Exported, most: int = 1) -> Any:
        return _iteration(entry).next(most)

    def _close(self, entry: Exported) -> Any:
        return _iteration(entry).close()


def _object(entry: Exported) -> Any:
    return entry.object.module if isinstance(entry.object, Namespace) else entry.object


def _iteration(entry: Exported) -> Iteration | AsyncIteration:
    found = entry.object
    if not isinstance(found, (Iteration, AsyncIteration)):
        raise _unknown(Operation.NEXT, found)
    return found


def _unknown(operation: int, target: Any) -> ArgumentTypeError:
    known = operation in set(Operation)
    return ArgumentTypeError(
        "the client asked for an operation that there is not",
        expected="an operation of noodle/protocol.h with its arguments",
        received=f"{Operation(operation).name if known else operation} of {describe(target)}",
    )


def _plain(value: Any) -> Any:
    """Return a value that can be copied for one that means the same."""
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Set):
        return set(value)
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray, memoryview)):
        return list(value)
    return value


_TOLD_OF_PLANS = (
    "library",
    "function",
    "target",
    "bridge",
    "placement",
    "candidates",
    "notes",
    "epoch",
)

_OWN: dict[str, Callable[..., Any]] = {
    "$call": Operations._call,
    "$explain": Operations._explain,
    "$batch": Operations._batch,
    "$statistics": Operations._statistics,
    "$execute": Operations._execute,
    "$copy": Operations._copy,
}
"""What Noodle does with an object, by the name in the client's request."""

_ACTIONS: dict[int, Callable[..., Any]] = {
    Operation.CALL: lambda self, entry, *args: self._functions.find(entry, None)(*args),
    Operation.GET: Operations._get,
    Operation.SET: Operations._set,
    Operation.DELETE: Operations._delete,
    Operation.HAS: Operations._has,
    Operation.NAMES: Operations._names,
    Operation.ITEM: lambda self, entry, key: _object(entry)[key],
    Operation.LENGTH: lambda self, entry: len(_object(entry)),
    Operation.ITERATE: Operations._iterate,
    Operation.NEXT: Operations._next,
    Operation.CLOSE: Operations._close,
    Operation.AWAIT: lambda self, entry: entry.object,
    Operation.TEXT: lambda self, entry: str(_object(entry)),
    Operation.DESCRIBE: Operations._describe,
}
