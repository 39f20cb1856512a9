"""Items of structured arrays of NumPy in place of structures."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from noodle.errors import ArgumentTypeError


def test_an_item_of_an_array_is_passed_by_value(library: ModuleType):
    point = library.struct("point")
    points = point.array(3)
    points[1] = (3, 4)
    assert library.norm(points[1]) == 25.0
    assert library.norm(points[1, ...]) == 25.0
    assert library.moved(points[1], 1.0) == point(4, 5)
    assert points[1]["x"] == 3.0
    assert library.measured(lambda p: points[1]["y"], points[0]) == 4.0
    flags = library.struct("flags")(origin=points[1])
    points[1] = (0, 0)
    assert flags.origin == point(3, 4)


def test_an_item_of_another_array_is_none(library: ModuleType):
    points = library.struct("point").array(3)
    assert library.norm(points[0]) == 0.0
    for wrong in (points, points[:1], points["x"][0], np.zeros(1, [("x", "f4")])[0]):
        with pytest.raises(ArgumentTypeError, match="or an item of an array of its dtype"):
            library.norm(wrong)
    with pytest.raises(ArgumentTypeError, match="or an item of an array of its dtype"):
        library.struct("flags")(origin=points)


def test_a_read_only_array_has_a_remedy_where_c_writes(library: ModuleType) -> None:
    points = library.struct("point").array(2)
    points.flags.writeable = False
    assert library.total(points, 2) == 0.0
    with pytest.raises(ArgumentTypeError) as caught:
        library.move_all(points, 2, 1.0)
    assert str(caught.value.remedy).startswith("points = np.array(points) before the call")
