"""Python objects as wire values: every kind, msgspec beside it, hostile bytes, changing memory."""

from __future__ import annotations

import enum
import gc
import math
import mmap
import os
import random
import subprocess
import sys
import time
from array import array
from collections import Counter, OrderedDict, namedtuple
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noodle import _wire
from noodle._wire import DEPTH_MAX, WireError, decode, encode, encode_into

Point = namedtuple("Point", "x y")


class Color(enum.IntEnum):
    RED = 3


class Name(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "overridden"


def take_array(description: tuple[Any, ...], memory: bytearray, *_: int) -> np.ndarray[Any, Any]:
    """Make a NumPy array of a plain dtype from what the reader hands over."""
    names = "? i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16 M8 m8 S U".split()
    units = ["", *"Y M W D h m s ms us ns ps fs as".split()]
    dtype, item_size, unit, count, _, shape, strides = description
    name = names[dtype - 1]
    if name in "SU":
        name += str(item_size // (4 if name == "U" else 1))
    if unit:
        name += f"[{count}{units[unit]}]"
    return np.ndarray(shape, name, memory, strides=strides)


def send(value: object, **hooks: Any) -> Any:
    """Return what a value is on the other side."""
    return decode(encode(value), array=take_array, error=lambda *fields: fields, **hooks)


PLAIN = [
    None,
    True,
    False,
    *(sign * (2**bits + step) for bits in (0, 5, 7, 8, 15, 16, 31, 32, 53, 63, 64, 70, 4000)
      for step in (-1, 0, 1) for sign in (1, -1)),
    0.0,
    -0.0,
    1.5,
    math.inf,
    -math.inf,
    5e-324,
    "",
    "text",
    "Grüße, 世界 😀",
    "\0",
    "x" * 70_000,
    "\ud800",
    "a\udfffb",
    b"",
    b"\0\xff" * 200,
    [],
    [1, [2.5, ["three"]]],
    {},
    {"a": 1, "__proto__": 2, "": 3},
    {1: "int", 2.5: "float", (1, ("a",)): "tuple", None: 0, b"b": 1, frozenset({1}): 2},
    set(),
    {1, "a", (2, 3), frozenset({4})},
    list(range(70_000)),
    {f"key {number}": number for number in range(70_000)},
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2038, 1, 19, 3, 14, 8, 999_999, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2024, 2, 29, 12),
    datetime(1, 1, 1),
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: type(value).__name__)
def test_a_plain_value_comes_back_with_its_type(value: object):
    again = send(value)
    assert again == value
    assert type(again) is type(value)
    assert repr(again)[:1000] == repr(value)[:1000] or isinstance(value, set | dict)


def test_not_a_number_stays_one():
    assert math.isnan(send(math.nan))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, 2), [1, 2]),
        (Point(1, 2), [1, 2]),
        (OrderedDict(a=1), {"a": 1}),
        (frozenset({1}), {1}),
        (Color.RED, 3),
        (Name("kept"), "kept"),
        (np.bool_(True), True),
        (np.int8(-3), -3),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.float16(0.1), float(np.float16(0.1))),
        (np.float32(1.5), 1.5),
        (np.float64(1.5), 1.5),
        (np.longdouble(1.5), 1.5),
        (np.str_("s"), "s"),
        (np.bytes_(b"s"), b"s"),
        (datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))),
         datetime(2024, 1, 1, tzinfo=UTC)),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_a_subclass_or_scalar_comes_as_its_plain_type(value: object, expected: object):
    again = send(value)
    assert again == expected
    assert type(again) is type(expected)


def test_surrogates_that_make_a_pair_become_their_character():
    assert send("\ud83d\ude00 \ud800") == "😀 \ud800"


def test_undefined_is_what_both_ends_say_it_is():
    undefined = object()
    data = encode([undefined, None], undefined=undefined)
    assert decode(data, undefined=undefined) == [undefined, None]
    assert decode(data) == [None, None]


