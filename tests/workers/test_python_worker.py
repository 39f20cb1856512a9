"""The Python worker, in every interpreter of CPython from 3.8 on that is here."""

from __future__ import annotations

import asyncio
import io
import math
import os
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter, OrderedDict, namedtuple
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.workers.echo import reaches
from tests.workers.pythons import (
    MISSING,
    VERSIONS,
    PythonWorker,
    find_python,
    python_worker,
    require_python,
)

import noodle
from noodle import _host
from noodle.errors import DeadlineExceededError, RemoteCallError, WorkerCrashedError
from noodle.workers import python_worker as python_half
from noodle.workers.event_loop import call as call_later
from noodle.workers.operations import Operation
from noodle.workers.python_program import SCRIPT
from noodle.workers.references import copy, release

OLDEST, NEWEST = VERSIONS[0], VERSIONS[-1]
SAMPLE = "python_sample.py."


@pytest.fixture(scope="module", params=VERSIONS)
def worker(request: pytest.FixtureRequest) -> Iterator[PythonWorker]:
    """A worker that the tests of this module share, one for each interpreter."""
    with python_worker(request.param) as worker:
        yield worker


def sample(worker: PythonWorker, name: str) -> Any:
    return worker.module("python_sample.py").member(name)


# ---------------------------------------------------------------------------------- The process


def test_the_extension_serves_every_version(worker: PythonWorker):
    assert 5.0 == worker.function("math.hypot")(3, 4)
    runtime = worker.pool.worker().runtime
    assert runtime is not None
    assert ("python", worker.version) == (runtime.name, runtime.version.rpartition(".")[0])


def test_the_python_half_compiles_in_every_version(worker: PythonWorker):
    folder = Path(python_half.__file__).parent
    program = "import sys; [compile(open(name).read(), name, 'exec') for name in sys.argv[1:]]"
    sources = [SCRIPT, *sorted(folder.glob("*.py"))]
    interpreter = worker.pool.program.command[0]
    subprocess.run([interpreter, "-W", "error", "-c", program, *sources], check=True)


def test_nothing_of_noodle_can_be_imported(worker: PythonWorker):
    names = ["noodle", "worker_main", "core", "python_worker", "_noodle_worker_main"]
    source = "import importlib.util as u; result = [n for n in names if u.find_spec(n)]"
    found = worker.run(f"names = {names}\n{source}")
    # The running interpreter is the one in whose environment noodle is installed.
    own = worker.version == "{}.{}".format(*sys.version_info)
    assert (["noodle"] if own else []) == found


def test_the_program_of_the_user_sees_a_process_of_its_own(worker: PythonWorker):
    facts = worker.function(SAMPLE + "facts")()
    assert ([""], [], None) == (facts["argv"], facts["main"], facts["file"])
    assert not any("noodle/workers" in entry for entry in facts["path"])
    assert os.getcwd() == worker.run("import os; result = os.getcwd()")
    assert "" == worker.run("import sys; result = sys.stdin.read()")
    source = "import threading; result = threading.current_thread() is threading.main_thread()"
    assert worker.run(source) is True


def test_the_search_path_the_directory_and_variables_are_its_programs(tmp_path: Path):
    (tmp_path / "own_module.py").write_text("value = 7\n", encoding="utf-8")
    settings: dict[str, Any] = {
        "search_path": [str(tmp_path)],
        "directory": tmp_path,
        "environment": {"OWN": "yes"},
    }
    with python_worker(OLDEST, **settings) as worker:
        assert 7 == worker.module("own_module").member("value")
        source = "import os, sys; result = [os.getcwd(), os.environ['OWN'], sys.path[0]]"
        assert [str(tmp_path), "yes", str(tmp_path)] == worker.run(source)


def test_secrets_of_the_host_stay_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JWT_SECRET", "secret")
    with python_worker(OLDEST) as worker:
        assert worker.run("import os; result = os.environ.get('JWT_SECRET')") is None


