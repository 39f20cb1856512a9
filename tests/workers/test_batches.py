"""Batches: many calls of a worker's function in one request."""

from types import ModuleType
from typing import Any

import pytest

import noodle
from noodle import _handle, _host
from noodle.errors import ArgumentTypeError, ArityError, RemoteCallError
from noodle.workers.batches import MOST_ROWS

SOURCE = """
export const add = (a, b) => a + b;
export const count = (...all) => all.length;
export const each = (value, visit) => visit(value);
export const positive = (n) => { if (n < 0) throw new RangeError(`${n} is negative`); return n; };
export const later = async (n) => positive(n);
export class Point { constructor(x) { this.x = x; } }
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    path = tmp_path_factory.mktemp("batches") / "batches.mjs"
    path.write_text(SOURCE, encoding="utf-8")
    return noodle.load(str(path))


def link_of(function: Any) -> _host.Link:
    """Return the link to the worker that a batch goes to, which has the function by then."""
    function.batch([(1, 2)])
    link = _host.facts(_handle.binding(function).function._remote.reference())[0]
    assert link is not None
    return link


def test_a_thousand_calls_are_one_message(library: ModuleType) -> None:
    link = link_of(library.add)
    before = link.calls
    assert [n + 0.5 for n in range(1000)] == library.add.batch([(n, 0.5) for n in range(1000)])
    assert 1 == link.calls - before


def test_rows_beyond_the_most_take_another_message(library: ModuleType) -> None:
    link = link_of(library.count)
    before = link.calls
    assert [1] * (MOST_ROWS + 1) == library.count.batch([(0,)] * (MOST_ROWS + 1))
    assert 2 == link.calls - before


@pytest.mark.parametrize("lengths", [[0], [1, 0, 3], [2, 2], [5]], ids=str)
def test_rows_may_be_of_any_length(library: ModuleType, lengths: list[int]) -> None:
    assert lengths == library.count.batch([[None] * length for length in lengths])


def test_rows_by_keyword_and_by_position_mix(library: ModuleType) -> None:
    assert [3, 7, 11] == library.add.batch([(1, 2), [3, 4], {"b": 6, "a": 5}])


def test_functions_in_rows_are_callbacks(library: ModuleType) -> None:
    assert [20, 21] == library.each.batch([(10, lambda x: 2 * x), (20, lambda x: x + 1)])


def test_a_function_of_the_library_arrives_as_itself(library: ModuleType) -> None:
    assert [5] == library.each.batch([(5, library.positive)])


@pytest.mark.parametrize("name", ["positive", "later"])
def test_the_first_error_ends_it_and_says_which_row_it_was(library: ModuleType, name: str) -> None:
    with pytest.raises(RemoteCallError, match="-3 is negative") as caught:
        getattr(library, name).batch([(1,), (2,), (-3,), (-4,)])
    assert isinstance(caught.value, ValueError)
    assert "in row 2 of a batch of 4" in caught.value.__notes__


def test_promises_are_waited_for(library: ModuleType) -> None:
    assert [1, 2] == library.later.batch([(1,), (2,)])


def test_a_class_constructs_an_object_for_each_row(library: ModuleType) -> None:
    assert [1, 2] == [point.x for point in library.Point.batch([(1,), (2,)])]


@pytest.mark.parametrize("row", [1, "ab", None], ids=repr)
def test_a_row_that_is_none_is_refused_before_anything_is_called(
    library: ModuleType, row: object
) -> None:
    seen: list[Any] = []
    with pytest.raises(ArgumentTypeError, match="a batch of each needs rows") as caught:
        library.each.batch([(1, seen.append), row])
    assert "row 1" == caught.value.where
    assert [] == seen


def test_so_is_one_behind_the_most_rows_of_a_message(library: ModuleType) -> None:
    seen: list[Any] = []
    with pytest.raises(ArgumentTypeError, match="a batch of each needs rows"):
        library.each.batch([*[(1, seen.append)] * MOST_ROWS, None])
    assert [] == seen


def test_an_unknown_keyword_is_refused(library: ModuleType) -> None:
    with pytest.raises(ArityError, match="add has no c"):
        library.add.batch([{"a": 1, "c": 2}])


def test_every_row_counts_as_a_call(library: ModuleType) -> None:
    before = noodle.stats(library.add).calls
    library.add.batch([(1, 2)] * 7)
    library.add.batch([])
    assert 7 == noodle.stats(library.add).calls - before


def test_the_deadline_holds_for_the_batch(library: ModuleType) -> None:
    with noodle.deadline(1e-9), pytest.raises(noodle.errors.DeadlineExceededError):
        library.add.batch([(1, 2)] * 7)


def test_map_is_one_message_too(library: ModuleType) -> None:
    link = link_of(library.add)
    before = link.calls
    assert [4, 6] == library.add.map([1, 2], [3, 4])
    assert 1 == link.calls - before
