"""Annotated functions of native libraries in workers: the host's half."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any

from noodle import _host
from noodle.bridges.native.argument_rules import Argument
from noodle.bridges.native.contents import Contents
from noodle.bridges.native.declarations import Declaration, DeclaredParameter
from noodle.bridges.native.failed_calls import reads_errno
from noodle.bridges.native.functions import DeclaredFunction
from noodle.bridges.native.isolated.arguments import SentArgument
from noodle.bridges.native.isolated.functions import IsolatedFunction
from noodle.bridges.native.isolated.library import LibraryInWorker
from noodle.bridges.native.isolated.memory import SharedArgument, lending
from noodle.bridges.native.isolated.natural_serving import pack_plan
from noodle.bridges.native.isolated.worker_memory import FieldsThere
from noodle.bridges.native.isolated.worker_types import WorkerTypes
from noodle.bridges.native.native_types import NativeType
from noodle.bridges.native.natural_arguments import rule_maker
from noodle.bridges.native.natural_functions import NaturalCalls
from noodle.bridges.native.natural_load import LibraryCompanions, Names
from noodle.bridges.native.natural_plans import NaturalPlan, Out
from noodle.bridges.native.natural_results import Companions
from noodle.bridges.native.pointers import AnyPointer, WorkerPointer
from noodle.bridges.native.resources import Ownership, WorkerBorrowedPointer, WorkerResource
from noodle.bridges.native.structure_pointers import with_fields
from noodle.bridges.native.vectorized_loops import ArrayLoop
from noodle.calls import BoundFunction, Function
from noodle.errors import ForeignError, NoodleError

__all__ = ["IsolatedNaturalFunction", "companions_in_worker"]


class IsolatedNaturalFunction(NaturalCalls, IsolatedFunction):
    """An annotated function of a library in a worker.

    Args:
        library: The library's name in messages.
        plan: What is done around its calls.
        module: The library in the worker.
        companions: The other functions of its library.
        compiled: Whether a compiled extension calls it.
        loop: What calls it for the elements of arrays.
        types: The types of its library.
        notes: What ``explain`` should tell about how it is called.
    """

    _in_worker = True
    _awaits = False

    def __init__(
        self,
        library: str,
        plan: NaturalPlan,
        module: LibraryInWorker,
        companions: Companions,
        *,
        compiled: bool,
        loop: ArrayLoop,
        types: WorkerTypes,
        notes: tuple[str, ...] = (),
    ) -> None:
        self._library_types = types
        self._local_rule = rule_maker(plan, types)
        rules = self._sent_rule
        DeclaredFunction.__init__(
            self, library, plan.declaration, rules, compiled=compiled, notes=notes, loop=loop
        )
        self._module = module
        self._become_natural(library, plan, companions)

    @property
    def remote(self) -> _host.RemoteFunction:
        """What calls it with all that C declares."""
        return self._module.declared(self._plan.declaration)

    @property
    def awaitable(self) -> Function | None:
        """The same function with futures, where nothing is left to do when it has returned."""
        types = [parameter.type for parameter in self._plan.declaration.parameters]
        if not self._plan.gives_what_it_returns or any(native.writes for native in types):
            return None
        from noodle.bridges.native.isolated.awaited_maps import AwaitedMap

        function = copy(self)
        function._awaits = True
        function._mapped = self._mapped and AwaitedMap.of(self._mapped)
        return function

    def _bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> BoundFunction:
        bound = super()._bound(args, kwargs)
        return replace(bound, callable=self._checking(bound.callable)) if self._awaits else bound

    @property
    def batched(self) -> Function | None:
        """None: a batch is a loop of calls."""
        return None

    def _sent_rule(self, parameter: DeclaredParameter, shown: str) -> SentArgument:
        return SentArgument(parameter, shown, self._local_rule(parameter, shown))

    def _rule_of(self, parameter: DeclaredParameter, place: int) -> Argument:
        return SentArgument(parameter, self._labels[place])

    def _plain(self, native: NativeType) -> Callable[[Any], Any] | None:
        return self._library_types.sent(native, self._name)

    def _entry_of(
        self, given: Mapping[int, Any], rules: Mapping[int, Argument], *, returns_outs: bool
    ) -> Callable[..., Any]:
        outs = list(self._plan.outs) if returns_outs else []
        kind = "natural" if outs else "checked" if reads_errno(self._plan) else "plain"
        call: Callable[..., Any] = self._module.annotated(
            kind, pack_plan(self._plan), self._plan.declaration
        )
        if self._awaits:
            from noodle.workers import event_loop

            call = partial(event_loop.call, call)
        allocated = {out.index for out in outs if not out.inout}
        sent = [i for i in range(len(self._labels)) if i not in allocated]
        shared = []
        for index, rule in rules.items():
            converter = rule.converter(type(given[index]), compiled=self._compiled)
            if converter and rule.shares(type(given[index])):
                writes = self._plan.declaration.parameters[index].type.writes
                shared.append(SharedArgument(sent.index(index), converter, writes))
        call = lending(call, shared, self._name) if shared else call
        return call if kind == "plain" else _Answers(call, outs, self._name)

    def _read(self, free: str) -> Callable[[Any], bytes | None]:
        return self._content

    def _content(self, raw: Any) -> bytes | None:
        if raw is None or type(raw) is bytes:
            return raw
        raise _wrong_answer(self._name)

    def _sent_address(self, raw: Any) -> Any:
        return list(raw)

    def _pointer(
        self, raw: Any, pointee: str, owners: tuple[Any, ...], ownership: Ownership | None
    ) -> AnyPointer:
        if not _is_place(raw):
            raise _wrong_answer(self._name)
        place, module = (raw[0], raw[1]), self._module
        if not owners and not ownership:
            return WorkerPointer(place, pointee, self._name, module)
        if ownership:
            made: AnyPointer = WorkerResource(place, pointee, self._name, ownership, module)
        else:
            ends = bool(self._plan.annotations.borrowed)
            made = WorkerBorrowedPointer(
                place, pointee, self._name, owners, ends=ends, module=module
            )
        return with_fields(made, self._library_types.structure(pointee), FieldsThere)


class _Answers:
    """Calls a worker's half, and checks that the answer is one.

    Args:
        call: Calls it with what is sent.
        outs: The outs that come back, in order.
        function: The function's name in messages.
    """

    def __init__(self, call: Callable[..., Any], outs: Sequence[Out], function: str) -> None:
        self._call = call
        self._kinds = [out.kind for out in outs]
        self._function = function

    def __call__(self, *sent: Any) -> tuple[Any, list[Any], int]:
        """Return the result, the outs and errno."""
        answer = self._call(*sent)  # what it raises is the worker's or a callback's
        if type(answer) is list and len(answer) == 3:
            result, outs, errno = answer
            fine = type(outs) is list and len(outs) == len(self._kinds) and type(errno) is int
            if fine and all(map(_fits, self._kinds, outs)):
                return result, outs, errno
        raise _wrong_answer(self._function)


def _fits(kind: str, value: Any) -> bool:
    if kind == "number":
        return type(value) in (int, float, bool)
    if kind == "pointer":
        return value is None or _is_place(value)
    return type(value) is bytes or (kind == "text" and value is None)


def _is_place(value: Any) -> bool:
    return type(value) is list and len(value) == 2 and all(type(part) is int for part in value)


def _wrong_answer(function: str) -> ForeignError:
    return ForeignError(f"{function} gave back something else than it declares", where=function)


def companions_in_worker(
    contents: Contents, module: LibraryInWorker, names: Names
) -> LibraryCompanions:
    """Return the companions in a library of a worker.

    A destructor of what was dropped runs only in a worker that is there and free to take a call;
    what a worker had ends with it.

    Args:
        contents: What the library is known to have.
        module: The library in the worker.
        names: The library's names for numbers.
    """

    def release(declaration: Declaration) -> Callable[[Any], Any]:
        remote = module.declared(declaration)

        def call(place: Sequence[int]) -> None:
            with suppress(NoodleError):
                if module.is_at_hand():
                    remote(list(place))

        return call

    def ready() -> bool:
        return module.is_at_hand() or not module.pool.workers()

    return LibraryCompanions(contents, release, names, ready)
