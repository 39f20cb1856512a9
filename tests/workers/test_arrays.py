"""Arrays in shared memory: who sees whose changes, what is copied, how long memory lives."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path
from typing import Any

import numpy
import pytest
from tests.workers.echo import IN_C, Functions, echo_pool, functions_of, statistics

from noodle import _host
from noodle.errors import (
    ArgumentTypeError,
    InputLimitError,
    ReferenceReleasedError,
    WorkerCrashedError,
)
from noodle.workers.arrays import array, empty, is_shared, zeros
from noodle.workers.pool import Pool
from noodle.workers.references import release, scope

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
    # A few more where the worker hears late that it has them back.
    assert before + 40 >= _host.arena_statistics()["created"]


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


BOOL, I8, F64, TEXT = 1, 2, 12, 18
"""Of the dtypes in ``noodle/wire.h``."""

FORTRAN = 2
"""Of the flags there."""


def claim(
    function: Functions,
    dtype: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    *,
    own: bool = False,
    segment: int = 1 << 17,
    fill: int = 0,
    flags: int = 0,
    offset: int = 0,
) -> Any:
    """What the worker claims to be an array in a segment of its own, or of the host."""
    size = {BOOL: 1, I8: 1, F64: 8, TEXT: 4}[dtype]
    numbers = (int(own), segment, fill, dtype, size, flags, offset, len(shape), *shape, *strides)
    return function("claim")(*map(float, numbers))


@IN_C
@pytest.mark.parametrize(
    ("shape", "strides", "offset", "copied"),
    [
        ((10,), (8,), 800, 80),
        ((2,), (100 << 20,), 8, 16),
        ((2,), (-(100 << 20),), 100 << 20, 16),
        ((1 << 20,), (0,), 0, 8),
        ((1 << 10, 2), (0, 100 << 20), 0, 16),
        ((1000, 1000), (8, 8), 0, 1999 * 8),
        ((0, 5), (8, 8), 64, 0),
    ],
)
def test_of_an_array_of_a_sandboxed_worker_only_what_it_spans_is_copied(
    echo_worker: Path, shape: tuple[int, ...], strides: tuple[int, ...], offset: int, copied: int
):
    """The worker chooses the segment's size, and the strides."""
    with echo_pool(echo_worker, trusted=False) as pool:
        function = functions_of(pool)
        result = claim(function, F64, shape, strides, segment=200 << 20, offset=offset)
        assert (shape, 0.0) == (result.shape, result.sum())
        assert copied == statistics(pool)["copied_bytes"]
        assert result.flags.writeable == (0 not in strides and shape != (1000, 1000))


@IN_C
@pytest.mark.parametrize("own", [False, True], ids=["of the host", "sealed"])
@pytest.mark.parametrize(
    ("dtype", "shape", "strides", "flags"),
    [
        (BOOL, (100,), (1,), 0),
        (BOOL, (50,), (2,), 0),
        (BOOL, (10, 10), (1, 10), FORTRAN),
        (BOOL, (10,), (-3,), 0),
        (BOOL, (10,), (0,), 0),
        (BOOL, (5, 5), (1, 1), 0),
        (TEXT, (10,), (4,), 0),
        (TEXT, (10,), (8,), 0),
        (TEXT, (10,), (3,), 0),
    ],
)
def test_items_that_numpy_would_trust_are_checked_whatever_the_layout(
    echo_worker: Path, dtype: int, shape: tuple[int, ...], strides: tuple[int, ...], flags: int,
    own: bool,
):  # fmt: skip
    with echo_pool(echo_worker, trusted=False) as pool:
        function = functions_of(pool)
        layout = {"flags": flags, "offset": 40, "own": own}
        sound = claim(function, BOOL if dtype == BOOL else I8, shape, strides, fill=1, **layout)
        assert (sound == 1).all()
        with pytest.raises(WorkerCrashedError, match="items that its dtype does not know"):
            claim(function, dtype, shape, strides, fill=0x7F, **layout)