@pytest.mark.parametrize(
    "value",
    [
        object(),
        len,
        1 + 2j,
        np.complex128(1j),
        np.datetime64("2024"),
        np.array([object()]),
        np.ma.array([1, 2], mask=[True, False]),
        np.zeros(2, dtype=">M8[s]"),
        np.longdouble(1) / 3,
        np.zeros(2, dtype="i4,f8"),
        timedelta(1),
        Point,
    ],
    ids=lambda value: type(value).__name__,
)
def test_anything_else_goes_by_reference(value: object):
    table: list[object] = []

    def register(given: object) -> tuple[int, int, int, int, int, str]:
        table.append(given)
        return (0, 1, 5, 2**64 - 1, 77, type(given).__name__)

    data = encode([value], reference=register)
    assert [value is given for given in table] == [True]
    fields = decode(data, reference=lambda *fields: fields)
    assert fields == [(0, 1, 5, 2**64 - 1, 77, type(value).__name__)]
    with pytest.raises(WireError, match="goes by reference"):
        encode(value)
    with pytest.raises(WireError, match="no references"):
        decode(data)


ARRAYS = [
    np.arange(6).reshape(2, 3),
    np.arange(6.0).reshape(2, 3).T,
    np.arange(24, dtype="u2").reshape(2, 3, 4)[::-1, :, ::2],
    np.broadcast_to(np.float32(1.5), (3, 4)),
    np.array(7, dtype="i1"),
    np.zeros((0, 3)),
    np.array([True, False]),
    np.array([1.5, 2.5], dtype="f2"),
    np.array([1 + 2j], dtype="c8"),
    np.array([1 + 2j]),
    np.array(["2024", "NaT"], dtype="M8[10us]"),
    np.array([[1], [2]], dtype="m8[ns]"),
    np.array(["a", "ü😀"]),
    np.array([b"ab", b"c"]),
    np.array([[1, 2], [3, 4]], dtype="i8")[:, :1],
    np.zeros((1,) * 32),
]


@pytest.mark.parametrize("value", ARRAYS, ids=lambda value: f"{value.dtype}{value.shape}"[:30])
def test_an_array_comes_back_with_dtype_shape_and_items(value: np.ndarray[Any, Any]):
    again = send(value)
    assert (again.dtype, again.shape) == (value.dtype, value.shape)
    np.testing.assert_array_equal(again, value)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(bytearray(b"abc"), "u1"), (memoryview(b"abc"), "u1"), (array("d", [1]), "f8")],
)
def test_any_exporter_of_a_buffer_is_an_array(value: Any, dtype: str):
    again = send(value)
    assert again.dtype == np.dtype(dtype)
    assert again.tobytes() == bytes(value)


@pytest.mark.parametrize("dtype", [">i4", ">f8", ">c16", ">U3"])
def test_an_array_of_the_other_byte_order_comes_in_this_one(dtype: str):
    value = np.array([[1, 2], [3, 4]]).T.astype(dtype)
    again = send(value)
    assert again.dtype == value.dtype.newbyteorder("=")
    np.testing.assert_array_equal(again, value)


def test_a_memory_map_is_an_array(tmp_path: Path):
    value = np.memmap(tmp_path / "numbers", dtype="f4", mode="w+", shape=(2, 2))
    value[:] = [[1, 2], [3, 4]]
    np.testing.assert_array_equal(send(value), value)


def test_fortran_order_and_the_flag_readonly_are_told():
    seen: list[tuple[Any, ...]] = []
    value = np.arange(6.0).reshape(2, 3).T
    value.flags.writeable = False
    encode(value, array=lambda _, description: seen.append(description))
    assert seen == [(12, 8, 0, 0, 3, (3, 2), (8, 24))]


def test_an_array_in_a_segment_carries_its_place():
    value = np.arange(4)[::2]
    data = encode(value, array=lambda *_: (12, 4096))
    assert decode(data, array=lambda *fields: fields) == (
        (5, 8, 0, 0, 0, (2,), (16,)),
        None,
        12,
        4096,
    )


