"""Functions of numbers over arrays: what a compiled loop gives, refuses, and ends in time."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

import noodle
from noodle.bridges.native.c_parser import parse_c
from noodle.bridges.native.vectorized_loops import (
    LoopOptions,
    LoopSource,
    compile_loop,
    open_loop,
)
from noodle.bridges.native.vectorized_running import run_loop
from noodle.build_cache import BuildCache
from noodle.errors import (
    ArgumentError,
    ArgumentRangeError,
    ArgumentTypeError,
    ArityError,
    DeadlineExceededError,
    MissingPackageError,
    MissingToolError,
    SettingsError,
    ShapeError,
    WorkerCrashedError,
)
from tests.bridges.native.conftest import compile_to, system_compiler

TYPES = {
    **{f"i{bits}": f"int{bits}_t" for bits in (8, 16, 32, 64)},
    **{f"u{bits}": f"uint{bits}_t" for bits in (8, 16, 32, 64)},
    "f32": "float",
    "f64": "double",
    "bool": "bool",
}
PROTOTYPES = (
    "".join(f"{c} next_{name}({c} v);" for name, c in TYPES.items())
    + """
    double scaled(double x, double y, double z); double plus(double x, double y);
    float half(float x); bool both(bool x, bool y);
    double mixed(int32_t x, float y, bool z, uint64_t u);
    double five(double a, double b, double c, double d, double e);
    int64_t calls_made(int64_t unused); double counted(double x); double spend(double seconds);
    int meet(int others, int room); int meet_late(int others, int room);
    double *address(double x); double first(const double *values);
    void nothing(double x); double none(void); int crash(int x);
"""
)
DTYPES = {"bool": np.dtype("?"), "f32": np.dtype("f4"), "f64": np.dtype("f8")} | {
    name: np.dtype(f"{name[0]}{int(name[1:]) // 8}") for name in TYPES if name[0] in "iu"
}
LARGE = 100_000
"""Elements whose memory is shared with a worker."""

SOON = 1.0
"""Seconds within which an error follows its cause on a busy machine; a run would take minutes."""


@pytest.fixture(scope="session")
def loops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of ``loops.c``."""
    source = Path(__file__).with_name("loops.c")
    return compile_to(tmp_path_factory.mktemp("loops") / "libloops.so", source)


