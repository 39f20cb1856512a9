"""What a call does is the same through a compiled extension, ziglang's, and libffi.

It is also the same in this process and in a worker, but for what needs this process's memory.
"""

from __future__ import annotations

import array
import ctypes
import math
import threading
from typing import Any

import cffi
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from noodle.bridges.native.libraries import NativeLibrary
from noodle.bridges.native.pointers import AnyPointer
from noodle.calls import Call
from noodle.errors import (
    ArgumentError,
    ArgumentRangeError,
    ArgumentTypeError,
    ArityError,
    ForeignError,
)
from noodle.values import INTEGER_RANGES

fixed_library = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def call(library: NativeLibrary, name: str, *args: Any, **kwargs: Any) -> Any:
    return library.member(name).raw(*args, **kwargs)


class TestNumbers:
    @pytest.mark.parametrize("type_name", INTEGER_RANGES)
    def test_integers_cross_at_both_ends_of_their_range(
        self, library: NativeLibrary, type_name: str
    ) -> None:
        low, high = INTEGER_RANGES[type_name]
        function = library.member(f"same_{type_name}").raw
        assert [low, 0, 1, high] == [function(n) for n in (low, 0, 1, high)]

    @pytest.mark.parametrize("type_name", INTEGER_RANGES)
    def test_an_integer_that_does_not_fit_is_refused_with_the_range(
        self, library: NativeLibrary, type_name: str
    ) -> None:
        low, high = INTEGER_RANGES[type_name]
        function = library.member(f"same_{type_name}").raw
        for value in (low - 1, high + 1, 10**400, np.float64(0), -(2**64)):
            with pytest.raises(ArgumentError) as caught:
                function(value)
            assert caught.value.expected == f"{type_name} ({low} to {high})"
            assert "v of same_" in str(caught.value.where)

    @fixed_library
    @given(number=st.integers(-(2**70), 2**70))
    def test_every_integer_crosses_or_is_refused(self, library: NativeLibrary, number: int) -> None:
        function = library.member("same_i64").raw
        if -(2**63) <= number < 2**63:
            assert number == function(number)
        else:
            with pytest.raises(ArgumentRangeError):
                function(number)

    @pytest.mark.parametrize("value", [2.0, 2.7, np.float32(2.7), "2", None, 1j, np.zeros(2)])
    def test_what_is_no_integer_is_refused(self, library: NativeLibrary, value: Any) -> None:
        with pytest.raises(ArgumentTypeError) as caught:
            call(library, "same_i32", value)
        assert caught.value.expected
        assert caught.value.received

    def test_a_float_for_an_integer_says_what_to_type(self, library: NativeLibrary) -> None:
        with pytest.raises(ArgumentTypeError, match=r"int\(v\)"):
            call(library, "same_i32", 2.0)

    def test_integers_of_numpy_and_bools_are_integers(self, library: NativeLibrary) -> None:
        values = [np.int8(-3), np.uint64(7), True]
        assert [-3, 7, 1] == [call(library, "same_i32", value) for value in values]

    @pytest.mark.parametrize(
        "value", [0.1, -0.0, math.inf, 5e-324, 2**53, -(2**80), np.float32(0.1)]
    )
    def test_floats_cross_exactly(self, library: NativeLibrary, value: Any) -> None:
        result = call(library, "same_f64", value)
        assert (float(value), math.copysign(1, value)) == (result, math.copysign(1, result))

    def test_nan_crosses(self, library: NativeLibrary) -> None:
        assert math.isnan(call(library, "same_f64", math.nan))
        assert math.isnan(call(library, "same_f32", math.nan))

    @fixed_library
    @given(number=st.integers(-(2**1100), 2**1100) | st.integers(2**53 - 9, 2**54))
    def test_an_integer_becomes_a_float_only_if_that_is_exact(
        self, library: NativeLibrary, number: int
    ) -> None:
        function = library.member("same_f64").raw
        try:
            exact = int(float(number)) == number
        except OverflowError:
            exact = False
        if exact:
            assert number == function(number)
        else:
            with pytest.raises(ArgumentRangeError):
                function(number)

    @pytest.mark.parametrize(
        ("value", "fits"),
        [
            (2**24, True),
            (2**24 + 1, False),
            (np.int64(2**24 + 1), False),
            (2**100, True),
            (2**127 + 2**103, False),
            (2**128, False),
            (3.4028235677973362e38, True),
            (3.4028235677973366e38, False),
            (1e300, False),
            (math.inf, True),
        ],
    )
    def test_an_f32_takes_what_it_holds(
        self, library: NativeLibrary, value: Any, fits: bool
    ) -> None:
        if fits:
            assert call(library, "same_f32", value) == np.float32(value)
        else:
            with pytest.raises(ArgumentRangeError):
                call(library, "same_f32", value)

    @pytest.mark.parametrize("value", ["1", None, 1j, np.complex128(1), [1.0], np.zeros(1)])
    def test_what_is_no_float_is_refused(self, library: NativeLibrary, value: Any) -> None:
        with pytest.raises(ArgumentTypeError, match="f64"):
            call(library, "same_f64", value)

    def test_bools_are_bools(self, library: NativeLibrary) -> None:
        results = [call(library, "negate", value) for value in (True, False, np.True_)]
        assert [False, True, False] == results
        assert {bool} == set(map(type, results))
        for value in (1, 0.0, "yes", None):
            with pytest.raises(ArgumentTypeError, match="bool"):
                call(library, "negate", value)

    def test_refused_calls_never_reach_the_function(self, library: NativeLibrary) -> None:
        before = call(library, "calls_made")
        for arguments in ((2**40,), (1.5,), (), (1, 2), ("1",)):
            with pytest.raises(ArgumentError):
                call(library, "count_call", *arguments)
        assert call(library, "calls_made") == before
        call(library, "count_call", 1)
        assert call(library, "calls_made") == before + 1