@pytest.mark.parametrize("version", ["3.6", "3.7"])
def test_an_interpreter_that_is_too_old_is_refused_with_the_reason(version: str):
    with python_worker(version) as worker, pytest.raises(WorkerCrashedError) as caught:
        worker.pool.worker()
    assert f"expected CPython 3.8 or later, received {version}" in "".join(caught.value.__notes__)


def test_an_interpreter_without_the_gil_is_refused_with_the_reason():
    program = (
        "import runpy, sys\n"
        "class Flags(str): pass\n"
        "sys.abiflags = 't'\n"
        f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert 1 == result.returncode
    assert "without the GIL" in result.stderr


def test_the_native_half_serves_one_interpreter_of_a_process(worker: PythonWorker):
    source = """
import sys, importlib.util
core = sys.modules["_noodle_worker.core"]
spec = importlib.util.spec_from_file_location("again.core", core.__file__)
try:
    importlib.util.module_from_spec(spec)
    result = "loaded"
except ImportError as error:
    result = str(error)
"""
    assert "sub-interpreters" in worker.run(source)


# --------------------------------------------------------------------------------------- Values


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -1,
        2**70,
        -(2**70),
        1.5,
        math.inf,
        "text",
        "\ud800",
        b"bytes",
        [1, [2.5, None]],
        {"a": {"b": [1]}, 2: "c"},
        {1, 2},
        (1, (2, [3])),
        {(1, 2): frozenset({3})},
        slice(1, None),
        ...,
        2 + 3j,
        datetime(2026, 1, 2, 3, 4, 5, 6),
        datetime(2026, 1, 2, tzinfo=UTC),
    ],
    ids=str,
)
def test_a_value_comes_back_as_it_was_sent(worker: PythonWorker, value: object):
    result = worker.function("copy.copy")(value)
    assert (type(value), repr(value)) == (type(result), repr(result))


def test_a_named_tuple_keeps_its_names_both_ways(worker: PythonWorker):
    Pair = namedtuple("Pair", "left right")
    result = worker.function("urllib.parse.urlparse")("http://host/path?query")
    assert (result.netloc, result.query, result[2]) == ("host", "query", "/path")
    again = worker.function("copy.copy")(Pair(1, [result]))
    assert repr(again) == f"Pair(left=1, right=[{result!r}])"
    assert 7 == worker.function("operator.attrgetter")("left")(Pair(7, 8))


def test_counters_and_ordered_dicts_stay_such(worker: PythonWorker):
    for value in (Counter("abba"), OrderedDict([("b", 1), ("a", {})])):
        again = worker.function("copy.deepcopy")(value)
        assert (type(value), value) == (type(again), again)
    assert 0 == worker.function("operator.getitem")(Counter("a"), "missing")
    assert Counter({"x": 2}) == worker.function("collections.Counter")("xx")


def test_nan_and_negative_zero_keep_their_sign(worker: PythonWorker):
    again = worker.function("copy.copy")
    assert math.isnan(again(math.nan))
    assert -1.0 == math.copysign(1, again(-0.0))


@pytest.mark.parametrize("size", [60_000, 65_505, 3_000_000])
def test_a_message_longer_than_a_ring_arrives_whole(worker: PythonWorker, size: int):
    value = os.urandom(size)
    again, link = worker.function("copy.copy"), worker.pool.worker().link
    assert value == again(value)
    # What is small is told with the caller's next call.
    assert reaches_at_most(0, lambda: again(link.statistics()["lent_segments"]))


def test_what_contains_itself_is_refused(worker: PythonWorker):
    with pytest.raises(RemoteCallError, match="contains itself"):
        worker.run("result = []; result.append(result)")


# ----------------------------------------------------------------------------------- Operations


@pytest.fixture
def point(worker: PythonWorker) -> Any:
    return sample(worker, "Point")(3, y=-4)