@pytest.fixture(autouse=True)
def _own_cache(cache_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOODLE_CACHE_DIR", str(cache_directory.parent))


WAYS: dict[str, dict[str, Any]] = {
    "compiled": {},
    "libffi": {"mode": "abi"},
    "isolated": {"placement": "isolated"},
}


def loaded(path: Path, way: str, **options: Any) -> ModuleType:
    return noodle.load(str(path), prototypes=PROTOTYPES, **WAYS[way], **options)


@pytest.fixture(params=WAYS)
def library(request: pytest.FixtureRequest, loops: Path) -> ModuleType:
    """The library, in each way in which functions are called."""
    return loaded(loops, request.param, thread_safe=True)


@pytest.fixture
def here(loops: Path) -> ModuleType:
    """The library in this process."""
    return loaded(loops, "compiled", thread_safe=True)


@pytest.fixture
def automatic(loops: Path) -> Iterator[ModuleType]:
    """The library in this process, with ``auto_vectorize``."""
    library = loaded(loops, "compiled", auto_vectorize=True)
    yield library
    noodle.unload(library)


def edges(name: str) -> np.ndarray[Any, Any]:
    """The most extreme values of a type, and some ordinary ones."""
    dtype = DTYPES[name]
    if dtype.kind == "b":
        return np.array([True, False])
    if dtype.kind == "f":
        limits = np.finfo(dtype)
        extreme = [limits.max, limits.min, limits.tiny, np.inf, -np.inf, np.nan, -0.0, 1.5]
        return np.array(extreme, dtype=dtype)
    limits_of = np.iinfo(dtype)
    return np.array([limits_of.min, limits_of.max, 0, 1, 77], dtype=dtype)


class TestResults:
    @pytest.mark.parametrize("name", TYPES)
    def test_each_type_keeps_its_values_and_its_dtype(self, library: ModuleType, name: str) -> None:
        values = edges(name)
        mapped = getattr(library, f"next_{name}").map(values)
        with np.errstate(all="ignore"):
            expected = ~values if name == "bool" else values + np.ones((), dtype=values.dtype)
        assert (mapped.dtype, mapped.shape) == (DTYPES[name], values.shape)
        assert np.array_equal(mapped, expected, equal_nan=name[0] == "f")

    def test_parameters_of_different_types_meet(self, library: ModuleType) -> None:
        x = np.array([[-1], [2**31 - 1]], dtype="i4")
        y = np.array([0.5, 1.5, 2.5], dtype="f4")
        z = np.array([True, False, True])
        u = np.array([0, 7, 2**40], dtype="u8")
        expected = (x + y.astype("f8")).astype("f8") + np.where(z, 0.5, 0) + u.astype("f8")
        assert np.allclose(library.mixed.map(x, y, z, u), expected, rtol=1e-6, atol=0)

    def test_many_parameters(self, library: ModuleType) -> None:
        arrays = np.arange(5 * LARGE, dtype="f8").reshape(5, LARGE)
        expected = sum((k + 1) * row for k, row in enumerate(arrays))
        assert np.array_equal(library.five.map(*arrays), expected)

    def test_a_byte_that_is_no_bool_counts_as_true(self, library: ModuleType) -> None:
        odd = np.array([0, 1, 2, 255], dtype="u1").view("?")
        assert library.both.map(odd, True).tolist() == [False, True, True, True]
        assert library.next_bool.map(odd).view("u1").tolist() == [1, 0, 0, 0]

    def test_arrays_without_dimensions_give_a_number(self, library: ModuleType) -> None:
        for value in (np.array(1.5), np.float64(1.5)):
            result = library.plus.map(value, 2)
            assert (type(result), result) == (np.float64, 3.5)

    @pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3, 1)])
    def test_an_empty_array_keeps_its_shape_and_calls_nothing(
        self, library: ModuleType, shape: Any
    ) -> None:
        before = library.calls_made(0)
        assert library.counted.map(np.zeros(shape)).shape == shape
        assert library.calls_made(0) == before

    def test_each_element_is_called_for_once(self, library: ModuleType) -> None:
        before = library.calls_made(0)
        library.counted.map(np.zeros((7, 1, 3)))
        library.counted.map(np.zeros(LARGE), parallel=True)
        assert library.calls_made(0) == before + 21 + LARGE

    def test_elements_count_as_calls(self, here: ModuleType) -> None:
        before = noodle.stats(here.counted).calls
        here.counted.map(np.zeros((5, 4)))
        here.counted.map(np.zeros(0))
        assert noodle.stats(here.counted).calls == before + 20

    def test_the_memory_order_of_the_arguments_is_kept(self, here: ModuleType) -> None:
        assert here.plus.map(np.zeros((3, 4), order="F"), 1.0).flags.f_contiguous
        assert here.plus.map(np.zeros((3, 4)), 1.0).flags.c_contiguous

    def test_lists_alone_give_a_list(self, library: ModuleType) -> None:
        assert [3.0, 5.0] == library.plus.map([1.0, 2.0], [2.0, 3.0])


@st.composite
def operands(draw: st.DrawFn, count: int) -> list[np.ndarray[Any, Any]]:
    """Arrays of floats in broadcastable shapes and any layout: strided, reversed, swapped."""
    shapes = draw(
        arrays_of.mutually_broadcastable_shapes(
            num_shapes=count, max_dims=4, max_side=5, min_side=0
        )
    )
    finite = st.floats(-1e100, 1e100)
    made = []
    for shape in shapes.input_shapes:
        wide = tuple(2 * side for side in shape)
        array = draw(arrays_of.arrays("f8", wide, elements=finite, fill=finite))
        steps = [draw(st.sampled_from([slice(None, None, 2), slice(None, None, -2)])) for _ in wide]
        array = array[tuple(steps)]
        layout = draw(st.sampled_from(["as it is", "C", "F", "swapped", "unaligned"]))
        if layout in "CF":
            array = array.copy(order=layout)
        elif layout == "swapped":
            array = array.astype(">f8")
        elif layout == "unaligned":
            holder = np.zeros(array.shape, dtype=[("pad", "u1"), ("value", "f8")])
            holder["value"] = array
            array = holder["value"]
        made.append(array)
    return made


