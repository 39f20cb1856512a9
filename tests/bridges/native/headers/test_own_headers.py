"""Headers with what C has to offer, and with mistakes."""

from __future__ import annotations

import array
import ctypes
import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import noodle
from noodle.bridges.native import NativeBridge
from noodle.bridges.native.headers.constants import kind_of
from noodle.bridges.native.libraries import NativeLibrary
from noodle.calls import LoadRequest
from noodle.errors import (
    ArgumentError,
    ArgumentRangeError,
    ArgumentTypeError,
    ArityError,
    CompilationError,
    LibraryLoadError,
    MissingLibraryError,
    MissingToolError,
    NameNotFoundError,
    PrototypeError,
    SettingsError,
    UsageError,
)
from tests.bridges.native.conftest import compile_to
from tests.bridges.native.headers.conftest import LoadHeader, require_header

Made = Callable[..., NativeLibrary]
PLACES = ["inprocess", "isolated"]

EXTENSIONS = """
#pragma once
#include <stddef.h>
#define API __attribute__((visibility("default"), nonnull(1)))
#define CALL(name) name
struct inner;
typedef int (*visitor)(void *user, const struct inner *item) __attribute__((cdecl));
typedef __typeof__(sizeof(int)) odd;
static inline int hidden(int x) { return x ? '{' : '"'; }
_Static_assert(sizeof(int) == 4, "int");
__extension__ typedef unsigned long long wide;
API extern int (CALL(parenthesised))(const char *__restrict text, size_t n)
    __asm__("parenthesised");
API wide *pick(wide *numbers, int (*order)(const void *, const void *));
extern int reads(odd x);
struct later { int a; };
[[deprecated]] int late(struct later *x);
int undefined_in_the_library(int x);
"""

EXTENSIONS_SOURCE = """
int parenthesised(const char *text, size_t n) { return text[0] + (int)n; }
wide *pick(wide *numbers, int (*order)(const void *, const void *)) { return order ? 0 : numbers; }
int reads(odd x) { return (int)x; }
int late(struct later *x) { return x == 0; }
"""


def test_extensions_of_gnu_c_are_understood(made: Made) -> None:
    library = made(EXTENSIONS, EXTENSIONS_SOURCE)
    assert library.names() == ["late", "parenthesised", "pick"]
    assert library.member("parenthesised").raw("A", 1) == 66
    assert library.member("pick").raw(array.array("Q", [7]), None).pointee == "u64"
    assert "cannot be read" in library.contents.unbound["reads"]


@pytest.mark.parametrize("placement", PLACES)
def test_a_macro_with_parameters_is_told_with_the_function_that_it_calls(
    made: Made, placement: str
) -> None:
    header = """
    #define start(level) begin((level), VERSION)
    #define begin(level, version) start_((level), (version), sizeof(int))
    #define VERSION "1.2"
    #define twice(x) ((x) + (x))
    #define again(x) again(x)
    #define ended(x) start(x)
    #undef ended
    int start_(int level, const char *version, int size);
    """
    source = "int start_(int level, const char *version, int size) { return level; }"
    library = made(header, source, placement=placement)
    with pytest.raises(NameNotFoundError, match="'start' is a macro with parameters") as caught:
        library.member("start")
    prototype = "int start_(int level, const char *version, int size)"
    assert caught.value.remedy == f"call start_, to which it expands: {prototype}"
    for name in ("twice", "again"):
        with pytest.raises(NameNotFoundError, match="is a macro with parameters") as caught:
            library.member(name)
        assert "write a C function" in str(caught.value.remedy)
    with pytest.raises(NameNotFoundError, match="has no function 'ended'"):
        library.member("ended")


