"""Values that cross to JavaScript and back: NumPy's scalars, and instants."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import noodle
from noodle.errors import ArgumentTypeError, ForeignError

SAMPLES = Path(__file__).parent / "samples"


NUMBERS = [
    ("int8", -3, "number", "-3"),
    ("int64", 3, "number", "3"),
    ("int64", 2**60, "bigint", str(2**60)),
    ("uint64", 2**64 - 1, "bigint", str(2**64 - 1)),
    ("float16", 1.5, "number", "1.5"),
    ("float32", 0.5, "number", "0.5"),
    ("float64", 0.1, "number", "0.1"),
    ("bool_", True, "boolean", "true"),
    ("str_", "text", "string", "text"),
]


class TestNumPyScalars:
    @pytest.mark.parametrize(("kind", "number", "type_", "text"), NUMBERS)
    @pytest.mark.parametrize(
        ("pack", "unpack"),
        [
            (lambda value: value, "value"),
            (lambda value: [value], "value[0]"),
            (lambda value: (1, value), "value[1]"),
            (lambda value: {"in": [{"deep": value}]}, "value.in[0].deep"),
        ],
        ids=["argument", "list", "tuple", "deep"],
    )
    def test_are_the_values_that_they_stand_for(
        self,
        passing: ModuleType,
        kind: str,
        number: Any,
        type_: str,
        text: str,
        pack: Any,
        unpack: str,
    ) -> None:
        numpy = pytest.importorskip("numpy")
        value = pack(getattr(numpy, kind)(number))
        source = f"(value) => [typeof {unpack}, String({unpack})]"
        assert [type_, text] == passing.evaluate(source, value)

    def test_are_keys_as_numbers_are(self, passing: ModuleType) -> None:
        numpy = pytest.importorskip("numpy")
        source = "(map) => [map instanceof Map, map.get(3)]"
        assert [True, "x"] == passing.evaluate(source, {numpy.int64(3): "x"})

    def test_are_arguments_of_callbacks_results_and_items(self, passing: ModuleType) -> None:
        numpy = pytest.importorskip("numpy")
        assert 6 == passing.call(lambda: numpy.int32(6))
        source = "(list) => { list[0] = 5; return list[0] + list.length }"
        assert 6 == passing.evaluate(source, noodle.ref([numpy.int64(1)]))
        assert "bc" == passing.evaluate("(text, at) => text.slice(at)", "abc", numpy.uint8(1))

    @pytest.mark.parametrize("make", ["empty", "zeros"])
    def test_are_shapes(self, make: str) -> None:
        numpy = pytest.importorskip("numpy")
        create = getattr(noodle, make)
        assert (3, 4) == create((numpy.int64(3), numpy.uint8(4))).shape
        assert (3, 4) == create(numpy.array([3, 4])).shape
        assert (3,) == create(numpy.int32(3)).shape
        assert (3,) == create(3).shape

    @pytest.mark.parametrize("shape", [2.5, (2, "x"), None])
    def test_what_is_no_whole_number_is_no_shape(self, shape: Any) -> None:
        with pytest.raises(ArgumentTypeError, match="no shape"):
            noodle.zeros(shape)

    def test_of_dtypes_that_javascript_has_not_keep_all_their_digits(
        self, passing: ModuleType
    ) -> None:
        numpy = pytest.importorskip("numpy")
        third = numpy.longdouble(1) / 3
        if float(third) == third:
            pytest.skip("no longer than a double here")
        assert third is passing.echo(third)


class TestInstants:
    @pytest.mark.parametrize(
        "instant",
        [
            datetime(2024, 2, 29, 12, 30, 15, 678000, UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999000, UTC),
            datetime(1900, 1, 1, tzinfo=UTC),
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999000, UTC),
            datetime(2024, 7, 1, 9, tzinfo=timezone(timedelta(hours=5, minutes=45))),
            datetime(1955, 7, 1, 9, tzinfo=ZoneInfo("America/New_York")),
            datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
        ],
    )
    def test_of_whole_milliseconds_come_back_equal(
        self, passing: ModuleType, instant: datetime
    ) -> None:
        returned = passing.echo(instant)
        assert (instant.astimezone(UTC), UTC) == (returned, returned.tzinfo)
        text = instant.astimezone(UTC).isoformat(timespec="milliseconds")
        shown = passing.evaluate("(date) => date.toISOString()", instant)
        assert text.replace("+00:00", "Z") == shown

    @pytest.mark.parametrize("year", [1, 1969, 2024])
    def test_finer_parts_are_cut_towards_the_past(self, passing: ModuleType, year: int) -> None:
        instant = datetime(year, 12, 31, 23, 59, 59, 678999, UTC)
        assert instant.replace(microsecond=678000) == passing.echo(instant)

    def test_order_is_kept(self, passing: ModuleType) -> None:
        first = datetime(1969, 12, 31, 23, 59, 59, 999999, UTC)
        instants = [first + timedelta(microseconds=500 * step) for step in range(6)]
        returned = passing.echo(instants)
        assert sorted(returned) == returned

    def test_without_a_zone_they_are_refused(self, passing: ModuleType) -> None:
        with pytest.raises(Exception, match="a datetime without a zone"):
            passing.echo(datetime(2024, 1, 1))

    def test_of_a_whole_day_stay_what_they_are(self, passing: ModuleType) -> None:
        day = date(2024, 2, 29)
        assert day is passing.echo(day)
        assert "2024-02-29" == passing.evaluate("(day) => `${day}`", day)

    @pytest.mark.parametrize("source", ["new Date(8.64e15)", "new Date(-6.3e13)", "new Date(NaN)"])
    def test_that_python_has_not_are_errors(self, passing: ModuleType, source: str) -> None:
        with pytest.raises(ForeignError, match=r"years 1 to 9999|invalid Date"):
            passing.evaluate(f"() => {source}")
