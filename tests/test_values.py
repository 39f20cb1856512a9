"""The vocabulary of types: how they are written, what describes a value, and what fits."""

from __future__ import annotations

import array
import ctypes
import decimal
import enum
import fractions
import math
import struct
import subprocess
import sys
from typing import Any

import cffi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noodle.bridges.native.pointers import Pointer
from noodle.errors import PrototypeError
from noodle.values import (
    ANY,
    FLOAT_TYPES,
    INTEGER_RANGES,
    MOST_NESTED,
    TYPE_NAMES,
    ValueType,
    buffer_item,
    describe,
    item_of_format,
    layout_refusal,
    parse_type,
    qualified_name,
    refusal,
    type_of,
)

ITEMS = (*INTEGER_RANGES, *FLOAT_TYPES, "bool")
EVERY_TYPE = [
    *TYPE_NAMES,
    *(f"{container}<{item}>" for container in ("ptr", "array") for item in ITEMS),
    "ptr<void>",
    "ptr<ptr<u8>>",
    "datetime.date",
    "numpy.random.Generator",
]
HUGE = 10**5000


def accepts(written: str, value: object) -> bool:
    return refusal(parse_type(written), value) is None


def released_view() -> memoryview:
    view = memoryview(b"secret")
    view.release()
    return view


class TestWrittenTypes:
    @pytest.mark.parametrize("written", EVERY_TYPE)
    def test_every_form_is_read_and_written_back(self, written: str) -> None:
        assert written == str(parse_type(written))

    @pytest.mark.parametrize(
        "written", [" f64\t", "ptr < u8 >", "\nptr<\nu8>\n", "ptr< ptr <u8> >"]
    )
    def test_blanks_do_not_matter(self, written: str) -> None:
        assert "".join(written.split()) == str(parse_type(written))

    @pytest.mark.parametrize(
        ("written", "received"),
        [
            ("", "nothing"),
            ("  ", "nothing"),
            ("double", "double"),
            ("F64", "F64"),
            ("i128", "i128"),
            ("ptr", "ptr"),
            ("array", "array"),
            ("ptr<>", "nothing"),
            ("ptr<u8", "ptr<u8"),
            ("ptr<u8>>", "u8>"),
            ("ptr u8", "ptr u8"),
            ("list<i32>", "list<i32>"),
            ("array<str>", "array<str>"),
            ("array<void>", "array<void>"),
            ("array<array<f64>>", "array<array<f64>>"),
            ("array<ptr<u8>>", "array<ptr<u8>>"),
            ("ptr<array<f64>>", "ptr<array<f64>>"),
            ("ptr<str>", "ptr<str>"),
            ("ptr<numpy.ndarray>", "ptr<numpy.ndarray>"),
            ("numpy.", "numpy."),
            ("numpy..ndarray", "numpy..ndarray"),
            (".ndarray", ".ndarray"),
            ("numpy.1d", "numpy.1d"),
            ("i32\0", "i32\0"),
        ],
    )
    def test_anything_else_is_refused_with_what_was_written(
        self, written: str, received: str
    ) -> None:
        with pytest.raises(PrototypeError) as caught:
            parse_type(written, where="f(x)")
        assert (received, "f(x)") == (caught.value.received, caught.value.where)
        assert caught.value.expected

    def test_a_typing_mistake_is_answered_with_the_nearest_type(self) -> None:
        with pytest.raises(PrototypeError) as caught:
            parse_type("tensr")
        assert caught.value.remedy == "tensor"

    def test_pointers_nest_up_to_a_limit(self) -> None:
        deepest = "ptr<" * MOST_NESTED + "u8" + ">" * MOST_NESTED
        assert deepest == str(parse_type(deepest))
        with pytest.raises(PrototypeError):
            parse_type(f"ptr<{deepest}>")

    def test_a_very_long_or_deep_text_gets_a_short_error(self) -> None:
        for written in ("ptr<" * 50_000 + "u8" + ">" * 50_000, "x" * 1_000_000, "<" * 1_000_000):
            with pytest.raises(PrototypeError) as caught:
                parse_type(written)
            assert len(str(caught.value)) < 500

    @given(st.text() | st.text("ptraiuf<>8., \n_void").map(str))
    def test_a_text_is_a_type_or_a_prototype_error(self, written: str) -> None:
        try:
            parsed = parse_type(written)
        except PrototypeError:
            return
        assert parsed == parse_type(str(parsed))


class Colour(enum.IntEnum):
    RED = 1


class Text(str):
    __slots__ = ()


def function(x: int) -> int:
    return x