NONNULL = """
#include <stddef.h>
#define NONNULL(...) __attribute__((pure, __nonnull__(__VA_ARGS__)))
extern size_t length(const char *) NONNULL(1) __attribute__((leaf));
int which(const char *one, int number, const char *other, const void *third) NONNULL(1, 4);
int all(const char *one, const int *other) __attribute__((nonnull));
static inline __attribute__((nonnull)) int seen(const char *x) { return *x; }
"""
NONNULL_SOURCE = """
#include <string.h>
size_t length(const char *text) { return strlen(text); }
int which(const char *one, int number, const char *other, const void *third) { return !other; }
int all(const char *one, const int *other) { return 5; }
"""


@pytest.mark.parametrize("placement", PLACES)
def test_null_is_refused_where_the_header_forbids_it(made: Made, placement: str) -> None:
    library = made(NONNULL, NONNULL_SOURCE, placement=placement)

    assert library.member("length").raw("four") == 4
    assert library.member("which").raw("", 1, None, b"") == 1
    refused: list[tuple[str, tuple[Any, ...]]] = [
        ("length", (None,)),
        ("which", (None, 1, "", b"")),
        ("which", ("", 1, "", None)),
        ("all", (None, array.array("i", [1]))),
        ("all", ("", None)),
    ]
    for function, arguments in refused:
        with pytest.raises(ArgumentTypeError, match="null is forbidden here"):
            library.member(function).raw(*arguments)


def test_an_annotation_may_allow_null_all_the_same(made: Made) -> None:
    said = {"all": {"nullable": True}, "which": {"nullable": ["one"]}}
    library = made(NONNULL, NONNULL_SOURCE, options={"functions": said})
    assert library.member("all").raw(None, None) == 5
    assert library.member("which").raw(None, 1, "", b"") == 0
    with pytest.raises(ArgumentTypeError, match="null is forbidden"):
        library.member("which").raw(None, 1, None, b"")


LAYOUTS = """
typedef struct { unsigned char r, g, b; } color;
enum shape { POINT, LINE = -3, AREA };
struct odd {
    char tag;
    union { int number; double real; struct { short low, high; }; };
    unsigned first : 3, : 2, second : 9;
    signed third : 4;
    color palette[2][3];
    enum shape shape;
    struct { void *p; long long n; } inner;
    long double wide;
    int (*visit)(struct odd *self, color c);
    struct odd *next;
    char name[];
} __attribute__((packed));
int size_of(const struct odd *o);
color paint(struct odd *o);
"""


def test_layouts_are_the_compiler_s(made: Made) -> None:
    source = """
    int size_of(const struct odd *o) { return sizeof *o; }
    color paint(struct odd *o) { return o->palette[0][0]; }
    """
    library = made(LAYOUTS, source)
    odd = library.contents.structure("struct odd")
    assert odd is not None
    assert (odd.size, odd.alignment) == (library.member("size_of").raw(None), 1)
    fields = {field.name: field for field in odd.fields or ()}
    assert [fields[n].offset for n in ("tag", "number", "real", "low", "high")] == [0, 1, 1, 1, 3]
    bits = [
        (fields[n].offset, fields[n].shift, fields[n].bits) for n in ("first", "second", "third")
    ]
    assert bits == [(9, 0, 3), (9, 5, 9), (10, 6, 4)]
    assert (fields["palette"].offset, fields["palette"].dimensions) == (12, (2, 3))
    assert "wide" not in fields
    assert fields["visit"].offset == 12 + 18 + 4 + 16 + ctypes.sizeof(ctypes.c_longdouble)
    assert fields["visit"].type.callback is not None
    inner = library.contents.structure("struct odd.inner")
    assert inner is not None
    assert (inner.size, [f.offset for f in inner.fields or ()]) == (16, [0, 8])
    assert library.member("LINE") == -3
    assert library.contents.enumeration("enum shape").members == ("POINT", "LINE", "AREA")  # type: ignore[union-attr]
    assert library.contents.function("paint").result.by_value