def ask(reference: Any, operation: Operation, *arguments: Any) -> Any:
    return _host.request(reference, operation, *arguments)


def test_every_operation_of_the_protocol(worker: PythonWorker, point: Any):
    module = worker.module("python_sample.py").reference()
    assert 7 == ask(point, Operation.GET, "norm")
    ask(point, Operation.SET, "x", 5)
    assert 5 == ask(point, Operation.ITEM, 0)
    ask(point, Operation.SET_ITEM, 1, 6)
    assert [True, False] == [ask(point, Operation.HAS, name) for name in ("x", "z")]
    ask(point, Operation.SET, "z", 1)
    ask(point, Operation.DELETE, "z")
    assert ["kinds", "moved", "norm", "origin", "x", "y"] == ask(point, Operation.NAMES)
    assert 2 == ask(point, Operation.LENGTH)
    assert "Point(5, 6)" == ask(point, Operation.TEXT)
    assert "Point(6, 6)" == str(ask(point, Operation.METHOD, "moved", 1))
    assert "Point(9, 0)" == str(ask(sample(worker, "Point"), Operation.NEW, 9))
    assert "Point(10, 12)" == str(ask(point, Operation.CALL, 2))
    call = sample(worker, "call")
    assert [[2, 4]] == ask(call, Operation.BATCH, 3, [max, 2, 1, max, 4, 3])
    assert [[2, 5]] == ask(call, Operation.BATCH, None, [[max, 2, 1], [max, 5, 4, 3]])
    iterator = ask(point, Operation.ITERATE)
    assert [False, 5] == ask(iterator, Operation.NEXT, 1)
    ask(sample(worker, "count")(3), Operation.CLOSE)
    kind, declared, _ = ask(module, Operation.DESCRIBE, "fail")
    assert ("function", "code") == (kind, declared["parameters"][0][0])
    assert ask(worker.root, Operation.STATISTICS)["calls"] > 10
    with pytest.raises(NotImplementedError):
        ask(point, Operation.SEGMENT)


def test_a_batch_ends_with_the_first_error(worker: PythonWorker):
    done, error = ask(worker.module("math").member("sqrt"), Operation.BATCH, 1, [4, 9, -1, 16])
    assert [2.0, 3.0] == done
    assert isinstance(error, ValueError)


def test_a_batch_awaits_its_coroutines(worker: PythonWorker):
    later = sample(worker, "later")
    assert [[1, 2]] == ask(later, Operation.BATCH, 1, [1, 2])
    done, error = ask(sample(worker, "fail_later"), Operation.BATCH, 1, [5])
    assert ([], 5) == (done, error.code)


# -------------------------------------------------------------------------------------- Proxies


def test_a_proxy_has_the_operators_of_its_object(worker: PythonWorker, point: Any):
    kind = sample(worker, "Point")
    other = kind(1, 1)
    assert kind(4, -3) == point + other
    assert point != other
    assert other < point
    assert hash(kind(3, -4)) == hash(point)
    assert "Point(3, -4)" == repr(point) == str(point) == f"{point}"
    assert (2, 3, [3, -4]) == (len(point), point[0], list(point))
    assert -4 in point
    point[0] = 8
    assert (8, 12) == (point.x, point.norm)
    assert kind(16, -8) == point(2)
    with pytest.raises(TypeError):
        point + 1
    with pytest.raises(TypeError):
        1 + point


def test_numbers_by_reference_are_numbers(worker: PythonWorker):
    third = worker.function("fractions.Fraction")(1, 3)
    assert (float(third), int(third * 7), round(third, 2) * 100) == (1 / 3, 2, 33)
    assert "2/3" == str(third + third) == str(2 * third)
    assert ("-1/3", "0") == (str(-third), str(third - third))
    assert (0, third) == divmod(third, 1)
    assert third < 1 < 1 + third
    total = third
    total += 1
    assert "4/3" == str(total)
    assert 1j == worker.function("cmath.sqrt")(-1)


