"""Arrays and views of memory that has to be released: it stays while they are there."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import noodle
from noodle.errors import MemoryInUseError, ReferenceReleasedError
from tests.bridges.native.conftest import compile_to

SOURCE = """
#include <stdlib.h>
#include <string.h>
typedef struct { int x, y; } corner;
typedef struct { double values[4]; corner corners[2]; int grid[2][3]; } sheet;
static int sheets;
sheet *sheet_new(int first)
{
    sheet *made = calloc(1, sizeof *made);
    made->values[0] = made->corners[1].y = made->grid[1][2] = first;
    sheets++;
    return made;
}
void sheet_free(sheet *s) { memset(s, 0xAA, sizeof *s); sheets--; free(s); }
int sheet_count(void) { return sheets; }
corner *sheet_corner(sheet *s) { return &s->corners[1]; }
"""
PROTOTYPES = """
typedef struct { int x, y; } corner;
typedef struct { double values[4]; corner corners[2]; int grid[2][3]; } sheet;
sheet *sheet_new(int first); void sheet_free(sheet *s); int sheet_count(void);
corner *sheet_corner(sheet *s);
"""


@pytest.fixture(scope="module")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_to(tmp_path_factory.mktemp("sheets") / "libsheets.so", SOURCE)


def loaded(sheets: Path, placement: str) -> Iterator[ModuleType]:
    library = noodle.load(
        str(sheets),
        prototypes=PROTOTYPES,
        placement=placement,
        free=["sheet_free"],
        functions={"sheet_corner": {"borrowed": True}},
    )
    yield library
    noodle.unload(library)


@pytest.fixture
def library(sheets: Path) -> Iterator[ModuleType]:
    yield from loaded(sheets, "inprocess")


@pytest.fixture
def isolated(sheets: Path) -> Iterator[ModuleType]:
    yield from loaded(sheets, "isolated")


def array_of(sheet: Any) -> Any:
    return np.asarray(sheet.values)[1:].reshape(-1)


def structured(sheet: Any) -> Any:
    return np.asarray(sheet.corners)["y"]


def nested(sheet: Any) -> Any:
    return np.asarray(sheet.grid[1])


def memory(sheet: Any) -> Any:
    return sheet.memory(8)[2:]


SHOWN = [array_of, structured, nested, memory]


@pytest.mark.parametrize("show", SHOWN)
@pytest.mark.parametrize("way", ["close", "function", "with"])
def test_a_release_is_refused_while_its_memory_is_shown(
    library: ModuleType, show: Any, way: str
) -> None:
    sheet = library.sheet_new(7)

    def release() -> None:
        if way == "with":
            with sheet:
                pass
        else:
            sheet.close() if way == "close" else library.sheet_free(sheet)

    shown = show(sheet)
    with pytest.raises(MemoryInUseError, match="cannot be released while its memory is shown"):
        release()
    assert (sheet.values[0], library.sheet_count()) == (7.0, 1)
    assert not sheet.released
    del shown
    release()
    assert sheet.released
    assert library.sheet_count() == 0


@pytest.mark.parametrize("show", SHOWN)
def test_an_array_keeps_the_memory_that_it_shows(library: ModuleType, show: Any) -> None:
    shown = show(library.sheet_new(7))
    before = bytes(shown)
    gc.collect()
    assert library.sheet_count() == 1
    assert bytes(shown) == before
    del shown
    gc.collect()
    assert library.sheet_count() == 0


def test_a_part_s_memory_keeps_the_whole(library: ModuleType) -> None:
    sheet = library.sheet_new(7)
    for part in (library.sheet_corner(sheet), sheet.corners[1]):
        shown = part.memory(8)
        with pytest.raises(BufferError):
            sheet.close()
        assert part.y == 7
        del shown
    sheet.close()


def test_arrays_in_a_structure_are_refused_after_its_release(library: ModuleType) -> None:
    sheet = library.sheet_new(7)
    values, corners, row = sheet.values, sheet.corners, sheet.grid[1]
    corner, whole = corners[1], library.struct("sheet").at(sheet)
    assert (values[0], corner.y, row[2], whole.values[0]) == (7.0, 7, 7, 7.0)
    values[1] = corner.x = row[0] = 5
    assert (sheet.values[1], sheet.corners[1].x, whole.grid[1][0]) == (5.0, 5, 5)
    sheet.close()
    uses: list[Any] = [
        lambda: values[0],
        lambda: values.__setitem__(0, 1.0),
        lambda: np.asarray(values),
        lambda: list(row),
        lambda: corners[0],
        lambda: corner.y,
        lambda: setattr(corner, "y", 1),
        lambda: whole.values,
        lambda: sheet.memory(8),
        lambda: library.struct("sheet").at(sheet),
    ]
    for use in uses:
        with pytest.raises(ReferenceReleasedError):
            use()


def test_an_array_is_copied_or_converted_as_numpy_asks(library: ModuleType) -> None:
    with library.sheet_new(7) as sheet:
        assert np.array(sheet.values).tolist() == [7.0, 0.0, 0.0, 0.0]
        assert np.asarray(sheet.values, dtype=np.float32).dtype == np.float32
        assert np.asarray(sheet.grid).shape == (2, 3)
        np.asarray(sheet.values)[2] = 3.0
        assert sheet.values == [7.0, 0.0, 3.0, 0.0]


def test_a_loop_over_an_array_in_a_structure_leaves_nothing_shown(library: ModuleType) -> None:
    libm = noodle.load("libm.so.6", prototypes="double fabs(double x);", auto_vectorize=True)
    with library.sheet_new(-7) as sheet:
        assert libm.fabs(sheet.values).tolist() == [7.0, 0.0, 0.0, 0.0]
        assert libm.fabs.map(sheet.values).tolist() == [7.0, 0.0, 0.0, 0.0]
    assert sheet.released


def test_what_a_worker_s_structure_has_is_a_copy(isolated: ModuleType) -> None:
    sheet = isolated.sheet_new(7)
    values, whole = np.asarray(sheet.values), isolated.struct("sheet").at(sheet)
    sheet.close()
    assert values.tolist() == [7.0, 0.0, 0.0, 0.0]
    with pytest.raises(ReferenceReleasedError):
        _ = sheet.values
    with pytest.raises(ReferenceReleasedError):
        _ = whole.values
    assert isolated.sheet_count() == 0
