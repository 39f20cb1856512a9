"""What native libraries declare: headers, prototypes, sources; their comments and constants."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from noodle.bridges.native import NativeBridge
from noodle.calls import LoadRequest
from noodle.errors import MissingLibraryError, MissingSymbolError
from noodle.prototypes import parse_prototype
from noodle.stubs.model import StubConstant, StubFunction, StubModule
from noodle.stubs.writing import stub_text
from tests.bridges.native.conftest import compile_to, system_compiler
from tests.stubs.conftest import CheckTypes

HEADER = """
/* The most. */
#define MOST 10
#define RATE 0.5
#define NAME "sample"
extern int verbosity; /* How much is said. */

/*
 * Adds two numbers.
 */
double add(double x, int in);
/* Writes a "text". */
int say(const char *text, char *output, unsigned size);

int each(int (*visit)(int number), int count);
struct thing;
int open_it(const char *name, struct thing **handle);
const char *name_of(const struct thing *thing);
void nothing(void);
int print(const char *format, ...);
long double wide(void);

/* A point. */
typedef struct point {
    double x; /* across */
    char name[8];
    int cells[2];
    struct point *next;
    void *other;
} point;

void move_it(point *where, double by);
"""

SOURCE = """
#include "sample.h"
int verbosity;
double add(double x, int in) { return x + in; }
int say(const char *text, char *output, unsigned size) { return text && output && size; }
int each(int (*visit)(int number), int count) { return visit(count); }
int open_it(const char *name, struct thing **handle) { return name && handle; }
const char *name_of(const struct thing *thing) { return thing ? "a" : 0; }
void nothing(void) {}
int print(const char *format, ...) { return !format; }
long double wide(void) { return 1; }
void move_it(point *where, double by) { where->x += by; }
__attribute__((constructor)) static void opened(void) { __builtin_trap(); }
"""

Describe = Callable[..., StubModule]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a library is that ends every process that opens it."""
    folder = tmp_path_factory.mktemp("sample")
    (folder / "sample.h").write_text(HEADER, encoding="utf-8")
    compile_to(folder / "libsample.so", SOURCE, f"-I{folder}")
    return folder


