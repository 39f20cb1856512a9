"""Functions of native libraries in workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any

from noodle import _host
from noodle.bridges.native.argument_rules import Converter
from noodle.bridges.native.declarations import Declaration, DeclaredParameter
from noodle.bridges.native.failures import failure_in_worker
from noodle.bridges.native.functions import DeclaredFunction, adapted
from noodle.bridges.native.isolated.arguments import SentArgument
from noodle.bridges.native.isolated.memory import SharedArgument, lending
from noodle.bridges.native.isolated.places import sent_place
from noodle.bridges.native.native_types import NativeType
from noodle.bridges.native.pointers import WorkerPointer
from noodle.bridges.native.results import text_of
from noodle.bridges.native.vectorized_loops import ArrayLoop
from noodle.bridges.remote.functions import BatchedFunction
from noodle.calls import BoundFunction, Call, Function, require_rows
from noodle.errors import (
    ArgumentError,
    CallbackReleasedError,
    ReferenceReleasedError,
    RemoteCallError,
    WorkerCrashedError,
)

if TYPE_CHECKING:
    from noodle.bridges.native.isolated.library import LibraryInWorker
    from noodle.bridges.native.isolated.worker_types import WorkerTypes

__all__ = ["IsolatedFunction", "pointer_of"]


class IsolatedFunction(DeclaredFunction):
    """A function of a library in a worker.

    Arguments are checked here before they are sent, but for the range of numbers where a compiled
    extension checks that in the worker; the error is the same.

    Args:
        library: The library's name in messages.
        declaration: What the function takes and gives.
        remote: What calls it.
        module: The library in its worker.
        compiled: Whether a compiled extension calls it.
        notes: What ``explain`` should tell about how it is called.
        loop: What calls it for the elements of arrays.
        types: The types of the library, for structures and callbacks.
    """

    def __init__(
        self,
        library: str,
        declaration: Declaration,
        remote: _host.RemoteFunction,
        module: LibraryInWorker,
        *,
        compiled: bool,
        notes: tuple[str, ...] = (),
        loop: ArrayLoop,
        types: WorkerTypes | None = None,
    ) -> None:
        self._rules: list[SentArgument] = []
        self._known = types
        super().__init__(
            library, declaration, self._rule, compiled=compiled, notes=notes, loop=loop
        )
        self._remote = remote
        self._call: Callable[..., Any] = remote
        self._checks_values = False
        self._result = (
            types.sent(declaration.result, self._name)
            if types
            else _converter_of(declaration.result, self._name, module)
        )
        self._types = [parameter.type for parameter in declaration.parameters]

    def _rule(self, parameter: DeclaredParameter, shown: str) -> SentArgument:
        known = self._known
        rules = known.rule(parameter, shown, self._prototype.name) if known else None
        rule = SentArgument(parameter, shown, rules)
        self._rules.append(rule)
        return rule

    @property
    def remote(self) -> _host.RemoteFunction:
        """What calls it in a worker, with what is sent for the arguments."""
        return self._remote

    @property
    def awaitable(self) -> Function | None:
        """The same function with futures, where nothing is left to do when it has returned."""
        if self._result is not None or any(native.writes for native in self._types):
            return None
        from noodle.bridges.native.isolated.awaited_maps import AwaitedMap
        from noodle.workers import event_loop

        function = copy(self)
        function._call = partial(event_loop.call, self._remote)
        function._checks_values = True
        function._mapped = self._mapped and AwaitedMap.of(self._mapped)
        return function

    @property
    def batched(self) -> Function | None:
        """What sends many calls in one message, where all arguments are numbers or texts."""
        has_memory = any(native.type.name in ("ptr", "array", "bytes") for native in self._types)
        by_value = any(native.by_value for native in self._types)
        return None if has_memory or by_value or self._result is not None else _Batched(self)

    def translate(
        self, error: BaseException, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> BaseException:
        """Return the error to raise for one that the callable raised.

        Args:
            error: What a converter, or cffi in the worker, raised.
            args: The positional arguments of the call.
            kwargs: Its keyword arguments.
        """
        if isinstance(error, WorkerCrashedError):
            self._tell_types(error, args, kwargs)
        if not isinstance(error, RemoteCallError):
            return super().translate(error, args, kwargs)
        failure = failure_in_worker(error)
        if failure is not None:
            return failure.error(self._name)
        if isinstance(error, ReferenceError) and not isinstance(error, CallbackReleasedError):
            return self._stale((*args, *kwargs.values()), error)
        if isinstance(error, (TypeError, OverflowError)):
            return self.refusal_of(args, kwargs) or error
        return error

    def _tell_types(
        self, error: WorkerCrashedError, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        from noodle.bridges.native.isolated.crashes import tell_types

        arguments = self._prototype.bind(args, kwargs)
        assert isinstance(arguments, dict)
        tell_types(error, self._name, self._declaration, self._labels, arguments)

    def _stale(self, values: Sequence[Any], error: RemoteCallError) -> BaseException:
        pointers = [value for value in values if isinstance(value, WorkerPointer)]
        if not pointers:
            return error
        shown = " or ".join(pointer.__noodle_shown__() for pointer in pointers)
        return ReferenceReleasedError(
            f"{shown} cannot be used here",
            expected=f"a pointer of the worker that has {self._name} now",
            received="one of a worker that has ended, or of another one",
            where=f"call of {self._name}",
            remedy="ask the library for it again; libraries with the same option "
            "worker='NAME' share a worker",
        )

    def row_converters(self, row: Sequence[Any] | Mapping[str, Any]) -> list[Converter | None]:
        """Return what makes the arguments of such a row ready, by parameter.

        Args:
            row: The arguments of one call.

        Raises:
            ArgumentError: They do not fit.
        """
        values = self.row_values(row)
        self.check(tuple(values), {})
        return [
            rule.converter(type(value), compiled=self._compiled)
            for rule, value in zip(self._rules, values, strict=True)
        ]

    def row_values(self, row: Sequence[Any] | Mapping[str, Any]) -> Sequence[Any]:
        """Return the arguments of a row by position.

        Raises:
            ArityError: A keyword is none of the parameters, or one is left out.
        """
        if not isinstance(row, Mapping):
            return row
        values = self._prototype.bind((), row)
        if isinstance(values, str):
            self.check((), row)
            raise AssertionError(values)
        return [values[label] for label in self._labels]

    def _target(
        self, values: list[Any], named: list[str], converters: list[Converter | None]
    ) -> Callable[..., Any]:
        shared = []
        for index, (value, rule) in enumerate(zip(values, self._rules, strict=True)):
            converter = converters[index]
            if converter and rule.shares(type(value)):
                shared.append(SharedArgument(index, converter, rule.writes))
                converters[index] = None
        call = lending(self._call, shared, self._name) if shared else self._call
        target = adapted(call, self._labels, named, converters, self._result)
        return self._checking(target) if self._checks_values else target

    def _checking(self, target: Callable[..., Any]) -> Callable[..., Any]:
        """Return the target behind a check of values, for errors that nobody could translate."""

        def checked(*args: Any, **kwargs: Any) -> Any:
            self.check(args, kwargs)
            return target(*args, **kwargs)

        return checked


class _Batched(BatchedFunction[IsolatedFunction]):
    __slots__ = ()

    def bind(self, call: Call) -> BoundFunction:
        return BoundFunction(self._call, self._translate, generic=True)

    def _call(self, rows: list[Sequence[Any] | Mapping[str, Any]]) -> list[Any]:
        from noodle.workers.batches import call_rows

        require_rows(self._function.prototype.name, rows)
        return call_rows(self._function.remote, self._sent(rows), list, ())  # type: ignore[arg-type]

    def _sent(self, rows: list[Sequence[Any] | Mapping[str, Any]]) -> list[Any]:
        """Return what is sent for the rows; the first row of its types is checked for all of them.

        Whether numbers are within their range is left to the worker, as in a single call.
        """
        known: dict[tuple[type, ...], list[Converter | None]] = {}
        sent = []
        for row in rows:
            # To ask whether something is a mapping takes longer than all the rest of a row.
            values = row if type(row) in (tuple, list) else self._function.row_values(row)
            types = tuple(map(type, values))
            converters = known.get(types)
            if converters is None:
                found = self._function.row_converters(row)
                converters = known[types] = found if any(found) else []
            sent.append(
                [c(v) if c else v for c, v in zip(converters, values, strict=True)]
                if converters
                else values
            )
        return sent

    def _translate(
        self, error: BaseException, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> BaseException:
        failure = failure_in_worker(error) if isinstance(error, RemoteCallError) else None
        if failure is not None:
            return self._function.translate(error, args, kwargs)
        if not isinstance(error, (TypeError, OverflowError)) or isinstance(error, ArgumentError):
            return error
        for index, row in enumerate(args[0]):
            values = tuple(self._function.row_values(row))
            refused = self._function.refusal_of(values, {})
            if refused is not None:
                refused.add_note(f"in row {index} of a batch of {len(args[0])}")
                return refused
        return error


def _converter_of(
    native: NativeType, function: str, module: LibraryInWorker
) -> Callable[[Any], Any] | None:
    """Return what turns what a worker sends into the caller's, or None when it is that already."""
    if native.type.name == "str":
        return partial(text_of, function=function)
    if native.type.name == "ptr":
        return partial(pointer_of, native.pointee, function, module)
    return None


def pointer_of(
    pointee: str, function: str, module: LibraryInWorker, place: Any
) -> WorkerPointer | None:
    """Return the pointer that a worker has sent, or None for null.

    Args:
        pointee: What it points to.
        function: What gave it, in messages.
        module: The library in its worker.
        place: What was sent.

    Raises:
        ForeignError: It is no pointer.
    """
    found = sent_place(place, function)
    return found and WorkerPointer(found, pointee, function, module)
