"""Callbacks and structures of sources: C, C++ and Rust, in this process and in a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import noodle
from noodle.errors import NameNotFoundError, RemoteCallError, UsageError

C_BODIES = """
double weighted(const struct point *points, size_t count, double (*weight)(const struct point *))
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += weight(&points[i]);
    return sum;
}
struct point centre(const struct point *points, size_t count)
{
    struct point sum = {0, 0};
    for (size_t i = 0; i < count; i++) {
        sum.x += points[i].x / count;
        sum.y += points[i].y / count;
    }
    return sum;
}
void shift(struct point *point, double by) { point->x += by; }
int fire(const struct handlers *handlers, int event) { return handlers->on_event(event); }
"""
C = f"""
#include <stddef.h>
typedef struct point {{ double x, y; }} point;
struct handlers {{ int (*on_event)(int event); }};
{C_BODIES}
"""
CPLUSPLUS = f"""
#include <cstddef>
struct point {{ double x, y; }};
struct handlers {{ int (*on_event)(int event); }};
extern "C" {{ {C_BODIES} }}
"""
RUST = """
#[repr(C)] #[derive(Clone, Copy)] #[allow(non_camel_case_types)] pub struct point { x: f64, y: f64 }
#[repr(C)] #[allow(non_camel_case_types)]
pub struct handlers { on_event: Option<extern "C" fn(i32) -> i32> }
#[no_mangle]
pub extern "C" fn weighted(points: &[point], weight: extern "C" fn(*const point) -> f64) -> f64 {
    points.iter().map(|p| weight(p)).sum()
}
#[no_mangle]
pub extern "C" fn centre(points: &[point]) -> point {
    let n = points.len() as f64;
    let mut sum = point { x: 0.0 * points[0].x, y: 0.0 };
    for p in points { sum.x += p.x / n; sum.y += p.y / n; }
    sum
}
#[no_mangle]
pub extern "C" fn shift(point: &mut point, by: f64) { point.x += by; }
#[no_mangle]
pub extern "C" fn fire(handlers: &handlers, event: i32) -> i32 { handlers.on_event.unwrap()(event) }
"""
SOURCES = {"kernel.c": C, "kernel.cpp": CPLUSPLUS, "kernel.rs": RUST}
LoadSource = Callable[..., ModuleType]


@pytest.fixture
def load_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoadSource]:
    """Write a source and load it."""
    monkeypatch.chdir(tmp_path)
    loaded = []

    def load_source(name: str, text: str, **options: Any) -> ModuleType:
        (tmp_path / name).write_text(text, encoding="utf-8")
        loaded.append(noodle.load(f"./{name}", **options))
        return loaded[-1]

    yield load_source
    for library in loaded:
        noodle.unload(library)


@pytest.fixture(params=SOURCES)
def name(request: pytest.FixtureRequest) -> str:
    """A source of each language."""
    return str(request.param)


@pytest.fixture(params=["inprocess", "isolated"])
def kernel(request: pytest.FixtureRequest, name: str, load_source: LoadSource) -> ModuleType:
    """The library of a source of each language, in each place."""
    return load_source(name, SOURCES[name], placement=request.param)


def test_functions_and_structures_of_a_source_reach_each_other(kernel: ModuleType):
    points = kernel.struct("point").array(2)
    points["x"], points["y"] = [1, 2], [10, 20]
    assert kernel.weighted(points, 2, lambda p: p.x * p.y) == 50.0
    centre = kernel.centre(points, 2)
    assert (centre.x, centre.y) == (1.5, 15.0)
    kernel.shift(centre, 0.5)
    assert centre.x == 2.0


def test_a_structure_of_a_source_holds_functions(kernel: ModuleType):
    handlers = kernel.struct("handlers")(on_event=noodle.callback(lambda event: event + 1))
    assert kernel.fire(handlers, 4) == 5


def test_an_error_of_a_callback_leaves_the_function_of_a_source(kernel: ModuleType):
    points = kernel.struct("point").array(2)
    with pytest.raises(LookupError, match="weight"):
        kernel.weighted(points, 2, raising)
    assert kernel.weighted(points, 2, lambda p: 1) == 2.0


def raising(_: Any) -> float:
    raise LookupError("weight")


@pytest.mark.parametrize("placement", ["inprocess", "isolated"])
@pytest.mark.parametrize("mode", ["api", "abi"])
def test_a_panic_of_a_function_that_gives_a_structure_is_an_error(
    load_source: LoadSource, placement: str, mode: str
):
    kernel = load_source("kernel.rs", RUST, placement=placement, mode=mode)
    with pytest.raises(RemoteCallError, match="index out of bounds"):
        kernel.centre(None, 0)
    assert kernel.centre(kernel.struct("point")(1, 2), 1).y == 2.0


OTHERWISE_LAID_OUT = {
    "attribute": "struct __attribute__((packed)) odd { char c; int i; };",
    "attribute behind": "struct odd { char c; int i; } __attribute__((unused)) "
    "__attribute__((packed));",
    "attribute of a field": "struct odd { char c; int i __attribute__((aligned(64))); };",
    "alignment": "struct odd { char c; _Alignas(64) int i; };",
    "pragma": "#pragma pack(push, 1)\nstruct odd { char c; int i; };\n#pragma pack(pop)",
    "typedef": "typedef int wide __attribute__((aligned(32))); struct odd { char c; wide i; };",
    "number": "enum __attribute__((packed)) small { A, B }; struct odd { enum small c; int i; };",
}


@pytest.mark.parametrize("text", OTHERWISE_LAID_OUT.values(), ids=OTHERWISE_LAID_OUT)
def test_a_structure_of_c_that_is_laid_out_otherwise_is_closed(load_source: LoadSource, text: str):
    functions = """