class TestBroadcasting:
    @given(arrays=operands(2), parallel=st.booleans())
    def test_two_arrays_give_what_numpy_gives(
        self, loops: Path, arrays: list[Any], parallel: bool
    ) -> None:
        x, y = arrays
        plus = loaded(loops, "compiled", thread_safe=True).plus
        mapped = np.asarray(plus.map(x, y, parallel=parallel))
        assert mapped.shape == np.broadcast_shapes(x.shape, y.shape)
        assert np.array_equal(mapped, x + y)

    @given(arrays=operands(4), swapped=st.booleans())
    def test_results_go_into_an_array_of_any_layout(
        self, loops: Path, arrays: list[Any], swapped: bool
    ) -> None:
        x, y, z, _ = arrays
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        out = np.zeros(shape[::-1]).T if swapped else np.zeros((*shape, 2))[..., 0]
        x = np.broadcast_to(x, shape)
        assert loaded(loops, "compiled").scaled.map(x, y, z, out=out) is out
        assert np.array_equal(out, x * y - z)

    @given(
        start=st.integers(0, 6),
        step=st.sampled_from([1, 2, -1, -2]),
        size=st.integers(0, 9),
        way=st.sampled_from(["compiled", "isolated"]),
        shared=st.booleans(),
    )
    def test_results_may_go_into_memory_of_the_arguments(
        self, loops: Path, start: int, step: int, size: int, way: str, shared: bool
    ) -> None:
        values = (noodle.array if shared else np.array)(np.arange(LARGE / 10))
        before = np.array(values)
        x, y = values[10 : 10 + size], values[11 : 11 + size]
        first = 20 - start * step if step < 0 else 10 - start
        out = values[first:][:: abs(step)][:size]
        out = out[::-1] if step < 0 else out
        loaded(loops, way).plus.map(x, y, out=out)
        assert np.array_equal(out, before[10 : 10 + size] + before[11 : 11 + size])

    def test_shapes_that_do_not_fit_are_refused_before_anything_is_called(
        self, library: ModuleType
    ) -> None:
        before = library.calls_made(0)
        with pytest.raises(ShapeError) as caught:
            library.plus.map(np.zeros(2), np.zeros(3))
        assert isinstance(caught.value, ValueError)
        assert caught.value.received == "(2,), (3,)"
        assert library.calls_made(0) == before

    def test_ten_million_elements(self, here: ModuleType) -> None:
        values = np.arange(10**7, dtype="f8")
        out = np.empty_like(values)
        here.plus.map(values, 0.5, out=out, parallel=True)
        assert np.array_equal(out, values + 0.5)

    def test_rows_of_single_items_are_found_in_many_dimensions(self, here: ModuleType) -> None:
        wide = np.arange(4.0**8).reshape((4,) * 8)
        every_other = wide[(slice(None, None, 2),) * 8]
        assert np.array_equal(here.next_f64.map(every_other), every_other + 1)


