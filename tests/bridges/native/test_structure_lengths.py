"""Lengths that are taken from arrays of structures, in this process and in a worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import noodle
from noodle.errors import ArgumentRangeError, ArgumentTypeError, SettingsError
from tests.bridges.native.conftest import compile_to

PROTOTYPES = """
typedef struct { double x, y; } vec;
typedef struct hidden hidden;
double total(const vec *v, int n);
void move(vec *points, int points_count, double by);
double dot(const vec *first, const vec *second, size_t n);
int one_of(const vec *config, int n);
unsigned size_given(const vec *address, unsigned address_len);
int bytes_given(const vec *points, int points_size);
vec *known(void);
int hide(const hidden *h, int n);
size_t checksum(const void *data, size_t len);
"""
SOURCE = """
#include <stddef.h>
typedef struct { double x, y; } vec;
static vec all[] = {{1, 2}, {3, 4}, {5, 6}};
double total(const vec *v, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += v[i].x;
    return sum;
}
void move(vec *points, int points_count, double by)
{
    for (int i = 0; i < points_count; i++) points[i].x += by;
}
double dot(const vec *first, const vec *second, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += first[i].x * second[i].x;
    return sum;
}
int one_of(const vec *config, int n) { return config->x + n; }
unsigned size_given(const vec *address, unsigned address_len) { return address_len; }
int bytes_given(const vec *points, int points_size) { return points_size; }
vec *known(void) { return all; }
int hide(const void *h, int n) { return n; }
size_t checksum(const unsigned char *data, size_t len)
{
    size_t sum = len;
    for (size_t i = 0; i < len; i++) sum += data[i];
    return sum;
}
"""
SAID = {
    "total": {"lengths": {"v": "n"}},
    "dot": {"lengths": {"first": "n", "second": "n"}},
}
WAYS: dict[str, dict[str, Any]] = {
    "compiled": {"mode": "api"},
    "libffi": {"mode": "abi"},
    "isolated compiled": {"mode": "api", "placement": "isolated"},
    "isolated libffi": {"mode": "abi", "placement": "isolated"},
}


@pytest.fixture(scope="session")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library."""
    return compile_to(tmp_path_factory.mktemp("vectors") / "libvectors.so", SOURCE)


@pytest.fixture(params=list(WAYS))
def library(request: pytest.FixtureRequest, vectors: Path) -> Iterator[ModuleType]:
    """The library, annotated and called in each way."""
    found = noodle.load(str(vectors), prototypes=PROTOTYPES, functions=SAID, **WAYS[request.param])
    yield found
    noodle.unload(found)


def array_of(library: ModuleType, *values: float) -> Any:
    """Return an array of structures with these values of ``x``."""
    made = library.struct("vec").array(len(values))
    made["x"] = values
    return made


def test_a_length_is_taken_from_the_array(library: ModuleType) -> None:
    vec = library.struct("vec")
    assert library.total(array_of(library, 1, 2, 3)) == 6.0
    assert library.total(np.array([(4, 0), (5, 0)], vec.dtype)) == 9.0
    assert library.total(array_of(library, 1, 2, 3)[1:]) == 5.0
    assert library.total(array_of(library)) == 0.0
    assert library.total(None) == 0.0


def test_a_single_structure_counts_as_one(library: ModuleType) -> None:
    vec = library.struct("vec")
    assert library.total(vec(7)) == 7.0
    assert library.total({"x": 8, "y": 0}) == 8.0
    assert library.total(array_of(library, 1, 2, 3)[1]) == 2.0
    corner = {"x": 1, "y": 0}
    library.move(corner, by=2.0)
    assert corner["x"] == 3.0


def test_a_length_that_is_given_is_compared(library: ModuleType) -> None:
    vec, many = library.struct("vec"), array_of(library, 1, 2, 3)
    assert [library.total(many, 2), library.total(many, n=0)] == [3.0, 0.0]
    assert library.total(vec(7), 1) == 7.0
    for value, has in ((many, 3), (vec(7), 1), ({"x": 1, "y": 2}, 1), (many[0], 1)):
        with pytest.raises(ArgumentRangeError) as caught:
            library.total(value, has + 1)
        assert caught.value.expected == f"at least {has + 1} items"
        assert caught.value.received == f"{has} items"
        assert caught.value.remedy == "leave n out: it is the length of v"


def test_arrays_of_one_length_must_have_it(library: ModuleType) -> None:
    assert library.dot(array_of(library, 1, 2), array_of(library, 3, 4)) == 11.0
    with pytest.raises(ArgumentRangeError, match="needs arrays of one length"):
        library.dot(array_of(library, 1, 2), library.struct("vec")(1))


def test_an_array_of_another_type_is_refused_as_that(library: ModuleType) -> None:
    assert library.total(array_of(library, 1, 2)) == 3.0
    for given in ((np.zeros(3),), (np.zeros(3), 3), (array_of(library, 1, 2, 3)[::2],)):
        with pytest.raises(ArgumentTypeError, match="does not accept v"):
            library.total(*given)


def test_how_many_follow_a_structure_of_the_library_has_to_be_said(library: ModuleType) -> None:
    vec, first = library.struct("vec"), library.known()
    assert library.total(first, 3) == 9.0
    assert library.total(vec(2)) == 2.0
    for _ in range(2):
        with pytest.raises(ArgumentTypeError) as caught:
            library.total(first)
        assert caught.value.remedy == "add n=…"


def test_a_length_is_inferred_that_is_named_after_its_array(library: ModuleType) -> None:
    many = array_of(library, 1, 2)
    library.move(many, by=1.0)
    library.move(many, 1, 1.0)
    assert many["x"].tolist() == [3.0, 3.0]
    with pytest.raises(ArgumentRangeError, match="infer=False where it is not"):
        library.move(many, 3, 1.0)


def test_any_other_number_is_not_inferred(library: ModuleType) -> None:
    one = library.struct("vec")(1)
    assert library.one_of(one, 5) == 6
    assert library.size_given(one, 16) == 16
    assert library.bytes_given(one, 16) == 16
    for function in (library.one_of, library.size_given, library.bytes_given):
        with pytest.raises(noodle.errors.ArityError):
            function(one)


def test_structures_are_counted_in_bytes_where_anything_may_be(library: ModuleType) -> None:
    vec = library.struct("vec")
    assert library.checksum(vec(0, 0)) == 16
    assert library.checksum(vec(0, 0), 8) == 8
    with pytest.raises(ArgumentRangeError, match="16 items"):
        library.checksum(vec(0, 0), 17)


def test_a_structure_without_known_fields_has_no_length(vectors: Path) -> None:
    said = {"hide": {"lengths": {"h": "n"}}}
    with pytest.raises(SettingsError, match="the fields of struct hidden are not declared"):
        noodle.load(str(vectors), prototypes=PROTOTYPES, functions=said)


def test_slices_of_structures_in_rust_have_lengths(tmp_path: Path) -> None:
    source = tmp_path / "slices.rs"
    source.write_text("""
#[repr(C)]
#[derive(Clone, Copy)]
pub struct P { pub x: f64, pub y: f64 }
#[no_mangle]
pub extern "C" fn total(data: &[P]) -> f64 { data.iter().map(|p| p.x).sum() }
#[no_mangle]
pub extern "C" fn shift(points: &mut [P], by: f64) { for p in points { p.x += by } }
""")
    library = noodle.load(str(source))
    many = library.struct("P").array(3)
    library.shift(many, 2.0)
    assert library.total(many) == 6.0
    assert library.total(many, 2) == 4.0
    with pytest.raises(ArgumentRangeError):
        library.total(many, 4)