def test_a_bool_array_with_other_bytes_is_refused():
    data = bytearray(encode(np.array([True, True])))
    data[-1] = 2
    with pytest.raises(WireError, match="array"):
        decode(data, array=take_array)


def test_an_error_carries_frames_notes_and_causes():
    def fail() -> None:
        raise KeyError("inner")

    try:
        try:
            fail()
        except KeyError as inner:
            raise ValueError("outer \ud800") from inner
    except ValueError as error:
        error.add_note("a note")
        fields = send(error)
    language, name, message, frames, cause, extra = fields
    assert (language, name, message) == ("python", "ValueError", "outer \ud800")
    assert [(file, column, function) for file, _, column, function in frames] == [
        (__file__, None, "test_an_error_carries_frames_notes_and_causes")
    ]
    assert cause[:3] == ("python", "KeyError", "'inner'")
    assert [frame[3] for frame in cause[3]][-1] == "fail"
    assert cause[4:] == (None, {})
    assert extra == {"notes": ["a note"]}


def test_a_long_chain_of_causes_is_cut():
    error = Exception("first")
    for number in range(200):
        following = Exception(number)
        following.__cause__ = error
        error = following
    fields, length = send(error), 0
    while fields is not None:
        fields, length = fields[4], length + 1
    assert length == 33


def test_an_error_whose_text_fails_is_sent_without_it():
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert send(Broken())[2] == "(its text could not be made)"


# ------------------------------------------------------------------------------------ Limits


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_nesting_ends_at_the_limit_on_both_sides():
    data = encode(nested(DEPTH_MAX))
    assert decode(data) == nested(DEPTH_MAX)
    for refused in (
        lambda: encode(nested(DEPTH_MAX + 1)),
        lambda: decode(b"\x91" + data),
        lambda: encode(nested(11), depth=10),
        lambda: decode(data, depth=511),
    ):
        with pytest.raises(WireError, match="nested deeper") as caught:
            refused()
        assert caught.value.status == 8


def test_a_value_that_contains_itself_is_named():
    inner: dict[str, Any] = {}
    value = [({"k": inner},)]
    inner["back"] = value
    with pytest.raises(
        WireError, match=r"contains itself, through 4 containers \((\w+( in )?){4}\)"
    ):
        encode(value)
    alone: list[Any] = []
    alone.append(alone)
    with pytest.raises(WireError, match=r"contains itself, through 1 container \(list\)"):
        encode(alone)


@pytest.mark.parametrize(
    ("limits", "status"), [({"elements": 3}, 9), ({"bytes": 8}, 10)], ids=["elements", "bytes"]
)
def test_elements_and_bytes_are_limited(limits: dict[str, int], status: int):
    value = [1, 2, [3, "four"]]
    for refused in (lambda: encode(value, **limits), lambda: decode(encode(value), **limits)):
        with pytest.raises(WireError) as caught:
            refused()
        assert caught.value.status == status


def test_repeated_items_of_an_array_count_as_elements():
    data = encode(np.broadcast_to(np.int8(1), (100, 100)), array=lambda *_: None)
    with pytest.raises(WireError, match="elements"):
        decode(data, array=take_array, elements=9_999)


def test_a_buffer_too_small_is_told_what_is_needed():
    value = ["text", 1.5, {"a": [2**70]}]
    needed = len(encode(value))
    for size in range(needed):
        assert encode_into(bytearray(size), value) == (1, needed)
    buffer = bytearray(needed)
    assert encode_into(buffer, value) == (0, needed)
    assert decode(buffer) == value


# --------------------------------------------------------------------------- Code that interferes