def test_a_worker_gets_no_more_shared_memory_than_its_quota(echo_worker: Path):
    with echo_pool(echo_worker, shared_bytes=1 << 20) as pool:
        function = functions_of(pool)
        fill = function("fill")
        values = zeros(1 << 16)
        fill(values, 1.0)
        assert (values == 1.0).all()
        with pytest.raises(InputLimitError, match="more shared memory than its worker may have"):
            fill(zeros(1 << 18), 1.0)
        with pytest.raises(InputLimitError, match=r"at most 1\.049 MB"):
            function("make")(1 << 18)
        with pytest.raises(InputLimitError):
            function("echo")("x" * (2 << 20))
        fill(values, 2.0)
        assert (2.0, 3.0) == (values[7], function("add")(1.0, 2.0))
        assert gives_back_all(pool)


def gives_back_all(pool: Pool) -> bool:
    """Whether the worker has no segment any more, within ten seconds; some it gives back late."""
    end = time.monotonic() + 10
    while pool.worker().link.lent_bytes and time.monotonic() < end:
        functions_of(pool)("add")(1.0, 2.0)
    return not pool.worker().link.lent_bytes


@IN_C
def test_a_worker_gets_no_more_segments_than_its_quota(echo_worker: Path):
    with echo_pool(echo_worker, shared_segments=3) as pool:
        echo = functions_of(pool)("echo")
        kept = [zeros(ITEMS) for _ in range(4)]
        for values in kept[:3]:
            echo(values)
            echo(values)
        with pytest.raises(InputLimitError, match="in 3 segments"):
            echo(kept[3])
        echo(kept[0])


@IN_C
def test_memory_that_a_worker_made_counts_before_it_is_touched(echo_worker: Path):
    """A memfd of a terabyte costs its maker nothing."""
    with echo_pool(echo_worker, trusted=False, shared_bytes=1 << 30) as pool:
        function = functions_of(pool)
        with pytest.raises(InputLimitError, match="more shared memory"):
            claim(function, F64, (10,), (8,), own=True, segment=1 << 40)
        result = claim(function, F64, (10,), (8,), own=True)
        assert 0.0 == result.sum()
        assert 0 == pool.worker().link.lent_bytes


def test_a_released_array_is_refused_and_its_views_stay_valid(function: Functions):
    gc.collect()
    before = _host.arena_statistics()["leased_segments"]
    fill = function("fill")
    values = zeros(ITEMS)
    view = values[10:]
    fill(values, 2.0)
    release(values)
    release(view)
    for use in (values, view, memoryview(view), view.reshape(-1, 5)):
        with pytest.raises(ReferenceReleasedError, match="an array cannot be used any more"):
            fill(use, 1.0)
    values.flags.writeable = False
    with pytest.raises(ReferenceReleasedError):
        fill(values, 1.0)
    assert 2.0 == view[0]
    assert before + 1 == _host.arena_statistics()["leased_segments"]
    del values, view, use
    gc.collect()
    fill(zeros(ITEMS), 1.0)
    gc.collect()
    # A worker in Python may give back what it had of the array only with its next calls.
    end = time.monotonic() + 10
    while _host.arena_statistics()["leased_segments"] > before and time.monotonic() < end:
        function("add")(1.0, 2.0)
    assert before == _host.arena_statistics()["leased_segments"]


def test_a_block_releases_the_arrays_that_it_keeps(function: Functions):
    values, other = zeros(ITEMS), zeros(ITEMS)
    with scope() as block:
        assert values is block.keep(values)
        assert "text" == block.keep("text")
    with pytest.raises(ReferenceReleasedError):
        function("fill")(values, 1.0)
    function("fill")(other, 1.0)
    assert 1.0 == other[0]


def test_an_array_in_ordinary_memory_has_nothing_to_release(function: Functions):
    for values in (numpy.zeros(ITEMS), zeros(3), numpy.array(["2026-01-02"], dtype="M8[D]")):
        release(values)
        numpy.testing.assert_array_equal(values, function("echo")(values))
    with pytest.raises(ArgumentTypeError, match="a proxy or an array"):
        release("text")


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