CONSTANTS = r"""
#define MASK (0xFFu << 4 | FLAG)
#define FLAG (1 << SHIFT)
#define SHIFT 2
#define HUGE 18446744073709551615ULL
#define NEGATIVE (-7L)
#define CAST ((unsigned char)-1)
#define RATIO 1.5e3f
#define LETTER '\n'
#define NAME "two " "parts\0and NUL?"
#define MEMBER (LAST + 1)
#define POINTER ((void *)0)
#define STATEMENT return 1
#define TYPE int
#define EMPTY
#define FUNCTION(x) (x)
#define USES FUNCTION(3)
#define CALLS one()
#define BROKEN (1 +
#define _PRIVATE 1
#define one_alias one
enum { FIRST = 3, LAST };
int one(void);
"""


def test_macros_and_members_are_constants(made: Made) -> None:
    library = made(CONSTANTS, "int one(void) { return 1; }")
    names = [name for name in library.names() if name != "one"]
    values = {name: library.member(name) for name in names}
    assert values == {
        "MASK": 0xFF4,
        "FLAG": 4,
        "SHIFT": 2,
        "HUGE": 2**64 - 1,
        "NEGATIVE": -7,
        "CAST": 255,
        "RATIO": 1500.0,
        "LETTER": 10,
        "NAME": "two parts\0and NUL?",
        "MEMBER": 5,
        "USES": 3,
        "FIRST": 3,
        "POINTER": None,
        "LAST": 4,
    }


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("1", "integer"),
        ("(0x1fUL + 'a')", "integer"),
        ("1.0f", "real"),
        ('"a" "b"', "text"),
        ("(int)sizeof(long)", "integer"),
        ("A | 2", "integer"),
        ("B | 2", None),
        ("{1}", None),
        ("", None),
        ("()", None),
        ('"a" + 1', None),
        ("1;", None),
    ],
)
def test_kinds_of_constants(expression: str, kind: str | None) -> None:
    assert kind_of(expression, {"A"}) == kind


VARIABLES = """
extern int counter;
extern const double limit;
extern char label[];
extern const char *title;
extern void *place;
extern struct point { int x, y; } origin;
extern int numbers[3];
extern _Bool on;
int count(void);
int *address(void);
"""

VARIABLES_SOURCE = """
int counter = 3; const double limit = 2.5; char label[] = "label"; const char *title = "title";
void *place; struct point origin = {1, 2}; int numbers[3] = {4, 5, 6}; _Bool on = 1;
int count(void) { return ++counter; }
int *address(void) { return numbers; }
"""


@pytest.mark.parametrize("placement", PLACES)
def test_global_variables_are_read_and_written(made: Made, placement: str) -> None:
    library = made(VARIABLES, VARIABLES_SOURCE, placement=placement)
    names = ("counter", "limit", "label", "title", "place", "on")
    assert [library.member(name) for name in names] == [3, 2.5, "label", "title", None, True]
    library.assign("counter", 10)
    assert library.member("count").raw() == 11
    assert library.member("counter") == 11
    library.assign("place", library.member("address").raw())
    assert library.member("place") == library.member("numbers") == library.member("address").raw()
    library.assign("place", None)
    assert library.member("place") is None
    assert library.member("origin").x == 1


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("limit", 1.0, "const"),
        ("counter", 2**31, "i32"),
        ("counter", "3", "does not accept"),
        ("title", "text", "nobody would own"),
        ("numbers", None, "cannot be assigned"),
        ("place", 4096, "a pointer to void, or None"),
        ("countre", 1, "counter"),
        ("count", 1, "no variable"),
    ],
)
def test_wrong_assignments_are_refused(made: Made, name: str, value: Any, message: str) -> None:
    library = made(VARIABLES, VARIABLES_SOURCE)
    with pytest.raises(UsageError, match=message):
        library.assign(name, value)
    assert library.member("counter") == 3 or name != "counter"