def test_containers_that_change_while_they_are_written_are_an_error():
    class Meddler:
        pass

    def meddle(change: Any) -> Any:
        def hook(_: object) -> tuple[int, int, int, int, int, str]:
            change()
            return (0, 1, 1, 1, 1, "")

        return hook

    items = [Meddler(), *range(1000)]
    pairs: dict[Any, Any] = {"a": Meddler(), "b": 1}
    members = {Meddler(), 1}
    with pytest.raises(WireError, match="length"):
        encode(items, reference=meddle(items.clear))
    with pytest.raises(WireError, match="keys"):
        encode(pairs, reference=meddle(lambda: pairs.update(dict.fromkeys(range(1000)))))
    with pytest.raises(RuntimeError, match="changed size"):
        encode(members, reference=meddle(lambda: members.update(range(100))))


def test_what_a_hook_raises_passes_through():
    def fail(*_: object) -> Any:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        encode([object()], reference=fail)
    data = encode([np.zeros(3)])
    with pytest.raises(LookupError, match="mine"):
        decode(data, array=fail)


def test_an_unhashable_key_is_refused():
    """A list as a key becomes a tuple, but a dict cannot become anything."""
    assert decode(b"\x81\x91\x01\x02") == {(1,): 2}
    with pytest.raises(WireError, match="dict as key"):
        decode(b"\x81\x80\x02")
    with pytest.raises(WireError, match="dict as key"):
        decode(b"\xd5\x03\x91\x80")


def test_nothing_is_leaked():
    values = [*PLAIN[:-10], *ARRAYS, ValueError("x"), {1: {2: (3, {4})}}]
    broken = [encode(value)[:-1] for value in values if value is not None]

    def work() -> None:
        for value in values:
            send(value)
        for data in broken:
            with pytest.raises(WireError):
                decode(data, array=take_array, error=lambda *fields: fields)

    growths = []
    for _ in range(8):
        before = sys.getallocatedblocks()
        work()
        gc.collect()
        growths.append(sys.getallocatedblocks() - before)
    # One block for any one of the values would show in every round; free lists only in some.
    assert min(growths) < 1


# ---------------------------------------------------------------------------- Against msgspec

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
)
common = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=30,
)
keys = st.recursive(
    st.integers() | st.text() | st.floats(allow_nan=False) | st.binary() | st.none(),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner),
    max_leaves=5,
)
everything = st.recursive(
    scalars | st.integers() | st.text() | st.datetimes() | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner) | st.sets(keys),
    max_leaves=30,
)


def without_pairs(value: Any) -> bool:
    """Whether no text holds two surrogates that would become one character."""
    text = repr(value)
    return text == text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


@given(common)
def test_the_bytes_are_those_that_msgspec_writes(value: Any):
    assert encode(value) == msgspec.msgpack.encode(value)


@given(common)
def test_what_msgspec_writes_is_read_as_msgspec_reads_it(value: Any):
    data = msgspec.msgpack.encode(value)
    assert decode(data) == msgspec.msgpack.decode(data)


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_is_written_as_msgspec_writes_it(instant: datetime):
    assert encode(instant) == msgspec.msgpack.encode(instant)


@given(everything.filter(without_pairs))
def test_every_value_comes_back(value: Any):
    assert decode(encode(value)) == value


# ------------------------------------------------------------------------------- Hostile bytes


def read_anything(data: bytes | bytearray | mmap.mmap, *, shared: bool = False) -> bool:
    """Read bytes that may be anything; say whether they were a message."""
    try:
        decode(
            data,
            reference=lambda *fields: fields,
            array=lambda *fields: len(fields),
            error=lambda *fields: fields,
            elements=100_000,
            shared=shared,
        )
    except WireError:
        return False
    return True


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_wire_error(data: bytes):
    read_anything(data)


def mixed_message() -> bytearray:
    value = [
        "Grüße \ud800",
        2**100,
        {"a": [1.5, None], 7: {1, (2,)}},
        np.arange(4.0),
        datetime(2024, 1, 1, 1, 1, 1, 1, tzinfo=UTC),
        ValueError("bad"),
        b"bytes",
    ]
    return bytearray(encode(value))


