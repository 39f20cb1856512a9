"""Chains of calls through this process, Node.js and another Python, and what passes along them."""

from __future__ import annotations

import gc
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.workers.echo import echo_pool, functions_of
from tests.workers.faults import LIMIT
from tests.workers.pythons import SAMPLES, require_python

import noodle
from noodle import _host
from noodle._handle import Handle, binding
from noodle.bridges.remote.functions import reference_of
from noodle.errors import (
    DeadlineExceededError,
    ReferenceReleasedError,
    RemoteCallError,
    WorkerCrashedError,
)
from noodle.workers.arrays import is_shared
from noodle.workers.operations import Operation
from noodle.workers.worker import Worker, worker_of


@dataclass(frozen=True)
class Both:
    """A module of Node.js and one of Python 3.9, each in a worker of its own."""

    js: ModuleType
    py: ModuleType


def load_both(**environment: str) -> Both:
    """Load the two modules in workers that only loads with this environment share."""
    python = str(require_python("3.9"))
    return Both(
        noodle.load(str(SAMPLES / "relay.mjs"), environment=environment),
        noodle.load(
            str(SAMPLES / "relay.py"),
            placement="isolated",
            interpreter=python,
            environment=environment,
        ),
    )


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    """Workers that the tests of this module share."""
    loaded = load_both(ACROSS="shared")
    yield loaded
    noodle.unload(loaded.js)
    noodle.unload(loaded.py)


@pytest.fixture
def own() -> Iterator[Both]:
    """Workers that no other test uses."""
    loaded = load_both(ACROSS=str(os.urandom(4).hex()))
    yield loaded
    noodle.unload(loaded.js)
    noodle.unload(loaded.py)


@pytest.fixture(autouse=True)
def within_time() -> Iterator[None]:
    with noodle.deadline(LIMIT):
        yield


def worker_for(module: ModuleType) -> Worker:
    """The worker that runs a module."""
    function: Handle = getattr(module, "call", None) or module.sum
    link = _host.facts(reference_of(binding(function).function.raw))[0]
    assert link is not None
    worker = worker_of(link)
    assert worker is not None
    return worker


def reaches(expected: object, count: Callable[[], object]) -> bool:
    """Whether a count comes to what is expected within ten seconds."""
    end = time.monotonic() + 10
    while (found := count()) != expected and time.monotonic() < end:
        continue
    return found == expected


# -------------------------------------------------------------------------------------- Chains


def test_calls_nest_through_both_workers_on_one_chain(both: Both):
    """Node.js, host, Python 3.9, host, Node.js, and so on, each waiting for the next."""

    def descend(depth: int) -> int:
        if depth == 0:
            return 0
        return 1 + both.js.call(both.py.call, both.js.call, descend, depth - 1)

    assert 9 == descend(9)


def test_callbacks_run_on_the_thread_that_waits(both: Both):
    seen: list[int] = []

    def note(value: int) -> int:
        seen.append(threading.get_ident())
        return value

    assert 5 == both.js.call(both.py.call, note, 5)
    assert 5 == both.py.call(both.js.call, note, 5)
    assert [threading.get_ident()] * 2 == seen


@pytest.mark.parametrize("depth", [1, 6])
def test_chains_of_several_threads_pass_each_other(both: Both, depth: int):
    """While one chain blocks Node.js, those of other threads wait for their turn there."""

    def descend(left: int) -> int:
        return 0 if left == 0 else 1 + both.js.call(both.py.call, descend, left - 1)

    with ThreadPoolExecutor(4) as executor:
        assert [depth] * 40 == list(executor.map(descend, [depth] * 40))


def test_a_function_of_each_side_is_a_callback_of_every_other(both: Both):
    assert 3 == both.js.call(lambda a, b: a + b, 1, 2) == both.py.call(lambda a, b: a + b, 1, 2)
    assert 3 == both.py.call(both.js.add, 1, 2) == both.js.call(both.py.add, 1, 2)
    assert 7 == both.py.call(both.js.makeAdder(5), 2) == both.js.call(both.py.make_adder(5), 2)
    assert 7 == both.js.call(both.js.makeAdder(5), 2) == both.py.call(both.py.make_adder(5), 2)
    assert "a,b" == both.py.call(both.js.method, ["a", "b"], "join", ",")


