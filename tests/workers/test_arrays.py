"""Arrays in shared memory: who sees whose changes, what is copied, how long memory lives."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import numpy
import pytest
from tests.workers.echo import Functions, echo_pool, functions_of, statistics

from noodle import _host
from noodle.errors import ArgumentTypeError, WorkerCrashedError
from noodle.workers.arrays import array, empty, is_shared, zeros
from noodle.workers.pool import Pool

ITEMS = 20_000


def test_an_array_born_shared_is_changed_in_place(pool: Pool, function: Functions):
    values = zeros(ITEMS)
    function("fill")(values, 2.5)
    assert (values == 2.5).all()
    assert (0, 8 * ITEMS) == (statistics(pool)["copies"], statistics(pool)["shared_bytes"])


def test_a_part_of_a_shared_array_is_passed_in_place(function: Functions):
    values = zeros((100, 1000))
    function("fill")(values[10:20], 1.0)
    assert 10_000.0 == values.sum()


def test_any_other_array_is_copied_once(pool: Pool, function: Functions):
    values = numpy.zeros(ITEMS)
    function("fill")(values, 2.5)
    assert not values.any()
    assert (1, 8 * ITEMS) == (statistics(pool)["copies"], statistics(pool)["copied_bytes"])


@pytest.mark.parametrize(
    "values",
    [
        numpy.arange(12.0).reshape(3, 4),
        numpy.arange(12, dtype="i2")[::-2],
        numpy.asfortranarray(numpy.arange(6, dtype="u4").reshape(2, 3)),
        numpy.array([True, False]),
        numpy.array([1 + 2j]),
        numpy.array(["2026-01-02", "NaT"], dtype="M8[D]"),
        numpy.array([b"ab", b"c"]),
        numpy.array(["é", "long"]),
        numpy.arange(40_000, dtype="i8")[::3].reshape(-1, 2),
        numpy.zeros((0, 3)),
    ],
    ids=lambda values: f"{values.dtype}{values.shape}",
)
def test_an_array_comes_back_as_it_was_sent(function: Functions, values: Any):
    result = function("echo")(values)
    assert (values.dtype, values.shape) == (result.dtype, result.shape)
    numpy.testing.assert_array_equal(values, result)


def test_a_result_in_shared_memory_is_not_copied(pool: Pool, function: Functions):
    result = function("make")(ITEMS)
    assert is_shared(result)
    numpy.testing.assert_array_equal(numpy.arange(float(ITEMS)), result)
    assert 0 == statistics(pool)["copies"]


def test_an_array_that_comes_back_is_the_same_memory(function: Functions):
    values = zeros(ITEMS)
    again = function("pass_on")(values)
    again[7] = 3.0
    assert 3.0 == values[7]


def test_an_array_of_one_worker_reaches_another_without_a_copy(echo_worker: Path):
    with echo_pool(echo_worker) as first, echo_pool(echo_worker) as second:
        values = functions_of(first)("make")(ITEMS)
        functions_of(second)("fill")(values, 4.0)
        assert (values == 4.0).all()
        assert (0, 0) == (statistics(first)["copies"], statistics(second)["copies"])


def test_memory_lives_as_long_as_the_last_view(function: Functions):
    """A lease hangs on the buffer exporter: views of views keep it, a memoryview would not."""
    gc.collect()
    before = _host.arena_statistics()["leased_segments"]
    add = function("add")
    values = function("make")(ITEMS)
    add(1.0, 2.0)
    view = memoryview(values[10:20])[1:]
    del values
    gc.collect()
    assert [11.0, 12.0] == list(numpy.asarray(view)[:2])
    assert before + 1 == _host.arena_statistics()["leased_segments"]
    del view
    gc.collect()
    assert before == _host.arena_statistics()["leased_segments"]


def test_memory_of_a_worker_that_died_stays_valid(function: Functions):
    values = function("make")(ITEMS)
    with pytest.raises(WorkerCrashedError):
        function("crash")()
    values[0] = 5.0
    assert 5.0 + sum(range(ITEMS)) == values.sum()


def test_memory_is_used_again(function: Functions):
    make, add = function("make"), function("add")
    for _ in range(20):
        assert ITEMS == len(make(ITEMS))
    before = _host.arena_statistics()["created"]
    for _ in range(200):
        assert ITEMS == len(make(ITEMS))
    add(1.0, 2.0)
    assert before + 4 >= _host.arena_statistics()["created"]


def test_a_read_only_array_is_copied(function: Functions):
    values = zeros(ITEMS)
    values.flags.writeable = False
    function("fill")(values, 1.0)
    assert not values.any()


def test_results_of_a_sandboxed_worker_are_private(echo_worker: Path):
    """What another process can still write to must not be given to NumPy."""
    with echo_pool(echo_worker, trusted=False) as pool:
        result = functions_of(pool)("make")(ITEMS)
        assert not is_shared(result)
        assert 1 == statistics(pool)["copies"]
        numpy.testing.assert_array_equal(numpy.arange(float(ITEMS)), result)


def test_small_arrays_travel_inside_the_message():
    assert not is_shared(zeros(10))
    assert is_shared(empty((100, 100)))
    assert not is_shared("text")


def test_an_array_is_copied_into_shared_memory():
    values = array([[float(number)] * 100 for number in range(100)])
    assert is_shared(values)
    assert 99.0 == values[99, 99]


def test_objects_cannot_be_shared():
    with pytest.raises(ArgumentTypeError, match="Python objects"):
        empty(10, object)


def test_memory_stays_flat_while_arrays_pass(function: Functions):
    make = function("make")
    for _ in range(20):
        make(100 * ITEMS)
    gc.collect()
    before = resident_bytes()
    for _ in range(20):
        make(100 * ITEMS)
    assert resident_bytes() < 1.05 * before + 16_000_000


def resident_bytes() -> int:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
