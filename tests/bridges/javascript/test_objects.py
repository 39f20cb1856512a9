"""Objects of Python in JavaScript: dicts, lists and others that go by reference."""

from __future__ import annotations

import dataclasses
import json
from collections import UserDict, UserList, deque
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

import noodle
from noodle.errors import ArgumentRangeError

SAMPLES = Path(__file__).parent / "samples"


class TestDicts:
    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ("o.size", 3),
            ("o['two words']", "x"),
            ("o.missing === undefined", True),
            ("o._hidden", 1),
            ("'size' in o", True),
            ("'missing' in o", False),
            ("Object.hasOwn(o, 'size')", True),
            ("Object.keys(o)", ["size", "two words", "_hidden", "keys"]),
            ("[...o]", ["size", "two words", "_hidden", "keys"]),
            ("Object.entries(o).length", 4),
            ("({ ...o }).size", 3),
            ("o.keys", "an item before a method"),
            ("o.get('size', 0)", 3),
            ("o.length", 4),
        ],
    )
    @pytest.mark.parametrize("kind", [dict, UserDict])
    def test_are_read_as_objects(
        self, passing: ModuleType, kind: type, expression: str, expected: Any
    ) -> None:
        content = {"size": 3, "two words": "x", "_hidden": 1, "keys": "an item before a method"}
        value = noodle.ref(kind(content))
        assert expected == passing.evaluate(f"(o) => {expression}", value)

    def test_are_written_as_objects(self, passing: ModuleType) -> None:
        content: dict[str, Any] = {"old": 1, "gone": 2}
        source = "(o) => { o.new = [1]; o.old += 1; delete o.gone; delete o.missing; o[7] = 'n' }"
        passing.evaluate(source, noodle.ref(content))
        assert {"old": 2, "new": [1], 7: "n"} == content

    def test_a_loop_over_names_shows_all(self, passing: ModuleType) -> None:
        source = "(o) => { const all = []; for (const name in o) all.push(name); return all }"
        assert ["a", "b"] == passing.evaluate(source, noodle.ref({"a": 1, "b": 2}))

    @pytest.mark.parametrize("content", [{1: "x"}, {"1": "x"}])
    def test_a_number_is_a_key_in_either_form(
        self, passing: ModuleType, content: dict[Any, str]
    ) -> None:
        source = "(o) => [o[1], o['1'], 1 in o, 2 in o]"
        assert ["x", "x", True, False] == passing.evaluate(source, noodle.ref(content))


class TestLists:
    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ("list.length", 3),
            ("list[2]", 6),
            ("list[3] === undefined", True),
            ("[0 in list, 3 in list]", [True, False]),
            ("[...list]", [4, 5, 6]),
            ("Array.from(list, (n) => n + 1)", [5, 6, 7]),
            ("Object.keys(list)", ["0", "1", "2"]),
            ("Array.prototype.map.call(list, (n) => 2 * n)", [8, 10, 12]),
            ("list.index(5)", 1),
            ("list.map((n) => 2 * n)", [8, 10, 12]),
            ("list.map((n, at, all) => n + at + all.length)", [7, 9, 11]),
            ("list.filter((n) => n > 4).concat(list.slice(1))", [5, 6, 5, 6]),
            ("[list.at(-1), list.includes(5), list.indexOf(9)]", [6, True, -1]),
            ("list.reduce((sum, n) => sum + n, 0)", 15),
            ("list.join('-')", "4-5-6"),
            ("[...list.entries()]", [[0, 4], [1, 5], [2, 6]]),
            ("{ const seen = []; list.forEach((n) => seen.push(n)); return seen }", [4, 5, 6]),
        ],
    )
    @pytest.mark.parametrize("kind", [list, tuple, UserList])
    def test_are_read_as_arrays(
        self, passing: ModuleType, kind: type, expression: str, expected: Any
    ) -> None:
        body = expression if expression.startswith("{") else f"({expression})"
        assert expected == passing.evaluate(f"(list) => {body}", noodle.ref(kind([4, 5, 6])))

    def test_are_written_to(self, passing: ModuleType) -> None:
        numbers = [1, 2]
        passing.evaluate("(list) => { list[0] = 5; list.append(3) }", noodle.ref(numbers))
        assert [5, 2, 3] == numbers

    @pytest.mark.parametrize(
        ("expression", "result", "left"),
        [
            ("list.push(7, 8)", 5, [4, 5, 6, 7, 8]),
            ("list.push()", 3, [4, 5, 6]),
            ("list.pop()", 6, [4, 5]),
            ("list.unshift(2, 3)", 5, [2, 3, 4, 5, 6]),
            ("list.shift()", 4, [5, 6]),
            ("list.splice(1, 1, 'a', 'b')", [5], [4, "a", "b", 6]),
            ("list.splice(-2)", [5, 6], [4]),
            ("list.splice(1, undefined, 9)", [], [4, 9, 5, 6]),
            ("list.splice()", [], [4, 5, 6]),
            ("list[3] = 7", 7, [4, 5, 6, 7]),
            ("list.length = 1", 1, [4]),
            ("Array.prototype.push.call(list, 7)", 4, [4, 5, 6, 7]),
        ],
    )
    @pytest.mark.parametrize("kind", [list, UserList, deque])
    def test_are_changed_as_arrays(
        self, passing: ModuleType, kind: Any, expression: str, result: Any, left: list[Any]
    ) -> None:
        numbers = kind([4, 5, 6])
        assert result == passing.evaluate(f"(list) => ({expression})", noodle.ref(numbers))
        assert left == list(numbers)

    def test_cannot_be_made_longer_with_nothing(self, passing: ModuleType) -> None:
        numbers = [1, 2]
        for length in ("3", "-1", "1.5", "'x'"):
            with pytest.raises(ArgumentRangeError, match="from 0 to 2"):
                passing.evaluate(f"(list) => {{ list.length = {length} }}", noodle.ref(numbers))
        assert [1, 2] == numbers

    def test_what_cannot_be_changed_has_no_methods_that_do(self, passing: ModuleType) -> None:
        source = "(o) => [o.push, o.splice].map((method) => method === undefined)"
        assert [True, True] == passing.evaluate(source, noodle.ref((1, 2)))

    @pytest.mark.parametrize("value", [{"a": 1}, {1, 2}, UserDict(), object()])
    def test_what_is_no_sequence_has_no_methods_of_arrays(
        self, passing: ModuleType, value: Any
    ) -> None:
        source = "(o) => [o.map, o.push].map((method) => method === undefined)"
        assert [True, True] == passing.evaluate(source, noodle.ref(value))


