"""What a loaded module offers: functions, classes, namespaces, values, and how they are called."""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
import traceback
from pathlib import Path
from types import ModuleType

import pytest

import noodle
from noodle._handle import Handle
from noodle.errors import (
    ArityError,
    DeadlineExceededError,
    NameNotFoundError,
    RemoteCallError,
    WorkerCrashedError,
)
from noodle.libraries import library_of

SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture
def tool() -> ModuleType:
    return noodle.load(str(SAMPLES / "tool.mjs"))


def test_it_runs_in_another_process(tool: ModuleType) -> None:
    assert os.getpid() != tool.processId()
    assert tool.processId() == noodle.load("node:process").pid


def test_the_default_export_has_the_name_default(tool: ModuleType) -> None:
    assert ("hello you", "hello Ada") == (tool.default(), tool.default("Ada"))


def test_all_exports_are_listed(tool: ModuleType) -> None:
    assert {"LIMIT", "Point", "counter", "default", "shapes", "upTo"} <= set(dir(tool))


def test_constants_are_values(tool: ModuleType) -> None:
    assert (3, {"depth": 4, "tags": ["a", "b"]}) == (tool.LIMIT, tool.settings)


def test_an_export_that_changes_is_never_stale(tool: ModuleType) -> None:
    before = tool.counter
    tool.count()
    assert before + 1 == tool.counter


def test_a_call_of_a_class_constructs(tool: ModuleType) -> None:
    point = tool.Point(3, 4)
    assert (3, 5.0, 8) == (point.x, point.norm(), point.doubled.y)
    point.x = 0
    assert 4.0 == point.norm()
    assert "Point { x: 0, y: 4 }" == str(point)


def test_in_asks_the_object_whether_it_has_something() -> None:
    parameters = noodle.load("node:url").URLSearchParams("a=1&b=2")
    assert "a" in parameters
    assert "1" not in parameters
    assert ["b", "2"] in parameters.entries()
    assert ["b", "1"] not in parameters.entries()


def test_static_members_are_attributes_of_the_class(tool: ModuleType) -> None:
    assert 0 == tool.Point.origin().x


def test_a_namespace_has_handles_in_every_depth(tool: ModuleType) -> None:
    assert (6, 24, 4) == (tool.shapes.area(2, 3), tool.shapes.solids.volume(2, 3, 4), 4)
    assert type(tool.shapes.area) is Handle
    assert "shapes.solids.volume" == tool.shapes.solids.volume.explain(1, 2, 3).function
    assert 4 == tool.shapes.sides


def test_a_promise_is_waited_for(tool: ModuleType) -> None:
    assert 7 == tool.later(7)


def test_promises_interleave_where_they_are_awaited(tool: ModuleType) -> None:
    async def gather() -> list[int]:
        return await asyncio.gather(*(tool.later.aio(n) for n in range(50)))

    assert list(range(50)) == asyncio.run(gather())


def test_what_is_awaited_is_counted_and_planned_like_other_calls(tool: ModuleType) -> None:
    handle = tool.later.options()

    async def work() -> int:
        return int(await handle.aio(1)) + int(await handle.aio(value=2))

    assert 3 == asyncio.run(work())
    assert 2 == noodle.stats(handle).calls


def test_aio_needs_a_running_loop(tool: ModuleType) -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        tool.later.aio(1)


@pytest.mark.parametrize("way", ["of the handle", "of a block", "cancelled"])
def test_a_call_that_nobody_awaits_any_more_is_aborted(tool: ModuleType, way: str) -> None:
    own = noodle.load(str(SAMPLES / "tool.mjs"), environment={"TEST": "abort"})

    async def call() -> None:
        if way == "of the handle":
            await own.untilAborted.options(deadline=0.5).aio()
        elif way == "of a block":
            with noodle.deadline(0.5):
                await own.untilAborted.aio()
        else:
            await asyncio.wait_for(own.untilAborted.aio(), 0.5)

    before = own.aborted
    with pytest.raises(TimeoutError):
        asyncio.run(call())
    assert before + 1 == own.whenAborted(before + 1)


def test_a_deadline_ends_a_call_that_blocks(tool: ModuleType) -> None:
    own = noodle.load(str(SAMPLES / "tool.mjs"), environment={"TEST": "block"})
    own.default()
    with pytest.raises(DeadlineExceededError):
        own.spin.options(deadline=0.05)()
    # The worker is killed after a grace, and with it whatever was sent to it meanwhile.
    with pytest.raises(WorkerCrashedError):
        own.default()
    assert "hello you" == own.default()


def test_generators_are_iterators(tool: ModuleType) -> None:
    assert [1, 2, 3] == list(tool.upTo(3))
    assert list(range(1, 201)) == list(tool.upTo(200))


def test_python_functions_are_callbacks(tool: ModuleType) -> None:
    assert 30 == tool.applyTo(lambda a, b: a * b, 5, 6)


def test_a_callback_gets_as_many_arguments_as_it_takes(tool: ModuleType) -> None:
    assert 1 == tool.applyTo(lambda: 1, 5, 6)
    assert 5 == tool.applyTo(lambda a: a, 5, 6)
    assert [5, 6] == tool.applyTo(lambda *all_of_them: list(all_of_them), 5, 6)
    assert 11 == tool.applyTo(lambda a, b=1: a + b, 5, 6)


def test_a_function_is_the_same_callback_each_time(tool: ModuleType) -> None:
    heard: list[int] = []

    def listen(value: int) -> None:
        heard.append(value)

    tool.listen(listen)
    tool.tell(1, "more")
    tool.unlisten(listen)
    tool.tell(2, "more")
    assert [1] == heard