def test_attributes_methods_and_static_members_are_the_objects_own(
    worker: PythonWorker, point: Any
):
    kind = sample(worker, "Point")
    assert ("plain",) == kind.kinds
    assert "Point(0, 0)" == repr(kind.origin())
    assert "Point(4, 5)" == repr(point.moved(1, y=9))
    assert isinstance(point, kind)
    assert not isinstance(5, kind)
    assert not isinstance(point, worker.module("fractions").member("Fraction"))
    assert {"moved", "norm", "x"} <= set(dir(point))
    with pytest.raises(AttributeError, match="no attribute 'z'"):
        _ = point.z
    assert "default" == getattr(point, "z", "default")


def test_a_proxy_cannot_be_pickled_nor_taken_apart(point: Any):
    import pickle

    with pytest.raises(TypeError, match="it is in a worker"):
        pickle.dumps(point)
    assert not hasattr(point, "__array_interface__")
    with pytest.raises(TypeError, match="cannot have subclasses"):
        exec("class Sub(point): pass", {"point": point})


def test_the_same_object_is_the_same_proxy(worker: PythonWorker, point: Any):
    assert worker.function("copy.copy")([point])[0] is point


def test_released_objects_are_let_go(worker: PythonWorker):
    make = worker.function(SAMPLE + "Point")
    points = [make(number) for number in range(100)]
    held = worker.statistics()["objects"]
    assert held >= len(points)
    del points
    assert reaches_at_most(held - 90, lambda: worker.statistics()["objects"])


def reaches_at_most(limit: int, count: Any) -> bool:
    end = time.monotonic() + 10
    while count() > limit and time.monotonic() < end:
        continue
    return bool(count() <= limit)


def test_threads_that_share_an_object_let_it_go_once(worker: PythonWorker):
    """Sendings on several channels may be read in any order."""
    worker.run("import python_sample as s; s.shared = s.Point(1)")
    get = sample(worker, "run")

    def use(_: int) -> int:
        return sum(get("import python_sample as s; result = s.shared").x for _ in range(100))

    with ThreadPoolExecutor(6) as executor:
        assert [100] * 6 == list(executor.map(use, range(6)))


# ------------------------------------------------------------------------- Iterators, contexts


def test_generators_come_in_batches_and_end(worker: PythonWorker):
    assert list(range(200)) == list(worker.function(SAMPLE + "count")(200))
    numbers = worker.function(SAMPLE + "count")(5)
    assert (0, 1) == (next(numbers), next(numbers))
    numbers.close()
    assert [] == list(numbers)


def test_what_came_before_an_error_is_delivered_first(worker: PythonWorker):
    numbers = worker.function(SAMPLE + "count_and_fail")(70)
    seen: list[int] = []
    with pytest.raises(ValueError, match="no more"):
        seen.extend(numbers)
    assert list(range(70)) == seen


def test_asynchronous_generators_are_iterated(worker: PythonWorker):
    async def collect() -> list[int]:
        return [number async for number in worker.function(SAMPLE + "count_later")(5)]

    assert [0, 1, 2, 3, 4] == asyncio.run(collect())
    assert [0, 1, 2] == list(worker.function(SAMPLE + "count_later")(3))


def test_a_context_manager_is_entered_and_left(worker: PythonWorker):
    block = worker.function(SAMPLE + "Block")()
    with block as entered:
        assert entered is block
    with pytest.raises(LookupError), block:
        raise LookupError("from here")
    assert ["entered", None, "entered", ["LookupError", "from here"]] == block.told
    with worker.function(SAMPLE + "Block")(True):
        raise LookupError("swallowed there")


def test_a_context_manager_may_be_a_generator(worker: PythonWorker):
    told: list[str] = []
    with worker.function(SAMPLE + "notes")(noodle.ref(told)) as count:
        assert (1, ["in"]) == (count, told)
    assert ["in", "out"] == told


