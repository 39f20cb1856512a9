"""Dicts of fields in place of structures, in this process and in a worker."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import noodle
from noodle.errors import ArgumentError, ArgumentRangeError, ArgumentTypeError


def test_a_dict_is_a_structure_by_value_and_by_pointer(library: ModuleType):
    assert library.norm({"x": 3, "y": 4.0}) == library.norm(library.struct("point")(3, 4))
    assert library.norm(p={"y": 4, "x": 3}) == library.norm({"x": 3, "y": 4})
    assert library.total({"x": 1.5, "y": 2.0}, 1) == library.total(
        library.struct("point")(1.5, 2), 1
    )
    assert library.moved({"x": 1, "y": 2}, 1.0) == library.moved(library.struct("point")(1, 2), 1.0)


def test_the_values_of_dicts_are_looked_at_in_each_call(library: ModuleType):
    assert library.total({"x": 1, "y": 2}, 1) != library.total({"x": 4, "y": 2}, 1)
    assert library.norm({"x": 3, "y": 4}) > 0
    with pytest.raises(ArgumentTypeError, match="norm does not accept p"):
        library.norm({"x": 3})


def test_what_c_has_written_is_in_the_dict(library: ModuleType):
    fields = {"x": 1, "y": 2}
    library.move(fields, 2.5)
    expected = library.struct("point")(1, 2)
    library.move(expected, 2.5)
    assert fields == {"x": expected.x, "y": expected.y}


def flags_of(library: ModuleType) -> dict[str, Any]:
    origin = {"x": 0, "y": 0}
    names = library.struct("flags").fields
    values: dict[str, Any] = dict.fromkeys(names, 0)
    values |= {"title": "", "grid": [[0] * 3] * 2, "next": None, "origin": origin}
    del values["real"]
    return values


def test_nested_structures_and_arrays_come_back_too(library: ModuleType):
    fields = flags_of(library)
    origin = fields["origin"]
    library.describe_flags(fields)
    assert (fields["ready"], fields["level"], fields["wide"]) == (1, -7, 2**40 - 2)
    assert (fields["number"], fields["title"]) == (0x3F800000, "title")
    assert fields["grid"] == [[0, 1, 2], [3, 4, 5]]
    assert fields["origin"] is origin
    assert origin["y"] == 2.5


def test_a_dict_keeps_what_its_pointers_lead_to_during_the_call(library: ModuleType):
    text = "a text that is longer than any other one, " * 50
    for _ in range(20):
        fields = {"count": 1, "on_event": None, "name": text}
        assert library.name_length(fields) == len(text)
        gc.collect(0)


def test_a_dict_with_a_function_is_called(library: ModuleType):
    fields = {"count": 3, "on_event": lambda event: event * 2, "name": None}
    handlers = library.struct("handlers")(3, lambda event: event * 2)
    assert library.fire(fields, 4) == library.fire(handlers, 4)


def test_a_dict_is_put_into_a_field(library: ModuleType):
    flags = library.struct("flags")(origin={"x": 1, "y": 2})
    assert (flags.origin.x, flags.origin.y) == (1.0, 2.0)
    flags.origin = {"x": 3, "y": 4}
    assert flags.origin.y == 4.0
    with pytest.raises(ArgumentTypeError, match="without y"):
        flags.origin = {"x": 3}
    assert flags.origin.y == 4.0


@pytest.mark.parametrize(
    ("fields", "received", "remedy"),
    [
        ({"x": 1, "z": 2}, "a dict with 'z'", None),
        ({"x": 1, "Y": 2}, "a dict with 'Y'", "y"),
        ({1: 2}, "a dict with 1", None),
        ({"x": 1}, "a dict without y", 'library.struct("point")(…), where what is left out'),
        ({}, "a dict without x, y", None),
        ({"x": 1, "y": "2"}, "str", None),
    ],
)
def test_a_dict_that_does_not_fit_is_told_by_its_names(
    library: ModuleType, fields: dict[Any, Any], received: str, remedy: str | None
):
    for call in (lambda: library.norm(fields), lambda: library.total(fields, 1)):
        with pytest.raises(ArgumentTypeError) as caught:
            call()
        assert received in str(caught.value.received)
        assert "norm" in caught.value.summary or "total" in caught.value.summary
        assert remedy is None or str(caught.value.remedy).startswith(remedy)


def test_the_remedy_for_a_field_speaks_of_the_field():
    text = "typedef struct { unsigned char *next_in; const double *values; } stream;"
    stream = noodle.load("libc.so.6", prototypes=text).struct("stream")()
    in_field = ", and that into the field, where C may write to it"
    remedies = {
        "text": f"next_in = bytearray(next_in.encode()){in_field}",
        b"bytes": f"next_in = bytearray(next_in){in_field}; or, if C only reads it, declare the "
        "field as a pointer to const",
        (1, 2): f"next_in = np.ascontiguousarray(next_in, dtype=np.uint8){in_field}",
    }
    for wrong, remedy in remedies.items():
        with pytest.raises(ArgumentTypeError) as caught:
            stream.next_in = wrong
        assert caught.value.remedy == remedy
    with pytest.raises(ArgumentTypeError) as caught:
        stream.values = [1.0]
    assert caught.value.remedy == "np.ascontiguousarray(values, dtype=np.float64)"


def test_a_number_out_of_range_in_a_dict_names_the_field(library: ModuleType):
    with pytest.raises(ArgumentRangeError, match=r"for struct flags\.level"):
        library.describe_flags(flags_of(library) | {"level": 99})


def test_fields_that_share_memory_are_named_once(library: ModuleType):
    with pytest.raises(ArgumentTypeError, match=r"one of (number and real|real and number)"):
        library.describe_flags(flags_of(library) | {"real": 1.0})
    without = flags_of(library)
    del without["number"]
    with pytest.raises(ArgumentTypeError, match="without number, real"):
        library.describe_flags(without)


def test_a_callback_may_return_a_dict_for_a_structure(library: ModuleType):
    with pytest.raises(ArgumentError):
        library.measured(lambda p: p.x, {"x": 3})
    assert library.measured(lambda p: p.x * 2, {"x": 3, "y": 1}) == library.measured(
        lambda p: p.x * 2, library.struct("point")(3, 1)
    )


def test_awaited_calls_and_batches_take_dicts(library: ModuleType):
    expected = library.norm({"x": 3, "y": 4})

    async def awaited() -> Any:
        return await library.norm.aio({"x": 3, "y": 4})

    assert asyncio.run(awaited()) == expected
    assert library.norm.batch([({"x": 3, "y": 4},)] * 3) == [expected] * 3


def test_another_value_has_the_dict_among_what_is_expected(library: ModuleType):
    calls: list[Callable[[], Any]] = [lambda: library.norm("x"), lambda: library.total("x", 1)]
    for call in calls:
        with pytest.raises(ArgumentTypeError, match="a dict of its fields"):
            call()


def test_a_pointer_in_a_structure_keeps_what_is_made_of_a_dict():
    text = "struct node { int value; struct node *next; };"
    node = noodle.load("libc.so.6", prototypes=text).struct("node")
    first = node(1, next={"value": 2, "next": {"value": 3, "next": None}})
    gc.collect()
    assert (first.next.value, first.next.next.value) == (2, 3)
    first.next.value = 7
    assert first.next.value == 7
    with pytest.raises(ArgumentTypeError, match="without next"):
        first.next = {"value": 3}