class TestArguments:
    def test_arguments_may_come_by_name(self, library: ModuleType) -> None:
        x = np.arange(3.0)
        assert library.scaled.map(x, z=1.0, y=x).tolist() == [-1.0, 0.0, 3.0]
        assert library.scaled.map(z=[1, 2], x=[3, 4], y=2).tolist() == [5.0, 6.0]

    @pytest.mark.parametrize("call", [(), (1,), (1, 2, 3), (1, 2, 3, 4)])
    def test_a_wrong_number_is_refused(self, library: ModuleType, call: Any) -> None:
        with pytest.raises(ArityError):
            library.plus.map(*map(np.array, call), out=np.zeros(()))

    def test_an_unknown_name_is_refused(self, library: ModuleType) -> None:
        with pytest.raises(ArityError):
            library.plus.map(np.zeros(1), w=1)

    @pytest.mark.parametrize("held", DTYPES)
    @pytest.mark.parametrize("wanted", DTYPES)
    def test_a_dtype_fits_if_no_value_can_change(
        self, here: ModuleType, held: str, wanted: str
    ) -> None:
        values = np.ones(2, dtype=DTYPES[held])
        exact = np.can_cast(DTYPES[held], DTYPES[wanted], "safe") and (
            held == wanted or wanted != "bool"
        )
        function = getattr(here, f"next_{wanted}")
        if exact:
            assert function.map(values).dtype == DTYPES[wanted]
            return
        with pytest.raises(ArgumentTypeError) as caught:
            function.map(values)
        assert str(caught.value.remedy).startswith(f"v.astype(np.{DTYPES[wanted]})")

    @pytest.mark.parametrize("dtype", ["i8", "u8"])
    def test_integers_are_taken_as_floats_while_they_stay_the_same(
        self, library: ModuleType, dtype: str
    ) -> None:
        values = np.array([2**53, 1, 0], dtype=dtype)
        assert library.plus.map(values, 0).tolist() == values.tolist()
        with pytest.raises(ArgumentRangeError) as caught:
            library.plus.map(values + 1, 0)
        assert caught.value.remedy == "x.astype(np.float64), if rounding is meant"

    @pytest.mark.parametrize(
        "values",
        [np.zeros(1, dtype=kind) for kind in ("c16", "U1", "O", "M8[s]", "m8[s]", "S1", "f8,f8")],
        ids=lambda values: str(values.dtype),
    )
    def test_what_is_no_number_is_refused(self, library: ModuleType, values: Any) -> None:
        for function in (library.next_f64, library.next_i64, library.next_bool):
            with pytest.raises(ArgumentTypeError):
                function.map(values)

    def test_masked_arrays_are_refused(self, library: ModuleType) -> None:
        with pytest.raises(ArgumentTypeError) as caught:
            library.next_f64.map(np.ma.masked_array([1.0, 2.0], [True, False]))
        assert str(caught.value.remedy).startswith("v.filled(value)")

    def test_a_number_is_taken_as_in_a_call(self, library: ModuleType) -> None:
        x = np.zeros(2, dtype="i1")
        assert library.next_i8.map(x).tolist() == [1, 1]
        assert library.half.map(np.zeros(2, dtype="f4")).tolist() == [0.0, 0.0]
        assert library.plus.map(np.zeros(2), True).tolist() == [1.0, 1.0]
        for wrong in (2**60 + 1, "1", None, 1j):
            with pytest.raises(ArgumentError) as mapped:
                library.plus.map(np.zeros(2), wrong)
            with pytest.raises(ArgumentError) as called:
                library.plus(0.0, wrong)
            assert type(mapped.value) is type(called.value)
            assert mapped.value.expected == called.value.expected
            assert mapped.value.received == called.value.received

    @pytest.mark.parametrize(
        ("name", "values", "error"),
        [
            ("i8", [1, -128], None),
            ("i8", [1, 128], ArgumentRangeError),
            ("u8", [-1], ArgumentRangeError),
            ("u64", [2**64 - 1], None),
            ("i64", [1.0], ArgumentTypeError),
            ("f32", [0.1, 2], None),
            ("f64", [2**53 + 1, 1], ArgumentRangeError),
            ("f64", [2**70], ArgumentTypeError),
            ("f64", ["a"], ArgumentTypeError),
            ("f64", [[1], [1, 2]], ArgumentTypeError),
            ("bool", [1], ArgumentTypeError),
            ("bool", [True], None),
            ("i32", [], None),
        ],
    )
    def test_the_values_of_a_list_are_looked_at(
        self, here: ModuleType, name: str, values: Any, error: Any
    ) -> None:
        function = getattr(here, f"next_{name}")
        out = np.empty(len(values), dtype=DTYPES[name])
        if error is None:
            function.map(values, out=out)
            given_ = np.array(values, dtype=DTYPES[name])
            assert np.array_equal(out, function.map(given_))
        else:
            with pytest.raises(error):
                function.map(values, out=out)

    @pytest.mark.parametrize(
        ("out", "received"),
        [
            (np.zeros(4), "shape (4,)"),
            (np.zeros((3, 1)), "shape (3, 1)"),
            (np.zeros(3, dtype="f4"), "float32"),
            (np.zeros(3, dtype=">f8"), ">f8"),
            (np.broadcast_to(np.zeros(3), 3), "read-only"),
            (np.lib.stride_tricks.as_strided(np.zeros(3), (3,), (0,)), "share memory"),
            ([0.0, 0.0, 0.0], "list"),
            (bytearray(24), "array<u8>"),
        ],
        ids=str,
    )
    def test_an_array_that_cannot_take_the_results_is_refused(
        self, library: ModuleType, out: Any, received: str
    ) -> None:
        before = library.calls_made(0)
        with pytest.raises(ArgumentTypeError) as caught:
            library.counted.map(np.zeros(3), out=out)
        assert received in str(caught.value.received)
        assert caught.value.remedy == "out=np.empty((3,), dtype=np.float64)"
        assert library.calls_made(0) == before

    def test_a_keyword_that_is_no_option_has_the_nearest_one(self, library: ModuleType) -> None:
        with pytest.raises(ArityError) as caught:
            library.counted.map([1.0], paralel=True)
        assert caught.value.expected == "one of x, out, parallel"
        assert caught.value.remedy == "parallel"
        assert library.plus.map([1.0], y=[2.0]).tolist() == [3.0]

    def test_lists_that_are_not_equally_long_are_refused(self, library: ModuleType) -> None:
        before = library.calls_made(0)
        with pytest.raises(ShapeError, match="lengths 2, 1"):
            library.plus.map([1.0, 2.0], [3.0])
        with pytest.raises(ArityError, match="no arguments"):
            library.plus.map()
        assert library.calls_made(0) == before

    @pytest.mark.parametrize("name", ["address", "first", "nothing", "none"])
    def test_only_functions_of_numbers_are_mapped(self, library: ModuleType, name: str) -> None:
        with pytest.raises(ArgumentTypeError) as caught:
            getattr(library, name).map(np.zeros(2))
        assert "numbers or bools" in str(caught.value.expected)
        assert f"{name}.batch(" in str(caught.value.remedy)