def test_a_callback_may_be_kept_and_called_in_a_later_call(both: Both):
    both.py.keep(both.js.makeAdder(10))
    assert 12 == both.py.call(both.py.kept(), 2) == both.js.call(both.py.kept(), 2)
    both.js.keep(both.py.make_adder(20))
    assert 22 == both.js.call(both.js.kept(), 2) == both.py.call(both.js.kept(), 2)


def test_a_deadline_that_passes_at_the_far_end_ends_the_whole_chain(own: Both):
    spinning, waiting = worker_for(own.js), worker_for(own.py)
    with pytest.raises(DeadlineExceededError), noodle.deadline(0.5):
        own.py.call(own.js.call, own.py.call, own.js.stall)
    assert spinning.join(10)
    assert 3 == own.js.add(1, 2) == own.py.add(1, 2)
    assert waiting is worker_for(own.py)
    assert reaches(0, lambda: waiting.link.in_flight)


# -------------------------------------------------------------------------------------- Errors


def test_an_error_of_javascript_is_a_python_error_in_the_other_worker(both: Both):
    with pytest.raises(ValueError, match="RangeError: far") as caught:
        both.py.relay(both.js.fail, "far")
    error: Any = caught.value
    assert ("javascript", "RangeError", "far") == (error.language, error.type_name, error.message)
    assert "E_FAR" == error.extra["code"]
    told = both.py.last_told()
    assert ("javascript", "far", ["fail"]) == (told["language"], told["text"], told["functions"])
    assert "ValueError" in told["kinds"]
    with pytest.raises(TypeError):
        both.py.relay(both.js.failWithType, "no")
    assert "TypeError" in both.py.last_told()["kinds"]


def test_an_error_of_python_keeps_its_type_on_its_way_through_javascript(both: Both):
    with pytest.raises(both.py.FarError, match="far") as caught:
        both.js.relay(both.py.fail, "far")
    assert isinstance(caught.value, ValueError)
    assert 7 == caught.value.number
    told = both.js.lastTold()
    assert ("relay.FarError", "far") == (told["name"], told["message"])


def test_it_is_of_its_own_class_again_where_that_is_known(both: Both):
    with pytest.raises(both.py.FarError):
        both.py.relay(both.js.relay, both.py.relay, both.py.fail, "far")
    told = both.py.last_told()
    assert (True, "far", {"number": 7}) == (told["is_own"], told["text"], told["attributes"])


def test_an_exception_of_this_process_comes_back_as_itself(both: Both):
    class OwnError(LookupError):
        pass

    error = OwnError("here")

    def fail() -> None:
        raise error

    with pytest.raises(OwnError) as caught:
        both.js.relay(both.py.relay, both.js.relay, fail)
    assert caught.value is error
    assert "LookupError" in both.py.last_told()["kinds"]
    assert both.js.lastTold()["name"].endswith("OwnError")


def test_an_error_may_be_handled_on_any_level(both: Both):
    assert "handled ValueError" == both.py.handle(both.js.relay, both.js.fail, "far")
    assert "handled relay.FarError" == both.js.handle(both.py.relay, both.py.fail, "far")
    assert "handled RangeError" == both.js.handle(both.py.relay, both.js.fail, "far")
    assert 3 == both.py.handle(both.js.add, 1, 2)


def test_a_member_that_is_missing_is_one_for_every_language(both: Both):
    counter, point = both.js.make(3), both.py.Point(1)
    assert "default" == both.py.attribute(counter, "nothing", "default")
    assert both.js.item(point, "nothing") is None
    with pytest.raises(AttributeError):
        both.py.attribute(counter, "nothing")


# ---------------------------------------------------------------------------------- Tracebacks


