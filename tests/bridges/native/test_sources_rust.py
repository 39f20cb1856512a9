"""Rust sources: compiled by rustc, called by their own signatures, with their panics as errors."""

from __future__ import annotations

import array
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

import noodle
from noodle.bridges.native import NativeBridge
from noodle.bridges.native.libraries import NativeLibrary
from noodle.bridges.native.sources.rust_compilers import find_rust_tool
from noodle.calls import LoadRequest
from noodle.errors import (
    ArgumentTypeError,
    CompilationError,
    ForeignError,
    NameNotFoundError,
    PrototypeError,
    RemoteCallError,
)
from tests.bridges.native.conftest import system_compiler
from tests.bridges.native.test_sources_c import WAYS

SAMPLE = Path(__file__).with_name("rust_sample.rs")


class Workshop:
    """A folder of Rust sources, and a bridge that loads them."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.bridge = NativeBridge(cache_directory=cache, compiler=system_compiler())

    def write(self, name: str, text: str) -> None:
        place = self.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")

    def load(self, location: str = "./fast.rs", **fields: object) -> NativeLibrary:
        request = LoadRequest("r", location, directory=str(self.folder), **fields)  # type: ignore[arg-type]
        return self.bridge.load(request)

    def call(self, name: str, *arguments: object, **fields: object) -> object:
        return self.load(**fields).member(name).raw(*arguments)  # type: ignore[arg-type]


@pytest.fixture
def workshop(tmp_path: Path, cache_directory: Path) -> Workshop:
    return Workshop(tmp_path, cache_directory)


@pytest.fixture(params=WAYS, ids=str)
def sample(request: pytest.FixtureRequest, workshop: Workshop) -> NativeLibrary:
    """The sample, called in each way."""
    place = workshop.folder.parent.parent / "rust_sample"
    place.mkdir(exist_ok=True)
    shutil.copy(SAMPLE, place / "fast.rs")
    workshop.folder = place
    return workshop.load(**request.param)


@pytest.fixture
def sample_here(workshop: Workshop) -> NativeLibrary:
    shutil.copy(SAMPLE, workshop.folder / "fast.rs")
    return workshop.load()


def line_of(text: str) -> int:
    return next(n for n, line in enumerate(SAMPLE.read_text().splitlines(), 1) if text in line)


def call(library: NativeLibrary, name: str, *arguments: object) -> object:
    return library.member(name).raw(*arguments)


def test_functions_are_called_by_their_signatures(sample: NativeLibrary) -> None:
    values = array.array("d", [1, 2, 3])
    assert [5.0, 6.0, 6.0] == [
        call(sample, "double", 2.5),
        call(sample, "sum", values, 3),
        call(sample, "total", values, 3),
    ]
    call(sample, "scale", values, 3, 2.0)
    assert [2.0, 4.0, 6.0] == values.tolist()
    assert [12, 3, None, 4] == [
        call(sample, "inner", 4),
        call(sample, "divide", 7, 2),
        call(sample, "nothing"),
        call(sample, "with_mut", 3, True),
    ]


def test_texts_characters_and_choices_cross(sample: NativeLibrary) -> None:
    assert ["HÉ", 3, ord("b"), 5, 0] == [
        call(sample, "shout", "hé"),
        call(sample, "length", "abc"),
        call(sample, "following", ord("a")),
        call(sample, "opposite", 0),
        call(sample, "opposite", 5),
    ]
    for name, argument in (("opposite", 3), ("following", 0xD800), ("shout", b"\xff")):
        with pytest.raises(ArgumentTypeError, match=f"{name}: "):
            call(sample, name, argument)


def test_objects_are_owned_lent_and_given_back(sample: NativeLibrary) -> None:
    counter = call(sample, "counter_new", 4)
    assert [5, 6] == [call(sample, "counter_next", counter) for _ in range(2)]
    assert counter == call(sample, "same_counter", counter)
    assert call(sample, "same_counter", None) is None
    call(sample, "counter_free", counter)
    call(sample, "counter_free", None)
    with pytest.raises(ArgumentTypeError, match="counter"):
        call(sample, "norm", call(sample, "counter_new", 1))


def test_null_for_a_reference_is_refused_before_the_function_runs(sample: NativeLibrary) -> None:
    for name in ("norm", "counter_next", "shout"):
        with pytest.raises(ArgumentTypeError, match="is null"):
            call(sample, name, None)
    with pytest.raises(ArgumentTypeError, match="values is null"):
        call(sample, "sum", None, 3)
    assert 0.0 == call(sample, "sum", None, 0)


def test_null_for_a_function_or_a_nonnull_pointer_is_refused(workshop: Workshop) -> None:
    workshop.write(
        "fast.rs",
        """
        #[no_mangle]
        pub extern "C" fn twice(f: extern "C" fn(i32) -> i32, x: i32) -> i32 { f(f(x)) }
        #[no_mangle]
        pub extern "C" fn maybe(f: Option<extern "C" fn(i32) -> i32>, x: i32) -> i32 {
            f.map_or(x, |f| f(x))
        }
        #[no_mangle]
        pub extern "C" fn read(place: std::ptr::NonNull<i32>) -> i32 { unsafe { *place.as_ref() } }
        """,
    )
    assert [7, 3, 5] == [
        workshop.call("twice", lambda x: x + 2, 3),
        workshop.call("maybe", None, 3),
        workshop.call("read", array.array("i", [5])),
    ]
    with pytest.raises(ArgumentTypeError, match="twice: f is null"):
        workshop.call("twice", None, 3)
    with pytest.raises(ArgumentTypeError, match="read: place is null"):
        workshop.call("read", None)


def test_a_panic_is_an_error_with_its_message_and_place(sample: NativeLibrary) -> None:
    with pytest.raises(RemoteCallError) as caught:
        call(sample, "divide", 1, 7)
    assert isinstance(caught.value, ForeignError)
    assert "r.divide panicked: 7 is no divisor" == caught.value.summary
    assert f"./fast.rs:{line_of('is no divisor')}:9" == caught.value.where
    assert ("panic", "7 is no divisor") == (caught.value.type_name, caught.value.message)
    with pytest.raises(RemoteCallError, match="divide by zero"):
        call(sample, "divide", 1, 0)
    assert 3 == call(sample, "divide", 7, 2)


def test_a_panic_passes_through_other_exported_functions(sample: NativeLibrary) -> None:
    with pytest.raises(RemoteCallError, match="through_another panicked: 7 is no divisor"):
        call(sample, "through_another", 1)


def test_the_error_of_a_result_is_raised_with_its_text(sample: NativeLibrary) -> None:
    assert [12, None] == [call(sample, "parse", " 12 "), call(sample, "check", 0)]
    with pytest.raises(RemoteCallError, match="parse failed: invalid digit"):
        call(sample, "parse", "x")
    with pytest.raises(RemoteCallError) as caught:
        call(sample, "check", 4)
    assert "4 is too much\nby 4" == caught.value.message


def test_panics_of_threads_reach_those_that_called(sample_here: NativeLibrary) -> None:
    outcomes: dict[int, list[str]] = {}

    def work(number: int) -> None:
        found = outcomes[number] = []
        for turn in range(200):
            try:
                call(sample_here, "check", number if turn % 2 else 0)
                found.append("fine")
            except RemoteCallError as error:
                found.append(error.message.split()[0])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {n: ["fine", str(n)] * 100 for n in range(1, 5)} == outcomes


def test_what_cannot_be_called_is_listed_with_line_and_reason(sample_here: NativeLibrary) -> None:
    reasons = {
        "wide": "i128 has no counterpart in C",
        "rusty": "Rust's calling convention",
        "mangled": "#[no_mangle]",
        "method": "it is a method",
    }
    for name, reason in reasons.items():
        with pytest.raises(NameNotFoundError) as caught:
            sample_here.member(name)
        assert reason in str(caught.value)
        assert f"./fast.rs:{line_of(f'fn {name}(')}" in str(caught.value)
        assert any(note.startswith(f"cannot be used: {name}: ") for note in sample_here.notes)


def test_it_is_compiled_once_and_again_when_a_file_of_its_own_changes(workshop: Workshop) -> None:
    workshop.write("fast.rs", "mod part;\nmod deep { pub mod leaf; }\nmod data;\n")
    workshop.write(
        "part.rs",
        '#[no_mangle] pub extern "C" fn f(x: usize) -> usize {'
        " x + crate::deep::leaf::TEN + crate::data::len() }",
    )
    workshop.write("deep/leaf.rs", "pub const TEN: usize = 10;")
    workshop.write("data/mod.rs", 'pub fn len() -> usize { include_str!("../text.txt").len() }')
    workshop.write("text.txt", "four")
    assert 15 == workshop.call("f", 1)
    workshop.write("deep/leaf.rs", "pub const TEN: usize = 20;")
    assert 25 == workshop.call("f", 1)
    workshop.write("text.txt", "sixsix")
    assert 27 == workshop.call("f", 1)
    library = workshop.load()
    assert not any("panic" in note for note in library.notes)


def test_a_warm_load_starts_no_compiler(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = workshop.folder / "log"
    script = workshop.folder / "rustc"
    script.write_text(
        f'#!/bin/sh\necho "$*" >> {log}\nexec {find_rust_tool("rustc", "x").path} "$@"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("RUSTC", str(script))
    workshop.write("fast.rs", '#[no_mangle] pub extern "C" fn f(x: i32) -> i32 { x }')
    assert 3 == workshop.call("f", 3, options={"optimization": "O3"})
    runs = log.read_text().splitlines()
    assert all("opt-level=3" in run for run in runs)
    assert 3 == workshop.call("f", 3, options={"optimization": "O3"})
    assert runs == log.read_text().splitlines()


def test_a_function_whose_address_is_taken_keeps_cs_convention_and_has_a_note(
    workshop: Workshop,
) -> None:
    workshop.write(
        "fast.rs",
        '#[no_mangle] pub extern "C" fn used(x: i32) -> i32 { x + 1 }\n'
        '#[no_mangle] pub extern "C" fn caller(x: i32) -> i32 {\n'
        '    let f: extern "C" fn(i32) -> i32 = used;\n'
        '    if x == 0 { panic!("zero") }\n    f(x)\n}\n',
    )
    assert [2, 3] == [workshop.call("used", 1), workshop.call("caller", 2)]
    with pytest.raises(RemoteCallError, match="zero"):
        workshop.call("caller", 0)
    assert [True] == ["used" in n for n in workshop.load().notes if "a panic in" in n]


def test_the_compilers_own_words_are_shown_with_the_files_own_lines(workshop: Workshop) -> None:
    workshop.write("fast.rs", '\n#[no_mangle] pub extern "C" fn f(x: i32) -> i32 { undeclared }\n')
    with pytest.raises(CompilationError) as caught:
        workshop.load()
    assert "./fast.rs:2:51" in str(caught.value)
    assert '#[no_mangle] pub extern "C" fn f(x: i32) -> i32 { undeclared }' in str(caught.value)
    workshop.write("fast.rs", "\nfn f( {\n")
    with pytest.raises(CompilationError, match=r"\./fast\.rs:2:"):
        workshop.load()


def test_a_source_without_exported_functions_is_refused_with_what_to_write(
    workshop: Workshop,
) -> None:
    workshop.write("fast.rs", "pub fn f(x: f64) -> f64 { x }\n")
    with pytest.raises(PrototypeError) as caught:
        workshop.load()
    assert '#[no_mangle] pub extern "C" fn kernel(x: f64) -> f64' in str(caught.value)


def test_prototypes_that_are_given_decide(workshop: Workshop) -> None:
    workshop.write("fast.rs", '#[no_mangle] pub extern "C" fn f(x: u32) -> u32 { x }')
    assert 3 == workshop.call("f", 3, prototypes="unsigned f(unsigned x);")


def test_a_program_in_noodle_imports_it(tmp_path: Path, noodle_command: list[str]) -> None:
    (tmp_path / "fast.rs").write_text(
        '#[no_mangle] pub extern "C" fn root(x: f64) -> Result<f64, String> {\n'
        '    if x < 0.0 { Err("it is negative".into()) } else { Ok(x.sqrt()) }\n}\n'
    )
    program = tmp_path / "program.noodle"
    program.write_text('import ffi "./fast.rs"\nprint(fast.root(9.0))\nfast.root(-1.0)\n')

    def run(command: str) -> tuple[int, str]:
        done = subprocess.run(
            [*noodle_command, command, str(program)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    assert (0, True) == ((outcome := run("check"))[0], "no errors" in outcome[1])
    code, explained = run("explain")
    assert 0 == code
    assert "root(x: f64): f64" in explained
    assert "compiled from ./fast.rs with rustc, opt-level 2" in explained
    code, printed = run("run")
    assert 0 != code
    assert "3.0" in printed
    assert "root failed: it is negative" in printed
    assert 2.0 == noodle.load("./fast.rs", directory=tmp_path).root(4.0)