class TestAutomatically:
    def test_a_call_with_arrays_is_one_for_each_element(self, automatic: ModuleType) -> None:
        x = np.arange(3.0)
        assert automatic.plus(x, 2.0).tolist() == [2.0, 3.0, 4.0]
        assert automatic.plus(x=x[:, None], y=x).tolist() == (x[:, None] + x).tolist()
        assert automatic.plus(1.0, 2.0) == 3.0
        assert noodle.raw(automatic.plus)(x, x).tolist() == [0.0, 2.0, 4.0]

    def test_explain_says_so(self, automatic: ModuleType) -> None:
        note = "called for each element of arrays, in a compiled loop"
        assert note in automatic.plus.explain(np.zeros(2), 1.0).notes
        assert note not in automatic.plus.explain(1.0, 1.0).notes

    @pytest.mark.parametrize("way", ["compiled", "isolated"])
    def test_it_can_be_awaited(self, loops: Path, way: str) -> None:
        library = loaded(loops, way, auto_vectorize=True)

        async def gather() -> Any:
            late = library.spend.options(deadline=0.1).aio(np.full(LARGE, 0.001))
            return await asyncio.gather(
                library.plus.aio(np.ones(2), 1.0),
                library.plus.aio(1.0, 1.0),
                late,
                return_exceptions=True,
            )

        mapped, called, late = asyncio.run(gather())
        assert (mapped.tolist(), called) == ([2.0, 2.0], 2.0)
        assert isinstance(late, DeadlineExceededError)

    def test_errors_are_those_of_a_map(self, automatic: ModuleType) -> None:
        with pytest.raises(ShapeError):
            automatic.plus(np.zeros(2), np.zeros(3))
        with pytest.raises(ArgumentTypeError):
            automatic.plus(np.zeros(2), np.array(["a", "b"]))

    def test_functions_with_memory_are_called_once(self, automatic: ModuleType) -> None:
        assert automatic.first(np.array([5.0, 6.0])) == 5.0
        for name in ("address", "nothing"):
            with pytest.raises(ArgumentTypeError) as caught:
                getattr(automatic, name)(np.zeros(2))
            assert "map" not in str(caught.value.remedy)

    def test_without_the_setting_the_error_says_what_to_type(self, library: ModuleType) -> None:
        with pytest.raises(ArgumentTypeError) as caught:
            library.plus(np.zeros(2), 1.0)
        assert caught.value.remedy == "plus.map(x, y), which calls it for each element"

    def test_the_setting_holds_for_all_libraries(self, loops: Path) -> None:
        optimization = {"auto_vectorize": True, "parallel_execution": True}
        try:
            noodle.configure(ffi={"optimization": optimization})
            for way in ("compiled", "isolated"):
                library = loaded(loops, way, thread_safe=["plus"])
                assert library.plus(np.ones(2), 1.0).tolist() == [2.0, 2.0]
                assert library.scaled(np.ones(2), 1.0, 0.0).tolist() == [1.0, 1.0]
                notes = [str(f.explain(*a).notes) for f, a in self.mapped(library)]
                assert ["on all processors" in note for note in notes] == [True, False]
        finally:
            noodle.configure()

    @staticmethod
    def mapped(library: ModuleType) -> list[tuple[Any, tuple[Any, ...]]]:
        return [(library.plus, (np.ones(2), 1.0)), (library.half, (np.ones(2, "f4"),))]