def positions(text: str, *parts: str) -> list[int]:
    """Where each part stands, looked for behind the one before."""
    found = [0]
    for part in parts:
        found.append(text.index(part, found[-1] + 1))
    return found[1:]


def test_one_traceback_has_the_calls_of_all_languages_in_order(both: Both, echo_in_c: Path):
    with echo_pool(echo_in_c) as pool:
        fail_in_c = functions_of(pool)("fail")

        def middle() -> None:
            fail_in_c("RangeError", "at the far end")

        with pytest.raises(RemoteCallError) as caught:
            both.js.relay(both.py.relay, both.js.relay, middle)
    shown = "".join(traceback.format_exception(caught.value))
    positions(
        shown,
        "test_across.py",
        "relay.mjs",
        "in relay",
        "return f(...rest);",
        "relay.py",
        "in relay",
        "return function(*arguments)",
        "relay.mjs",
        "in relay",
        "in middle",
        'File "<echo_worker.c>", line 7, in fail',
        "RangeError: at the far end",
    )
    assert (2, 1) == (shown.count("relay.mjs"), shown.count("relay.py"))
    assert 1 == shown.count("echo_worker.c")


def test_a_c_library_that_ends_its_worker_is_the_innermost_call(both: Both, tmp_path: Path):
    (tmp_path / "fatal.c").write_text("#include <stdlib.h>\nvoid fatal(void) { abort(); }\n")
    options = {"prototypes": "void fatal(void);", "placement": "isolated"}
    library = noodle.load(str(tmp_path / "fatal.c"), **options)

    def middle() -> None:
        library.fatal()

    with pytest.raises(WorkerCrashedError, match="signal SIGABRT") as caught:
        both.js.relay(both.py.relay, both.js.relay, middle)
    shown = "".join(traceback.format_exception(caught.value))
    calls = ["test_across.py", "relay.mjs", "relay.py", "relay.mjs", "in middle"]
    positions(shown, *calls, 'File "<fatal.c>", line 0, in', "fatal.c.fatal", "WorkerCrashedError")
    assert 1 == shown.count('File "<fatal.c>"')
    assert "fatal.c, process " in str(caught.value.where)
    noodle.unload(library)


def test_a_c_function_of_a_python_worker_is_among_the_calls(both: Both):
    """Python has no frame for it."""
    functions = {
        name: noodle.load(name, placement="isolated", interpreter=str(require_python("3.9")))
        for name in ("math", "functools", "itertools")
    }
    with pytest.raises(ValueError, match="math domain error") as caught:
        both.js.relay(functions["math"].sqrt, -1.0)
    shown = "".join(traceback.format_exception(caught.value))
    positions(shown, "test_across.py", "relay.mjs", 'File "<math>", line 0, in sqrt', "math domain")
    assert (("<math>", None, None, "sqrt"),) == caught.value.frames[-1:]
    with pytest.raises(TypeError, match="not iterable") as caught:
        functions["itertools"].cycle(5)
    assert [("<itertools>", None, None, "cycle")] == list(caught.value.frames)
    with pytest.raises(RemoteCallError) as caught:
        functions["math"].sqrt.batch([(1.0,), (-1.0,)])
    assert [("<math>", None, None, "sqrt")] == list(caught.value.frames)
    with pytest.raises(ValueError, match="far") as caught:
        functions["functools"].reduce(lambda a, b: both.py.fail("far"), [1, 2])
    shown = "".join(traceback.format_exception(caught.value))
    positions(shown, "test_across.py", "in reduce", "in <lambda>", "relay.py", "in fail")


def test_each_language_sees_the_calls_below_it(both: Both):
    with pytest.raises(ValueError, match="far"):
        both.js.relay(both.py.relay, both.js.relay, both.js.fail, "far")
    assert ["relay", "fail"] == both.py.last_told()["functions"]
    stack = both.js.lastTold()["stack"]
    positions(stack, "at fail", "at relay", "relay.mjs", "at relay", "relay.py", "at relay")
    assert 3 == stack.count("at relay")