def test_an_asynchronous_function_is_a_callback_that_gives_a_promise(tool: ModuleType) -> None:
    async def twice(value: int) -> int:
        await asyncio.sleep(0)
        return 2 * value

    assert 10 == tool.waitFor(twice, 5, 6)


def test_an_error_of_a_callback_comes_back_as_itself(tool: ModuleType) -> None:
    mine = LookupError("mine")

    def fail() -> None:
        raise mine

    with pytest.raises(LookupError) as caught:
        tool.applyTo(fail)
    assert mine is caught.value


def test_a_function_of_the_module_arrives_as_itself(tool: ModuleType) -> None:
    assert tool.isPoint(tool.Point) is True
    assert "hello Bo" == tool.applyTo(tool.default, "Bo")


def test_arguments_by_keyword_take_their_places(tool: ModuleType) -> None:
    assert 6 == tool.shapes.area(height=2, width=3)
    point = tool.Point(y=2, x=1)
    assert (1, 2) == (point.x, point.y)


def test_a_parameter_that_is_left_out_is_undefined(tool: ModuleType) -> None:
    point = tool.Point(y=2)
    assert "Point { x: undefined, y: 2 }" == str(point)


@pytest.mark.parametrize(
    ("keywords", "told"), [({"depth": 1}, "has no depth"), ({"width": 1}, "got width twice")]
)
def test_a_keyword_that_does_not_fit_is_refused(
    tool: ModuleType, keywords: dict[str, int], told: str
) -> None:
    with pytest.raises(ArityError, match=told):
        tool.shapes.area(1, **keywords)
    with pytest.raises(ArityError, match=told):
        noodle.raw(tool.shapes.area)(1, **keywords)


def test_parameters_keep_their_places_when_one_has_no_name(tool: ModuleType) -> None:
    names = [p.name for p in tool.spread.explain({}, []).prototype.parameters]
    assert ["arg0", "arg1", "d"] == names
    assert [1, 2, 3, 4, []] == tool.spread({"a": 1, "b": 2}, [3], d=4)


def test_what_inspect_and_help_show(tool: ModuleType) -> None:
    assert "(width, height)" == str(inspect.signature(tool.shapes.area))
    assert "(*arguments)" == str(inspect.signature(tool.sameNames))
    assert "Point(x, y): class of" in (tool.Point.__doc__ or "")


def test_a_name_that_is_not_exported_says_which_are_near(tool: ModuleType) -> None:
    with pytest.raises(NameNotFoundError) as caught:
        _ = tool.setings
    assert "settings" == caught.value.remedy


def test_private_and_special_names_are_not_looked_up(tool: ModuleType) -> None:
    for name in ("__proto__", "__esModule"):
        with pytest.raises(AttributeError):
            getattr(tool, name)


def test_an_error_keeps_its_type_message_and_place(tool: ModuleType) -> None:
    with pytest.raises(RemoteCallError, match="RangeError: too far") as caught:
        tool.fail("too far")
    assert isinstance(caught.value, ValueError)
    assert "tool.mjs" in "".join(traceback.format_exception(caught.value))


def test_the_worker_comes_back_after_it_has_ended(tool: ModuleType) -> None:
    own = noodle.load(str(SAMPLES / "tool.mjs"), environment={"TEST": "restart"})
    before = own.processId()
    leave = noodle.load("node:process", environment={"TEST": "restart"})
    with pytest.raises(WorkerCrashedError):
        leave.exit(3)
    assert before != own.processId()
    assert "hello you" == own.default()


def test_several_workers_share_the_calls() -> None:
    shared = noodle.load(str(SAMPLES / "tool.mjs"), workers=2)

    processes: list[int] = []

    def call_from_elsewhere(here: int) -> None:
        thread = threading.Thread(target=lambda: processes.extend((here, shared.processId())))
        thread.start()
        thread.join(30)

    shared.applyTo(lambda: call_from_elsewhere(shared.processId()))
    assert 2 == len(set(processes))


def test_the_environment_is_the_usual_one_and_what_was_given(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JWT_SECRET", "secret")
    own = noodle.load(str(SAMPLES / "tool.mjs"), environment={"COLOUR": "blue"})
    assert ("blue", None) == (own.environment("COLOUR"), own.environment("JWT_SECRET"))
    assert os.environ["PATH"] == own.environment("PATH")
    assert tool.environment("COLOUR") is None


def test_int64_arrays_are_bigints_or_numbers(tool: ModuleType) -> None:
    np = pytest.importorskip("numpy")
    values = np.arange(4, dtype=np.int64)
    numbers = noodle.load(str(SAMPLES / "tool.mjs"), int64="number")
    assert ("BigInt64Array", "Float64Array") == (tool.kindOf(values), numbers.kindOf(values))
    assert (6, 6) == (tool.sum(values), numbers.sum(values))


def test_a_type_error_about_bigints_names_the_option(tool: ModuleType) -> None:
    np = pytest.importorskip("numpy")
    with pytest.raises(TypeError, match="BigInt") as caught:
        tool.half(np.arange(3, dtype=np.int64))
    assert "int64='number'" in caught.value.__notes__[-1]
    with pytest.raises(RemoteCallError) as other:
        tool.fail("no")
    assert not hasattr(other.value, "__notes__")


def test_the_plan_tells_where_it_runs(tool: ModuleType) -> None:
    plan = tool.later.explain(1)
    assert ("javascript", "isolated", True) == (plan.bridge, plan.placement, plan.generic)
    assert "isolated" == library_of(tool).origin.placement
