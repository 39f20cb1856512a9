"""The planner: compiles the decision for a function and a signature into a plan.

All stages are asked for admission before the bridge learns of the call. Then they wrap what the
bridge returned from the innermost to the outermost, so that the first one in the list is the first
one that a call passes. Planning is cold: it runs once per function, signature and epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from noodle._handle import Epoch
from noodle.calls import (
    Call,
    CallOptions,
    Function,
    Plan,
    Principal,
    Signature,
    Stage,
    StageDecision,
)

__all__ = ["Origin", "Planner"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a function comes from, as far as a plan tells it.

    Args:
        library: The loaded library's name.
        target: Its target with the version.
        bridge: The name of the runtime bridge.
        placement: Where it runs.
        instances: The names of the instances that can take the call.
        notes: What the library, its configuration and its bridge have to say.
    """

    library: str
    target: str
    bridge: str
    placement: str
    instances: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Planner:
    """Makes plans.

    Args:
        stages: The parts of the call path, outermost first.
        principal: Who calls.
        epoch: The number that says which plans are valid; ``epoch.advance()`` makes all stale.
    """

    stages: Sequence[Stage] = ()
    principal: Principal = field(default_factory=Principal)
    epoch: Epoch = field(default_factory=Epoch)

    def plan(
        self,
        origin: Origin,
        name: str,
        function: Function,
        options: CallOptions,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Plan:
        """Return the plan for calls with arguments of these types.

        Args:
            origin: Where the function comes from.
            name: Its dotted name in the library.
            function: The function, as its bridge gives it.
            options: What the caller chose.
            args: Positional arguments of a call.
            kwargs: Its keyword arguments.

        Raises:
            UsageError: A stage or the bridge refuses calls of this signature.
        """
        epoch = self.epoch.value
        signature = Signature.of(args, kwargs)
        call = Call(origin.library, name, args, kwargs, signature, options, self.principal)
        for stage in self.stages:
            stage.admit(call)
        bound = function.bind(call)
        callable_ = bound.callable
        decisions: list[StageDecision] = []
        for stage in reversed(self.stages):
            wrapped, reason = stage.compile(call, callable_)
            decisions.append(StageDecision(stage.name, reason, wrapped is not callable_))
            callable_ = wrapped
        return Plan(
            library=origin.library,
            function=name,
            target=origin.target,
            bridge=origin.bridge,
            placement=origin.placement,
            signature=signature,
            prototype=function.prototype,
            stages=tuple(reversed(decisions)),
            candidates=origin.instances,
            predicted={},
            notes=(*origin.notes, *bound.notes),
            epoch=epoch,
            callable=callable_,
            translate=bound.translate,
            generic=bound.generic and callable_ is bound.callable,
        )