def test_other_objects_are_released_at_the_end_of_their_block(point: Any):
    with point as entered:
        assert entered is point
    with pytest.raises(noodle.errors.ReferenceReleasedError):
        _ = point.x
    release(point)


# --------------------------------------------------------------------------------------- Errors


def test_an_error_has_type_text_frames_cause_and_attributes(worker: PythonWorker):
    with pytest.raises(ValueError, match="it failed") as caught:
        worker.function(SAMPLE + "fail")(7)
    error: Any = caught.value
    assert isinstance(error, RemoteCallError)
    assert ("python_sample.SpecialError", "it failed", 7) == (
        error.type_name,
        error.message,
        error.code,
    )
    assert ["fail"] == [function for _, _, _, function in error.frames]
    assert isinstance(error.__cause__, KeyError)
    shown = "".join(traceback.format_exception(error))
    assert shown.index("KeyError: 'first'") < shown.index("in test_") < shown.rindex("in fail")


def test_an_exception_class_of_the_library_catches_its_errors(worker: PythonWorker):
    module = worker.module("python_sample.py").reference()
    kind, names, _ = ask(module, Operation.DESCRIBE, "SampleError")
    assert "exception" == kind
    from noodle.workers.remote_errors import python_error_class

    with pytest.raises(python_error_class(names[0], tuple(names[1:]))):
        worker.function(SAMPLE + "fail")(1)


def test_a_callbacks_error_is_of_the_same_class_there(worker: PythonWorker):
    def missing() -> None:
        {}["lost"]

    def relayed() -> None:
        worker.function(SAMPLE + "fail")(1)

    catch = worker.function(SAMPLE + "catch")
    assert ["KeyError", "'lost'", False] == catch(missing)
    assert ["SpecialError", "it failed", True] == catch(relayed)


def test_leaving_the_process_by_an_exception_is_an_error(worker: PythonWorker):
    for source in ("raise SystemExit(3)", "raise KeyboardInterrupt"):
        with pytest.raises(RemoteCallError):
            worker.run(source)
    assert 5.0 == worker.function("math.hypot")(3, 4)


def test_an_uncaught_error_of_a_thread_is_told(
    worker: PythonWorker, monkeypatch: pytest.MonkeyPatch
):
    told = io.StringIO()
    monkeypatch.setattr(sys, "stderr", told)
    worker.run("import threading; threading.Thread(target=lambda: 1 / 0).start()")
    end = time.monotonic() + 10
    while "division" not in told.getvalue() and time.monotonic() < end:
        continue
    assert f"Uncaught in the worker python{worker.version}" in told.getvalue()


# ------------------------------------------------------------------------------------ Callbacks


def test_calls_and_callbacks_nest_on_one_chain(worker: PythonWorker):
    call = worker.function(SAMPLE + "call")

    def descend(depth: int) -> int:
        return 0 if depth == 0 else 1 + call(descend, depth - 1)

    assert 25 == descend(25)


def test_callbacks_take_keywords_and_are_called_on_the_thread_that_waits(worker: PythonWorker):
    call = worker.function(SAMPLE + "call")
    seen: list[int] = []

    def note(x: int, *, y: int) -> int:
        seen.append(threading.get_ident())
        return x + y

    assert 3 == call(note, 1, y=2)
    assert [threading.get_ident()] == seen


def test_a_thread_that_belongs_to_no_call_reaches_the_host(worker: PythonWorker):
    call, in_thread = worker.function(SAMPLE + "call"), worker.function(SAMPLE + "in_thread")
    names: list[str] = []

    def nested(value: int) -> int:
        names.append(threading.current_thread().name)
        return 0 if value == 0 else 1 + call(nested, value - 1)

    assert 3 == in_thread(nested, 3)
    assert {f"noodle python{worker.version}"} == set(names)


