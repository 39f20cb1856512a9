"""What is read from Rust's signatures, and what C makes of it."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noodle.bridges.native.sources.rust_conversions import CTypes, UnfitError
from noodle.bridges.native.sources.rust_interfaces import rust_interface
from noodle.bridges.native.sources.rust_signatures import read_rust
from noodle.bridges.native.sources.rust_tokens import RustSyntaxError, rust_tokens
from noodle.bridges.native.sources.rust_types import TypeReader

STRUCTURES = """
#[repr(C)] pub struct Pair { a: f64, b: [u8; 4], pub(crate) next: *const Pair }
#[repr(transparent)] pub struct Meters(f64);
#[repr(u8)] enum Small { A, B = 4 }
enum Loose { A, B }
#[repr(C)] enum Carrying { A(i32), B }
struct Closed { x: i32 }
type Callback = extern "C" fn(i32, *mut std::ffi::c_void) -> i32;
"""


@pytest.mark.parametrize(
    ("rust", "c"),
    [
        ("f64", "double x"),
        ("usize", "size_t x"),
        ("std::os::raw::c_int", "int x"),
        ("libc::c_ulong", "unsigned long x"),
        ("bool", "bool x"),
        ("Meters", "double x"),
        ("*const f64", "const double *x"),
        ("*mut *mut f64", "double **x"),
        ("*const *const c_char", "const char *const *x"),
        ("*mut std::ffi::c_void", "void *x"),
        ("&'a mut [f32; 3]", "float *x"),
        ("&Closed", "const struct Closed *x"),
        ("Option<&'static Pair>", "const struct Pair *x"),
        ("Option<Box<Closed>>", "struct Closed *x"),
        ("std::ptr::NonNull<Pair>", "struct Pair *x"),
        ("Pair", "struct Pair x"),
        ("Small", "uint8_t x"),
        ("*mut Small", "uint8_t *x"),
        ("Callback", "int32_t (*x)(int32_t, void *)"),
        ('Option<unsafe extern "C" fn()>', "void (*x)(void)"),
        ("MaybeUninit<i16>", "int16_t x"),
    ],
)
def test_a_type_that_c_has_is_declared_so(tmp_path: Path, rust: str, c: str) -> None:
    assert c == declared(tmp_path, rust)


@pytest.mark.parametrize(
    ("rust", "reason"),
    [
        ("i128", "no counterpart in C"),
        ("Vec<f64>", "no counterpart in C"),
        ("(i32, i32)", "no counterpart in C"),
        ("&dyn Fn(i32) -> i32", "no layout in C"),
        ("Box<[f64]>", "no layout in C"),
        ("Option<i32>", "no layout in C"),
        ("Closed", "write #[repr(C)]"),
        ("Loose", "write #[repr(i32)]"),
        ("Carrying", "data"),
        ("fn(i32) -> i32", "calling convention"),
    ],
)
def test_a_type_that_c_lacks_is_refused_with_the_reason(
    tmp_path: Path, rust: str, reason: str
) -> None:
    with pytest.raises(UnfitError, match=re.escape(reason)):
        declared(tmp_path, rust)


def declared(folder: Path, rust: str) -> str:
    (folder / "lib.rs").write_text(STRUCTURES)
    types = CTypes(read_rust(folder / "lib.rs"))
    return types.declare(TypeReader(rust, rust_tokens(rust), 0).read(), "x")


def interface(folder: Path, text: str, *, guarded: bool = True) -> tuple[str, dict[str, str]]:
    (folder / "lib.rs").write_text(text)
    program = read_rust(folder / "lib.rs")
    exports = {f.symbol for f in program.functions if f.symbol}
    read = rust_interface(program, exports, lambda _: guarded, lambda f: f"lib.rs:{f.start}")
    return read.prototypes, {one.name: one.reason for one in read.left_out}


def test_structures_stand_before_what_contains_them(tmp_path: Path) -> None:
    (tmp_path / "lib.rs").write_text(
        "#[repr(C)] struct Outer { inner: Inner, count: usize }\n#[repr(C)] struct Inner { x: f64 }"
    )
    lines = CTypes(read_rust(tmp_path / "lib.rs")).definitions().splitlines()
    assert [
        "struct Inner { double x; };",
        "struct Outer { struct Inner inner; size_t count; };",
    ] == lines


def test_comments_texts_and_bodies_are_passed_over(tmp_path: Path) -> None:
    prototypes, left_out = interface(
        tmp_path,
        """
/* #[no_mangle] /* nested */ pub extern "C" fn no() {} */
const TEXT: &str = "#[no_mangle] pub extern \\"C\\" fn no() {}";
const RAW: &str = r#"}} " fn no() {"#; const CHAR: char = '{'; const BYTE: u8 = b'\\'';
macro_rules! made { ($name:ident) => { pub extern "C" fn $name() {} } }
#[no_mangle] #[inline(never)] pub extern "C" fn yes<'a>(x: &'a i32) -> i32
where 'a: 'static { let f = |x: i32| { x }; match '}' { _ => f(*x) } }
#[export_name = "other"] pub(crate) unsafe extern fn renamed(_: u8, (a, b): (u8, u8)) {}
#[no_mangle] pub extern "C" fn long(int: i32) -> ! { loop {} }
trait T { fn g(&self) -> i32; }
impl T for i32 { fn g(&self) -> i32 { *self } }
use std::{fmt, mem};
static S: [u8; 2] = [1, 2];
#[no_mangle] pub extern "C" fn last() -> bool { true }
""",
    )
    assert {"renamed": "argument_2: (u8, u8) has no counterpart in C"} == left_out
    assert [
        "int32_t yes(const int32_t *x);",
        "void noodle_named_long(int32_t int_);",
        "bool last(void);",
    ] == prototypes.splitlines()


def test_without_a_guard_what_has_to_be_converted_is_left_out(tmp_path: Path) -> None:
    text = (
        '#[no_mangle] pub extern "C" fn sum(v: &[f64]) -> f64 { 0.0 }\n'
        '#[no_mangle] pub extern "C" fn name() -> String { String::new() }\n'
        '#[no_mangle] pub extern "C" fn plain(x: &f64) -> f64 { *x }\n'
    )
    prototypes, left_out = interface(tmp_path, text, guarded=False)
    assert "double plain(const double *x);" == prototypes
    assert {"sum", "name"} == set(left_out)
    assert all("guard" in reason for reason in left_out.values())


@given(
    st.text(alphabet='fn(){}[]<>\'"#!/*-> &:;,=\\rbc\nextern"C"mod struct enum pub', max_size=80)
)
def test_no_text_breaks_the_reader(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "lib.rs").write_text(text)
        program = read_rust(Path(folder) / "lib.rs")
        CTypes(program).definitions()


def test_a_text_that_does_not_end_is_told(tmp_path: Path) -> None:
    for text in ('"open', "/* open", 'r#"open"'):
        with pytest.raises(RustSyntaxError):
            rust_tokens(text)
        (tmp_path / "lib.rs").write_text(text)
        assert [] == read_rust(tmp_path / "lib.rs").functions


def test_modules_that_name_each_other_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "lib.rs").write_text('#[path = "lib.rs"] mod again;\nmod other;\nfn f() {}\n')
    (tmp_path / "other.rs").write_text('#[path = "lib.rs"] mod again;\n')
    assert ["f"] == [f.name for f in read_rust(tmp_path / "lib.rs").functions]
