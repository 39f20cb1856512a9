"""C and C++ sources: compiled when they are loaded, and called by their own definitions."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from noodle.bridges.native import NativeBridge
from noodle.bridges.native.compilers import find_cplusplus_compiler, find_ziglang
from noodle.bridges.native.libraries import NativeLibrary
from noodle.bridges.native.sources.c_definitions import read_c, read_cplusplus
from noodle.calls import LoadRequest
from noodle.errors import (
    CompilationError,
    NameNotFoundError,
    PrototypeError,
    TargetError,
    WorkerCrashedError,
)
from tests.bridges.native.conftest import system_compiler

C = r"""
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include "own.h"

struct counter { int value; };
static double helper(double x) { return 2 * x; }
double kernel(double x) { return helper(fabs(x)); }
void scale(double *restrict values, size_t count, double factor)
{
    for (size_t i = 0; i < count; i++) values[i] *= factor;
}
struct counter *counter_new(int start)
{
    struct counter *made = malloc(sizeof *made);
    made->value = start;
    return made;
}
int counter_next(struct counter *counter) { return counter->value++; }
color next(color c) { return c == RED ? GREEN : RED; }
const char *name(void) { return "x;}{"; }
__attribute__((visibility("default"))) int64_t attributed(int64_t x) { return x; }
long double longer(long double x) { return x; }
int variable = 3;
"""
OWN_H = "typedef enum { RED, GREEN = 5 } color;"

STANDARD_CPLUSPLUS = r"""
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>
extern "C" int total(int count)
{
    std::vector<int> values(count);
    std::iota(values.begin(), values.end(), 0);
    return std::accumulate(values.begin(), values.end(), 0);
}
extern "C" int caught(int number)
{
    try {
        if (number)
            throw std::runtime_error("x" + std::to_string(number));
    } catch (const std::exception &error) {
        return (int)std::string(error.what()).size();
    }
    return 0;
}
"""
CPLUSPLUS = r"""
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <vector>
namespace inner { template <typename T> T twice(T x) { return x + x; } }
struct Counter { int n; Counter(int start) : n(start) {} int next() { return n++; } };
using real = double;
typedef struct { double x; } Box;
extern "C" {
double kernel(double x) noexcept { return inner::twice(x < 0 ? -x : x); }
std::size_t total(const std::uint8_t *bytes, std::size_t count)
{
    return std::accumulate(bytes, bytes + count, std::size_t{0});
}
int by_reference(int &x) { return x; }
}
extern "C" double declared_first(double);
double declared_first(double x) { return x + 1'000; }
extern "C" Counter *counter_new(int start) { return new Counter(start); }
extern "C" [[nodiscard]] int counter_next(Counter *c) { return c->next(); }
extern "C" auto trailing(real x) -> real { return x; }
extern "C" double box(const Box *box) { return box->x; }
extern "C" int thrown(int x) { if (x) throw std::runtime_error("too much"); return x; }
double mangled(double x) { return x; }
"""

LoadSource = Callable[..., NativeLibrary]

WAYS = [
    {},
    {"options": {"mode": "abi"}},
    {"placement": "isolated"},
    {"placement": "isolated", "options": {"mode": "abi"}},
]


@pytest.fixture
def load_source(tmp_path: Path, cache_directory: Path) -> LoadSource:
    """Write a source and load it, without prototypes unless they are given."""
    bridge = NativeBridge(cache_directory=cache_directory, compiler=system_compiler())

    def load_source(name: str, text: str | None = None, **fields: object) -> NativeLibrary:
        if text is not None:
            (tmp_path / name).write_text(text, encoding="utf-8")
        request = LoadRequest("k", f"./{name}", directory=str(tmp_path), **fields)  # type: ignore[arg-type]
        return bridge.load(request)

    (tmp_path / "own.h").write_text(OWN_H)
    return load_source


class TestC:
    @pytest.mark.parametrize("way", WAYS, ids=str)
    def test_functions_are_called_by_their_definitions(
        self, load_source: LoadSource, way: dict[str, object]
    ) -> None:
        library = load_source("kernel.c", C, **way)
        memory = memoryview(bytearray(16)).cast("d")
        assert 5.0 == library.member("kernel").raw(-2.5)
        assert [5, 0] == [library.member("next").raw(c) for c in (0, 5)]
        assert "x;}{" == library.member("name").raw()
        assert 2**40 == library.member("attributed").raw(2**40)
        counter = library.member("counter_new").raw(7)
        assert [7, 8] == [library.member("counter_next").raw(counter) for _ in range(2)]
        memory[0], memory[1] = 1.5, 2.0
        library.member("scale").raw(memory, 2, 2.0)
        assert [3.0, 4.0] == memory.tolist()

    def test_what_is_static_or_does_not_cross_is_not_there(self, load_source: LoadSource) -> None:
        library = load_source("kernel.c", C)
        assert {"helper", "longer"}.isdisjoint(library.names())

    def test_a_function_whose_types_do_not_cross_is_named_with_its_line_and_reason(
        self, load_source: LoadSource
    ) -> None:
        library = load_source("kernel.c", C)
        line = C.splitlines().index("long double longer(long double x) { return x; }") + 1
        with pytest.raises(NameNotFoundError, match="long double") as caught:
            library.member("longer")
        assert f"./kernel.c:{line}" in str(caught.value)
        assert any("cannot be used: longer: " in note for note in library.notes)

    def test_a_source_without_a_function_that_can_be_called_is_refused(
        self, load_source: LoadSource
    ) -> None:
        with pytest.raises(PrototypeError, match="no function that can be called") as caught:
            load_source("empty.c", "static int hidden(void) { return 1; }\nstatic int a = 1;\n")
        assert "double kernel(double x)" in str(caught.value.expected)
        with pytest.raises(PrototypeError, match=r"longer: .*long double.*\./unfit\.c:2"):
            load_source("unfit.c", "\nlong double longer(long double x) { return x; }\n")

    def test_prototypes_that_are_given_decide(self, load_source: LoadSource) -> None:
        library = load_source("kernel.c", C, prototypes="double kernel(double x);")
        assert ["kernel"] == list(library.names())

    def test_a_changed_header_changes_what_its_functions_take(
        self, load_source: LoadSource, tmp_path: Path
    ) -> None:
        text = '#include "kind.h"\nkind same(kind x) { return x; }\n'
        (tmp_path / "kind.h").write_text("typedef int kind;")
        assert 3 == load_source("kinds.c", text).member("same").raw(3)
        (tmp_path / "kind.h").write_text("typedef double kind;")
        assert 3.5 == load_source("kinds.c").member("same").raw(3.5)

    def test_structures_of_headers_are_known_by_their_names(self) -> None:
        text = (
            '# 1 "k.c"\ntypedef struct point { double x, y; } point;\n'
            "typedef int (*compare)(const void *, const void *);\n"
            "double norm(const point *p) { return p->x; }\nint apply(compare f) { return 0; }\n"
        )
        read = read_c(text, {"norm": True, "apply": True})
        assert "struct point { double x , y ; }" in read.prototypes
        assert "norm ( const point * p )" in read.prototypes

    def test_a_function_that_returns_a_function_pointer_has_its_own_name(self) -> None:
        text = '# 1 "k.c"\nint (*chosen(int x))(int) { return 0; }\nint f(int x) { return x; }\n'
        read = read_c(text, {"chosen": True, "f": True})
        assert "chosen" in read.prototypes or ["chosen"] == [one.name for one in read.left_out]
        assert "int f ( int x )" in read.prototypes


class TestCplusplus:
    @pytest.mark.parametrize("way", WAYS, ids=str)
    def test_functions_with_cs_linkage_are_called(
        self, load_source: LoadSource, way: dict[str, object]
    ) -> None:
        library = load_source("kernel.cpp", CPLUSPLUS, **way)
        assert 5.0 == library.member("kernel").raw(-2.5)
        assert 6 == library.member("total").raw(bytes([1, 2, 3]), 3)
        assert 1001.0 == library.member("declared_first").raw(1.0)
        assert 1.5 == library.member("trailing").raw(1.5)
        counter = library.member("counter_new").raw(7)
        assert [7, 8] == [library.member("counter_next").raw(counter) for _ in range(2)]

    @pytest.mark.parametrize("ending", ["cc", "cxx"])
    def test_other_endings_are_cplusplus_too(self, load_source: LoadSource, ending: str) -> None:
        text = '#include <vector>\nextern "C" int f(int x) { return std::vector<int>(x).size(); }'
        assert 4 == load_source(f"k.{ending}", text).member("f").raw(4)

    def test_what_c_lacks_is_named_with_its_reason(self, load_source: LoadSource) -> None:
        library = load_source("kernel.cpp", CPLUSPLUS)
        assert "mangled" not in library.names()
        with pytest.raises(NameNotFoundError, match="reference"):
            library.member("by_reference")

    def test_a_source_without_cs_linkage_is_refused_with_what_to_write(
        self, load_source: LoadSource
    ) -> None:
        with pytest.raises(PrototypeError) as caught:
            load_source("plain.cpp", "double kernel(double x) { return x; }\n")
        assert 'extern "C" double kernel(double x)' in str(caught.value)

    @pytest.mark.slow
    @pytest.mark.timeout(2000)
    def test_ziglang_compiles_it_where_there_is_no_other_compiler(self, tmp_path: Path) -> None:
        (tmp_path / "kernel.cpp").write_text(STANDARD_CPLUSPLUS)
        program = """
import noodle
if __name__ == "__main__":
    for placement in ("inprocess", "isolated"):
        kernel = noodle.load("./kernel.cpp", placement=placement)
        print(kernel.total(5), kernel.caught(10), kernel.caught(0))
    print(*kernel.total.explain(1).notes, sep="\\n")
"""
        own = {
            "PATH": str(tmp_path),
            "HOME": str(tmp_path),
            "NOODLE_CACHE_DIR": str(tmp_path / "c"),
        }
        kept = {"ZIG_GLOBAL_CACHE_DIR": os.environ["ZIG_GLOBAL_CACHE_DIR"]}
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**own, **kept},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert ["10 3 0", "10 3 0"] == done.stdout.splitlines()[:2]
        assert "compiled from ./kernel.cpp with ziglang -O2" in done.stdout

    def test_a_run_of_ziglang_may_build_the_language_s_libraries_first(self) -> None:
        for_c, for_cplusplus = find_ziglang(), find_ziglang("c++")
        assert for_c is not None
        assert for_cplusplus is not None
        assert for_cplusplus.seconds > for_c.seconds == system_compiler().seconds

    def test_the_environment_names_the_compiler_first(self, tmp_path: Path) -> None:
        script = tmp_path / "own-cxx"
        script.write_text("#!/bin/sh\n")
        script.chmod(0o755)
        found = find_cplusplus_compiler({"CXX": f"{script} -x", "PATH": ""})
        assert found is not None
        assert (str(script), "-x") == found.command

    def test_an_exception_that_leaves_ends_only_the_worker_and_is_shown(
        self, load_source: LoadSource
    ) -> None:
        library = load_source("kernel.cpp", CPLUSPLUS, placement="isolated")
        assert any("an exception that leaves" in note for note in library.notes)
        with pytest.raises(WorkerCrashedError) as caught:
            library.member("thrown").raw(1)
        assert "SIGABRT" in str(caught.value.received)
        assert "too much" in "".join(caught.value.__notes__)
        assert 0 == library.member("thrown").raw(0)

    def test_names_of_templates_are_refused_one_by_one(self) -> None:
        text = (
            '# 1 "k.cpp"\nextern "C" int f(std::vector<int> *x) { return 0; }\n'
            'extern "C" int g(int x) { return x; }\n'
        )
        read = read_cplusplus(text, {"f": True, "g": True})
        assert [("f", "k.cpp:1")] == [(o.name, o.where) for o in read.left_out]
        assert "int g ( int x )" in read.prototypes


@pytest.mark.parametrize("name", ["broken.c", "broken.cpp"])
def test_the_compilers_own_words_are_shown(load_source: LoadSource, name: str) -> None:
    with pytest.raises(CompilationError) as caught:
        load_source(name, "\nextern int x;\nint f(int x) { return undeclared; }\n")
    assert f"./{name}:3:" in str(caught.value)
    assert "return undeclared;" in str(caught.value)


def test_without_a_compiler_the_error_says_what_to_install(tmp_path: Path) -> None:
    for name in ("k.c", "k.cpp", "k.rs"):
        (tmp_path / name).write_text("")
    (tmp_path / "crate").mkdir()
    (tmp_path / "crate" / "Cargo.toml").write_text("")
    program = f"""
import sys
sys.modules["ziglang"] = None
from noodle.bridges.native import NativeBridge
from noodle.calls import LoadRequest
from noodle.errors import MissingToolError
for location in ("./k.c", "./k.cpp", "./k.rs", "./crate"):
    try:
        NativeBridge().load(LoadRequest("k", location, directory={str(tmp_path)!r}))
    except MissingToolError as error:
        print(error.remedy)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": str(tmp_path), "HOME": str(tmp_path), "NOODLE_CACHE_DIR": str(tmp_path / "c")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [
        "apt install gcc, or pip install ziglang",
        "apt install g++, or pip install ziglang",
        "apt install rustc, or see https://rustup.rs",
        "apt install cargo, or see https://rustup.rs",
    ] == done.stdout.splitlines()


def test_a_source_of_another_language_is_refused(load_source: LoadSource) -> None:
    with pytest.raises(TargetError, match="Go source"):
        load_source("k.go", "package main")