def test_causes_keep_their_own_calls(both: Both):
    def wrap() -> None:
        try:
            both.py.fail("first")
        except ValueError as error:
            raise LookupError("second") from error

    with pytest.raises(LookupError) as caught:
        both.js.relay(wrap)
    shown = "".join(traceback.format_exception(caught.value))
    positions(
        shown, "in fail", "FarError: first", "direct cause", "in relay", "LookupError: second"
    )


# ------------------------------------------------------------------------------------- Objects


def test_an_object_of_javascript_is_used_by_the_other_python(both: Both):
    counter = both.js.make(3)
    assert "HostObject" == both.py.kind(counter)
    assert 3 == both.py.attribute(counter, "n")
    both.py.set_attribute(counter, "n", 4)
    assert 6 == both.py.method(counter, "up", 2)
    assert [0, 1, 2, 3, 4, 5] == both.py.listed(counter)
    assert 6 == counter.n
    items = both.js.call(lambda: noodle.ref([7, 8]))
    assert 8 == both.py.item(items, 1)


def test_an_object_of_the_other_python_is_used_by_javascript(both: Both):
    point = both.py.Point(1, y=2)
    assert (1, 2, 2) == (
        both.js.item(point, "x"),
        both.js.item(point, 1),
        both.js.item(point, "length"),
    )
    both.js.setItem(point, "x", 4)
    assert 6 == both.js.method(point, "up", 2)
    assert [6, 2] == both.js.listed(point)
    assert 6 == point.x


def test_a_class_of_one_worker_constructs_in_another(both: Both):
    point = both.js.construct(both.py.Point, 5)
    assert (5, True) == (point.x, isinstance(point, both.py.Point))
    assert 5 == both.py.call(both.js.Counter, 5).n


def test_what_comes_back_is_the_same_object(both: Both):
    counter, point = both.js.make(3), both.py.Point(1)
    both.py.keep(counter)
    both.js.keep(point)
    assert both.py.kept() is counter
    assert both.js.kept() is point
    assert both.js.same(counter, both.py.kept())
    assert both.py.same(point, both.js.kept())
    assert both.js.call(both.py.call, both.js.same, counter, counter)


def test_what_the_last_holder_lets_go_is_released(own: Both):
    pass_objects_on(own)
    let_them_go(own)
    before = counts()
    pass_objects_on(own)
    gc.collect()
    held = counts()
    assert (2, 2) == (held[0] - before[0], held[1] - before[1])
    assert reaches(before, lambda: (let_them_go(own), counts())[1])


def pass_objects_on(own: Both) -> None:
    """Have each worker keep an object of the other, to which nobody else refers."""
    own.py.keep(own.js.make(3))
    own.js.keep(own.py.Point(1))
    assert (3, 1) == (own.py.attribute(own.py.kept(), "n"), own.js.item(own.js.kept(), "x"))


def counts() -> tuple[int, int]:
    statistics = noodle.stats()
    return statistics.live_references, statistics.exported_objects


def let_them_go(own: Both) -> None:
    """Have everybody look for what nobody refers to, and say so."""
    own.py.keep(None)
    own.js.keep(None)
    gc.collect()
    _host.request(worker_for(own.js).root(), Operation.COLLECT)
    own.py.add(1, 2)
    own.js.add(1, 2)


@pytest.mark.usefixtures("repetition")
@pytest.mark.parametrize("ending", ["js", "py"])
def test_the_end_of_the_owner_is_a_clear_error_everywhere(own: Both, ending: str):
    owner, holder = (own.js, own.py) if ending == "js" else (own.py, own.js)
    thing = own.js.make(3) if ending == "js" else own.py.Point(1)
    holder.keep(thing)
    ended = worker_for(owner)
    ended.link.kill()
    assert ended.join(10)
    with pytest.raises(ReferenceReleasedError, match="cannot be used any more") as caught:
        _ = thing.n
    assert "its worker has ended" == caught.value.received
    with pytest.raises(ReferenceReleasedError, match="cannot be used any more"):
        holder.method(thing, "up")
    with pytest.raises(ReferenceReleasedError):
        holder.call(lambda: thing.n)
    assert 3 == owner.add(1, 2) == holder.add(1, 2)


