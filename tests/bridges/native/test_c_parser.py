"""C prototypes: what is understood, and what each mistake is told."""

from __future__ import annotations

from contextlib import suppress

import hypothesis.strategies as st
import pytest
from hypothesis import given

from noodle.bridges.native.c_parser import parse_c
from noodle.bridges.native.declarations import Declaration, Variable
from noodle.errors import PrototypeError


def shown(text: str) -> list[str]:
    return [str(declaration.prototype()) for declaration in parse_c(text).functions]


@pytest.mark.parametrize(
    ("text", "prototype"),
    [
        ("double cos(double x);", "cos(x: f64): f64"),
        ("int f(void);", "f(): i32"),
        ("void f();", "f(): void"),
        ("extern int f(unsigned, unsigned char c);", "f(u32, c: u8): i32"),
        ("long long int f(long unsigned int n);", "f(n: u64): i64"),
        ("size_t f(ssize_t a, int8_t b, uint16_t c);", "f(a: i64, b: i8, c: u16): u64"),
        ("char *f(const char *s, char *out);", "f(s: str, out: ptr<u8>): str"),
        (
            "void f(double a[], float b[3], int m[2][3]);",
            "f(a: ptr<f64>, b: ptr<f32>, m: ptr<i32>): void",
        ),
        ("int f(const void *p, char **argv);", "f(p: ptr<void>, argv: ptr<ptr<void>>): i32"),
        ("typedef unsigned char Byte; int f(const Byte *b);", "f(b: ptr<u8>): i32"),
        ("typedef struct s s; s *f(s *, struct s *);", "f(ptr<void>, ptr<void>): ptr<void>"),
        ("struct p { double x, y; }; double f(const struct p *p);", "f(p: ptr<void>): f64"),
        ("enum c { A, B }; int f(enum c x);", "f(x: u32): i32"),
        ("enum c { A = -1, B }; int f(enum c x);", "f(x: i32): i32"),
        ("FILE *fopen(const char *restrict p, const char *m);", "fopen(p: str, m: str): ptr<void>"),
        ("bool f(_Bool x); // comment\n/* int g(void); */", "f(x: bool): bool"),
        ("typedef const char *text; text f(text t);", "f(t: str): str"),
        ("void qsort(void *b, int (*cmp)(int));", "qsort(b: ptr<void>, cmp: ptr<void>): void"),
        ('int f(int x); /* "*/ // "', "f(x: i32): i32"),
    ],
)
def test_understands(text: str, prototype: str) -> None:
    assert [prototype] == shown(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("double cos(double x)", "end each prototype with ';'"),
        ("\n\n  double cos(dble x);", "prototypes:3:"),
        ("foo_t *f(void);", "typedef struct thing thing;"),
        ("#include <math.h>", "no preprocessor lines"),
        ("int printf(const char *f, ...);", r"printf: it takes further arguments"),
        ("void f(int (*callback)(int, ...));", "f: callback is a function pointer that takes fur"),
        ("long double f(void);", "long double"),
        ("int x = 1;", "x: it has a value"),
        ("extern long double x;", "x: it is long double"),
        ("extern void x;", "x: it is void"),
        ("extern int x[2]; extern int x[3];", "x is declared in two ways"),
        ("extern int x; extern const int x;", "x is declared in two ways"),
        ("int f(void); extern int f;", "f: it is declared as a function and as a variable"),
        ("typedef int g(void); g f;", "f: write its parameters"),
        ("int f(void) { return 1; }", "f: it has a body"),
        ("int f(int a, int a);", "two of its parameters have one name"),
        ("int f(int); long f(int);", "declared in two ways"),
        ("int f(a, b);", "a is no known type"),
        ("int f(int, void);", "argument 2 is void"),
        ("int f(int " + "*" * 5000 + "p);", "nested too deep"),
        ("\0", "not C"),
    ],
)
def test_refuses(text: str, message: str) -> None:
    with pytest.raises(PrototypeError, match=message):
        parse_c(text)


def test_all_bad_functions_are_listed_with_their_places() -> None:
    with pytest.raises(PrototypeError) as caught:
        parse_c("int good(int);\nint a(int, ...);\nlong double b(void);\nint c = 1;")
    text = str(caught.value.received)
    assert ["prototypes:2:5", "prototypes:3:13", "prototypes:4:5"] == [
        part.rsplit("(", 1)[1].rstrip(")") for part in text.split("; ")
    ]


def test_repeated_equal_prototypes_are_one() -> None:
    assert ["f(a: u32): i32"] == shown("int f(unsigned a); int f(unsigned int);")


def test_variables_are_read_with_their_lengths() -> None:
    text = """extern int counter; extern const char *name; extern double table[2 * 2][3];
        extern int list[]; extern int list[4]; extern int list[]; extern void (*hook[2])(int x);"""
    assert [variable.c_text for variable in parse_c(text).variables] == [
        "extern int counter",
        "extern const char *name",
        "extern double table[4][3]",
        "extern int list[4]",
        "extern void (*hook[2])(int x)",
    ]
    assert all(Variable.unpack(v.pack()) == v for v in parse_c(text).variables)


@given(text=st.text(alphabet=st.sampled_from("intdoublechar *(),;[]{}/\"'#.\n09 "), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(PrototypeError):
        declarations = parse_c(text).functions
        assert [Declaration.unpack(d.pack()) for d in declarations] == list(declarations)