def test_without_numpy_the_error_says_what_to_install(
    loops: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = loaded(loops, "compiled", thread_safe=["scaled"])
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(MissingPackageError) as caught:
        library.scaled.map([1.0], [2.0], z=3.0)
    assert caught.value.remedy == "pip install numpy"
    assert library.plus.map([1.0], [2.0]) == [3.0]


class TestThreads:
    def test_processors_work_at_the_same_time(self, loops: Path) -> None:
        processors = len(os.sched_getaffinity(0))
        library = loaded(loops, "compiled", thread_safe=["meet"])
        meeting = np.full(processors, processors, dtype="i4")
        assert library.meet.map(meeting, 0, parallel=True).tolist() == [1] * processors

    def test_the_gil_is_released(self, here: ModuleType) -> None:
        def meet() -> bool:
            return here.meet.map(np.full(1, 2, dtype="i4"), 1).tolist() == [1]

        with ThreadPoolExecutor(2) as threads:
            calls = [threads.submit(meet) for _ in range(2)]
            assert [call.result() for call in calls] == [True, True]

    @pytest.mark.parametrize("named", [True, False])
    def test_calls_of_a_batch_work_at_the_same_time_where_that_is_on(
        self, loops: Path, named: bool
    ) -> None:
        library = loaded(loops, "compiled", thread_safe=["meet_late"], parallel_execution=True)
        processors = len(os.sched_getaffinity(0))
        room = 100 + 20 * named
        rows: list[Any] = [(1, room)]
        rows += [(processors, room + 1 + n // processors) for n in range(10 * processors)]
        rows = [dict(zip(("others", "room"), row, strict=True)) for row in rows] if named else rows
        assert library.meet_late.batch(rows) == [1] * len(rows)

    def test_only_functions_that_were_declared_so_run_in_parallel(self, loops: Path) -> None:
        library = loaded(loops, "compiled", thread_safe=["plus"])
        assert library.plus.map(np.ones(2), 1.0, parallel=True).tolist() == [2.0, 2.0]
        with pytest.raises(SettingsError) as caught:
            library.half.map(np.ones(2, dtype="f4"), parallel=True)
        assert str(caught.value.remedy).startswith('thread_safe=["half"] as an option of the load')
        assert library.half.map(np.ones(2, dtype="f4"), parallel=False).tolist() == [0.5, 0.5]

    def test_a_declared_name_must_be_a_functions(self, loops: Path) -> None:
        for way in ("compiled", "isolated"):
            with pytest.raises(SettingsError) as caught:
                loaded(loops, way, thread_safe=["pluss"])
            assert "plus" in str(caught.value.remedy)
        with pytest.raises(SettingsError):
            loaded(loops, "compiled", thread_safe="plus")

    def test_no_thread_is_left_after_an_error(self, here: ModuleType) -> None:
        before = threading.active_count()
        with noodle.deadline(0.05), pytest.raises(DeadlineExceededError):
            here.spend.map(np.full(LARGE, 0.001), parallel=True)
        assert threading.active_count() == before


class TestEnds:
    @pytest.mark.parametrize("parallel", [False, True])
    def test_a_deadline_ends_it(self, library: ModuleType, parallel: bool) -> None:
        library.spend.map(np.zeros(1), parallel=parallel)
        started = time.monotonic()
        with noodle.deadline(0.1), pytest.raises(DeadlineExceededError) as caught:
            library.spend.map(np.full(LARGE, 0.001), parallel=parallel)
        assert time.monotonic() - started < SOON
        assert "spend" in str(caught.value)
        assert library.spend.map(np.zeros(2)).tolist() == [0.0, 0.0]

    def test_the_handles_own_deadline_ends_it(self, library: ModuleType) -> None:
        started = time.monotonic()
        with pytest.raises(DeadlineExceededError):
            library.spend.options(deadline=0.1).map(np.full(LARGE, 0.001))
        assert time.monotonic() - started < SOON

    def test_a_worker_outlives_the_deadline_of_a_loop(self, loops: Path) -> None:
        library = loaded(loops, "isolated")
        library.counted.map(np.zeros(10))
        before = library.calls_made(0)
        assert before >= 10
        with noodle.deadline(0.1), pytest.raises(DeadlineExceededError):
            library.spend.map(np.full(LARGE, 0.001))
        assert library.calls_made(0) > before

    @pytest.mark.parametrize("seconds", [0.02, 0.05, 0.1, 0.2])
    def test_a_deadline_in_the_first_call_of_a_worker_harms_nothing(
        self, loops: Path, seconds: float
    ) -> None:
        library = loaded(loops, "isolated", worker="new", shared_memory="1GB")
        try:
            assert library.plus(1.0, 2.0) == 3.0
            with noodle.deadline(seconds), pytest.raises(DeadlineExceededError):
                library.spend.map(np.full(LARGE, 0.001))
            assert library.plus.map(np.ones(2), 2.0).tolist() == [3.0, 3.0]
        finally:
            noodle.unload(library)

    @pytest.mark.parametrize("parallel", [False, True])
    def test_an_interrupt_ends_it(self, library: ModuleType, parallel: bool) -> None:
        library.spend.map(np.zeros(1))
        main = threading.get_ident()
        timer = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT))
        timer.start()
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            library.spend.map(np.full(LARGE, 0.001), parallel=parallel)
        assert time.monotonic() - started < SOON
        timer.join()

    @pytest.mark.parametrize("parallel", [False, True])
    def test_signal_handlers_run_meanwhile(self, here: ModuleType, parallel: bool) -> None:
        main, ended = threading.get_ident(), threading.Event()
        handled: list[int] = []

        def send() -> None:
            while not ended.wait(0.01):
                signal.pthread_kill(main, signal.SIGUSR1)

        before = signal.signal(signal.SIGUSR1, lambda number, _: handled.append(number))
        sender = threading.Thread(target=send)
        sender.start()
        try:
            here.spend.map(np.full(5000, 0.0001), parallel=parallel)
            seen = len(handled)
        finally:
            ended.set()
            sender.join()
            signal.signal(signal.SIGUSR1, before)
        assert seen >= 5

    def test_other_threads_end_too(self, here: ModuleType) -> None:
        caught: list[BaseException] = []

        def work() -> None:
            try:
                with noodle.deadline(0.1):
                    here.spend.map(np.full(LARGE, 0.001))
            except DeadlineExceededError as error:
                caught.append(error)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10 * SOON)
        assert len(caught) == 3


