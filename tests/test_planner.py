"""The planner: the order of the stages, and what a plan says about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from noodle.bridges.python import PythonFunction
from noodle.calls import BoundFunction, Call, CallOptions, Function, Plan, Principal
from noodle.errors import ArityError, PermissionDeniedError
from noodle.planner import Origin, Planner
from noodle.prototypes import Prototype

ORIGIN = Origin("maths", "maths==1.0", "python", "inprocess", ("maths/inprocess",), ("pinned",))


def add(x: Any, y: Any = 0) -> Any:
    """Add two things."""
    return x + y


class Tagging:
    """A stage that puts its name into a trace on each call, around what is below it."""

    def __init__(self, name: str, trace: list[str]) -> None:
        self.name = name
        self._trace = trace
        self.calls: list[Call] = []

    def admit(self, call: Call) -> None:
        return None

    def compile(self, call: Call, inner: Callable[..., Any]) -> tuple[Callable[..., Any], str]:
        self.calls.append(call)

        def traced(*args: Any, **kwargs: Any) -> Any:
            self._trace.append(f"{self.name} in")
            result = inner(*args, **kwargs)
            self._trace.append(f"{self.name} out")
            return result

        return traced, f"traces as {self.name}"


class Idle:
    """A stage that has nothing to do on a call."""

    name = "idle"

    def admit(self, call: Call) -> None:
        return None

    def compile(self, call: Call, inner: Callable[..., Any]) -> tuple[Callable[..., Any], str]:
        return inner, "nothing to do"


class Refusing:
    """A stage that refuses every call."""

    name = "refuse"

    def admit(self, call: Call) -> None:
        raise PermissionDeniedError("not you")

    def compile(self, call: Call, inner: Callable[..., Any]) -> tuple[Callable[..., Any], str]:
        raise AssertionError("compiled although it refused")


class Particular(Function):
    """A function that is bound for each signature, or refuses to be."""

    prototype = Prototype("f")  # type: ignore[assignment]
    raw = staticmethod(add)  # type: ignore[assignment]

    def bind(self, call: Call) -> BoundFunction:
        if not call.args:
            raise ArityError("f needs an argument")
        return BoundFunction(lambda x: x, translate=lambda e, a, k: e, notes=("by value",))


def plan_for(
    planner: Planner,
    *args: Any,
    function: Function | None = None,
    options: CallOptions | None = None,
    **kwargs: Any,
) -> Plan:
    chosen = function or PythonFunction("add", add)
    return planner.plan(ORIGIN, "add", chosen, options or CallOptions(), args, kwargs)


def test_the_first_stage_of_the_list_is_the_first_that_a_call_passes() -> None:
    trace: list[str] = []
    planner = Planner([Tagging("a", trace), Idle(), Tagging("b", trace)])
    plan = plan_for(planner, 1, 2)
    assert plan.callable(1, y=2) == 3
    assert trace == ["a in", "b in", "b out", "a out"]
    assert ["a", "idle", "b"] == [decision.stage for decision in plan.stages]
    assert [True, False, True] == [decision.active for decision in plan.stages]
    assert ["traces as a", "nothing to do", "traces as b"] == [d.reason for d in plan.stages]


def test_a_refused_call_never_reaches_the_bridge() -> None:
    planner = Planner([Idle(), Refusing()])
    with pytest.raises(PermissionDeniedError):
        plan_for(planner, function=Particular())


def test_a_stage_without_work_leaves_nothing_in_the_call_path() -> None:
    plan = plan_for(Planner([Idle(), Idle()]), 1)
    assert plan.callable is add
    assert plan.generic


def test_a_stage_with_work_makes_the_plan_one_for_its_signature() -> None:
    assert not plan_for(Planner([Tagging("a", [])]), 1).generic


def test_a_stage_sees_the_call_as_it_is() -> None:
    stage = Tagging("a", [])
    principal = Principal("eve", "analyst")
    options = CallOptions(deadline=2.0)
    plan = plan_for(Planner([stage], principal), 1, options=options, y="b")
    (call,) = stage.calls
    assert ("maths", "add") == (call.library, call.function)
    assert ((1,), {"y": "b"}) == (call.args, call.kwargs)
    assert (principal, options, plan.signature) == (call.principal, call.options, call.signature)
    assert str(call.signature) == "(int, y=str)"


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_stage_that_refuses_ends_the_planning(position: int) -> None:
    trace: list[str] = []
    stages: list[Any] = [Tagging("a", trace), Idle()]
    stages.insert(position, Refusing())
    with pytest.raises(PermissionDeniedError, match="not you"):
        plan_for(Planner(stages), 1)
    assert trace == []


def test_a_function_that_refuses_the_signature_ends_the_planning() -> None:
    stage = Tagging("a", [])
    with pytest.raises(ArityError, match="f needs an argument"):
        plan_for(Planner([stage]), function=Particular())
    assert stage.calls == []


def test_a_plan_tells_where_the_function_comes_from_and_in_which_epoch() -> None:
    planner = Planner()
    planner.epoch.advance()
    plan = plan_for(planner, 1, function=Particular())
    assert ("maths", "add", "maths==1.0", "python", "inprocess") == (
        plan.library,
        plan.function,
        plan.target,
        plan.bridge,
        plan.placement,
    )
    assert (plan.candidates, plan.notes, plan.epoch) == (
        ("maths/inprocess",),
        ("pinned", "by value"),
        1,
    )
    assert (plan.predicted, plan.generic) == ({}, False)
    assert plan.translate is not None


def test_an_epoch_that_changes_during_planning_leaves_the_plan_stale() -> None:
    planner = Planner()

    class Advancing(Idle):
        def admit(self, call: Call) -> None:
            return None

        def compile(self, call: Call, inner: Callable[..., Any]) -> tuple[Callable[..., Any], str]:
            planner.epoch.advance()
            return inner, "advanced"

    planner.stages = [Advancing()]
    assert plan_for(planner, 1).epoch == planner.epoch.value - 1


def test_planners_have_epochs_of_their_own() -> None:
    one, other = Planner(), Planner()
    one.epoch.advance()
    assert (one.epoch.value, other.epoch.value) == (1, 0)