class TestText:
    @fixed_library
    @given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
    def test_text_is_utf8(self, library: NativeLibrary, text: str) -> None:
        assert len(text.encode()) == call(library, "length", text)

    def test_text_comes_back(self, library: NativeLibrary) -> None:
        call(library, "keep", "grün ☃")
        assert "grün ☃" == call(library, "recall")

    def test_c_text_may_be_bytes_or_null(self, library: NativeLibrary) -> None:
        values = [b"four", bytearray(b"fives"), None, b""]
        assert [4, 5, 0, 0] == [call(library, "length", value) for value in values]

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ("a\0b", "NUL at index 1"),
            ("a\udcffb", "U[+]DCFF, at index 1"),
            (3, "str, bytes or None"),
            (np.zeros(3, np.uint8), r"bytes\(text\)"),
        ],
    )
    def test_what_is_no_text_is_refused(
        self, library: NativeLibrary, value: Any, message: str
    ) -> None:
        with pytest.raises(ArgumentTypeError, match=message):
            call(library, "length", value)

    def test_a_null_result_is_none(self, library: NativeLibrary) -> None:
        assert ("naïve", None) == (call(library, "greeting", 1), call(library, "greeting", 0))

    def test_a_result_that_is_not_utf8_names_the_remedy(self, library: NativeLibrary) -> None:
        with pytest.raises(ForeignError, match="bytes") as caught:
            call(library, "latin1")
        assert "byte 0xef at index 2" == caught.value.received