class Colour(Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: Decimal


class Plain:
    def __init__(self) -> None:
        self.size = 3
        self._secret = 4

    def method(self) -> None: ...


class Slotted:
    __slots__ = ("size",)


class TestNumbers:
    @pytest.mark.parametrize(
        ("expression", "value", "expected"),
        [
            ("o * 2", Decimal("19.99"), 39.98),
            ("Number(o)", Decimal("-1.10"), -1.1),
            ("o < 9", Decimal(10), False),
            ("Math.max(o, 9)", Decimal(10), 10),
            ("`${o}`", Decimal("1.10"), "1.10"),
        ],
    )
    def test_a_decimal_is_its_number_where_javascript_wants_one(
        self, passing: ModuleType, expression: str, value: Decimal, expected: object
    ) -> None:
        assert expected == passing.evaluate(f"(o) => {expression}", value)

    @pytest.mark.parametrize("value", [object(), PurePosixPath(" "), Fraction(1, 3)])
    def test_what_says_no_number_is_none(self, passing: ModuleType, value: object) -> None:
        assert passing.evaluate("(o) => Number.isNaN(Number(o))", value) is True


class TestJson:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (Decimal("1.10"), "1.10"),
            (Fraction(1, 3), "1/3"),
            (UUID(int=5), str(UUID(int=5))),
            (PurePosixPath("/a/b"), "/a/b"),
            (date(2024, 2, 29), "2024-02-29"),
            (time(12, 30), "12:30:00"),
            (noodle.ref(datetime(2024, 2, 29, 12)), "2024-02-29T12:00:00"),
            (Colour.RED, "red"),
            (Point(1, Decimal("0.5")), {"x": 1, "y": "0.5"}),
            (Plain(), {"size": 3}),
            ([Decimal(1), {"deep": Decimal("2.0")}], ["1", {"deep": "2.0"}]),
            (noodle.ref({"a": [Decimal(3)], "b": None}), {"a": ["3"], "b": None}),
            (noodle.ref([1, (2, 3)]), [1, [2, 3]]),
        ],
    )
    def test_of_what_has_a_form(self, passing: ModuleType, value: Any, expected: Any) -> None:
        assert expected == json.loads(passing.evaluate("(o) => JSON.stringify(o)", value))

    @pytest.mark.parametrize("value", [Slotted(), object()])
    def test_what_has_none_says_so(self, passing: ModuleType, value: object) -> None:
        with pytest.raises(TypeError, match="has no form in JSON") as caught:
            passing.evaluate("(o) => JSON.stringify([o])", value)
        assert type(value).__qualname__ in str(caught.value)