@pytest.mark.usefixtures("repetition")
def test_a_worker_that_ends_in_the_middle_of_a_chain_is_named(own: Both):
    with pytest.raises(WorkerCrashedError, match="exit code 3"):
        own.js.relay(own.py.end)
    assert "WorkerCrashedError" in own.js.lastTold()["name"]
    assert 3 == own.js.call(own.py.add, 1, 2)


# -------------------------------------------------------------------------------------- Arrays


def test_workers_see_what_each_other_write_to_an_array(both: Both):
    values = noodle.zeros(20_000)
    before = copies(both.js, both.py)
    both.js.fill(values, 2.0)
    assert 40_000.0 == both.py.total(values)
    both.py.fill(values, 3.0)
    assert (60_000.0, 60_000.0) == (both.js.sum(values), values.sum())
    assert 60_000.0 == both.py.call(both.js.sum, values)
    assert before == copies(both.js, both.py)


def test_an_array_that_was_born_in_one_worker_is_read_in_the_other_without_a_copy(both: Both):
    born = both.js.floats(20_000)
    before = copies(both.js, both.py)
    assert born.sum() == both.py.total(born)
    both.py.fill(born, 1.0)
    assert (20_000.0, 20_000.0) == (both.js.sum(born), born.sum())
    assert before == copies(both.js, both.py)


@pytest.fixture(scope="module")
def old_numpy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """NumPy 1.21 on Python 3.9, in an environment of its own."""
    require_python("3.9")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("project"))
        loaded = noodle.load("numpy==1.21.0; python=3.9", install="always")
    yield loaded
    noodle.unload(loaded)


def test_two_versions_of_numpy_exchange_arrays_without_a_copy(old_numpy: ModuleType):
    import numpy

    assert ("1.21.0", 2) == (old_numpy.version.version, int(numpy.__version__.partition(".")[0]))
    values = noodle.zeros((100, 200))
    before = copies(old_numpy)
    assert 0.0 == old_numpy.sum(values)
    old_numpy.copyto(values, 2.0)
    assert 40_000.0 == values.sum() == old_numpy.sum(values)
    old_numpy.add(values, values, out=values)
    assert (4.0, 4.0) == (values[0, 0], values[99, 199])
    part = values[10:20, ::2]
    part[:] = 5.0
    assert 5_000.0 == old_numpy.sum(part)
    assert before == copies(old_numpy)


def test_what_one_numpy_made_the_other_and_javascript_use(old_numpy: ModuleType, both: Both):
    born = old_numpy.arange(20_000.0)
    assert is_shared(born)
    before = copies(old_numpy, both.js, both.py)
    born *= 2
    assert born.sum() == old_numpy.sum(born) == both.js.sum(born) == both.py.total(born)
    both.js.fill(born, 1.0)
    assert 20_000.0 == old_numpy.sum(born) == born.sum()
    assert before == copies(old_numpy, both.js, both.py)


@pytest.mark.parametrize(
    "dtype", ["?", "i1", "u2", "<i4", "<i8", "<f2", "<f4", "<c16", "M8[us]", "m8[s]", "S5", "<U3"]
)
def test_every_type_of_item_means_the_same_in_both(old_numpy: ModuleType, dtype: str):
    import numpy

    for count in (3, 80_000):  # within a message, and in shared memory
        sent = (numpy.arange(count) % 100).astype(dtype)
        back = old_numpy.flip(sent)
        assert (sent.dtype, sent.shape) == (back.dtype, back.shape)
        assert numpy.array_equal(numpy.flip(sent), back)


def copies(*modules: ModuleType) -> int:
    """The copies of arrays that these workers and this process made on the way between them."""
    count = 0
    for module in modules:
        worker = worker_for(module)
        told = _host.request(worker.root(), Operation.STATISTICS)
        count += worker.link.statistics()["copies"] + told["copies_in"] + told["copies_out"]
    return count
