"""Maps call a function for each element; native functions of numbers have loops of their own."""

from __future__ import annotations

import itertools
import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from noodle.bindings import statistics
from noodle.errors import ArgumentTypeError, ArityError, ShapeError
from tests.test_bindings import add, handle_of


def test_goes_side_by_side_through_sequences() -> None:
    assert handle_of(add).map([1, 2], (3, 4)) == [4, 6]
    assert handle_of(add).map(range(3)) == [10, 11, 12]
    assert handle_of(add).map("ab", iter("cd")) == ["ac", "bd"]
    assert handle_of(add).map([], []) == []


def test_sequences_of_unequal_length_are_refused_before_anything_is_called() -> None:
    handle = handle_of(add)
    with pytest.raises(ValueError, match="not equally long") as caught:
        handle.map([1, 2, 3], [1, 2])
    assert isinstance(caught.value, ShapeError)
    assert (caught.value.received, caught.value.where) == ("lengths 3, 2", "map of add")
    with pytest.raises(ShapeError, match="an end of argument 2 after 1"):
        handle.map(itertools.count(), iter([1]))
    assert handle.map(iter([1, 2]), [3, 4]) == [4, 6]
    assert statistics(handle).calls == 2


def test_nothing_to_go_through_is_refused_where_there_are_parameters() -> None:
    handle = handle_of(add)
    with pytest.raises(ArityError, match="no arguments") as caught:
        handle.map()
    assert str(caught.value.remedy).startswith("add(x")
    assert handle_of(lambda: 1).map() == []
    assert statistics(handle).calls == 0


def test_something_without_elements_is_refused() -> None:
    with pytest.raises(ArgumentTypeError) as caught:
        handle_of(add).map([1, 2], 5)
    assert (caught.value.where, caught.value.received) == ("argument 2", "int")


@given(arrays_of.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3, min_side=0))
def test_broadcasts_as_numpy_does(shapes: Any) -> None:
    left, right = (
        np.arange(np.prod(shape), dtype="i8").reshape(shape) for shape in shapes.input_shapes
    )
    mapped = handle_of(operator.sub).map(left, right)
    assert mapped.shape == shapes.result_shape
    assert np.array_equal(mapped, left - right)


@pytest.mark.parametrize("layout", ["F", "C"])
def test_takes_any_memory_layout_and_byte_order(layout: Any) -> None:
    matrix = np.arange(6, dtype=">f8").reshape(2, 3).astype(">f8", order=layout)[:, ::-1]
    mapped = handle_of(operator.neg).map(matrix)
    assert np.array_equal(mapped, -matrix)
    assert mapped.dtype == np.dtype("f8")


def test_shapes_that_do_not_fit_are_refused_before_anything_is_called() -> None:
    handle = handle_of(add)
    with pytest.raises(ShapeError, match="broadcast") as caught:
        handle.map(np.zeros(2), np.zeros(3))
    assert caught.value.received == "(2,), (3,)"
    assert statistics(handle).calls == 0


def test_a_number_or_a_sequence_beside_an_array_is_broadcast() -> None:
    mapped = handle_of(add).map(np.arange(3), 5)
    assert mapped.tolist() == [5, 6, 7]
    assert handle_of(add).map(np.zeros((2, 1)), [1, 2]).tolist() == [[1, 2], [1, 2]]


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3, 1)])
def test_an_empty_array_keeps_its_shape_and_calls_nothing(shape: Any) -> None:
    handle = handle_of(add)
    assert handle.map(np.zeros(shape)).shape == shape
    assert statistics(handle).calls == 0


def test_an_array_without_dimensions_gives_one() -> None:
    mapped = handle_of(add).map(np.array(1))
    assert (mapped.shape, mapped.item()) == ((), 11)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([1, 2], "u1"), int),
        (np.array([1.5], "f4"), float),
        (np.array([True]), bool),
        (np.array([1j]), complex),
        (np.array(["a"]), str),
        (np.array([b"a"]), bytes),
        (np.array(["2020"], "M8[ns]"), np.datetime64),
        (np.array([3], "m8[ns]"), np.timedelta64),
    ],
    ids=lambda v: str(getattr(v, "dtype", v)),
)
def test_the_function_sees_pythons_numbers_and_texts(values: Any, kind: type) -> None:
    seen: list[type] = []
    handle_of(lambda value: seen.append(type(value))).map(values)
    assert {kind} == set(seen)


def test_objects_in_an_array_are_passed_as_they_are() -> None:
    inner = np.array([1])
    values = np.empty(2, dtype=object)
    values[:] = [inner, None]
    seen: list[Any] = []
    handle_of(seen.append).map(values)
    assert seen[0] is inner
    assert seen[1] is None


@pytest.mark.parametrize(
    ("results", "dtype"),
    [
        ([1, 2], "int64"),
        ([True, False], "bool"),
        ([1, 2.5], "float64"),
        ([1.5, float("nan")], "float64"),
        ([1, 1j], "complex128"),
        ([np.float32(1), np.float32(2)], "float32"),
        (["a", "bc"], "<U2"),
        ([2**70, 1], "object"),
        ([2**63, -1], "object"),
        (["a", "b\0"], "object"),
        (["a", 1], "object"),
        ([b"a", b"b\0"], "object"),
        ([None, 1], "object"),
        ([(1, 2), (3, 4)], "object"),
        ([[1], [2, 3]], "object"),
        ([np.zeros(2), np.zeros(2)], "object"),
        ([{}, {}], "object"),
    ],
    ids=str,
)
def test_the_results_come_as_they_are_in_the_narrowest_array(
    results: list[Any], dtype: str
) -> None:
    mapped = handle_of(lambda index: results[index]).map(np.arange(2))
    assert (mapped.shape, str(mapped.dtype)) == ((2,), dtype)
    pairs = zip(mapped, results, strict=True)
    if dtype == "object":
        assert all(got is result for got, result in pairs)
    else:
        assert np.array_equal(mapped, np.array(results), equal_nan=dtype == "float64")


def test_the_first_error_ends_it() -> None:
    handle = handle_of(lambda x: 1 // x)
    with pytest.raises(ZeroDivisionError):
        handle.map(np.array([1, 0, 2]))
    assert statistics(handle).calls == 2


@given(st.lists(st.integers() | st.floats(allow_nan=False) | st.text(), min_size=1, max_size=5))
def test_loses_nothing_of_what_the_function_returns(results: list[Any]) -> None:
    mapped = handle_of(lambda index: results[index]).map(np.arange(len(results)))
    assert all(
        got == result or (type(result) is int and float(result) == got)
        for got, result in zip(mapped.tolist(), results, strict=True)
    )


@pytest.mark.parametrize("option", ["out", "parallel", "x"])
def test_what_only_a_compiled_loop_takes_is_refused_with_the_alternatives(option: str) -> None:
    with pytest.raises(ArgumentTypeError) as caught:
        handle_of(add).map([1], **{option: [2]})
    error = caught.value
    assert (error.received, error.where) == (option, "map of maths.add")
    assert error.remedy is not None
    assert "add.map(values)" in error.remedy
    assert "add.batch(" in error.remedy