VARIADIC = """
#include <stdarg.h>
#include <stddef.h>
typedef double real;
struct pair { int a, b; };
double total(const char *kinds, ...);
int plain(int x);
int listed(const char *kinds, va_list rest);
"""

VARIADIC_SOURCE = """
double total(const char *kinds, ...)
{
    va_list rest;
    double sum = 0;
    va_start(rest, kinds);
    for (; *kinds; kinds++)
        sum += *kinds == 'd' ? va_arg(rest, double)
             : *kinds == 's' ? *va_arg(rest, char *)
                             : va_arg(rest, int);
    va_end(rest);
    return sum;
}
int plain(int x) { return x; }
int listed(const char *kinds, va_list rest) { return kinds == 0; }
"""


@pytest.mark.parametrize("placement", PLACES)
def test_further_arguments_have_declared_types(made: Made, placement: str) -> None:
    variadic = {
        "total": "real, int",
        "total as all": ["char", "float", "const char *"],
        "total as none": "void",
    }
    options = {"variadic": variadic}
    library = made(VARIADIC, VARIADIC_SOURCE, options=options, placement=placement)
    assert library.member("total").raw("di", 1.5, 3) == 4.5
    assert library.member("all").raw("ids", 1, 0.5, "A") == 66.5
    assert library.member("none").raw("") == 0.0
    with pytest.raises(ArgumentError, match="argument 3"):
        library.member("total").raw("di", 1.5, "3")
    with pytest.raises(ArgumentError):
        library.member("total").raw("d", 1.5)


@pytest.mark.parametrize(
    ("variadic", "message"),
    [
        ({"totl": "int"}, "total"),
        ({"plain": "int"}, "takes no further arguments"),
        ({"total": "int,"}, "cannot be read"),
        ({"total": "nothing_known"}, "cannot be read"),
        ({"total": "struct pair"}, "structure by value"),
        ({"total as a b": "int"}, "NAME as ALIAS"),
    ],
)
def test_wrong_declarations_of_further_arguments(
    made: Made, variadic: dict[str, str], message: str
) -> None:
    with pytest.raises(PrototypeError, match=message):
        made(VARIADIC, VARIADIC_SOURCE, options={"variadic": variadic})


@pytest.mark.parametrize("placement", PLACES)
def test_a_function_without_types_for_its_further_arguments_says_what_to_declare(
    made: Made, placement: str
) -> None:
    library = made(VARIADIC, VARIADIC_SOURCE, placement=placement)
    total = library.member("total")
    assert "total" in library.names()
    assert str(inspect.signature(total.raw)) == "(kinds: str, *further) -> float"
    with pytest.raises(PrototypeError, match="takes further arguments") as caught:
        total.raw("dis", 1.5, 3, "A")
    assert "total.options(variadic='double, int, const char *')" in str(caught.value.remedy)
    with pytest.raises(PrototypeError) as caught:
        total.raw("", True, np.int16(3), 2**31, 2**63, np.float32(1.5), None)
    types = "'int, int, long, unsigned long, double, void *'"
    assert f"total.options(variadic={types})" in str(caught.value.remedy)
    assert list(library.contents.unbound) == ["listed"]


@pytest.fixture
def load_variadic(made: Made, cache_directory: Path, tmp_path: Path) -> Callable[..., ModuleType]:
    """Loads a library with functions of further arguments, as a program does."""
    made(VARIADIC, VARIADIC_SOURCE)
    files = str(tmp_path / "libown.so"), str(tmp_path / "own.h")

    def load(**options: Any) -> ModuleType:
        return noodle.load(
            files[0], header=files[1], cache_directory=str(cache_directory), **options
        )

    return load