DESCRIBED = [
    # value, its type, its description
    (None, "null", "null"),
    (True, "bool", "true"),
    (False, "bool", "false"),
    (3, "int", "int 3"),
    (-(10**23), "int", f"int {-(10**23)}"),
    (-(2**100), "int", "int about -1.268e+30"),
    (HUGE, "int", "int huge"),
    (-HUGE, "int", "int huge"),
    (1.5, "float", "float 1.5"),
    (math.nan, "float", "float nan"),
    (-math.inf, "float", "float -inf"),
    (1e308, "float", "float 1e+308"),
    ("a\x1b", "str", "str 'a\\x1b'"),
    ("\ud800", "str", "str '\\ud800'"),
    ("x" * 41, "str", "str of length 41"),
    (Text("x"), "{here}.Text", "{here}.Text 'x'"),
    (b"\0", "bytes", "bytes b'\\x00'"),
    (bytes(41), "bytes", "bytes of length 41"),
    ([1, 2], "list", "list of length 2"),
    ({"a": 1}, "map", "map of length 1"),
    ((1,), "tuple", "tuple of length 1"),
    (Colour.RED, "{here}.Colour", "{here}.Colour"),
    (decimal.Decimal(1), "decimal.Decimal", "decimal.Decimal"),
    (1j, "complex", "complex"),
    (object(), "object", "object"),
    (len, "function", "function"),
    (function, "function", "function"),
    (int, "type", "type"),
    (bytearray(3), "array<u8>", "array<u8> with shape (3,)"),
    (memoryview(b"abcd")[::2], "array<u8>", "array<u8> with shape (2,), not contiguous"),
    (released_view(), "memoryview", "memoryview"),
    (array.array("d", [1, 2]), "array<f64>", "array<f64> with shape (2,)"),
    ((ctypes.c_double * 2 * 3)(), "array<f64>", "array<f64> with shape (3, 2)"),
    ((ctypes.c_int16 * 3)(), "array<i16>", "array<i16> with shape (3,)"),
    (
        (ctypes.c_int.__ctype_be__ * 3)(),
        "{here}.c_int_be_Array_3",
        "{here}.c_int_be_Array_3 with shape (3,)",
    ),
    (np.float64(1.5), "numpy.float64", "numpy.float64 1.5"),
    (np.int8(-3), "numpy.int8", "numpy.int8 -3"),
    (np.str_("x"), "numpy.str_", "numpy.str_ 'x'"),
    (np.zeros((2, 3), "f4"), "array<f32>", "array<f32> with dtype float32, shape (2, 3)"),
    (np.array(1), "array<i64>", "array<i64> with dtype int64, shape ()"),
    (np.zeros(2, "?"), "array<bool>", "array<bool> with dtype bool, shape (2,)"),
    (np.zeros(2, ">f8"), "ndarray", "ndarray with dtype >f8, shape (2,)"),
    (np.zeros(2, "f2"), "ndarray", "ndarray with dtype float16, shape (2,)"),
    (np.zeros(2, "M8[D]"), "ndarray", "ndarray with dtype datetime64[D], shape (2,)"),
    (
        np.zeros((2, 3), order="F"),
        "array<f64>",
        "array<f64> with dtype float64, shape (2, 3), Fortran order",
    ),
    (
        np.zeros((4, 4))[::2, ::2],
        "array<f64>",
        "array<f64> with dtype float64, shape (2, 2), not contiguous",
    ),
]


@pytest.mark.parametrize(("value", "expected", "text"), DESCRIBED, ids=lambda v: type(v).__name__)
def test_describes_a_value_by_its_type_and_what_matters(
    value: object, expected: str, text: str
) -> None:
    assert expected.format(here=__name__) == str(type_of(value))
    assert text.format(here=__name__) == describe(value)


class TestFormatCodes:
    @pytest.mark.parametrize("code", "bBhHiIlLqQnN")
    def test_integers_are_named_by_their_size_here(self, code: str) -> None:
        kind = "i" if code.islower() else "u"
        size = struct.calcsize(code)
        assert f"{kind}{size * 8}" == item_of_format(code, size) == item_of_format(f"@{code}", size)

    def test_only_the_byte_order_of_the_machine_is_native(self) -> None:
        native, foreign = "<>" if sys.byteorder == "little" else "><"
        assert item_of_format(f"{native}d", 8) == "f64"
        assert item_of_format(f"{foreign}d", 8) is None

    @pytest.mark.parametrize(
        "code", ["", "e", "Zd", "g", "P", "O", "3d", "dd", "T{d:x:}", "u", "x"]
    )
    def test_anything_but_one_number_has_no_name(self, code: str) -> None:
        assert item_of_format(code, 8) is None

    @pytest.mark.parametrize("dtype", [*"bBhHiIlLqQfd?"])
    def test_agree_with_numpy_array_and_ctypes(self, dtype: str) -> None:
        made = np.zeros(1, dtype)
        name = {"b": "bool"}.get(made.dtype.kind, f"{made.dtype.kind}{made.itemsize * 8}")
        assert name == buffer_item(made)
        assert name == buffer_item(np.ctypeslib.as_ctypes(made))
        if dtype != "?":
            assert name == buffer_item(array.array(dtype, [0]))