class TestMemory:
    def test_what_a_function_writes_to_an_array_is_seen_here(self, library: NativeLibrary) -> None:
        in_c = (ctypes.c_double * 6)(*range(6))
        for values in (np.arange(6.0).reshape(2, 3), array.array("d", range(6)), in_c):
            assert 15.0 == call(library, "sum", values, 6)
            assert call(library, "scale", values, 6, 2.0) is None
            assert 30.0 == call(library, "sum", values, 6)
            assert 10.0 == memoryview(values).cast("B").cast("d")[5]

    def test_bytes_are_memory_that_is_read(self, library: NativeLibrary) -> None:
        for value in (b"\1\2\3", bytearray(b"\1\2\3"), np.array([1, 2, 3], np.uint8)):
            assert 6 == call(library, "total", value, 3)

    def test_void_memory_takes_any_item(self, library: NativeLibrary) -> None:
        memory = np.zeros(2, np.complex128)
        call(library, "fill", memory, memory.nbytes)
        assert b"\7" * 32 == memory.tobytes()

    def test_null_is_a_pointer(self, library: NativeLibrary) -> None:
        assert (1, 0) == (call(library, "is_null", None), call(library, "is_null", b""))

    def test_an_empty_array_is_accepted(self, library: NativeLibrary) -> None:
        assert 0.0 == call(library, "sum", np.zeros(0), 0)

    @pytest.mark.parametrize(
        ("value", "remedy"),
        [
            (np.zeros((2, 3)).T, "np.ascontiguousarray(values, dtype=np.float64)"),
            (np.zeros(6)[::2], "np.ascontiguousarray(values, dtype=np.float64)"),
            (np.zeros(3, np.float32), "np.ascontiguousarray(values, dtype=np.float64)"),
            (np.zeros(3, ">f8"), "np.ascontiguousarray(values, dtype=np.float64)"),
            (np.zeros(3, "datetime64[s]"), "np.ascontiguousarray(values, dtype=np.float64)"),
            ([1.0, 2.0], "np.ascontiguousarray(values, dtype=np.float64)"),
            (b"12345678", "np.ascontiguousarray(values, dtype=np.float64)"),
            (3.0, None),
            ("text", None),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_other_memory_is_refused_with_what_to_type(
        self, library: NativeLibrary, value: Any, remedy: str | None
    ) -> None:
        with pytest.raises(ArgumentTypeError) as caught:
            call(library, "sum", value, 3)
        assert remedy == caught.value.remedy
        assert str(caught.value.expected).startswith("ptr<f64>")

    def test_read_only_memory_is_refused_where_it_may_be_written(
        self, library: NativeLibrary
    ) -> None:
        frozen = np.zeros(3)
        frozen.flags.writeable = False
        assert 0.0 == call(library, "sum", frozen, 3)
        with pytest.raises(ArgumentTypeError, match="read-only") as caught:
            call(library, "scale", frozen, 3, 2.0)
        assert "const" in str(caught.value.remedy)

    def test_a_copy_that_the_function_writes_to_is_given_a_name(
        self, library: NativeLibrary
    ) -> None:
        """A copy made within the call would take what the function wrote with it."""
        frozen = np.zeros(3)
        frozen.flags.writeable = False
        remedies = {
            "values = np.ascontiguousarray(values, dtype=np.float64) before the call": [1.0, 2.0],
            "values = np.array(values) before the call": frozen,
        }
        for remedy, value in remedies.items():
            with pytest.raises(ArgumentTypeError) as caught:
                call(library, "scale", value, 3, 2.0)
            assert str(caught.value.remedy).startswith(remedy)

    def test_each_array_is_checked_not_only_the_first(self, library: NativeLibrary) -> None:
        bound = library.member("sum").bind(Call("sample", "sum", (np.zeros(3), 3)))
        assert 3.0 == bound.callable(np.ones(3), 3)
        wrong = (np.zeros(3, np.float32), 3)
        with pytest.raises(TypeError) as caught:
            bound.callable(*wrong)
        assert bound.translate is not None
        assert isinstance(bound.translate(caught.value, wrong, {}), ArgumentTypeError)


class TestPointers:
    def test_a_pointer_can_be_handed_on(self, library: NativeLibrary) -> None:
        counter = call(library, "counter_new", 5)
        assert isinstance(counter, AnyPointer)
        assert "struct counter" in repr(counter)
        assert [5, 6] == [call(library, "counter_next", counter) for _ in range(2)]
        assert call(library, "counter_free", counter) is None

    def test_a_null_pointer_is_none(self, library: NativeLibrary) -> None:
        assert call(library, "counter_new", -1) is None

    @pytest.mark.parametrize("value", [np.zeros(8, np.uint8), bytearray(8), 4096, "x"])
    def test_a_structure_is_no_buffer(self, library: NativeLibrary, value: Any) -> None:
        with pytest.raises(ArgumentTypeError, match="struct counter"):
            call(library, "counter_next", value)

    def test_a_pointer_to_something_else_is_refused(self, library: NativeLibrary) -> None:
        with pytest.raises(ArgumentTypeError, match="struct counter"):
            call(library, "counter_next", call(library, "other_new"))

    def test_pointers_of_cffi_are_accepted_and_its_numbers_are_not(
        self, library_here: NativeLibrary
    ) -> None:
        ffi = cffi.FFI()
        values = ffi.new("double[]", [1.0, 2.0])
        assert 3.0 == call(library_here, "sum", values, 2)
        for name in ("sum", "length"):
            with pytest.raises(ArgumentTypeError):
                call(library_here, name, ffi.cast("long", 4096), *([2] if name == "sum" else []))

    def test_a_pointer_is_read_by_index_and_is_no_buffer(self, library_here: NativeLibrary) -> None:
        values = np.array([1.0, 2.0])
        pointer = call(library_here, "first", values)
        assert (values.ctypes.data, pointer) == (
            pointer.address,
            call(library_here, "first", pointer),
        )
        assert 3.0 == call(library_here, "sum", pointer, 2)
        assert [pointer[0], *pointer[1:2]] == [1.0, 2.0]
        for use in (iter, memoryview, int, len):
            with pytest.raises(TypeError):
                use(pointer)


class TestArguments:
    @pytest.mark.parametrize("args", [(), (1.0,), (1.0, 2.0, 3.0)])
    def test_a_wrong_number_shows_the_prototype(
        self, library: NativeLibrary, args: tuple[float, ...]
    ) -> None:
        with pytest.raises(ArityError, match="2 arguments") as caught:
            call(library, "add", *args)
        assert "add(x: f64, y: f64): f64" == caught.value.remedy

    def test_keywords_are_put_in_order(self, library: NativeLibrary) -> None:
        assert -1.0 == call(library, "subtract", y=3.0, x=2.0)
        assert -1.0 == call(library, "subtract", 2.0, y=3.0)
        assert 4 == call(library, "length", text="four")

    @pytest.mark.parametrize("kwargs", [{"z": 1.0}, {"x": 1.0}, {"y": 1.0, "z": 2.0}])
    def test_wrong_keywords_are_refused(
        self, library: NativeLibrary, kwargs: dict[str, float]
    ) -> None:
        with pytest.raises(ArityError):
            call(library, "subtract", 2.0, **kwargs)


def test_the_gil_is_released_during_a_call(library: NativeLibrary) -> None:
    """The C function returns 1 only if the other thread could run Python meanwhile."""
    call(library, "set_flag", 0)
    results: list[int] = []
    waiter = threading.Thread(target=lambda: results.append(call(library, "wait_for_flag", 30.0)))
    waiter.start()
    call(library, "set_flag", 1)
    waiter.join(60)
    assert [1] == results


def test_threads_may_call_and_plan_at_once(library: NativeLibrary) -> None:
    failures: list[object] = []

    def work(seed: int) -> None:
        for n in range(300):
            values = np.full(50, float(seed))
            expected = (50.0 * seed, seed + n, n % 7)
            got = (
                call(library, "sum", values, 50),
                call(library, "add", float(seed), n),
                call(library, "length", "x" * (n % 7)),
            )
            if got != expected:
                failures.append((expected, got))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [] == failures