@pytest.mark.parametrize("placement", PLACES)
def test_a_handle_declares_types_of_its_own(
    load_variadic: Callable[..., ModuleType], placement: str
) -> None:
    library = load_variadic(
        variadic={"total as whole": "int"}, errors="negative", placement=placement
    )
    total = library.total
    assert total.options(variadic="real, int")("di", 1.5, 3) == 4.5
    assert total.options(variadic=["char", "float", "const char *"])("ids", 1, 0.5, "A") == 66.5
    assert total.options(variadic="unsigned char *")("s", bytearray(b"A")) == 65.0
    assert total.options(variadic="void")("") == 0.0
    assert library.whole("i", 5) == 5.0
    assert library.whole.options(variadic="real")("d", 0.5) == 0.5
    assert "declared after the load" in str(total.options(variadic="int").explain("i", 1))


def test_types_of_a_handle_are_checked_in_each_call(
    load_variadic: Callable[..., ModuleType],
) -> None:
    library = load_variadic()
    total = library.total.options(variadic="int")
    assert [total("i", number) for number in (1, -(2**31))] == [1.0, -(2.0**31)]
    with pytest.raises(ArgumentRangeError, match="argument 2"):
        total("i", 2**31)
    with pytest.raises(ArgumentError, match="argument 2"):
        total("i", "1")
    with pytest.raises(ArityError):
        total("i")
    assert total.options(placement="isolated")("i", 3) == 3.0
    with pytest.raises(PrototypeError, match="takes further arguments"):
        library.total("i", 1)


@pytest.mark.parametrize(
    ("name", "types", "error", "message"),
    [
        ("total", "nothing_known *", PrototypeError, "cannot be read"),
        ("total", "int,", PrototypeError, "cannot be read"),
        ("total", "struct pair", PrototypeError, "structure by value"),
        ("total", 3, SettingsError, "wrong value"),
        ("plain", "int", SettingsError, "no option 'variadic'"),
    ],
)
def test_wrong_types_of_a_handle(
    load_variadic: Callable[..., ModuleType],
    name: str,
    types: Any,
    error: type[Exception],
    message: str,
) -> None:
    library = load_variadic()
    with pytest.raises(error, match=message):
        getattr(library, name).options(variadic=types)


def test_a_changed_header_is_read_again(made: Made) -> None:
    source = "int one(void) { return 1; }"
    assert made("#define N 1\nint one(void);", source).member("N") == 1
    assert made("#define N 2\nint one(void);", source).member("N") == 2


def test_a_changed_header_that_is_included_is_read_again(made: Made, tmp_path: Path) -> None:
    included = tmp_path / "deep.h"
    header, source = '#include "deep.h"\nint one(void);', "int one(void) { return 1; }"
    included.write_text("#define N 1\n", encoding="utf-8")
    assert made(header, source).member("N") == 1
    included.write_text("#define N 2\n", encoding="utf-8")
    assert made(header, source).member("N") == 2


def test_another_build_of_the_library_is_another_extension(
    load_header: LoadHeader, tmp_path: Path
) -> None:
    (tmp_path / "own.h").write_text("int one(void); int two(void);", encoding="utf-8")
    compile_to(tmp_path / "libfirst.so", "int one(void) { return 1; }")
    first = load_header("./libfirst.so", "./own.h")
    assert first.names() == ["one"]
    compile_to(tmp_path / "libsecond.so", "int one(void) { return 1; } int two(void) { return 2; }")
    (tmp_path / "libsecond.so").rename(tmp_path / "libthird.so")
    assert load_header("./libthird.so", "./own.h").names() == ["one", "two"]


def test_macros_and_include_paths_are_options(made: Made, tmp_path: Path) -> None:
    folder = tmp_path / "include"
    folder.mkdir()
    (folder / "extra.h").write_text("#define DEEP LEVEL\n", encoding="utf-8")
    header = "#ifdef LEVEL\n#include <extra.h>\n#endif\nint one(void);"
    library = made(
        header,
        "int one(void) { return 1; }",
        options={"include_paths": ["include"], "defines": {"LEVEL": 3}},
    )
    assert library.member("DEEP") == 3


