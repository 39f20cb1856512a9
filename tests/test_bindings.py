"""The handle's own attributes: explain, options, aio, batch, map; raw and stats; its plans."""

from __future__ import annotations

import asyncio
import functools
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from noodle import _handle
from noodle._handle import Handle
from noodle.bindings import MOST_PLANS, Statistics, make_handle, prototype_of, raw, statistics
from noodle.bridges.python import PythonFunction
from noodle.calls import BoundFunction, Call, CallOptions, Function, Plan
from noodle.deadlines import deadline, remaining_seconds
from noodle.errors import (
    ArgumentTypeError,
    ArityError,
    DeadlineExceededError,
    PermissionDeniedError,
    PlacementError,
    SettingsError,
)
from noodle.planner import Origin, Planner
from noodle.prototypes import Prototype
from noodle.stages import AuthorisationStage, DeadlineStage

ORIGIN = Origin("maths", "maths==1.0", "python", "inprocess", ("maths/inprocess",))


def add(x: Any, y: Any = 10, *, scale: Any = 1) -> Any:
    """Add two things."""
    return (x + y) * scale


class Recording(Function):
    """A function that is bound anew for each signature, and remembers for which."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.bound: list[str] = []

    @property
    def prototype(self) -> Prototype:
        return Prototype("recorded", readable=False)

    @property
    def raw(self) -> Callable[..., Any]:
        return self._function

    def bind(self, call: Call) -> BoundFunction:
        self.bound.append(str(call.signature))
        return BoundFunction(lambda *args, **kwargs: self._function(*args, **kwargs))


def handle_of(function: Callable[..., Any] | Function, planner: Planner | None = None) -> Handle:
    given = function if isinstance(function, Function) else PythonFunction("add", function)
    return make_handle(planner or Planner([DeadlineStage()]), ORIGIN, "add", given)


def spin(value: Any = None) -> Any:
    """Work until the current deadline has passed."""
    while (remaining_seconds() or 0) >= 0:
        continue
    return value


@pytest.fixture(autouse=True)
def _no_scope_is_left_open() -> Iterator[None]:
    yield
    with pytest.raises(RuntimeError, match="no deadline scope is open"):
        _handle.leave_deadline()


class TestPlans:
    def test_are_made_once_for_a_signature_also_beyond_the_slots_of_the_handle(self) -> None:
        function = Recording(add)
        handle = handle_of(function)
        values = [1, 1.5, "a", b"a", (1,), [1], {1}]
        for _ in range(3):
            for value in values:
                handle(value, value) if value != {1} else handle.explain(value)
        assert function.bound == [
            f"({type(v).__name__}, {type(v).__name__})" for v in values[:-1]
        ] + ["(set)"]

    def test_are_bounded_when_classes_are_made_at_run_time(self) -> None:
        handle = handle_of(lambda value: value)
        references = []
        for index in range(2 * MOST_PLANS + 50):
            made = type(f"Made{index}", (), {})
            handle.explain(made())
            references.append(weakref.ref(made))
            del made
        gc.collect()
        assert sum(reference() is not None for reference in references) <= MOST_PLANS + 1

    def test_are_invalidated_by_the_epoch(self) -> None:
        planner = Planner()
        function = Recording(add)
        handle = handle_of(function, planner)
        first = handle.explain(1)
        handle(1)
        planner.epoch.advance()
        handle(1)
        assert function.bound == ["(int)"] * 2
        assert (first.epoch, handle.explain(1).epoch) == (0, 1)

    def test_are_not_made_for_a_call_that_is_refused_nor_is_the_function_called(self) -> None:
        called: list[Any] = []
        planner = Planner([AuthorisationStage({})])
        handle = handle_of(called.append, planner)
        for _ in range(2):
            with pytest.raises(PermissionDeniedError):
                handle(1)
            with pytest.raises(PermissionDeniedError):
                handle.explain(1)
        assert called == []
        planner.stages = ()
        handle(1)
        assert called == [1]

    def test_tell_apart_classes_that_cannot_be_hashed(self) -> None:
        class Meta(type):
            def __eq__(cls, other: object) -> bool:
                return True

            __hash__ = None  # type: ignore[assignment]

        values = [Meta(f"Made{index}", (), {})() for index in range(6)]
        function = Recording(lambda value: value)
        handle = handle_of(function)
        assert [handle(value) for value in values] == values
        assert len(function.bound) == 6

    def test_are_found_by_threads_while_the_epoch_advances(self) -> None:
        planner = Planner()
        handle = handle_of(Recording(lambda value: value), planner)
        wrong: list[Any] = []
        start = threading.Barrier(3)

        def work(make: Callable[[int], Any]) -> None:
            start.wait(30)
            for number in range(300):
                planner.epoch.advance()
                value = make(number)
                if handle(value) is not value or not isinstance(handle.explain(value), Plan):
                    wrong.append(value)

        makers: list[Callable[[int], Any]] = [
            str,
            float,
            lambda number: type(f"Made{number}", (), {})(),
        ]
        threads = [threading.Thread(target=work, args=(maker,)) for maker in makers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert (wrong, statistics(handle).calls) == ([], 900)


class TestExplain:
    def test_is_the_plan_that_the_call_uses(self) -> None:
        function = Recording(add)
        handle = handle_of(function)
        plan = handle.explain(1, scale=2)
        assert plan is handle.explain(5, scale=9)
        assert handle(1, scale=2) == plan.callable(1, scale=2) == 22
        assert function.bound == ["(int, scale=int)"]

    def test_calls_nothing_and_counts_nothing(self) -> None:
        called: list[Any] = []
        handle = handle_of(called.append)
        handle.explain(1)
        assert (called, statistics(handle).calls) == ([], 0)

    def test_raises_what_the_call_would_raise(self) -> None:
        class Unary(Recording):
            def bind(self, call: Call) -> BoundFunction:
                raise ArityError("add takes one argument")

        handle = handle_of(Unary(add))
        errors = []
        for attempt in (handle.explain, handle):
            with pytest.raises(ArityError) as caught:
                attempt(1, 2)
            errors.append(str(caught.value))
        assert errors[0] == errors[1]

    def test_takes_keywords_of_any_name(self) -> None:
        handle = handle_of(lambda **named: named)
        names = {"self": 1, "args": 2, "handle": 3, "function": 4}
        assert handle(**names) == names
        assert [*names] == [name for name, _ in handle.explain(**names).signature.keywords]
        assert asyncio.run(handle.aio(**names)) == names


class TestOptions:
    def test_give_another_handle_and_leave_this_one_alone(self) -> None:
        handle = handle_of(remaining_seconds)
        limited = handle.options(deadline=60)
        assert type(limited) is Handle
        assert 30 < limited() <= 60
        assert handle() is None
        assert (statistics(handle).calls, statistics(limited).calls) == (1, 1)
        assert raw(limited) is raw(handle)

    def test_add_up_and_can_be_taken_back(self) -> None:
        limited = handle_of(remaining_seconds).options(deadline=60)
        assert limited.options(placement="inprocess")() <= 60
        assert limited.options(deadline=None)() is None
        assert limited.options()() <= 60

    @pytest.mark.parametrize(
        ("name", "remedy"), [("deadlin", "deadline"), ("Placement", "placement"), ("zzz", None)]
    )
    def test_of_an_unknown_name_name_the_nearest(self, name: str, remedy: str | None) -> None:
        with pytest.raises(SettingsError) as caught:
            handle_of(add).options(**{name: 1})
        error = caught.value
        assert (error.expected, error.received) == ("one of deadline, placement", name)
        assert (error.where, error.remedy) == ("maths.add.options", remedy)

    @pytest.mark.parametrize(
        "seconds", [0, -1, float("nan"), float("inf"), True, "5", 10**400, [1]]
    )
    def test_take_only_a_positive_number_as_deadline(self, seconds: Any) -> None:
        with pytest.raises(SettingsError, match="positive number of seconds"):
            handle_of(add).options(deadline=seconds)

    @pytest.mark.parametrize("placement", ["isolated", "remote", "mars", "", 5, ["inprocess"]])
    def test_take_only_a_placement_that_the_target_can_have(self, placement: Any) -> None:
        with pytest.raises(PlacementError) as caught:
            handle_of(add).options(placement=placement)
        assert caught.value.expected == "placement inprocess"

    def test_a_deadline_stops_a_late_call(self) -> None:
        handle = handle_of(spin).options(deadline=0.002)
        with pytest.raises(DeadlineExceededError, match="spin did not finish"):
            handle(1)
        assert statistics(handle).errors == 1


class TestAio:
    def test_runs_a_plain_function_on_another_thread_in_the_callers_context(self) -> None:
        handle = handle_of(lambda x: (x, threading.get_ident(), remaining_seconds()))

        async def run() -> Any:
            with deadline(60):
                return await handle.aio(1)

        value, thread, left = asyncio.run(run())
        assert value == 1
        assert thread != threading.get_ident()
        assert 30 < left <= 60

    def test_awaits_a_coroutine_function_on_the_loop(self) -> None:
        async def double(x: int, *, y: int) -> Any:
            await asyncio.sleep(0)
            return 2 * x + y, threading.get_ident()

        assert asyncio.run(handle_of(double).aio(2, y=1)) == (5, threading.get_ident())

    def test_awaits_the_coroutine_of_a_callable_that_does_not_look_like_a_coroutine_function(
        self,
    ) -> None:
        async def double(x: int) -> int:
            return 2 * x

        assert asyncio.run(handle_of(lambda x: double(x)).aio(3)) == 6
        assert asyncio.run(handle_of(functools.partial(double, 4)).aio()) == 8

    def test_many_calls_run_side_by_side(self) -> None:
        together = threading.Barrier(3)
        handle = handle_of(lambda x: (together.wait(30), x)[1])

        async def run() -> Any:
            return await asyncio.gather(*(handle.aio(x) for x in range(3)))

        assert asyncio.run(run()) == [0, 1, 2]

    @pytest.mark.parametrize("error", [KeyError("own"), OSError("own"), TimeoutError("own")])
    def test_raises_the_errors_of_the_function(self, error: Exception) -> None:
        def fail() -> None:
            raise error

        async def fail_later() -> None:
            raise error

        for function in (fail, fail_later):
            with pytest.raises(type(error), match="own") as caught:
                asyncio.run(handle_of(function).aio())
            assert type(caught.value) is type(error)

    def test_a_stop_iteration_is_an_error_and_no_endless_wait(self) -> None:
        with pytest.raises(RuntimeError, match="StopIteration"):
            asyncio.run(asyncio.wait_for(handle_of(next).aio(iter([])), 30))

    def test_a_late_plain_function_is_an_error(self) -> None:
        with pytest.raises(DeadlineExceededError):
            asyncio.run(handle_of(spin).options(deadline=0.002).aio(1))

    @pytest.mark.parametrize("own", [True, False], ids=["of the handle", "around the call"])
    def test_a_coroutine_that_waits_too_long_is_cancelled(self, own: bool) -> None:
        ended: list[str] = []

        async def wait() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("cancelled")

        handle = handle_of(wait)

        async def run() -> Any:
            if own:
                return await handle.options(deadline=0.05).aio()
            with deadline(0.05):
                return await handle.aio()

        with pytest.raises(DeadlineExceededError):
            asyncio.run(run())
        assert ended == ["cancelled"]

    def test_cancelling_abandons_a_plain_function_which_ends_on_its_own(self) -> None:
        started, go, ended = threading.Event(), threading.Event(), threading.Event()

        def work() -> None:
            started.set()
            go.wait(30)
            ended.set()

        handle = handle_of(work)

        async def run() -> bool:
            task = asyncio.create_task(handle.aio())
            await asyncio.to_thread(started.wait, 30)
            task.cancel()
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            still_running = not ended.is_set()
            go.set()
            await asyncio.to_thread(ended.wait, 30)
            return isinstance(outcome, asyncio.CancelledError) and still_running

        assert asyncio.run(run())
        assert ended.is_set()
        assert statistics(handle).calls == 1


class TestBatch:
    def test_calls_once_for_each_row_in_order(self) -> None:
        handle = handle_of(add)
        rows = [(1, 2), [3], {"x": 5, "scale": 2}, (7,)]
        assert handle.batch(rows) == [3, 13, 30, 17]
        assert statistics(handle).calls == 4

    def test_takes_a_generator_and_an_empty_one(self) -> None:
        assert handle_of(add).batch((x, x) for x in range(3)) == [0, 2, 4]
        assert handle_of(add).batch(iter(())) == []
        assert handle_of(lambda: 1).batch([(), [], {}]) == [1, 1, 1]

    def test_the_first_error_ends_it(self) -> None:
        handle = handle_of(lambda x: 1 / x)
        with pytest.raises(ZeroDivisionError):
            handle.batch([(1,), (0,), (2,)])
        assert statistics(handle) == Statistics(2, 1, 1, 0, None)

    @pytest.mark.parametrize("row", [1, "ab", b"ab", None, {1}, np.zeros(2)], ids=repr)
    def test_a_row_is_a_tuple_a_list_or_a_dict(self, row: Any) -> None:
        with pytest.raises(ArgumentTypeError) as caught:
            handle_of(add).batch([(1,), row])
        error = caught.value
        assert (error.where, error.received) == ("row 1", type(row).__name__)
        assert error.remedy == "batch([(x,) for x in values])"


class TestRawAndStatistics:
    def test_raw_is_the_function_itself_and_is_not_counted(self) -> None:
        handle = handle_of(add)
        assert raw(handle) is add
        raw(handle)(1)
        assert statistics(handle).calls == 0

    def test_counts_calls_errors_and_misses(self) -> None:
        handle = handle_of(add)
        handle(1)
        handle(2)
        handle(1.5)
        with pytest.raises(TypeError):
            handle(None)
        assert statistics(handle) == Statistics(4, 1, 3, 0, None)

    def test_times_one_call_in_so_many(self) -> None:
        made = make_handle(Planner(), ORIGIN, "add", PythonFunction("add", add), sample_every=2)
        for number in range(10):
            made(number)
        found = statistics(made)
        assert (found.calls, found.timed_calls) == (10, 5)
        assert 0 < found.mean_seconds < 1
        assert statistics(made.options(deadline=None)).calls == 0

    @pytest.mark.parametrize("value", [len, add, None, 5, Handle, "add"])
    @pytest.mark.parametrize(("function", "name"), [(raw, "raw"), (statistics, "stats")])
    def test_need_a_handle(self, function: Callable[[Any], Any], name: str, value: Any) -> None:
        with pytest.raises(ArgumentTypeError, match=f"noodle.{name} needs") as caught:
            function(value)
        assert type(value).__qualname__ in caught.value.received

    def test_a_handle_shows_the_function_and_where_it_comes_from(self) -> None:
        assert repr(handle_of(add)) == "<function maths.add of maths==1.0>"

    def test_a_handle_is_freed_with_its_plans(self) -> None:
        class Marker:
            pass

        marker = Marker()
        handle = handle_of(lambda value: None)
        handle(marker)
        binding = weakref.ref(handle)
        del handle
        gc.collect()
        assert binding() is None


class TestPrototypes:
    def test_a_handle_has_that_of_its_function(self) -> None:
        def scale(x, factor: int = 1): ...  # type: ignore[no-untyped-def]

        assert str(prototype_of(handle_of(scale), "scale")) == "add(x, factor: int?)"

    def test_a_class_has_that_of_its_constructor(self) -> None:
        assert str(prototype_of(CallOptions, "CallOptions")).startswith("CallOptions(deadline")

    def test_a_constant_has_none(self) -> None:
        with pytest.raises(ArgumentTypeError, match="pi cannot be called"):
            prototype_of(3.14, "pi")
