"""The Python half of a handle: planning on a guard miss, and the handle's own five attributes.

``native/python/handle.h`` says what the C half expects of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, NoReturn, overload

from noodle import _handle
from noodle._handle import Handle
from noodle.bridges.python import prototype_of as python_prototype
from noodle.calls import CallOptions, Function, Plan, Signature, Translate, require_rows
from noodle.deadlines import deadline, end_in_time, finish_in_time
from noodle.errors import ArgumentTypeError, PlacementError, SettingsError, did_you_mean
from noodle.maps import is_array, map_elements
from noodle.planner import Origin, Planner
from noodle.prototypes import Prototype

if TYPE_CHECKING:
    from noodle.workers.statistics import WorkerStatistics

MOST_PLANS = 256
"""Chosen: plans kept for one function, so that classes made at run time do not pile up."""

__all__ = ["Binding", "Statistics", "make_handle", "prototype_of", "raw", "statistics"]


def make_handle(
    planner: Planner,
    origin: Origin,
    name: str,
    function: Function,
    *,
    options: CallOptions | None = None,
    sample_every: int = 64,
    elsewhere: Callable[[str], Handle] | None = None,
) -> Handle:
    """Return a handle for a function of a loaded library.

    Args:
        planner: What compiles its plans.
        origin: Where the function comes from.
        name: Its dotted name in the library.
        function: The function, as its bridge gives it.
        options: What holds for each call of this handle.
        sample_every: One call in so many is timed; 0 for none.
        elsewhere: Gives the handle of the same function of the same library in another placement;
            None where it has no other.
    """
    chosen = options or CallOptions()
    return Binding(planner, origin, name, function, chosen, sample_every, elsewhere).handle


class Binding:
    """What a handle asks when it does not know; one for each handle, see ``make_handle``."""

    __slots__ = (
        "_awaited",
        "_batched",
        "_batched_calls",
        "_chosen",
        "_elsewhere",
        "_function",
        "_mapped",
        "_name",
        "_origin",
        "_planner",
        "_plans",
        "_sample_every",
        "handle",
    )

    def __init__(
        self,
        planner: Planner,
        origin: Origin,
        name: str,
        function: Function,
        options: CallOptions,
        sample_every: int,
        elsewhere: Callable[[str], Handle] | None = None,
    ) -> None:
        self._elsewhere = elsewhere
        self._planner = planner
        self._origin = origin
        self._name = name
        self._function = function
        self._chosen = options
        self._sample_every = sample_every
        self._plans: dict[Signature, Plan] = {}
        self._awaited: Handle | None = None
        self._batched: Handle | None = None
        self._mapped: Handle | None = None
        self._batched_calls = 0
        self.handle = Handle(function.raw, self, planner.epoch, sample_every)

    def __repr__(self) -> str:
        return f"<function {self._origin.library}.{self._name} of {self._origin.target}>"

    @property
    def function(self) -> Function:
        """The function, as its bridge gives it."""
        return self._function

    def plan(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[Callable[..., Any], Translate | None, bool]:
        """Return what the handle jumps to for these types; called by the handle on a guard miss."""
        plan = self._valid_plan(args, kwargs)
        return plan.callable, plan.translate, plan.generic

    def translated(
        self,
        translate: Translate,
        exception: BaseException,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> BaseException:
        """Return the exception to raise for a failed call; called by the handle."""
        return translate(exception, args, kwargs)

    def _valid_plan(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Plan:
        signature = Signature.of(args, kwargs)
        plan = self._plans.get(signature)
        if plan is None or plan.epoch != self._planner.epoch.value:
            plan = self._planner.plan(
                self._origin, self._name, self._function, self._chosen, args, kwargs
            )
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
            self._plans[signature] = plan
        return plan

    def explain(self, /, *args: Any, **kwargs: Any) -> Plan:
        """Return the plan for a call with these arguments, without calling.

        Raises:
            UsageError: No such call can be made; the error is the one that the call would raise.
        """
        return self._valid_plan(args, kwargs)

    def refuse_subclass(self) -> NoReturn:
        """Raise the error for a class statement that derives from the handle."""
        from noodle.workers.references import no_subclass

        if self._origin.placement == "isolated":
            raise no_subclass(self._name)
        raise ArgumentTypeError(
            f"{self._name} is a function, and cannot have a subclass",
            expected="a class",
            received=f"the function {self._name} of {self._origin.library}",
        )

    def options(self, **options: Any) -> Handle:
        """Return another handle of the same function, for which these options hold.

        Args:
            options: ``deadline`` in seconds; ``placement``, where the library is loaded as well
                if it runs elsewhere; those that the function has of its own.

        Raises:
            SettingsError: An option is unknown or has a wrong value.
            PlacementError: The target cannot have that placement.
            UsageError, ForeignError: It cannot be loaded there.
        """
        own = self._function.own_options
        known = [*(option.name for option in fields(CallOptions)), *own]
        for option in options:
            if option not in known:
                raise SettingsError(
                    f"a handle has no option {option!r}",
                    expected=f"one of {', '.join(known)}",
                    received=option,
                    where=f"{self._origin.library}.{self._name}.options",
                    remedy=did_you_mean(option, known),
                )
        further = {name: options.pop(name) for name in own if name in options}
        chosen = replace(self._chosen, **options)
        if chosen.deadline is not None:
            deadline(chosen.deadline)
        said = {name: value for name, value in {**own, **further}.items() if value is not None}
        if chosen.placement not in (None, "auto", self._origin.placement):
            return self._in_placement(chosen, said)
        function = self._function.with_options(said) if further else self._function
        return self._handle_of(function, replace(chosen, placement=None))

    def _in_placement(self, chosen: CallOptions, further: Mapping[str, Any]) -> Handle:
        """Return the handle of this function where its library runs in another placement."""
        placement = chosen.placement
        if self._elsewhere is None or not isinstance(placement, str):
            raise placement_refused(self._origin.library, str(placement), [self._origin.placement])
        found = _handle.binding(self._elsewhere(placement))
        made: Handle = found.options(deadline=chosen.deadline, **further)
        return made

    @property
    def others(self) -> list[Handle]:
        """The handles for asyncio, batches and compiled loops, where there have been any calls."""
        made = (self._awaited, self._batched, self._mapped)
        return [handle for handle in made if handle is not None]

    @property
    def batched_calls(self) -> int:
        """Calls of batches and compiled loops beyond those that their handles have counted."""
        return self._batched_calls

    def aio(self, /, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        """Call without blocking the asyncio event loop.

        A function in a worker gives a future of the running loop; cancelling that cancels the call,
        and the deadline that holds for it is the one where it was made.
        Of others, a coroutine function is awaited, and cancelled at the deadline; any other runs in
        the loop's default executor, within the caller's context, so that deadlines hold there too.
        Cancelling the task abandons such a call, which ends on its own.
        """
        if self._awaited is None:
            function = self._function.awaitable
            if function is None:
                return self._aio(args, kwargs)
            self._awaited = self._handle_of(function)
        return end_in_time(self._awaited(*args, **kwargs), self.handle)

    async def _aio(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if inspect.iscoroutinefunction(self._function.raw):
            result = self.handle(*args, **kwargs)
        else:
            import asyncio

            result = await asyncio.to_thread(_call_for_future, self.handle, args, kwargs)
        if inspect.iscoroutine(result):
            return await finish_in_time(result, self.handle)
        return result

    def batch(self, rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> list[Any]:
        """Call once for each row.

        Args:
            rows: For each call its positional arguments as a tuple or list, or its keyword
                arguments as a dict.

        Returns:
            The results, in order; the first error ends the batch. A function in a worker gets all
            rows in one message, or in one for each 65,536 of them. Calls of a native function that
            is safe for it run on several threads where ``parallel_execution`` is on.

        Raises:
            ArgumentTypeError: A row is neither.
        """
        rows = list(rows)
        if self._batched is None and self._function.batched is not None:
            self._batched = self._handle_of(self._function.batched)
        if self._batched is None or not rows:
            require_rows(self._name, rows)
            if self._function.concurrent:
                from noodle.concurrent_batches import call_rows

                return call_rows(self._call_row, rows)
            return [self._call_row(row) for row in rows]
        results: list[Any] = self._batched(rows)
        self._batched_calls += len(rows) - 1
        return results

    def _call_row(self, row: Sequence[Any] | Mapping[str, Any]) -> Any:
        return self.handle(**row) if isinstance(row, Mapping) else self.handle(*row)

    def _handle_of(self, function: Function, options: CallOptions | None = None) -> Handle:
        """Return a handle of a form of this function, by default under the same options."""
        return make_handle(
            self._planner,
            self._origin,
            self._name,
            function,
            options=options or self._chosen,
            sample_every=self._sample_every,
            elsewhere=self._elsewhere,
        )

    def map(self, /, *arrays: Any, **options: Any) -> Any:
        """Call for each element.

        A native function of numbers is called in a compiled loop where there are NumPy arrays or
        options (``docs/vectorized_loops.md``).

        Args:
            arrays: For each parameter an array or a sequence. NumPy arrays are broadcast against
                each other; other sequences run side by side and must be equally long.
            options: For a native function ``out``, the array for the results; ``parallel``,
                whether several processors are used; and arrays by the parameters' names.

        Returns:
            An array of the broadcast shape if there is a NumPy array among them, else a list. The
            array has dtype ``object`` where no other holds the results as they are.

        Raises:
            ArityError: There are no arrays, and the function has parameters.
            ArgumentTypeError: An argument is neither an array nor a sequence, or of a wrong type.
            ShapeError: The shapes or lengths do not fit each other; nothing was called.
        """
        mapped = self._function.mapped
        if mapped is not None and (options or any(map(is_array, arrays))):
            return self._map_in_loop(mapped, arrays, options)
        if options:
            raise self._no_map_options(options)
        return map_elements(self.batch, self._name, arrays, self._function.prototype)

    def _map_in_loop(
        self, mapped: Function, arrays: tuple[Any, ...], options: Mapping[str, Any]
    ) -> Any:
        if self._mapped is None:
            self._mapped = self._handle_of(mapped)
        result = self._mapped(*arrays, **options)
        self._batched_calls += result.size - 1
        return result

    def _no_map_options(self, options: Mapping[str, Any]) -> ArgumentTypeError:
        return ArgumentTypeError(
            f"a map of {self._name} takes sequences by position, and nothing else",
            expected="a NumPy array or a sequence for each parameter",
            received=", ".join(options),
            where=f"map of {self._origin.library}.{self._name}",
            remedy=f"result[...] = {self._name}.map(values), or "
            f'{self._name}.batch([{{"name": value}}, …]) for arguments by name',
        )


def _call_for_future(handle: Handle, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    try:
        return handle(*args, **kwargs)
    except StopIteration as error:
        # A future cannot carry it and would never be done; PEP 479 does the same in coroutines.
        raise RuntimeError("the function raised StopIteration") from error


def placement_refused(library: str, placement: str, possible: Sequence[str]) -> PlacementError:
    """Return the error for a placement that a library cannot have.

    Args:
        library: The library's name.
        placement: What was asked for.
        possible: The placements that it can have, the usual one first.
    """
    reason = ": its runtime is a process of its own" if placement == "inprocess" else ""
    return PlacementError(
        f"{library} cannot run {placement}{reason}",
        expected=f"placement {' or '.join(possible)}",
        received=placement,
        where=library,
        remedy=did_you_mean(placement, possible)
        or f'leave the placement out, or write "{possible[0]}"',
    )


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a handle has counted.

    Args:
        calls: Calls made, successful or not.
        errors: Calls that raised.
        plan_misses: Calls whose plan had to be found or made first.
        timed_calls: Calls that were timed.
        mean_seconds: Their mean duration, or None before the first one.
    """

    calls: int
    errors: int
    plan_misses: int
    timed_calls: int
    mean_seconds: float | None