def test_objects_of_the_host_are_used_there(worker: PythonWorker):
    class Thing:
        size = 3

        def grow(self, by: int) -> int:
            self.size += by
            return self.size

    thing = Thing()
    use = sample(worker, "run")
    source = "def use(o):\n    o.grow(2)\n    o.extra = 1\n    return [o.size, callable(o.grow)]\n"
    run = worker.run(source + "result = use")
    assert [5, True] == run(thing)
    assert 1 == thing.extra  # type: ignore[attr-defined]
    assert use is not None
    listed = worker.run("result = lambda o: [len(o), o[1], list(o), 2 in list(o)]")
    assert [3, 2, [1, 2, 3], True] == listed(noodle.ref([1, 2, 3]))


# ------------------------------------------------------------------------------------ Coroutines


def test_coroutines_are_awaited_thousands_at_a_time(worker: PythonWorker):
    later = worker.function(SAMPLE + "later")
    assert 5 == later(5)

    async def gather() -> list[int]:
        return await asyncio.gather(*(call_later(later, n, 0.01) for n in range(2000)))

    assert list(range(2000)) == asyncio.run(gather())
    with pytest.raises(ValueError, match="later"):
        worker.function(SAMPLE + "fail_later")(1)


def test_a_coroutine_awaits_callbacks_of_the_host(worker: PythonWorker):
    async def double(value: int) -> int:
        await asyncio.sleep(0)
        return 2 * value

    async def main() -> int:
        result: int = await call_later(worker.function(SAMPLE + "call_later"), double, 21)
        return result

    assert 42 == asyncio.run(main())


def test_a_coroutine_is_cancelled(worker: PythonWorker):
    source = """
import asyncio
told = []
async def wait():
    told.append("begun")
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        told.append("cancelled")
        raise
result = [wait, lambda: list(told)]
"""
    wait, told = worker.run(source)

    async def main() -> None:
        future = call_later(wait)
        while await call_later(told) != ["begun"]:
            await asyncio.sleep(0)
        future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await future

    asyncio.run(asyncio.wait_for(main(), 30))
    assert reaches(2, lambda: len(told()))


def test_functions_that_block_are_awaited_side_by_side(worker: PythonWorker):
    """Each waits for all others, so they end only if all run at once."""
    meet = barrier(worker, 8)

    async def gather() -> list[bool]:
        return await asyncio.gather(*(call_later(meet) for _ in range(8)))

    assert [True] * 8 == asyncio.run(gather())


def barrier(worker: PythonWorker, count: int) -> Any:
    """A function of the worker that returns once so many of its calls run."""
    source = f"import threading\nb = threading.Barrier({count}, timeout=30)\n"
    return worker.run(source + "result = lambda: b.wait() >= 0")


def test_awaited_calls_start_in_order(worker: PythonWorker):
    worker.run("import python_sample as s; s.order = []")
    note = worker.run("import python_sample as s; result = s.order.append")

    async def gather() -> None:
        await asyncio.gather(*(call_later(note, number) for number in range(500)))

    asyncio.run(gather())
    assert list(range(500)) == worker.run("import python_sample as s; result = s.order")


# --------------------------------------------------------------------------------------- Threads


def test_calls_of_several_threads_run_side_by_side(worker: PythonWorker):
    meet = barrier(worker, 6)
    with ThreadPoolExecutor(6) as executor:
        futures = [executor.submit(meet) for _ in range(6)]
        assert [True] * 6 == [future.result(60) for future in futures]


def test_a_thread_of_the_host_has_one_thread_there(worker: PythonWorker):
    name = worker.function(SAMPLE + "thread_name")

    def names() -> set[str]:
        return {name() for _ in range(20)}

    with ThreadPoolExecutor(1) as executor:
        elsewhere = executor.submit(names).result()
    assert 1 == len(elsewhere) == len(names())
    assert elsewhere != names()


