"""Global variables of C, C++ and Rust sources, by their definitions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import noodle
from noodle.bridges.native import NativeBridge
from noodle.bridges.native.isolated.library import IsolatedLibrary
from noodle.bridges.native.libraries import NativeLibrary
from noodle.bridges.native.sources.c_definitions import read_c
from noodle.calls import LoadRequest
from noodle.errors import NameNotFoundError, UsageError
from noodle.stubs.model import StubConstant
from tests.bridges.native.conftest import HERE, IN_A_WORKER, system_compiler

C = r"""
#include <stdint.h>
#include <stdio.h>
#include "own.h"
#define COUNT 4

typedef struct point { double x, y; } point;
struct config { int level; const char *name; } config = {2, "first,;="};

/** Calls so far. */
int counter = 3;

const double limit = 2.5;
double table[COUNT] = {1.5, 2.5, [3] = 4};
static int hidden = 4;
point origin = {1, 2}, *moved = &origin;
const char *names[] = {"a", "b"};
char label[] = "label";
uint8_t first = 1, second = 2, bytes[2][3];
struct { char kind; int value; } unnamed = {'a', 7};
struct __attribute__((packed)) { char kind; int value; } packed = {'a', 7};
enum color { RED, GREEN = 5 } chosen = GREEN;
int (*hook)(int x), (*hooks[2])(int);
volatile int seen = 8;
static struct inner { int a; } *none;
struct inner initialized = {5};
struct point last = {3, 4};
long double precise = 1;
__attribute__((visibility("hidden"))) int unseen = 1;
int count(void) { return ++counter + !!none + hidden + unseen - 5; }
double norm(const point *p) { return p->x; }
int of_header = 9;
"""
OWN_H = "extern int of_header;\nextern int nowhere;\n"

CPLUSPLUS = r"""
#include <atomic>
#include <cstdint>
#include <string>
extern "C" {
std::atomic<std::uint32_t> noodle_failures{0};
const char *noodle_take_failure(void) { return nullptr; }
int counter = 3, other{4};
struct pair { int a, b; } both{1, 2};
std::string text = "a";
const int hidden = 1;
int count(void) { return ++counter + hidden - 1; }
}
extern "C" double single;
double single = 2.5;
int plain = 3;
namespace own { extern "C" { int inner = 5; } }
"""

RUST = r"""
use std::sync::atomic::{AtomicU64, Ordering};
type Real = f64;
/// Calls so far.
#[no_mangle]
pub static mut COUNTER: i32 = 3;
#[no_mangle]
pub static LIMIT: Real = 2.5;
#[no_mangle]
pub static CALLS: AtomicU64 = AtomicU64::new(7);
#[export_name = "table"]
pub static mut TABLE: [[i16; 2]; 2] = [[1, 2], [3, 4]];
#[no_mangle]
pub static NAME: &str = "text";
#[no_mangle]
pub static mut LETTER: char = 'x';
#[no_mangle]
pub static mut double: bool = true;
pub static mut HIDDEN: i32 = 4;
#[no_mangle]
pub extern "C" fn count() -> i32 {
    CALLS.fetch_add(1, Ordering::SeqCst);
    unsafe { COUNTER += 1; COUNTER }
}
"""

LoadSource = Callable[..., NativeLibrary]


@pytest.fixture(params=[*HERE[::2], *IN_A_WORKER])
def load_source(
    request: pytest.FixtureRequest, bridges: Any, tmp_path: Path
) -> Iterator[LoadSource]:
    """Write a source and load it, in each way and placement."""
    bridge, options = bridges[request.param.removeprefix("isolated ")]
    placement = "isolated" if request.param.startswith("isolated") else "inprocess"
    opened: list[NativeLibrary] = []

    def load(name: str, text: str) -> NativeLibrary:
        (tmp_path / "own.h").write_text(OWN_H)
        (tmp_path / name).write_text(text)
        asked = LoadRequest(
            "k", f"./{name}", directory=str(tmp_path), options=options, placement=placement
        )
        loaded: NativeLibrary = bridge.load(asked)
        opened.append(loaded)
        return loaded

    yield load
    for loaded in opened:
        if isinstance(loaded, IsolatedLibrary):
            loaded.close()


def test_variables_of_a_c_source_are_read_and_written(load_source: LoadSource) -> None:
    library = load_source("own.c", C)
    names = ("counter", "limit", "label", "first", "second", "chosen", "seen", "of_header")
    assert [library.member(name) for name in names] == [3, 2.5, "label", 1, 2, 5, 8, 9]
    library.assign("counter", 10)
    assert library.member("count").raw() == library.member("counter") == 11
    assert [library.member("table")[i] for i in range(4)] == [1.5, 2.5, 0.0, 4.0]
    assert library.member("names")[1] == "b"
    assert library.member("hook") is None
    with pytest.raises(UsageError, match="const"):
        library.assign("limit", 1.0)
    with pytest.raises(UsageError, match=r"cannot be assigned") as caught:
        library.assign("table", None)
    assert caught.value.received == "double[4]"


def test_structures_of_variables_have_their_fields(load_source: LoadSource) -> None:
    library = load_source("own.c", C)
    config, origin, unnamed = map(library.member, ("config", "origin", "unnamed"))
    assert (config.level, config.name, origin.y, unnamed.value) == (2, "first,;=", 2.0, 7)
    origin.x = 40.0
    assert library.member("moved").x == 40.0
    assert library.member("norm").raw(library.member("moved")) == 40.0
    assert (library.member("initialized").a, library.member("last").y) == (5, 4.0)


def test_what_is_not_exported_is_no_variable(load_source: LoadSource) -> None:
    library = load_source("own.c", C)
    assert {"hidden", "none", "unseen", "nowhere", "stdin"}.isdisjoint(library.names())


def test_a_variable_whose_type_does_not_cross_is_named_with_its_line_and_reason(
    load_source: LoadSource,
) -> None:
    library = load_source("own.c", C)
    line = C.splitlines().index("long double precise = 1;") + 1
    with pytest.raises(NameNotFoundError, match="cannot be used") as caught:
        library.member("precise")
    reason = f"it is long double, which cannot be passed (./own.c:{line})"
    assert caught.value.received == reason
    assert library.unbound == {"precise": reason}


def test_places_that_an_attribute_changes_are_not_guessed(load_source: LoadSource) -> None:
    packed = load_source("own.c", C).member("packed")
    assert "struct unnamed_packed" in repr(packed)
    assert not hasattr(packed, "value")


def test_a_source_of_variables_alone_is_loaded(load_source: LoadSource) -> None:
    library = load_source("own.c", "int counter = 3;\n")
    library.assign("counter", 4)
    assert library.member("counter") == 4


def test_variables_of_a_cplusplus_source_have_cs_linkage(load_source: LoadSource) -> None:
    library = load_source("own.cpp", CPLUSPLUS)
    assert [library.member(n) for n in ("counter", "other", "single", "inner")] == [3, 4, 2.5, 5]
    assert library.member("both").b == 2
    library.assign("counter", 10)
    assert library.member("count").raw() == 11
    assert {"plain", "hidden", "noodle_failures", "text"}.isdisjoint(library.names())
    assert list(library.unbound) == ["text"]


def test_statics_of_numbers_of_a_rust_source_are_variables(load_source: LoadSource) -> None:
    library = load_source("own.rs", RUST)
    names = ("COUNTER", "LIMIT", "CALLS", "double")
    assert [library.member(name) for name in names] == [3, 2.5, 7, True]
    library.assign("COUNTER", 10)
    library.assign("CALLS", 20)
    assert library.member("count").raw() == library.member("COUNTER") == 11
    assert library.member("CALLS") == 21
    assert [library.member("table")[i] for i in range(2)] == [1, 2]
    with pytest.raises(UsageError, match="const"):
        library.assign("LIMIT", 1.0)
    assert "HIDDEN" not in library.names()
    line = RUST.splitlines().index('pub static NAME: &str = "text";') + 1
    reason = f"&str is no number; write functions that read it (./own.rs:{line})"
    assert library.unbound["NAME"] == reason
    assert set(library.unbound) == {"NAME", "LETTER"}


def test_a_definition_says_more_than_a_declaration_before_it() -> None:
    text = '# 1 "k.c"\nextern int list[];\nint list[3] = {1};\nextern int list[];\n'
    assert read_c(text, {"list": False}).prototypes == "extern int list [ 3 ] ;"


def test_a_value_of_a_structure_is_no_list_of_its_fields() -> None:
    text = (
        '# 1 "k.c"\nstruct a { int x; };\nconst struct a one = { 1 };\n'
        "struct a *p = &(struct a){ 2 };\n"
    )
    read = read_c(text, {"one": False, "p": False})
    assert read.prototypes.splitlines() == [
        "struct a { int x ; } ;",
        "extern const struct a one ;",
        "extern struct a * p ;",
    ]


@pytest.mark.parametrize(
    ("name", "text", "constants"),
    [
        (
            "own.c",
            C,
            {
                "counter": ("int", False, "Calls so far."),
                "limit": ("float", True, ""),
                "config": ("struct_config", False, ""),
            },
        ),
        (
            "own.rs",
            RUST,
            {"COUNTER": ("int", False, "Calls so far."), "LIMIT": ("float", True, "")},
        ),
    ],
)
def test_stubs_have_the_variables_of_a_source(
    tmp_path: Path, cache_directory: Path, name: str, text: str, constants: dict[str, object]
) -> None:
    (tmp_path / "own.h").write_text(OWN_H)
    (tmp_path / name).write_text(text)
    bridge = NativeBridge(cache_directory=cache_directory, compiler=system_compiler())
    stub = bridge.describe(LoadRequest("k", f"./{name}", directory=str(tmp_path)))
    found = [member for member in stub.members if isinstance(member, StubConstant)]
    known = {c.name: (c.annotation, c.final, c.documentation) for c in found}
    assert {one: known[one] for one in constants} == constants


@pytest.mark.parametrize("placement", ["inprocess", "isolated"])
def test_attributes_of_a_source_are_its_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, placement: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("k.c").write_text("int counter = 3;\nint count(void) { return ++counter; }\n")
    k = noodle.load("./k.c", placement=placement)
    k.counter = 10
    assert (k.count(), k.counter) == (11, 11)
    with pytest.raises(NameNotFoundError, match="no variable 'countre'"):
        k.countre = 1
    noodle.unload(k)