@overload
def statistics() -> WorkerStatistics: ...
@overload
def statistics(handle: Handle, /) -> Statistics: ...
def statistics(*handles: Handle) -> Statistics | WorkerStatistics:
    """Return what a handle has counted since it was made; without one, what all workers have.

    Raises:
        ArgumentTypeError: The argument is no handle.
    """
    if not handles:
        from noodle.workers.statistics import worker_statistics

        return worker_statistics()
    (handle,) = handles
    _require_handle(handle, "stats")
    binding = _handle.binding(handle)
    counted = [_handle.counters(one) for one in (handle, *binding.others)]
    calls, errors, misses, timed, nanoseconds = map(sum, zip(*counted, strict=True))
    calls += binding.batched_calls
    return Statistics(calls, errors, misses, timed, nanoseconds / timed / 1e9 if timed else None)


def raw(handle: Handle) -> Callable[..., Any]:
    """Return the library's own function: not governed, not counted.

    Raises:
        ArgumentTypeError: The argument is no handle.
    """
    _require_handle(handle, "raw")
    function: Callable[..., Any] = _handle.binding(handle).function.raw
    return function


def prototype_of(function: object, name: str) -> Prototype:
    """Return what a member of a library declares: a handle, or a class.

    Args:
        function: The member.
        name: The name to give it where it has none.
    """
    if isinstance(function, Handle):
        prototype: Prototype = _handle.binding(function).function.prototype
        return prototype
    if not callable(function):
        raise ArgumentTypeError(
            f"{name} cannot be called", expected="a function", received=type(function).__name__
        )
    return python_prototype(name, function)


def _require_handle(value: object, where: str) -> None:
    if type(value) is not Handle:
        raise ArgumentTypeError(
            f"noodle.{where} needs a function of a loaded library",
            expected="a handle, such as numpy.matmul of noodle.load('numpy')",
            received=f"{type(value).__module__}.{type(value).__qualname__}",
        )