@pytest.fixture(scope="module")
def describe(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Describe:
    cache = tmp_path_factory.mktemp("cache")
    bridge = NativeBridge(cache_directory=cache, compiler=system_compiler())

    def described(location: str, **fields: Any) -> StubModule:
        directory = str(fields.pop("directory", folder))
        kind = "file" if location.endswith((".c", ".rs")) else "library"
        return bridge.describe(
            LoadRequest("sample", location, directory=directory, kind=kind, **fields)
        )

    return described


@pytest.fixture(scope="module")
def with_header(describe: Describe) -> StubModule:
    return describe("./libsample.so", options={"header": "./sample.h"})


def function(stub: StubModule, name: str) -> StubFunction:
    found = stub.member(name)
    assert isinstance(found, StubFunction)
    return found


def test_a_library_is_described_without_being_opened(with_header: StubModule):
    assert with_header.complete
    assert with_header.source == "./sample.h"
    assert "add" in with_header.names


@pytest.mark.parametrize(
    ("name", "shown", "comment"),
    [
        ("add", "add(x: float, in: int) -> float", "Adds two numbers."),
        ("nothing", "nothing() -> None", ""),
        ("name_of", "name_of(thing: Memory | None) -> str | None", ""),
        ("each", "each(visit: Callable[[int], int] | Pointer | None, count: int) -> int", ""),
    ],
)
def test_functions_have_types_and_comments(
    with_header: StubModule, name: str, shown: str, comment: str
):
    found = function(with_header, name)
    assert (found.shown, found.documentation) == (shown, comment)


def test_constants_and_variables_have_their_values_and_types(with_header: StubModule):
    assert with_header.member("MOST") == StubConstant(
        "MOST", value="10", final=True, documentation="The most."
    )
    assert with_header.member("RATE") == StubConstant("RATE", "float", final=True)
    assert with_header.member("NAME") == StubConstant("NAME", value="'sample'", final=True)
    assert with_header.member("verbosity") == StubConstant(
        "verbosity", "int", documentation="How much is said."
    )


def test_a_pointer_that_a_function_fills_is_a_result_too(with_header: StubModule):
    natural, full = function(with_header, "open_it").signatures
    assert natural.shown("open_it") == "open_it(name: CText) -> tuple[int, Pointer | None]"
    assert [p.name for p in full.parameters] == ["name", "handle"]


def test_annotations_of_the_load_change_what_a_call_takes(describe: Describe):
    options = {"header": "./sample.h", "functions": {"open_it": {"errors": "nonzero"}}}
    found = function(describe("./libsample.so", options=options), "open_it")
    assert found.shown == "open_it(name: CText) -> Pointer | None"


def test_structures_are_classes_that_are_got_by_their_names(with_header: StubModule):
    (point,) = with_header.types
    fields = [m for m in point.members if isinstance(m, StubConstant)]
    assert (point.name, point.documentation) == ("struct_point", "A point.")
    assert [(f.name, f.annotation, f.documentation) for f in fields] == [
        ("x", "float", "across"),
        ("name", "str", ""),
        ("cells", "Any", ""),
        ("next", "struct_point | Pointer | None", ""),
        ("other", "Pointer | None", ""),
    ]
    assert (
        function(with_header, "struct").shown
        == "struct(name: Literal['point']) -> type[struct_point]"
    )
    shown = function(with_header, "move_it").shown
    assert (
        shown == "move_it(where: struct_point | dict[str, Any] | Memory | None, by: float) -> None"
    )


def test_what_cannot_be_called_has_a_reason(with_header: StubModule):
    assert "wide" not in with_header.names
    assert "long double" in with_header.unusable["wide"]


def test_a_function_with_further_arguments_says_that_types_are_to_be_declared(
    with_header: StubModule,
):
    declared = function(with_header, "print")
    assert declared.shown == "print(format: CText, *further: Any) -> int"
    assert "further arguments" in declared.undeclared
    assert not function(with_header, "add").undeclared


@pytest.mark.parametrize(
    "prototypes", ["double add(double x, int in);", (parse_prototype("add(x: f64, in: i32): f64"),)]
)
def test_prototypes_declare_a_library(describe: Describe, prototypes: Any):
    stub = describe("./libsample.so", prototypes=prototypes)
    assert stub.names == ["add"]
    assert function(stub, "add").shown == "add(x: float, in: int) -> float"


def test_a_prototype_of_what_the_library_lacks_is_refused(describe: Describe):
    with pytest.raises(MissingSymbolError, match="does not export ad"):
        describe("./libsample.so", prototypes="double ad(double x);")


def test_a_library_that_is_nowhere_is_refused(describe: Describe):
    with pytest.raises(MissingLibraryError):
        describe("libnowhere.so.1")


def test_a_c_source_tells_its_functions_with_their_comments(describe: Describe, tmp_path: Path):
    source = "// Twice as much.\n// Of x.\ndouble twice(double x) { return 2 * x; }\n"
    (tmp_path / "kernel.c").write_text(source, encoding="utf-8")
    found = function(describe("./kernel.c", directory=tmp_path), "twice")
    assert (found.shown, found.documentation) == (
        "twice(x: float) -> float",
        "Twice as much.\nOf x.",
    )


def test_a_rust_source_tells_its_functions_with_their_comments(describe: Describe, tmp_path: Path):
    source = (
        "/// Half of it.\n///\n/// Of `x`.\n#[no_mangle]\n"
        'pub extern "C" fn half(x: f64) -> f64 { x / 2.0 }\n'
    )
    (tmp_path / "fast.rs").write_text(source, encoding="utf-8")
    found = function(describe("./fast.rs", directory=tmp_path), "half")
    assert (found.shown, found.documentation) == (
        "half(x: float) -> float",
        "Half of it.\n\nOf `x`.",
    )


def test_a_type_checker_finds_wrong_types(
    with_header: StubModule, check_types: CheckTypes, tmp_path: Path
):
    text = stub_text(with_header)
    ast.parse(text)
    (tmp_path / "sample.pyi").write_text(text, encoding="utf-8")
    lines = [
        "import numpy as np",
        "import sample",
        "sum: float = sample.add(1, sample.MOST)",
        "sample.add('1', 2)",
        "sample.add(1)",
        "sample.say('text', bytearray(8), 8)",
        "sample.say(b'text', np.zeros(8, np.uint8), 8)",
        "sample.say('text', 8, 8)",
        "sample.each(lambda number: number + 1, 3)",
        "sample.each(lambda number: 'text', 3)",
        "code, handle = sample.open_it('name')",
        "sample.name_of(handle)",
        "sample.nosuch()",
        "sample.MOST = 3",
        "place = sample.struct('point')(1.0, name='a')",
        "sample.move_it(place, place.x)",
        "sample.struct('pint')",
        "place.y",
        "points = sample.struct('point').array(2, at=place)",
        "print(place[1].x, place['x'])",
        "data: bytes = handle.content(3) if handle else b''",
        "handle.write('text')",
    ]
    told = check_types("\n".join(lines))
    wrong = {int(line.split(":")[1]) for line in told.splitlines() if ": error:" in line}
    assert wrong == {4, 5, 8, 10, 13, 14, 17, 18, 22}, told
