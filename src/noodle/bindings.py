"""The Python half of a handle: planning on a guard miss, and the handle's own five attributes.

``native/python/handle.c`` says what the C half expects of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from noodle import _handle
from noodle._handle import Handle
from noodle.bridges.python import prototype_of as python_prototype
from noodle.calls import CallOptions, Function, Plan, Prototype, Signature, Translate
from noodle.deadlines import deadline
from noodle.errors import ArgumentTypeError, PlacementError, SettingsError, did_you_mean
from noodle.planner import Origin, Planner

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
) -> Handle:
    """Return a handle for a function of a loaded library.

    Args:
        planner: What compiles its plans.
        origin: Where the function comes from.
        name: Its dotted name in the library.
        function: The function, as its bridge gives it.
        options: What holds for each call of this handle.
        sample_every: One call in so many is timed; 0 for none.
    """
    binding = Binding(planner, origin, name, function, options or CallOptions(), sample_every)
    return binding.handle


class Binding:
    """What a handle asks when it does not know; one for each handle, see ``make_handle``."""

    __slots__ = (
        "_chosen",
        "_function",
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
    ) -> None:
        self._planner = planner
        self._origin = origin
        self._name = name
        self._function = function
        self._chosen = options
        self._sample_every = sample_every
        self._plans: dict[Signature, Plan] = {}
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

    def explain(self, *args: Any, **kwargs: Any) -> Plan:
        """Return the plan for a call with these arguments, without calling.

        Raises:
            UsageError: No such call can be made; the error is the one that the call would raise.
        """
        return self._valid_plan(args, kwargs)

    def options(self, **options: Any) -> Handle:
        """Return another handle of the same function, for which these options hold.

        Args:
            options: ``deadline`` in seconds; ``placement``.

        Raises:
            SettingsError: An option is unknown or has a wrong value.
            PlacementError: The target cannot have that placement.
        """
        known = [option.name for option in fields(CallOptions)]
        for option in options:
            if option not in known:
                raise SettingsError(
                    f"a handle has no option {option!r}",
                    expected=f"one of {', '.join(known)}",
                    received=option,
                    where=f"{self._origin.library}.{self._name}.options",
                    remedy=did_you_mean(option, known),
                )
        chosen = replace(self._chosen, **options)
        if chosen.deadline is not None:
            deadline(chosen.deadline)
        if chosen.placement not in (None, self._origin.placement):
            raise placement_refused(self._origin.library, str(chosen.placement))
        return make_handle(
            self._planner,
            self._origin,
            self._name,
            self._function,
            options=chosen,
            sample_every=self._sample_every,
        )

    async def aio(self, *args: Any, **kwargs: Any) -> Any:
        """Call without blocking the event loop.

        A coroutine function is awaited; any other runs in the loop's default executor, within the
        caller's context, so that deadlines hold there too.
        """
        if inspect.iscoroutinefunction(self._function.raw):
            return await self.handle(*args, **kwargs)
        import asyncio

        return await asyncio.to_thread(self.handle, *args, **kwargs)

    def batch(self, rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> list[Any]:
        """Call once for each row.

        Args:
            rows: For each call its positional arguments as a tuple or list, or its keyword
                arguments as a dict.

        Returns:
            The results, in order; the first error ends the batch.

        Raises:
            ArgumentTypeError: A row is neither.
        """
        handle = self.handle
        results = []
        for index, row in enumerate(rows):
            if isinstance(row, Mapping):
                results.append(handle(**row))
            elif isinstance(row, (tuple, list)):
                results.append(handle(*row))
            else:
                raise ArgumentTypeError(
                    f"a batch of {self._name} needs rows of arguments",
                    expected="a tuple, list or dict for each call",
                    received=type(row).__name__,
                    where=f"row {index}",
                    remedy="batch([(x,) for x in values])",
                )
        return results

    def map(self, *arrays: Any) -> Any:
        """Call for each element.

        Args:
            arrays: For each parameter an array or a sequence. NumPy arrays are broadcast against
                each other; other sequences run side by side and must be equally long.

        Returns:
            An array of the broadcast shape if there is a NumPy array among them, else a list.

        Raises:
            ValueError: The shapes or lengths do not fit each other.
        """
        if not any(hasattr(array, "__array_interface__") for array in arrays):
            return [self.handle(*row) for row in zip(*arrays, strict=True)]
        import numpy

        rows = numpy.broadcast(*arrays)
        results = [self.handle(*(getattr(v, "item", lambda v=v: v)() for v in row)) for row in rows]
        return numpy.array(results).reshape(rows.shape)


def placement_refused(library: str, placement: str) -> PlacementError:
    """Return the error for a placement that this installation cannot give."""
    return PlacementError(
        f"{library} cannot run {placement}",
        expected="placement inprocess",
        received=placement,
        where=library,
        remedy='leave the placement out, or write "inprocess"',
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


def statistics(handle: Handle) -> Statistics:
    """Return what a handle has counted since it was made.

    Raises:
        ArgumentTypeError: The argument is no handle.
    """
    _require_handle(handle, "stats")
    calls, errors, misses, timed, nanoseconds = _handle.counters(handle)
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
