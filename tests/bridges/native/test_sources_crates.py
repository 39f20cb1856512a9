"""Rust crates: built by cargo without the network, and called as Rust sources are."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from noodle.bridges.native.sources.rust_compilers import find_rust_tool
from noodle.errors import (
    CompilationError,
    MissingPackageError,
    PrototypeError,
    RemoteCallError,
    WorkerCrashedError,
)
from tests.bridges.native.test_sources_c import WAYS
from tests.bridges.native.test_sources_rust import Workshop, call

MANIFEST = '[package]\nname = "{}"\nversion = "0.1.0"\nedition = "{}"\n'
LIBRARY = """
mod part;
#[no_mangle]
pub extern "C" fn three() -> i32 { other::three() }
#[no_mangle]
pub extern "C" fn sum(values: &[f64]) -> f64 { values.iter().sum() }
#[no_mangle]
pub extern "C" fn inverse(x: i32) -> i32 { 1 / x }
"""
PART = '#[no_mangle] pub extern "C" fn in_part(x: i32) -> i32 { x + 1 }\n'


@pytest.fixture
def workshop(tmp_path: Path, cache_directory: Path) -> Workshop:
    """A folder with a crate, and another one that it depends on by its path."""
    made = Workshop(tmp_path, cache_directory)
    made.write("other/Cargo.toml", MANIFEST.format("other", "2021"))
    made.write("other/src/lib.rs", "pub fn three() -> i32 { 3 }\n")
    made.write(
        "stats/Cargo.toml",
        MANIFEST.format("stats", "2021") + '[dependencies]\nother = { path = "../other" }\n',
    )
    made.write("stats/src/lib.rs", LIBRARY)
    made.write("stats/src/part.rs", PART)
    return made


def test_a_crate_is_built_called_and_built_again_when_a_file_changes(workshop: Workshop) -> None:
    for way in WAYS:
        library = workshop.load("./stats", **way)
        assert [3, 3.0, 3] == [
            call(library, "three"),
            call(library, "sum", memoryview(bytearray(24)).cast("d"), 3) + 3,  # type: ignore[operator]
            call(library, "in_part", 2),
        ]
        with pytest.raises(RemoteCallError, match="inverse panicked") as caught:
            call(library, "inverse", 0)
        assert "stats/src/lib.rs:8:" in str(caught.value.where)
    assert "built from ./stats with cargo --release" in library.notes
    workshop.write("other/src/lib.rs", "pub fn three() -> i32 { 33 }\n")
    assert 33 == call(workshop.load("./stats"), "three")
    workshop.write("stats/src/part.rs", PART.replace("+ 1", "+ 2"))
    assert 4 == call(workshop.load("./stats"), "in_part", 2)
    assert 4 == call(workshop.load("./stats", options={"optimization": "O1"}), "in_part", 2)
    assert not (workshop.folder / "stats" / "target").exists()


def test_a_warm_load_does_not_start_cargo(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = workshop.folder / "log"
    script = workshop.folder / "cargo"
    script.write_text(f'#!/bin/sh\necho >> {log}\nexec {find_rust_tool("cargo", "x").path} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("CARGO", str(script))
    assert 3 == call(workshop.load("./stats"), "three")
    assert 3 == call(workshop.load("./stats"), "three")
    assert "\n" == log.read_text()


def test_the_compilers_own_words_are_shown_with_the_files_own_lines(workshop: Workshop) -> None:
    workshop.write("stats/src/lib.rs", '\npub extern "C" fn f() -> i32 { undeclared }\n')
    with pytest.raises(CompilationError) as caught:
        workshop.load("./stats")
    assert "src/lib.rs:2:32" in str(caught.value)
    assert 'pub extern "C" fn f() -> i32 { undeclared }' in str(caught.value)


def test_a_broken_manifest_is_shown(workshop: Workshop) -> None:
    workshop.write("stats/Cargo.toml", "[package\n")
    with pytest.raises(CompilationError, match=r"Cargo\.toml"):
        workshop.load("./stats")


def test_a_dependency_that_is_not_on_this_machine_is_named_with_what_to_type(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARGO_HOME", str(workshop.folder / "cargo-home"))
    monkeypatch.setenv("CARGO", str(find_rust_tool("cargo", "x").path))
    workshop.write(
        "stats/Cargo.toml", MANIFEST.format("stats", "2021") + '[dependencies]\nnowhere-0 = "1"\n'
    )
    with pytest.raises(MissingPackageError, match="nowhere-0") as caught:
        workshop.load("./stats")
    assert "cargo fetch --manifest-path ./stats/Cargo.toml" == caught.value.remedy


def test_a_vendored_dependency_is_used(workshop: Workshop) -> None:
    workshop.write("stats/vendor/kept/Cargo.toml", MANIFEST.format("kept", "2018"))
    workshop.write("stats/vendor/kept/.cargo-checksum.json", '{"files":{}}')
    workshop.write("stats/vendor/kept/src/lib.rs", "pub fn seven() -> i32 { 7 }\n")
    workshop.write(
        "stats/.cargo/config.toml",
        '[source.crates-io]\nreplace-with = "vendored"\n[source.vendored]\ndirectory = "vendor"\n',
    )
    workshop.write(
        "stats/Cargo.toml", MANIFEST.format("stats", "2021") + '[dependencies]\nkept = "0.1"\n'
    )
    workshop.write(
        "stats/src/lib.rs", '#[no_mangle] pub extern "C" fn f() -> i32 { kept::seven() }\n'
    )
    assert 7 == call(workshop.load("./stats"), "f")


def test_a_lock_file_that_does_not_fit_is_not_changed(workshop: Workshop) -> None:
    workshop.write("stats/Cargo.lock", "version = 3\n")
    with pytest.raises(CompilationError) as caught:
        workshop.load("./stats")
    assert "cargo generate-lockfile --manifest-path ./stats/Cargo.toml" == caught.value.remedy
    assert "version = 3\n" == (workshop.folder / "stats" / "Cargo.lock").read_text()


def test_a_crate_without_a_library_or_exported_functions_is_refused(workshop: Workshop) -> None:
    workshop.write("stats/src/lib.rs", "pub fn f(x: f64) -> f64 { x }\n")
    with pytest.raises(PrototypeError, match="no function that can be called"):
        workshop.load("./stats")
    os.rename(workshop.folder / "stats/src/lib.rs", workshop.folder / "stats/src/main.rs")
    with pytest.raises(CompilationError, match="no library targets"):
        workshop.load("./stats")


def test_where_panics_abort_the_crate_says_so_and_only_the_worker_ends(workshop: Workshop) -> None:
    with (workshop.folder / "stats/Cargo.toml").open("a") as file:
        file.write('[profile.release]\npanic = "abort"\n')
    library = workshop.load("./stats", placement="isolated")
    assert any('panic = "abort"' in note for note in library.notes)
    with pytest.raises(WorkerCrashedError) as caught:
        call(library, "inverse", 0)
    assert "SIGABRT" in str(caught.value.received)
    assert 1 == call(library, "inverse", 1)


def test_a_crate_of_the_newest_edition_has_guards(workshop: Workshop) -> None:
    version = subprocess.run(
        [find_rust_tool("rustc", "x").path, "--version"], capture_output=True, text=True, check=True
    )
    if tuple(map(int, version.stdout.split()[1].split(".")[:2])) < (1, 85):
        edition, exported = "2021", "#[no_mangle]"
    else:
        edition, exported = "2024", "#[unsafe(no_mangle)]"
    workshop.write("new/Cargo.toml", MANIFEST.format("new", edition))
    workshop.write("new/src/lib.rs", f'{exported} pub extern "C" fn f(x: i32) -> i32 {{ 1 / x }}\n')
    library = workshop.load("./new")
    assert 1 == call(library, "f", 1)
    with pytest.raises(RemoteCallError, match="divide by zero"):
        call(library, "f", 0)