class TestInAWorker:
    def test_shared_arrays_are_not_copied(self, loops: Path) -> None:
        library = loaded(loops, "isolated")
        x, out = noodle.zeros(LARGE), noodle.empty(LARGE)
        x[:] = np.arange(LARGE)
        library.plus.map(x, x, out=out)
        before = noodle.stats()
        assert library.plus.map(x[::-1], x, out=out) is out
        result = library.plus.map(x, 1.0)
        after = noodle.stats()
        assert (before.copies, before.copied_bytes) == (after.copies, after.copied_bytes)
        assert np.array_equal(out, x[::-1] + x)
        assert np.array_equal(result, x + 1)

    def test_other_arrays_are_copied_once(self, loops: Path) -> None:
        library = loaded(loops, "isolated")
        x = np.arange(float(LARGE))
        out = np.empty(LARGE)
        before = noodle.stats().copied_bytes
        library.plus.map(x, 0.0, out=out)
        assert np.array_equal(out, x)
        assert noodle.stats().copied_bytes - before == x.nbytes

    def test_a_crash_is_an_error_and_the_next_call_works(self, loops: Path, tmp_path: Path) -> None:
        # Workers of a library that crashes again and again are not started any more.
        library = loaded(Path(shutil.copy(loops, tmp_path)), "isolated")
        with pytest.raises(WorkerCrashedError) as caught:
            library.crash.map(np.arange(5, dtype="i4"))
        assert "crash" in str(caught.value)
        assert library.crash.map(np.arange(2, dtype="i4")).tolist() == [0, 1]

    def test_results_can_be_written_to(self, library: ModuleType) -> None:
        for size in (3, LARGE):
            result = library.plus.map(np.zeros(size), 1.0)
            result[0] = 5.0
            assert result[:2].tolist() == [5.0, 1.0]


class TestCompiling:
    def test_functions_of_equal_types_share_a_loop(self, tmp_path: Path) -> None:
        cos, pow_, sin = parse_c(
            "double cos(double); double pow(double, double); double sin(double);"
        ).functions
        options = LoopOptions(system_compiler(), BuildCache(tmp_path / "cache"), "O2")
        loops = [compile_loop(declaration, options) for declaration in (cos, pow_, sin)]
        assert (loops[0] == loops[2], loops[0] == loops[1]) == (True, False)

    def test_without_a_compiler_the_error_says_what_to_install(self, tmp_path: Path) -> None:
        (cos,) = parse_c("double cos(double);").functions
        options = LoopOptions(None, BuildCache(tmp_path / "cache"), "O2")
        with pytest.raises(MissingToolError) as caught:
            compile_loop(cos, options)
        assert "pip install ziglang" in str(caught.value.remedy)
        assert "batch" in str(caught.value.remedy)


