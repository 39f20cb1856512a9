"""Arrays in Python workers: with NumPy, with another NumPy, and without any."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from tests.workers.pythons import VERSIONS, PythonWorker, python_worker, require_python

from noodle import _host
from noodle.errors import RemoteCallError
from noodle.workers.arrays import is_shared, zeros
from noodle.workers.pool import Pool
from noodle.workers.python_program import python_program

OWN = "{}.{}".format(*sys.version_info)
ITEMS = 20_000

SOURCE = """
kept = []
def fill(values, value):
    try:
        values[...] = value
    except (TypeError, NotImplementedError):
        for index in range(len(values)):
            values[index] = value
def facts(values):
    view = memoryview(values)
    return [type(values).__name__, view.format, list(view.shape), view.readonly, view.tolist()]
def keep(values):
    kept.append(memoryview(values)[10:20])
def kept_items():
    return [view.tolist() for view in kept]
def forget():
    kept.clear()
result = {"fill": fill, "facts": facts, "keep": keep, "items": kept_items, "forget": forget,
          "same": lambda values: values}
"""


@pytest.fixture(scope="module", params=VERSIONS)
def worker(request: pytest.FixtureRequest) -> Iterator[PythonWorker]:
    with python_worker(request.param) as worker:
        yield worker


@pytest.fixture
def functions(worker: PythonWorker) -> dict[str, Callable[..., Any]]:
    return worker.run(SOURCE)  # type: ignore[no-any-return]


def settles(expected: int, count: Callable[[], int]) -> bool:
    end = time.monotonic() + 10
    while count() != expected and time.monotonic() < end:
        continue
    return count() == expected


# ---------------------------------------------------------------------------------- Shared memory


def test_what_a_worker_writes_is_seen_here(worker: PythonWorker, functions: Any):
    values = zeros(ITEMS)
    copies = worker.pool.worker().link.statistics()["copies"]
    functions["fill"](values, 2.5)
    assert (values == 2.5).all()
    assert copies == worker.pool.worker().link.statistics()["copies"]


def test_a_part_of_an_array_is_passed_in_place(functions: Any):
    values = zeros((100, 1000))
    functions["fill"](values[10], 1.0)
    assert 1000.0 == values.sum()


def test_an_array_that_comes_back_is_the_same_memory(functions: Any):
    values = zeros(ITEMS)
    again = functions["same"](values)
    again[7] = 3.0
    assert 3.0 == values[7]


def test_a_lease_lives_as_long_as_the_last_view_in_the_worker(worker: PythonWorker, functions: Any):
    link = worker.pool.worker().link
    assert settles(0, lambda: link.statistics()["lent_segments"])
    values = zeros(ITEMS)
    values[10:20] = 4.0
    functions["keep"](values)
    del values
    gc.collect()
    assert 1 == link.statistics()["lent_segments"]
    assert [[4.0] * 10] == functions["items"]()
    functions["forget"]()
    assert settles(0, lambda: link.statistics()["lent_segments"])


def test_memory_of_any_size_is_given_back_before_the_answer(worker: PythonWorker, functions: Any):
    link = worker.pool.worker().link
    values = zeros(8_000_000)
    functions["fill"](values[:10], 1.0)
    assert settles(0, lambda: link.statistics()["lent_segments"])
    for _ in range(20):
        functions["fill"](values[:10], 2.0)
        assert 0 == link.statistics()["lent_segments"]


def test_a_worker_with_leases_ends_in_good_order(worker: PythonWorker):
    with python_worker(worker.version) as own:
        functions = own.run(SOURCE)
        for _ in range(3):
            functions["keep"](zeros(ITEMS))
        running = own.pool.worker()
        running.stop(10)
        assert running.exit is not None
        assert 0 == running.exit.code


def test_segments_that_are_not_needed_any_more_are_unmapped(worker: PythonWorker, functions: Any):
    for number in range(5):
        functions["same"](zeros((number + 1) * ITEMS))
    gc.collect()
    _host.trim()
    worker.run("import gc; gc.collect()")
    assert settles(0, lambda: worker.pool.worker().link.statistics()["lent_segments"])


# ----------------------------------------------------------------------------------- Without NumPy


@pytest.fixture(scope="module")
def bare(worker: PythonWorker) -> Iterator[dict[str, Callable[..., Any]]]:
    """Functions of a worker that finds no NumPy."""
    with python_worker(worker.version) as own:
        own.run("import sys; sys.modules['numpy'] = None")
        yield own.run(SOURCE)


@pytest.mark.parametrize("code", ["?", "b", "h", "i", "q", "B", "H", "I", "Q", "f", "d"])
def test_a_worker_without_numpy_gets_a_memoryview(bare: Any, code: str):
    values = numpy.array([[0, 1, 1], [1, 0, 1]], dtype=code)
    name, form, shape, read_only, items = bare["facts"](values)
    assert ("memoryview", [2, 3], False) == (name, shape, read_only)
    assert numpy.dtype(form) == values.dtype
    assert values.tolist() == items


def test_what_a_memoryview_cannot_hold_is_refused(bare: Any):
    for values in (numpy.array([1j]), numpy.array(["text"]), zeros(ITEMS)[::2]):
        with pytest.raises(RemoteCallError, match="needs NumPy"):
            bare["facts"](values)


def test_buffers_of_the_standard_library_arrive_as_arrays(worker: PythonWorker):
    result = worker.run("from array import array; result = array('d', [1.5, 2.5])")
    assert (numpy.float64, [1.5, 2.5]) == (result.dtype, result.tolist())
    result = worker.run("result = bytearray(100_000)")
    assert (100_000, numpy.uint8) == (len(result), result.dtype)
    assert is_shared(result)
    assert [1, 2] == list(worker.function("builtins.sorted")(array("i", [1, 2])))


# ------------------------------------------------------------------------------- Another NumPy


@pytest.mark.slow
def test_two_versions_of_numpy_exchange_arrays_without_copying(tmp_path: Path):
    interpreter = require_python("3.9")
    subprocess.run([interpreter, "-m", "venv", tmp_path], check=True)
    python = tmp_path / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--only-binary=:all:", "numpy==1.21.0"]
    subprocess.run(install, check=True)
    old, new = Pool(python_program(python)), Pool(python_program(Path(sys.executable)))
    try:
        workers = PythonWorker(old, "3.9"), PythonWorker(new, OWN)
        versions = [worker.module("numpy").member("__version__") for worker in workers]
        assert "1.21.0" == versions[0] != versions[1]
        values = zeros((300, 300))
        for number, worker in enumerate(workers):
            worker.function("numpy.add")(values, number + 1.0, values)
        assert (values == 3.0).all()
        born = workers[0].function("numpy.arange")(float(ITEMS))
        assert is_shared(born)
        workers[1].function("numpy.negative")(born, born)
        assert -5.0 == born[5]
        assert [0, 0] == [pool.worker().link.statistics()["copies"] for pool in (old, new)]
    finally:
        old.stop()
        new.stop()