def test_several_headers_are_read_in_their_order(load_header: LoadHeader) -> None:
    require_header("math.h", "libc6-dev")
    math = load_header("libm.so.6", ["stddef.h", "math.h"])
    assert math.member("cos").raw(0.0) == 1.0
    assert math.member("M_PI") > 3.14
    assert "long double" in math.contents.unbound["cosl"]


class TestBadInput:
    def test_a_header_that_is_nowhere_has_the_command(self, load_header: LoadHeader) -> None:
        with pytest.raises(MissingLibraryError, match=r"'nowhere/no\.h' was not found"):
            load_header("libm.so.6", "nowhere/no.h")
        with pytest.raises(MissingLibraryError) as caught:
            load_header("libm.so.6", "lzma_none.h", options={"include_paths": "/nowhere"})
        assert "/nowhere" in str(caught.value.received)
        with pytest.raises(MissingLibraryError) as caught:
            load_header("libz.so.1", "nothing_like_it.h")
        assert caught.value.remedy == "apt install zlib1g-dev"

    @pytest.mark.parametrize("placement", PLACES)
    @pytest.mark.parametrize(
        ("written", "near"),
        [
            ("sqlte3.h", "sqlite3.h"),
            ("deep/shpaes.h", "deep/shapes.h"),
            ("deeep/shpaes.h", "deep/shapes.h"),
            ("./own_shpe.h", "./own_shape.h"),
        ],
    )
    def test_a_misspelled_header_has_the_nearest_one(
        self, load_header: LoadHeader, tmp_path: Path, placement: str, written: str, near: str
    ) -> None:
        require_header("sqlite3.h", "libsqlite3-dev")
        (tmp_path / "include" / "deep").mkdir(parents=True)
        (tmp_path / "include" / "deep" / "shapes.h").touch()
        (tmp_path / "own_shape.h").touch()
        options = {"include_paths": ["include"]}
        with pytest.raises(MissingLibraryError) as caught:
            load_header("libsqlite3.so.0", written, options=options, placement=placement)
        assert f"{written!r} was not found" in caught.value.summary
        remedy = f"write header={near!r}; or apt install libsqlite3-dev"
        assert caught.value.remedy == remedy

    def test_a_header_beside_the_program_has_a_slash(
        self, load_header: LoadHeader, tmp_path: Path
    ) -> None:
        (tmp_path / "own.h").touch()
        with pytest.raises(MissingLibraryError) as caught:
            load_header("libm.so.6", "own.h")
        assert "'./own.h'" in str(caught.value.remedy)

    def test_a_header_that_includes_what_is_nowhere_is_named(self, made: Made) -> None:
        made("int one(void);", "int one(void) { return 1; }")
        with pytest.raises(
            MissingLibraryError, match=r"'gone.h' was not found; ./own.h includes it"
        ):
            made("#include <gone.h>\nint one(void);", "")

    def test_a_header_that_is_no_c_has_the_compiler_s_words(self, made: Made) -> None:
        made("int one(void);", "int one(void) { return 1; }")
        with pytest.raises(CompilationError, match=r"own\.h:2.*error"):
            made("int one(void);\nint two(void) three;", "")

    def test_a_header_with_an_error_directive(self, made: Made) -> None:
        made("int one(void);", "int one(void) { return 1; }")
        with pytest.raises(CompilationError, match="define SIZE first"):
            made("#ifndef SIZE\n#error define SIZE first\n#endif\n", "")

    def test_a_header_of_another_library_is_refused(self, load_header: LoadHeader) -> None:
        with pytest.raises(PrototypeError, match="declares nothing that can be used") as caught:
            load_header("libm.so.6", "dlfcn.h")
        assert "the header of this library" in str(caught.value.remedy)

    def test_a_header_of_another_library_is_told_by_names_of_both(self, made: Made) -> None:
        made("int one(void);", "int one(void) { return 1; }")
        with pytest.raises(PrototypeError) as caught:
            made("int two(void); int three(void); int inner_of(int x);", "")
        assert caught.value.expected == "names that the library exports, of 1: one"
        assert "other names only: two, three, inner_of" in str(caught.value.received)

    @pytest.mark.parametrize("placement", PLACES)
    def test_what_the_header_declares_and_the_library_lacks_is_said_so(
        self, made: Made, placement: str
    ) -> None:
        library = made(
            "int one(void); int two(void); static inline int three(void) { return 3; }",
            "int one(void) { return 1; }",
            placement=placement,
        )
        with pytest.raises(NameNotFoundError) as caught:
            library.member("two")
        assert caught.value.summary == "./own.h declares 'two', which ./libown.so does not export"
        assert "compare the versions" in str(caught.value.remedy)
        with pytest.raises(NameNotFoundError, match="has no function 'three'"):
            library.member("three")

    @pytest.mark.parametrize(
        ("header", "message"),
        [("./none.h", r"'\./none\.h' was not found"), ("./", "'./' is a folder")],
    )
    def test_a_header_that_is_no_file_is_named_as_it_was_written(
        self, load_header: LoadHeader, header: str, message: str
    ) -> None:
        with pytest.raises(MissingLibraryError, match=message) as caught:
            load_header("libm.so.6", header)
        assert "includes it" not in str(caught.value)

    def test_a_header_of_cplusplus_is_refused_with_what_to_name(self, made: Made) -> None:
        made("int one(void);", "int one(void) { return 1; }")
        with pytest.raises(MissingLibraryError, match="'vector' was not found") as caught:
            made("#include <vector>\nint one(void);", "")
        assert 'extern "C"' in str(caught.value.remedy)

    def test_a_function_that_is_a_variable_in_the_library(
        self, load_header: LoadHeader, tmp_path: Path
    ) -> None:
        (tmp_path / "own.h").write_text("int one(void); int two(void); extern int three;")
        compile_to(
            tmp_path / "libown.so",
            "int one(void) { return 1; } int two; int three(void) {return 0;}",
        )
        unbound = load_header("./libown.so", "./own.h").contents.unbound
        assert unbound["two"] == "the header declares a function, the library a variable"
        assert unbound["three"] == "the header declares a variable, the library a function"

    def test_no_compiler(self, cache_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("noodle.bridges.native.compilers.find_ziglang", lambda: None)
        monkeypatch.setenv("PATH", "/nowhere")
        monkeypatch.delenv("CC", raising=False)
        bridge = NativeBridge(cache_directory=cache_directory)
        request = LoadRequest("m", "libm.so.6", options={"header": "math.h"})
        with pytest.raises(MissingToolError, match=r"needed to read math\.h") as caught:
            bridge.load(request)
        assert "pip install ziglang" in str(caught.value.remedy)

    def test_a_header_needs_compiled_calls(self, load_header: LoadHeader) -> None:
        with pytest.raises(SettingsError, match="calls are compiled"):
            load_header("libm.so.6", "math.h", options={"mode": "abi"})

    def test_a_header_and_prototypes_exclude_each_other(self, load_header: LoadHeader) -> None:
        with pytest.raises(SettingsError, match="not by both"):
            load_header("libm.so.6", "math.h", prototypes="double cos(double);")

    def test_a_library_of_another_architecture(
        self, load_header: LoadHeader, tmp_path: Path
    ) -> None:
        library = compile_to(tmp_path / "libown.so", "int one(void) { return 1; }")
        content = bytearray(library.read_bytes())
        content[18:20] = b"\xf3\x00"
        (tmp_path / "libother.so").write_bytes(content)
        (tmp_path / "own.h").write_text("int one(void);", encoding="utf-8")
        with pytest.raises(LibraryLoadError, match="for another processor"):
            load_header("./libother.so", "./own.h")