def test_a_message_with_any_bytes_exchanged_is_a_value_or_a_wire_error():
    """The seed is fixed, so a failure comes again."""
    randomness = random.Random(20_240_101)
    original = mixed_message()
    good = 0
    for _ in range(20_000):
        data = bytearray(original)
        for _ in range(randomness.randint(1, 5)):
            data[randomness.randrange(len(data))] = randomness.choice(
                (0, 1, 0xC0, 0xC7, 0xDD, 0xFF, 9)
            )
        good += read_anything(data[: randomness.randint(0, len(data) + 200)])
    assert 0 < good < 20_000


_CHANGE_FOREVER = """
import mmap, random, sys
with open(sys.argv[1], "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
    randomness, original = random.Random(7), memory[:]
    print("changing", flush=True)
    while True:
        at = randomness.randrange(len(original))
        memory[at] = randomness.randrange(256)
        memory[at] = original[at]
"""


def test_memory_that_another_process_changes_meanwhile_leads_to_a_value_or_a_wire_error(
    tmp_path: Path,
):
    path = tmp_path / "message"
    path.write_bytes(mixed_message())
    command = [sys.executable, "-c", _CHANGE_FOREVER, path]
    with (
        path.open("r+b") as file,
        mmap.mmap(file.fileno(), 0) as memory,
        subprocess.Popen(command, stdout=subprocess.PIPE) as peer,
    ):
        try:
            assert peer.stdout is not None
            assert b"changing\n" == peer.stdout.readline()
            outcomes = [read_anything(memory, shared=True) for _ in range(20_000)]
            assert peer.poll() is None
        finally:
            peer.kill()
    assert any(outcomes)


def test_the_version_is_the_one_that_the_header_names():
    header = os.path.join(os.path.dirname(__file__), "../../native/include/noodle/wire.h")
    with open(header, encoding="utf-8") as file:
        assert f"#define WIRE_VERSION {_wire.VERSION}\n" in file.read()


# ------------------------------------------------------------------------- What only Python has


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(
    "value",
    [
        (),
        (1, (2.5, "x"), [3, (4,)]),
        {(1, (2, 3)): ({"a": (b"b",)},)},
        {(1, 2), (3,)},
        frozenset({1, (2, 3), frozenset({4})}),
        {frozenset({1}): frozenset()},
        slice(1, None, -2),
        (slice(None), ..., slice((1, 2), 3)),
        -2.5j,
        complex(math.inf, -0.0),
        ...,
        int,
        [type, (KeyError, {object: memoryview}), {str}],
    ],
    ids=repr,
)
def test_what_only_python_has_comes_back_as_it_is(value: object, shared: bool):
    result = decode(encode(value, python=True), python=True, shared=shared)
    assert (type(value), repr(value)) == (type(result), repr(result))
    assert value == result


def test_subclasses_go_as_their_base_class():
    class Odd(tuple[int, ...]):
        def __iter__(self) -> Any:
            raise AssertionError

    class Map(dict[str, int]):
        def __iter__(self) -> Any:
            raise AssertionError

    again = decode(encode([Odd((3, 4)), Map(a=1)], python=True), python=True)
    assert [(3, 4), {"a": 1}] == again
    assert [tuple, dict] == [type(item) for item in again]


def test_a_named_tuple_keeps_its_names():
    again = decode(encode([Point(1, [2]), Point(3, 4)], python=True), python=True)
    assert repr([Point(1, [2]), Point(3, 4)]) == repr(again)
    assert (again[0].x, again[0].y, again[1].x) == (1, [2], 3)
    assert (1, [2]) == again[0]
    assert isinstance(again[0], tuple)
    assert type(again[0]) is type(again[1]) is not Point


def test_a_named_tuple_is_a_key():
    value = {Point(1, 2): {Point(3, 4)}}
    again = decode(encode(value, python=True), python=True)
    assert again == value
    assert [key.y for key in again] == [2]