struct plain { char c; int i; };
static struct odd kept;
struct odd *odd_new(void) { kept.i = 7; return &kept; }
int odd_i(const struct odd *odd) { return odd->i; }
int plain_i(const struct plain *plain) { return plain->i; }
"""
    kernel = load_source("kernel.c", text + functions)
    assert kernel.odd_i(kernel.odd_new()) == 7
    with pytest.raises(UsageError, match="not declared"):
        kernel.struct("odd")()
    assert kernel.plain_i(kernel.struct("plain")(1, 2)) == 2


@pytest.mark.parametrize(
    "text",
    [
        "struct base { int b; }; struct odd : base { int i; };",
        "struct odd { int i; virtual int f() { return i; } };",
        "struct alignas(64) odd { char c; int i; };",
        "enum small : unsigned char { A, B }; struct odd { small c; int i; };",
        "struct odd { struct inner { int x; }; inner before; int i; };",
    ],
)
def test_a_structure_of_cplusplus_that_c_does_not_have_is_closed(
    load_source: LoadSource, text: str
):
    functions = """
extern "C" odd *odd_new(void) { odd *made = new odd(); made->i = 7; return made; }
extern "C" int odd_i(const odd *odd) { return odd->i; }
"""
    kernel = load_source("kernel.cpp", text + functions)
    assert kernel.odd_i(kernel.odd_new()) == 7
    with pytest.raises(UsageError, match="not declared"):
        kernel.struct("odd")()


@pytest.mark.parametrize(
    "text",
    [
        "#[repr(C, packed)] pub struct Odd { c: u8, i: i32 }",
        "#[repr(C)] #[repr(align(64))] pub struct Odd { c: u8, i: i32 }",
        '#[repr(C)] pub struct Odd { #[cfg(target_os = "none")] c: u8, i: i32 }',
        '#[repr(C)] #[cfg_attr(target_os = "linux", repr(packed))] '
        "pub struct Odd { c: u8, i: i32 }",
    ],
)
def test_a_structure_of_rust_that_is_laid_out_otherwise_is_closed(
    load_source: LoadSource, text: str
):
    functions = """
#[no_mangle] pub extern "C" fn odd_i(odd: &Odd) -> i32 { odd.i }
#[no_mangle] pub extern "C" fn odd_new() -> Box<Odd> { unsafe {
    let mut odd: Odd = std::mem::zeroed(); odd.i = 7; Box::new(odd)
} }
#[no_mangle] pub extern "C" fn odd_taken(odd: Odd) -> i32 { odd.i }
"""
    kernel = load_source("kernel.rs", text + functions)
    assert kernel.odd_i(kernel.odd_new()) == 7
    with pytest.raises(NameNotFoundError, match="layout"):
        _ = kernel.odd_taken
    with pytest.raises(UsageError, match="not declared"):
        kernel.struct("Odd")()


@pytest.mark.parametrize("placement", ["inprocess", "isolated"])
def test_an_error_of_a_callback_ends_a_loop_over_arrays(load_source: LoadSource, placement: str):
    kernel = load_source(
        "kernel.c",
        "static int (*kept)(int); void keep(int (*f)(int)) { kept = f; }\n"
        "int kept_of(int value) { return kept(value); }",
        placement=placement,
    )

    def smaller(value: int) -> int:
        if value > 2:
            raise LookupError(value)
        return value - 1

    with noodle.callback(smaller) as callback:
        kernel.keep(callback)
        assert kernel.kept_of.map(np.arange(3, dtype=np.int32)).tolist() == [-1, 0, 1]
        with pytest.raises(LookupError, match="3"):
            kernel.kept_of.map(np.arange(6, dtype=np.int32))
        kernel.keep(None)
