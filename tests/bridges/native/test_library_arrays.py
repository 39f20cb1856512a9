"""Structures that lie one behind another in memory of a library, and its variables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import noodle
from noodle.errors import ArgumentTypeError, ReferenceReleasedError, UsageError

HEADER = """
typedef struct { int x, y; } pair;
struct city { const char *name; pair place; };
extern struct city cities[3];
extern pair origin;
extern pair *marked;
extern const char *words[3];
extern int (*twice)(int);
extern int numbers[2];
struct city *all_cities(void);
pair *pair_new(int count);
void pair_free(pair *first);
int sum(const pair *pairs, int count);
int origin_x(void);
"""
SOURCE = """
#include "cities.h"
#include <stdlib.h>
struct city cities[3] = {{"Lhasa", {91, 29}}, {"Quito", {-78, 0}}, {"Bern", {7, 46}}};
pair origin = {3, 4};
pair *marked = &origin;
const char *words[3] = {"one", 0, "three"};
static int doubled(int x) { return 2 * x; }
int (*twice)(int) = doubled;
int numbers[2] = {5, 6};
struct city *all_cities(void) { return cities; }
pair *pair_new(int count)
{
    pair *made = calloc(count, sizeof *made);
    for (int i = 0; i < count; i++) made[i].x = i;
    return made;
}
void pair_free(pair *first) { free(first); }
int sum(const pair *pairs, int count)
{
    int sum = 0;
    for (int i = 0; i < count; i++) sum += pairs[i].x;
    return sum;
}
int origin_x(void) { return origin.x; }
"""


@pytest.fixture(params=["inprocess", "isolated"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ModuleType]:
    """The library, in this process and in a worker."""
    (tmp_path / "cities.h").write_text(HEADER)
    (tmp_path / "cities.c").write_text(SOURCE)
    where = {"header": str(tmp_path / "cities.h"), "placement": request.param}
    made = noodle.load(str(tmp_path / "cities.c"), **where)
    yield made
    noodle.unload(made)


def test_what_lies_behind_a_result_is_read_by_index(library: ModuleType):
    first = library.all_cities()
    assert [first[0].name, first[2].name, first[1].place.x] == ["Lhasa", "Bern", -78]
    assert [city.name for city in first[:3:2]] == ["Lhasa", "Bern"]
    assert first["name"] == "Lhasa"
    first[1].place.y = 9
    assert library.all_cities()[1].place.y == 9
    with pytest.raises(UsageError, match="known to C alone"):
        first[:]
    with pytest.raises(TypeError):
        first[1.5]
    with pytest.raises(TypeError):
        list(first)


def test_an_array_of_numpys_shows_what_the_library_has(library: ModuleType):
    pair = library.struct("pair")
    first = library.pair_new(4)
    array = pair.array(4, at=first)
    assert array["x"].tolist() == [0, 1, 2, 3]
    assert (library.sum(array, 4), library.sum(first[2], 2)) == (6, 5)
    del array
    library.pair_free(first)
    with pytest.raises(ArgumentTypeError) as caught:
        pair.array(2, at=pair(1, 2))
    assert "one that the library has given" in str(caught.value.expected)


def test_an_array_in_this_process_is_no_copy(library: ModuleType):
    first = library.all_cities()
    shown = library.struct("city").array(3, at=first)
    shown["place"]["x"][2] = 70
    assert first[2].place.x == (70 if type(first).__module__ == "C" else 7)


def test_what_lies_behind_an_object_ends_with_it(library: ModuleType):
    first = library.pair_new(4)
    third = first[2]
    assert (third.x, [one.x for one in first[1:3]]) == (2, [1, 2])
    library.pair_free(first)
    for read in (lambda: third.x, lambda: first[1]):
        with pytest.raises(ReferenceReleasedError):
            read()


def test_a_callback_fills_memory_of_c(tmp_path: Path):
    (tmp_path / "filled.c").write_text(
        "int filled(int (*fill)(unsigned char *place, int size))\n"
        "{ unsigned char place[8] = {0}; int n = fill(place, 8); return n + place[0] + place[2]; }"
    )

    def fill(place: Any, size: int) -> int:
        place.write(bytearray([10, 20, 30]))
        return 100 * size

    for placement in ("inprocess", "isolated"):
        library = noodle.load(str(tmp_path / "filled.c"), placement=placement)
        assert library.filled(fill) == 840


def test_a_structure_made_here_has_nothing_behind_it(library: ModuleType):
    pair = library.struct("pair")(1, 2)
    with pytest.raises(ArgumentTypeError) as caught:
        pair[1]
    assert caught.value.expected == "the name of a field: one of x, y"
    with pytest.raises(TypeError, match="not iterated over"):
        tuple(pair)
    assert library.struct("pair").at(pair) is pair


def test_variables_are_structures_texts_and_functions(library: ModuleType):
    library.origin.x = 30
    assert (library.origin_x(), library.origin.y, library.marked.x) == (30, 4, 30)
    assert [library.cities[i].name for i in range(3)] == ["Lhasa", "Quito", "Bern"]
    assert library.words[:3] == ["one", None, "three"]
    assert library.numbers[:2] == [5, 6]
    assert library.struct("city").array(3, at=library.cities)["place"]["x"][0] == 91
    assert isinstance(library.struct("pair").array(1, at=library.origin), np.ndarray)


def test_a_variable_that_is_a_function_is_called(tmp_path: Path):
    (tmp_path / "cities.h").write_text(HEADER)
    (tmp_path / "cities.c").write_text(SOURCE)
    library = noodle.load(str(tmp_path / "cities.c"), header=str(tmp_path / "cities.h"))
    assert library.twice(4) == 8


def test_an_assignment_to_a_structure_says_to_set_its_fields(library: ModuleType):
    with pytest.raises(UsageError) as caught:
        library.origin = {"x": 1, "y": 2}
    assert caught.value.remedy == "library.origin.FIELD = value"
    with pytest.raises(UsageError) as caught:
        library.numbers = [1, 2]
    assert caught.value.received == "int[2]"
