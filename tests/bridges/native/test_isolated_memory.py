"""Arrays and pointers of a native library in a worker."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import noodle
from noodle.bridges.native.libraries import NativeLibrary
from noodle.bridges.native.pointers import WorkerPointer
from noodle.calls import Call, LoadRequest, Signature
from noodle.errors import (
    ArgumentTypeError,
    ReferenceReleasedError,
    UsageError,
    WorkerCrashedError,
)
from tests.bridges.native.conftest import PROTOTYPES, compile_to, load_sample

LARGE = 100_000
"""Items of an array that takes a segment of its own."""

MOVES = """
#include <stddef.h>
#include <string.h>
#include <stdlib.h>
void shift(double *to, const double *from, size_t count) { memmove(to, from, count * sizeof *to); }
void add_to(double *x, const double *y, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] += y[i];
}
void swap_ends(double *x, double *y) { double kept = *x; *x = *y; *y = kept; }
void end(void) { abort(); }
void write_and_end(double *x) { *x = 1; abort(); }
"""
MOVES_PROTOTYPES = """
void shift(double *to, const double *from, size_t count);
void add_to(double *x, const double *y, size_t count);
void swap_ends(double *x, double *y); void end(void); void write_and_end(double *x);
"""


def call(library: NativeLibrary, name: str, *args: Any) -> Any:
    return library.member(name).raw(*args)


@pytest.fixture(scope="module")
def moves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_to(tmp_path_factory.mktemp("moves") / "libmoves.so", MOVES)


@pytest.fixture(params=["inprocess", "isolated"])
def movers(request: pytest.FixtureRequest, bridges: Any, moves: Path) -> NativeLibrary:
    """Functions over several arrays, in each placement."""
    loading = LoadRequest("moves", str(moves), prototypes=MOVES_PROTOTYPES, placement=request.param)
    library: NativeLibrary = bridges["compiled"][0].load(loading)
    return library


class TestArrays:
    @pytest.mark.parametrize("size", [0, 1, 1000, LARGE])
    def test_what_is_written_comes_back_whatever_the_size(
        self, isolated: NativeLibrary, size: int
    ) -> None:
        values = np.arange(float(size))
        call(isolated, "scale", values, size, 2.0)
        assert np.array_equal(np.arange(float(size)) * 2, values)

    def test_each_array_gets_its_own_content_back_wherever_they_lie(
        self, movers: NativeLibrary
    ) -> None:
        first, second = np.full(2, 1.0), np.full(3, 2.0)
        call(movers, "swap_ends", first, second)
        assert (first.tolist(), second.tolist()) == ([2.0, 1.0], [1.0, 2.0, 2.0])
        call(movers, "swap_ends", second, first)
        assert (first.tolist(), second.tolist()) == ([1.0, 1.0], [2.0, 2.0, 2.0])

    def test_shared_memory_is_neither_copied_there_nor_back(self, isolated: NativeLibrary) -> None:
        values = noodle.zeros(LARGE)
        values[:] = 1.0
        before = noodle.stats()
        call(isolated, "scale", values, LARGE, 3.0)
        call(isolated, "scale", values[10:20], 10, 2.0)
        assert 3.0 * LARGE + 30.0 == call(isolated, "sum", values, LARGE)
        after = noodle.stats()
        assert (before.copies, before.copied_bytes) == (after.copies, after.copied_bytes)
        assert after.shared_bytes - before.shared_bytes >= 2 * values.nbytes

    def test_shared_memory_is_seen_while_the_function_writes(self, moves: Path) -> None:
        """What a function wrote before it failed is there in shared memory, and nowhere else."""
        library = noodle.load(str(moves), prototypes=MOVES_PROTOTYPES, placement="isolated")
        shared, own = noodle.zeros(LARGE), np.zeros(LARGE)
        for values in (shared, own):
            with pytest.raises(WorkerCrashedError):
                library.write_and_end(values)
        assert (1.0, 0.0) == (shared[0], own[0])
        noodle.unload(library)

    @pytest.mark.parametrize(
        "dtype", ["f8", "c16", "i1", "datetime64[s]", [("a", "i4"), ("b", "f8")]]
    )
    @pytest.mark.parametrize("make", [np.zeros, noodle.zeros])
    def test_void_memory_takes_any_item(
        self, isolated: NativeLibrary, dtype: Any, make: Any
    ) -> None:
        for count in (3, LARGE):
            values = make(count, np.dtype(dtype))
            if "datetime64" in str(dtype):
                with pytest.raises(ArgumentTypeError):
                    call(isolated, "fill", values, values.nbytes)
                continue
            call(isolated, "fill", values, values.nbytes)
            assert b"\7" * values.nbytes == values.tobytes()

    def test_memory_that_is_only_read_may_be_read_only(self, isolated: NativeLibrary) -> None:
        for values in (np.ones(5), np.ones(LARGE), noodle.array(np.ones(LARGE))):
            values.flags.writeable = False
            assert float(values.size) == call(isolated, "sum", values, values.size)
            with pytest.raises(ArgumentTypeError, match="read-only"):
                call(isolated, "scale", values, values.size, 2.0)

    @pytest.mark.parametrize("size", [10, LARGE])
    def test_every_kind_of_bytes_is_read(self, isolated: NativeLibrary, size: int) -> None:
        for kind in (bytes, bytearray, memoryview):
            assert size == call(isolated, "total", kind(b"\1" * size), size)

    def test_an_array_that_was_released_is_refused(self, isolated: NativeLibrary) -> None:
        values = noodle.zeros(LARGE)
        noodle.release(values)
        with pytest.raises(ReferenceReleasedError):
            call(isolated, "sum", values, LARGE)

    def test_nothing_stays_lent(self, isolated: NativeLibrary) -> None:
        link = isolated._module.pool.worker().link  # type: ignore[attr-defined]
        for _ in range(20):
            values = np.zeros(LARGE)
            call(isolated, "scale", values, LARGE, 2.0)
            call(isolated, "sum", values, LARGE)
        call(isolated, "add", 1.0, 2.0)
        assert link.statistics()["lent_segments"] <= 2


class TestOverlappingArrays:
    """What two arguments share in this process they share in the worker."""

    @pytest.mark.parametrize("size", [8, LARGE])
    def test_one_array_given_twice_is_one_array(self, movers: NativeLibrary, size: int) -> None:
        values = np.ones(size)
        call(movers, "add_to", values, values, size)
        assert 2.0 * size == values.sum()
        call(movers, "swap_ends", values, values)
        assert 2.0 * size == values.sum()

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
    @given(
        to=st.integers(0, 20),
        begin=st.integers(0, 20),
        count=st.integers(0, 20),
        shared=st.booleans(),
    )
    def test_parts_of_an_array_overlap_as_they_do_here(
        self, movers: NativeLibrary, to: int, begin: int, count: int, shared: bool
    ) -> None:
        values = noodle.zeros(LARGE)[:40] if shared else np.zeros(40)
        values[:] = range(40)
        expected = np.arange(40.0)
        expected[to : to + count] = np.arange(40.0)[begin : begin + count]
        call(movers, "shift", values[to : to + count], values[begin : begin + count], count)
        assert expected.tolist() == values.tolist()

    def test_arrays_beside_each_other_are_written_each(self, movers: NativeLibrary) -> None:
        values = np.array([1.0, 2.0])
        call(movers, "swap_ends", values[:1], values[1:])
        assert [2.0, 1.0] == values.tolist()
        call(movers, "swap_ends", values[1:], values[:1])  # the later one first
        assert [1.0, 2.0] == values.tolist()
        shared = noodle.zeros(LARGE)
        values[:] = [2.0, 1.0]
        call(movers, "swap_ends", shared, values)
        assert (2.0, 0.0) == (shared[0], values[0])


class TestPointers:
    def test_they_are_equal_where_they_point_to_the_same(self, isolated: NativeLibrary) -> None:
        one, other = (call(isolated, "counter_new", n) for n in (1, 2))
        assert (one == call(isolated, "other_new"), one == other) == (False, False)
        assert call(isolated, "other_new") == call(isolated, "other_new")
        assert 1 == len({call(isolated, "other_new") for _ in range(3)})

    def test_numbers_are_read_at_one_and_other_things_are_not(
        self, isolated: NativeLibrary
    ) -> None:
        values = noodle.zeros(LARGE)
        values[:3] = [1.5, 2.5, 3.5]
        found = call(isolated, "first", values)
        assert (1.5, [2.5, 3.5]) == (found[0], found[1:3])
        with pytest.raises(UsageError, match="known to C alone"):
            found[:]
        pointer = call(isolated, "counter_new", 1)
        for use in (lambda p: p[0], iter, memoryview, int, len):
            with pytest.raises(TypeError):
                use(pointer)

    def test_memory_of_the_worker_is_handed_on(self, isolated: NativeLibrary) -> None:
        """The function returns its argument: memory that lives on, as the array is shared."""
        values = noodle.zeros(LARGE)
        values[:2] = 1.0
        pointer = call(isolated, "first", values)
        assert isinstance(pointer, WorkerPointer)
        assert pointer == call(isolated, "first", pointer)

    def test_one_of_this_process_is_refused_there_and_the_other_way_round(
        self, bridges: Any, sample: Path
    ) -> None:
        here = load_sample(bridges, sample, "compiled")
        there = load_sample(bridges, sample, "isolated compiled")
        with pytest.raises(ArgumentTypeError, match="means nothing to its worker"):
            call(there, "counter_next", call(here, "counter_new", 1))
        with pytest.raises(ArgumentTypeError, match="struct counter"):
            call(here, "counter_next", call(there, "counter_new", 1))

    def test_one_to_something_else_is_refused(self, isolated: NativeLibrary) -> None:
        function = isolated.member("counter_next")
        own, other = call(isolated, "counter_new", 1), call(isolated, "other_new")
        with pytest.raises(ArgumentTypeError, match="struct counter"):
            function.raw(other)
        bound = function.bind(Call("sample", "counter_next", (own,), {}, Signature.of((own,))))
        with pytest.raises(TypeError):
            bound.callable(other)

    def test_one_ends_with_its_worker(self, isolated: NativeLibrary) -> None:
        pointer = call(isolated, "counter_new", 5)
        isolated._module.pool.stop()  # type: ignore[attr-defined]
        with pytest.raises(ReferenceReleasedError, match="struct counter") as caught:
            call(isolated, "counter_next", pointer)
        assert "a worker that has ended" in str(caught.value.received)
        assert 5 == call(isolated, "counter_next", call(isolated, "counter_new", 5))

    def test_libraries_that_name_one_worker_pass_them_to_each_other(
        self, bridges: Any, sample: Path, tmp_path: Path
    ) -> None:
        source = "struct counter { int value; };\nint read(struct counter *c) { return c->value; }"
        prototypes = "struct counter; int read(struct counter *c);"
        reader = compile_to(tmp_path / "libreader.so", source)
        bridge = bridges["compiled"][0]

        def load(path: Path, prototypes: str, options: dict[str, Any]) -> NativeLibrary:
            loaded: NativeLibrary = bridge.load(
                LoadRequest(
                    path.name,
                    str(path),
                    prototypes=prototypes,
                    options=options,
                    placement="isolated",
                )
            )
            return loaded

        together = {"worker": f"together-{os.getpid()}"}
        counters = load(sample, PROTOTYPES, together)
        readers = [load(reader, prototypes, options) for options in (together, {})]
        counter = call(counters, "counter_new", 7)
        assert 7 == call(readers[0], "read", counter)
        with pytest.raises(ReferenceReleasedError, match="worker='NAME'"):
            call(readers[1], "read", counter)