def test_what_the_interpreter_has_with_names_keeps_them():
    value = time.gmtime(0)
    again = decode(encode(value, python=True), python=True)
    assert (again.tm_year, again.tm_isdst) == (1970, 0)
    assert tuple(value) == again


@pytest.mark.parametrize(
    "fields",
    [("x",), ("x", "y", "z"), ("x y", "z"), ("x", 2), ["x", "y"], None, ("x", "1"), ("x", "")],
    ids=repr,
)
def test_names_that_are_not_one_identifier_for_each_item_are_none(fields: object):
    odd = type("Odd", (tuple,), {"_fields": fields})
    again = decode(encode(odd((1, 2)), python=True), python=True)
    assert (tuple, (1, 2)) == (type(again), again)


def test_names_that_python_keeps_for_itself_are_replaced_by_places():
    odd = type("Odd", (tuple,), {"_fields": ("class", "_hidden", "x", "x")})
    again = decode(encode(odd((1, 2, 3, 4)), python=True), python=True)
    assert again._fields == ("_0", "_1", "x", "_3")


def test_thousands_of_kinds_of_named_tuples_arrive():
    kinds = [namedtuple(f"Kind{index}", "x") for index in range(1500)]  # type: ignore[misc]
    again = decode(encode([kind(1) for kind in kinds], python=True), python=True)
    assert [type(item).__name__ for item in again] == [kind.__name__ for kind in kinds]


def test_counters_and_ordered_dicts_stay_such():
    again = decode(encode([Counter("abba"), OrderedDict(b=1, a=[2])], python=True), python=True)
    assert again == [Counter("abba"), OrderedDict(b=1, a=[2])]
    assert [type(item) for item in again] == [Counter, OrderedDict]
    assert again[0]["missing"] == 0
    again[1].move_to_end("b")
    assert list(again[1]) == ["a", "b"]


def test_a_counter_that_contains_itself_is_named():
    counter: Any = Counter()
    counter["self"] = counter
    with pytest.raises(WireError, match="it contains itself"):
        encode(counter, python=True)


def test_classes_that_are_not_built_in_are_no_values(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("builtins.Point", Point, raising=False)
    for kind in (Point, datetime, type("int", (), {}), np.float64, type(None)):
        with pytest.raises(WireError, match="goes by reference"):
            encode(kind, python=True)


def test_other_peers_are_never_sent_what_only_python_has():
    assert [1, 2] == decode(encode((1, 2)))
    with pytest.raises(WireError, match="goes by reference"):
        encode(int)
    with pytest.raises(WireError, match="goes by reference"):
        encode(1j)
    with pytest.raises(WireError):
        decode(encode((1, 2), python=True))


@pytest.mark.parametrize(
    "items",
    [
        *([], ["x"], [1, 2], [2, 1], [3, 1.0], [3, 1, 2], [4, []], [-1], [0.5], [1, 1, 2, 3, 4]),
        *([5], [5, 1], [5, "len"], [5, "NoneType"], [5, "int", "int"], [8]),
        *([6], [6, "P"], [6, "P", "x"], [6, "P", "x y", 1], [6, "P", "x", 1, 2], [6, "P", 1, 1]),
        *([6, "P Q", "x", 1], [6, 1, "x", 1], [6, "class", "x", 1]),
        *(
            [7],
            [7, "Counter"],
            [7, "Counter", [1]],
            [7, "UserDict", {}],
            [7, 1, {}],
            [7, "x", {}, 1],
        ),
    ],
    ids=repr,
)
def test_a_malformed_one_is_refused(items: list[object]):
    payload = encode(items)
    with pytest.raises(WireError):
        decode(bytes([0xC7, len(payload), 9]) + payload, python=True)


def test_a_tuple_that_contains_itself_is_named():
    inner: list[object] = []
    inner.append((1, inner))
    with pytest.raises(WireError, match="it contains itself"):
        encode(inner, python=True)
