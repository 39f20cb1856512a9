"""Annotated functions that take functions and structures, in this process and in a worker."""

from __future__ import annotations

import array
import math
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import noodle
from noodle.errors import (
    ArgumentTypeError,
    FunctionErrnoError,
    ReferenceReleasedError,
)
from tests.bridges.native.callbacks.conftest import WAYS

SOURCE = """
#include <errno.h>
#include <stdlib.h>
struct point { double x, y; };
static struct point shared = {5, 6};
struct point *point_new(double x)
{
    struct point *made = malloc(sizeof *made);
    made->x = x;
    made->y = 2 * x;
    return made;
}
void point_free(struct point *point) { free(point); }
struct point *same_point(struct point *point) { return point; }
struct node { int value; };
static struct node first = {7};
int node_find(int key, struct node **found)
{
    *found = key ? &first : NULL;
    return key;
}
int each(const double *values, int count, int (*visit)(double))
{
    int sum = 0;
    for (int i = 0; i < count; i++)
        sum += visit(values[i]);
    return sum;
}
int failing(int (*visit)(int))
{
    errno = visit(1);
    return errno ? -1 : 0;
}
struct point moved(struct point point, const double *by, int count)
{
    for (int i = 0; i < count; i++)
        point.x += by[i];
    return point;
}
"""
VALUES = array.array("d", [1, 2, 3])


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def points(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ModuleType]:
    """The library, called in each way."""
    (tmp_path / "points.c").write_text(SOURCE)
    functions = {"failing": {"errors": "errno", "nullable": False}}
    library = noodle.load(str(tmp_path / "points.c"), functions=functions, **request.param)
    yield library
    noodle.unload(library)


def test_a_length_is_left_out_beside_a_function(points: ModuleType):
    assert points.each(VALUES, visit=lambda value: int(value) * 2) == 12
    assert points.each(VALUES, 2, int) == 3
    with noodle.callback(int) as kept:
        assert points.each(VALUES, visit=kept) == 6


def test_an_error_of_a_callback_goes_before_that_of_the_function(points: ModuleType):
    with pytest.raises(ZeroDivisionError):
        points.failing(lambda number: number // 0)
    with pytest.raises(FunctionErrnoError) as caught:
        points.failing(lambda number: 2 * number)
    assert caught.value.constant == "ENOENT"
    assert points.failing(lambda number: 0) == 0


def test_a_builtin_error_of_a_callback_is_not_taken_for_a_wrong_answer(points: ModuleType):
    with pytest.raises(ValueError, match=r"math domain error|expected a nonnegative"):
        points.failing(lambda number: int(math.sqrt(-number)))
    with pytest.raises(TypeError, match="unsupported operand"):
        points.failing(lambda number: number + "")


def test_a_function_that_does_not_fit_is_refused_before_the_call(points: ModuleType):
    with pytest.raises(ArgumentTypeError, match=r"a function that takes \(double\)"):
        points.each(VALUES, visit=lambda: 1)
    with pytest.raises(ArgumentTypeError, match="null is forbidden"):
        points.failing(None)


def test_a_length_is_left_out_beside_a_structure_by_value(points: ModuleType):
    moved = points.moved(points.struct("point")(1, 2), VALUES)
    assert (moved.x, moved.y) == (7.0, 2.0)


def test_a_structure_comes_back_through_an_out(points: ModuleType):
    status, node = points.node_find(1)
    assert (status, node.value) == (1, 7)
    assert points.node_find(0) == (0, None)


def test_the_fields_of_an_object_are_there_until_it_is_released(points: ModuleType):
    point = points.struct("point")
    with points.point_new(1.5) as made:
        assert point.at(made).y == 3.0
        assert point.at(points.same_point(made)).x == 1.5
    with pytest.raises(ReferenceReleasedError):
        point.at(made)