class TestIntegers:
    @pytest.mark.parametrize("name", INTEGER_RANGES)
    def test_take_exactly_their_range(self, name: str) -> None:
        low, high = INTEGER_RANGES[name]
        assert [False, True, True, False] == [
            accepts(name, n) for n in (low - 1, low, high, high + 1)
        ]
        assert (
            struct.calcsize({"8": "b", "16": "h", "32": "i", "64": "q"}[name[1:]]) * 8
            == (high - low + 1).bit_length() - 1
        )

    @pytest.mark.parametrize("value", [True, Colour.RED, np.int8(1), np.uint64(1), ctypes.c_int(1)])
    def test_take_what_python_takes_as_an_index(self, value: Any) -> None:
        assert accepts("u8", value) == hasattr(type(value), "__index__")

    @pytest.mark.parametrize(
        "value",
        [
            1.0,
            math.nan,
            "1",
            b"1",
            None,
            [1],
            1j,
            decimal.Decimal(1),
            fractions.Fraction(1),
            np.float64(1),
            np.bool_(True),
            np.timedelta64(1, "s"),
            np.array(1),
            np.array([1]),
            np.array([1.5, 2.5]),
            np.zeros(3, "M8[s]"),
        ],
        ids=repr,
    )
    def test_take_nothing_else(self, value: object) -> None:
        assert refusal(ValueType("i32"), value) == (
            f"expected i32 (-2147483648 to 2147483647), got {describe(value)}"
        )

    def test_a_refusal_names_range_and_value(self) -> None:
        assert refusal(ValueType("i8"), np.int64(300)) == "expected i8 (-128 to 127), got int 300"
        assert refusal(ValueType("u8"), -HUGE) == "expected u8 (0 to 255), got int huge"

    @given(st.integers(), st.sampled_from([*INTEGER_RANGES]))
    def test_agree_with_ctypes(self, number: int, name: str) -> None:
        kind = getattr(ctypes, f"c_{'u' * (name[0] == 'u')}int{name[1:]}")
        assert accepts(name, number) == (kind(number).value == number)


class TestFloats:
    @pytest.mark.parametrize(
        "value",
        [
            1.5,
            math.nan,
            math.inf,
            np.float32(1),
            np.float64(1),
            np.int8(1),
            True,
            decimal.Decimal(1),
        ],
        ids=repr,
    )
    @pytest.mark.parametrize("name", FLOAT_TYPES)
    def test_take_numbers(self, name: str, value: object) -> None:
        assert accepts(name, value)

    @pytest.mark.parametrize(
        "value",
        [
            "1",
            b"1",
            None,
            [1.0],
            1j,
            np.complex128(1),
            np.bool_(True),
            np.str_("1"),
            np.timedelta64(1, "s"),
            np.array(1.0),
            np.array([1.0]),
            fractions.Fraction(10**400),
        ],
        ids=lambda v: type(v).__name__,
    )
    @pytest.mark.parametrize("name", FLOAT_TYPES)
    def test_take_nothing_else(self, name: str, value: object) -> None:
        assert refusal(ValueType(name), value) == f"expected {name}, got {describe(value)}"

    @pytest.mark.parametrize(
        ("name", "number", "fits"),
        [
            ("f64", 2**53, True),
            ("f64", 2**53 + 1, False),
            ("f64", 2**53 + 2, True),
            ("f64", -(2**1023), True),
            ("f64", 2**1024, False),
            ("f64", HUGE, False),
            ("f32", 2**24, True),
            ("f32", 2**24 + 1, False),
            ("f32", 2**127, True),
            ("f32", 2**128, False),
            ("f32", -(2**200), False),
            ("f32", (2**24 - 1) << 104, True),
            ("f32", 0, True),
        ],
        ids=lambda value: describe(value) if type(value) is int else str(value),
    )
    def test_take_an_integer_that_they_hold_exactly(
        self, name: str, number: int, fits: bool
    ) -> None:
        why = (
            None if fits else f"expected a number that {name} holds exactly, got {describe(number)}"
        )
        assert refusal(ValueType(name), number) == why

    @given(st.integers() | st.integers(-(2**130), 2**130).map(lambda n: n >> 90 << 90))
    def test_agree_with_the_machine_about_integers(self, number: int) -> None:
        try:
            (held,) = struct.unpack("f", struct.pack("f", number))
        except OverflowError:
            held = math.nan
        assert accepts("f32", number) == (held == number)
        assert accepts("f64", number) == (float(number) == number)