class TestSources:
    """The code of a source's function becomes part of its loop, where nobody can tell."""

    def loop_of(self, folder: Path, source: str, level: str = "O2", *, unchanged: bool = True):
        """Return the loop of ``double f(double x)``, and that of all functions of its types."""
        file = folder / "kernel.c"
        file.write_text(source, encoding="utf-8")
        (declaration,) = parse_c("double f(double x);").functions
        cache = BuildCache(folder / "cache")
        identity = str(hash(source))
        of_source = LoopSource(file, identity, lambda: unchanged)
        plain = LoopOptions(system_compiler(), cache, level)
        return compile_loop(declaration, replace(plain, source=of_source)), compile_loop(
            declaration, plain
        )

    @pytest.mark.parametrize(
        "source",
        [
            "double f(double x) { return x + 1; }",
            "static const double steps[] = {1, 2}; double f(double x) { return x + steps[0]; }",
            "#include <math.h>\ndouble f(double x) { return x + cos(0.0) * M_PI / M_PI; }",
            "static double one(void) { return 1; } static double (*const all[])(void) = {one};\n"
            "double f(double x) { return x + all[0](); }",
        ],
    )
    def test_code_without_variables_is_inlined(self, tmp_path: Path, source: str) -> None:
        loop, other = self.loop_of(tmp_path, source)
        assert loop != other
        values, nowhere = np.arange(100.0), 0
        result = run_loop(open_loop(loop), nowhere, [values], None, ["f8", "f8"], 1, "f")
        assert np.array_equal(result, values + 1)

    @pytest.mark.parametrize(
        "source",
        [
            "static int n; double f(double x) { return x + n++; }",
            "double f(double x) { static double kept = 1; return kept += x; }",
            "static _Thread_local int n; double f(double x) { return x + n++; }",
            "int given = 3; double f(double x) { return x + given; }",
            '#include <stdio.h>\n__attribute__((constructor)) static void start(void) { puts(""); }'
            "\ndouble f(double x) { return x; }",
            "#define noodle_run f\ndouble f(double x) { return x; }",
        ],
    )
    def test_code_with_variables_is_called(self, tmp_path: Path, source: str) -> None:
        loop, other = self.loop_of(tmp_path, source)
        assert loop == other

    def test_a_source_that_has_changed_is_called(self, tmp_path: Path) -> None:
        loop, other = self.loop_of(tmp_path, "double f(double x) { return x; }", unchanged=False)
        assert loop == other

    @pytest.mark.parametrize("level", ["O0", "O1", "Os"])
    def test_other_levels_are_kept(self, tmp_path: Path, level: str) -> None:
        loop, other = self.loop_of(tmp_path, "double f(double x) { return x; }", level)
        assert loop == other

    @pytest.mark.parametrize("placement", ["inprocess", "isolated"])
    def test_a_source_keeps_its_one_set_of_variables(self, tmp_path: Path, placement: str) -> None:
        source = tmp_path / "count.c"
        source.write_text(
            "static int n; double f(double x) { n++; return x / 3; } int made(void) { return n; }"
        )
        library = noodle.load(
            str(source), prototypes="double f(double x); int made(void);", placement=placement
        )
        assert library.f.map(np.arange(9.0)).tolist() == (np.arange(9.0) / 3).tolist()
        assert library.made() == 9

    def test_a_loop_computes_what_a_call_computes(self, tmp_path: Path) -> None:
        source = tmp_path / "poly.c"
        source.write_text("double f(double x, double y) { return x * y + x / 3 - y * y * 0.1; }")
        library = noodle.load(str(source), prototypes="double f(double x, double y);")
        x, y = np.random.default_rng(5).normal(size=(2, 1000))
        called = library.f.batch(zip(x.tolist(), y.tolist(), strict=True))
        assert library.f.map(x, y).tolist() == called
        assert library.f.map(x[::-1], y[0]).tolist() == library.f.batch(
            [(value, y[0]) for value in x[::-1].tolist()]
        )


PROGRAM = """
import ffi "libm.so.6" as m {
    fn hypot(x: f64, y: f64): f64
} with { auto_vectorize: true, thread_safe: ["hypot"] }
import ffi "numpy" as np
let x = np.array([3.0, 6.0, 9.0])
print(m.hypot(x, 4.0).tolist()[0], m.hypot(3.0, 4.0))
let out = np.zeros(3)
m.hypot.map(x, 0.0, out=out, parallel=true)
print(out.tolist())
"""


def test_a_noodle_program_applies_functions_to_arrays(
    tmp_path: Path, noodle_command: list[str]
) -> None:
    program = tmp_path / "program.noodle"
    program.write_text(PROGRAM, encoding="utf-8")
    result = subprocess.run(
        [*noodle_command, "run", program], capture_output=True, text=True, check=False
    )
    assert result.stdout.splitlines() == ["5.0 5.0", "[3.0, 6.0, 9.0]"], result.stderr