def test_other_threads_of_the_worker_go_on_beside_hot_calls(worker: PythonWorker):
    """A call of a C function gives nobody else a turn by itself."""
    hypot = worker.function("math.hypot")
    worker.function(SAMPLE + "start_busy_thread")()
    turns = worker.function(SAMPLE + "busy_turns")
    try:
        before = turns()
        end = time.monotonic() + 20 * sys.getswitchinterval()
        while time.monotonic() < end:
            hypot(3.0, 4.0)
        assert before < turns()
    finally:
        worker.function(SAMPLE + "stop_busy_thread")()


# ---------------------------------------------------------------------------------- Cancellation


def is_cancelled(function: Any, cancelled: Any) -> bool:
    """Whether a function that has begun notes its deadline; on a busy machine it begins late."""
    for seconds in (0.2, 5.0):
        with pytest.raises(DeadlineExceededError), noodle.deadline(seconds):
            function(60.0)
        if reaches(1, lambda: len(cancelled())):
            return True
    return False


@pytest.mark.parametrize("name", ["spin", "sleep_or_note"])
def test_a_call_of_the_main_thread_is_interrupted(version_worker: PythonWorker, name: str):
    worker = version_worker
    function, cancelled = worker.function(SAMPLE + name), worker.function(SAMPLE + "cancelled")
    cancelled()
    assert is_cancelled(function, cancelled)
    assert ["Cancelled"] == cancelled()
    assert 5.0 == worker.function("math.hypot")(3, 4)
    assert worker.pool.worker().alive


@pytest.fixture
def version_worker(worker: PythonWorker) -> Iterator[PythonWorker]:
    """A worker that no other test uses."""
    with python_worker(worker.version, grace_seconds=20.0) as own:
        yield own


def test_a_call_of_another_thread_is_interrupted(version_worker: PythonWorker):
    worker = version_worker
    cancelled = worker.function(SAMPLE + "cancelled")
    cancelled()

    def spin() -> None:
        assert is_cancelled(worker.function(SAMPLE + "spin"), cancelled)
        for _ in range(100):
            assert 5.0 == worker.function("math.hypot")(3, 4)

    with ThreadPoolExecutor(1) as executor:
        executor.submit(spin).result(60)


def test_an_interrupt_that_comes_too_late_harms_no_later_call(version_worker: PythonWorker):
    worker = version_worker
    sleep = worker.function(SAMPLE + "spin")
    sleep(0.0)
    for number in range(10):
        try:
            with noodle.deadline(0.03):
                sleep(0.03 + number % 5 / 1000)
        except DeadlineExceededError:
            pass
        assert 5.0 == worker.function("math.hypot")(3, 4)
        assert 0.0 == sleep(0.0)


# --------------------------------------------------------------------------------------- Output


def test_what_is_printed_is_seen_at_once(monkeypatch: pytest.MonkeyPatch):
    with python_worker(OLDEST) as worker:
        streams = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])
        worker.run("print('hello'); import sys; print('hi', file=sys.stderr)")
        assert reaches(["hello\n", "hi\n"], lambda: [stream.getvalue() for stream in streams])


def test_it_ends_as_a_program_does(tmp_path: Path):
    with python_worker(NEWEST if find_python(NEWEST) else OLDEST) as worker:
        file = tmp_path / "ended"
        worker.run(f"import atexit; atexit.register(open({str(file)!r}, 'w').write, 'ended')")
        running = worker.pool.worker()
        running.stop(10)
        assert running.exit is not None
        assert 0 == running.exit.code
    assert "ended" == file.read_text(encoding="utf-8")


def test_copies_by_value(worker: PythonWorker):
    assert [1, 2] == copy(worker.run("from collections import deque; result = deque([1, 2])"))
    point = worker.run(
        "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int = 1\nresult = P()"
    )
    assert {"x": 1} == copy(point)
    with pytest.raises(TypeError, match="no value"):
        copy(worker.run("result = object()"))


def test_a_missing_interpreter_is_a_skip_that_is_allowed():
    with pytest.raises(pytest.skip.Exception, match=MISSING):
        require_python("2.9")
