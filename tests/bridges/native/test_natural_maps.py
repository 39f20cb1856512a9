"""Maps of annotated functions: a compiled loop where nothing is looked at after a call."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import noodle
from noodle.errors import ArgumentTypeError, FunctionFailedError
from tests.bridges.native.test_natural_calls import ANNOTATIONS, PROTOTYPES, natural

__all__ = ["natural"]


@pytest.fixture(params=["inprocess", "isolated"])
def placement(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def annotated(natural: Path, placement: str) -> ModuleType:
    return noodle.load(
        str(natural), prototypes=PROTOTYPES, functions=ANNOTATIONS, placement=placement
    )


def test_each_result_is_checked(annotated: ModuleType) -> None:
    assert annotated.status.map(np.array([0, 4], np.int32)).tolist() == [0, 4]
    with pytest.raises(FunctionFailedError, match="-4"):
        annotated.status.map(np.array([1, -4], np.int32))


def test_outs_are_results_for_each_element(annotated: ModuleType) -> None:
    assert annotated.divide.map(np.array([7, 8], np.int32), 2).tolist() == [(3, 1), (4, 0)]


def test_what_only_a_loop_has_is_refused(annotated: ModuleType) -> None:
    with pytest.raises(ArgumentTypeError, match="takes sequences by position"):
        annotated.status.map(np.zeros(2, np.int32), out=np.zeros(2, np.int32))


def test_annotations_that_say_nothing_of_numbers_leave_the_loop(
    natural: Path, placement: str
) -> None:
    library = noodle.load(
        str(natural),
        prototypes=PROTOTYPES,
        encoding="latin-1",
        auto_vectorize=True,
        placement=placement,
    )
    values = np.array([[1], [2]], np.int32)
    note = "called for each element of arrays, in a compiled loop"
    assert note in library.status.explain(values).notes
    assert library.status(values).tolist() == library.status.map(values).tolist() == [[1], [2]]

    async def awaited() -> Any:
        return await library.status.aio(values)

    assert asyncio.run(awaited()).tolist() == [[1], [2]]


def test_a_call_with_an_array_is_refused_where_results_are_checked(
    natural: Path, placement: str
) -> None:
    library = noodle.load(
        str(natural),
        prototypes=PROTOTYPES,
        functions=ANNOTATIONS,
        auto_vectorize=True,
        placement=placement,
    )
    with pytest.raises(ArgumentTypeError) as caught:
        library.status(np.zeros(2, np.int32))
    assert str(caught.value.remedy).startswith("status.map(value)")