class TestOtherTypes:
    @pytest.mark.parametrize(
        ("written", "fitting", "other"),
        [
            ("bool", [True, np.bool_(False)], [1, 0, None, "true", np.array(True), np.int8(1)]),
            ("str", ["", Text("x"), np.str_("x")], [b"", None, 1, bytearray()]),
            ("int", [1, HUGE, Colour.RED], [True, 1.0, np.int64(1), "1"]),
            ("float", [1.0, np.float64(1)], [1, np.float32(1), True]),
            ("list", [[], [1]], [(), "ab", np.zeros(1), {}]),
            ("map", [{}], [[], object()]),
            ("any", [None, object(), HUGE], []),
            ("void", [], [None, 0, ""]),
            ("ndarray", [np.zeros(1), np.zeros(1, "M8[s]")], [[], np.float64(1), array.array("d")]),
            ("tensor", [], [np.zeros(1), None]),
            ("decimal.Decimal", [decimal.Decimal(1)], [1, None]),
            ("enum.IntEnum", [Colour.RED], [1]),
        ],
    )
    def test_take_the_values_of_the_type(
        self, written: str, fitting: list[Any], other: list[Any]
    ) -> None:
        assert [True] * len(fitting) == [accepts(written, value) for value in fitting]
        for value in other:
            assert (
                refusal(parse_type(written), value) == f"expected {written}, got {describe(value)}"
            )

    def test_bytes_take_any_contiguous_buffer_of_bytes(self) -> None:
        fitting = [b"", bytearray(2), memoryview(b"ab"), np.zeros(2, "u1"), (ctypes.c_char * 2)()]
        other = [
            "ab",
            None,
            np.zeros(2, "i1"),
            np.zeros(4, "u1")[::2],
            np.uint8(1),
            released_view(),
        ]
        assert [True] * 5 == [accepts("bytes", value) for value in fitting]
        assert [False] * 6 == [accepts("bytes", value) for value in other]

    def test_a_class_takes_subclasses_by_their_qualified_name(self) -> None:
        class Base: ...

        class Derived(Base): ...

        declared = ValueType(qualified_name(Base))
        assert refusal(declared, Derived()) is None
        assert refusal(ValueType(qualified_name(Derived)), Base()) is not None


class TestMemory:
    @pytest.mark.parametrize("written", ["ptr<f64>", "array<f64>"])
    def test_takes_contiguous_buffers_of_the_item_type(self, written: str) -> None:
        read_only = np.zeros(2)
        read_only.flags.writeable = False
        fitting = [
            np.zeros((2, 3)),
            np.zeros((0, 3)),
            np.array(1.0),
            np.zeros((1, 5), order="F"),
            read_only,
            array.array("d", [1]),
            (ctypes.c_double * 2)(),
            memoryview(np.zeros(2)),
        ]
        assert [True] * len(fitting) == [accepts(written, value) for value in fitting]

    @pytest.mark.parametrize("written", ["ptr<f64>", "array<f64>"])
    @pytest.mark.parametrize(
        ("value", "order"),
        [
            (np.zeros(2, "f4"), ""),
            (np.zeros(2, ">f8"), ""),
            (np.zeros((2, 3), order="F"), " in C order"),
            (np.zeros(4)[::2], " in C order"),
            (np.zeros(4)[::-1], " in C order"),
            (np.broadcast_to(1.0, 3), " in C order"),
            (np.float64(1), ""),
            ([1.0], ""),
            (1.0, ""),
            (b"12345678", ""),
            (released_view(), ""),
        ],
        ids=lambda v: type(v).__name__,
    )
    def test_refuses_any_other_value(self, written: str, value: object, order: str) -> None:
        why = f"expected {written}{order}, got {describe(value)}"
        assert (
            why == refusal(parse_type(written), value) == layout_refusal(parse_type(written), value)
        )

    def test_a_void_pointer_takes_any_contiguous_buffer(self) -> None:
        fitting = [b"x", np.zeros(2, ">f8"), np.zeros(1, "f4,i2")]
        assert [True] * 3 == [accepts("ptr<void>", value) for value in fitting]
        assert not accepts("ptr<void>", np.zeros(4)[::2])
        assert not accepts("ptr<void>", "text")

    def test_a_pointer_takes_null_and_native_pointers_and_an_array_does_not(self) -> None:
        ffi = cffi.FFI()
        address = ffi.cast("void *", 4096)
        for value in (None, ffi.new("double *"), address, Pointer(address, "f64", "make")):
            assert (accepts("ptr<f64>", value), accepts("array<f64>", value)) == (True, False)


class Meta(type):
    """A metaclass whose classes answer every question with an error."""

    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError(name)

    def __instancecheck__(cls, value: object) -> bool:
        raise RuntimeError

    def __eq__(cls, other: object) -> bool:
        raise RuntimeError

    def __hash__(cls) -> int:
        raise RuntimeError


class Raising:
    """Every attribute and conversion raises, and so does the class that it pretends to have."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def _raise(self, *_: Any) -> Any:
        raise RuntimeError

    __repr__ = __str__ = __bool__ = __int__ = __index__ = __float__ = _raise
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = _raise


class Posing:
    """Claims to be an int, a list, whatever is asked."""

    def __init__(self, claimed: type) -> None:
        self.claimed = claimed

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return self.claimed


class WrongIndex:
    def __index__(self) -> Any:
        return "1"

    def __float__(self) -> Any:
        return "1"


class Unordered(int):
    def _raise(self, *_: Any) -> Any:
        raise RuntimeError

    __lt__ = __le__ = __gt__ = __ge__ = __abs__ = __repr__ = __index__ = _raise


class LongText(str):
    __slots__ = ()

    def __len__(self) -> int:
        return 1

    def __repr__(self) -> str:
        raise RuntimeError


class Shaped:
    def __init__(self, shape: Any, dtype: Any = None) -> None:
        self.shape = shape
        self.dtype = dtype


class HugeDtype:
    def __str__(self) -> str:
        return "secret" * 10_000


class Nameless:
    __module__ = 5  # type: ignore[assignment]


def array_of_hostile_objects() -> Any:
    made = np.empty(2, dtype=object)
    made[0] = Raising()
    return made


HOSTILE = [
    Raising(),
    Meta("Hostile", (), {})(),
    *map(Posing, (int, float, bool, str, bytes, list, dict, type(None), type, np.ndarray)),
    WrongIndex(),
    Unordered(5),
    LongText("secret" * 100),
    Shaped((Raising(),)),
    Shaped(("secret" * 100,)),
    Shaped(Raising()),
    Shaped((2,), Raising()),
    Shaped((2,), HugeDtype()),
    Shaped(Posing(tuple)),
    Nameless(),
    released_view(),
    np.zeros(1, [(f"field{i}", "f8") for i in range(1000)]),
    np.zeros(1, [(f"field{i}", "f8") for i in range(1000)])[0],
    array_of_hostile_objects(),
    HUGE,
    -HUGE,
]


@pytest.mark.parametrize("index", range(len(HOSTILE)))
def test_hostile_values_are_refused_or_taken_but_never_raise_nor_leak(index: int) -> None:
    value = HOSTILE[index]
    texts = [describe(value), str(type_of(value))]
    texts += [refusal(parse_type(written), value) or "" for written in EVERY_TYPE]
    assert all(len(text) < 300 for text in texts)
    assert not any("secretsecret" * 10 in text for text in texts)


def test_a_value_that_poses_as_another_is_taken_for_what_it_is() -> None:
    for claimed, written in ((int, "int"), (bool, "bool"), (list, "list"), (np.ndarray, "ndarray")):
        posing = Posing(claimed)
        assert isinstance(posing, claimed)
        assert not accepts(written, posing)
        assert f"{__name__}.Posing" == describe(posing)


@given(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(),
        st.binary(),
        st.complex_numbers(),
        st.lists(st.integers()),
        st.decimals(),
        st.fractions(),
        st.dates(),
    ),
    st.sampled_from(EVERY_TYPE),
)
def test_a_refusal_says_what_was_expected_and_what_came(value: object, written: str) -> None:
    why = refusal(parse_type(written), value)
    assert why is None or (why.startswith("expected ") and why.endswith(f", got {describe(value)}"))


def test_everything_fits_any() -> None:
    assert [None] * len(HOSTILE) == [refusal(ANY, value) for value in HOSTILE]


def test_numpy_and_torch_are_not_imported() -> None:
    script = (
        "import sys; from noodle.values import *; refusal(parse_type('tensor'), describe([1]));"
        "sys.exit('numpy' in sys.modules or 'torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
