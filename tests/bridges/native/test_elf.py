"""ELF files are read without trusting them."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from noodle.bridges.native.elf import ElfFile, NotElfError, running_machine
from tests.bridges.native.conftest import compile_to


def read_everything(path: Path) -> None:
    elf = ElfFile(path)
    assert isinstance(elf.exports(), dict)
    assert all(
        isinstance(name, str) for name in [elf.soname() or "", *elf.needed(), elf.identity()]
    )


def test_exports_tell_functions_from_variables(sample: Path) -> None:
    exports = ElfFile(sample).exports()
    assert (True, False) == (exports["add"], exports["calls"])
    assert "kept" not in exports


def test_hidden_and_undefined_names_are_not_exported(tmp_path: Path) -> None:
    text = (
        "#include <stdlib.h>\n"
        '__attribute__((visibility("hidden"))) int hidden(void) { return abs(-1); }\n'
        "int shown(int n) { return hidden() + abs(n); }\n"
    )
    exports = ElfFile(compile_to(tmp_path / "libv.so", text)).exports()
    assert {"shown"} == {"shown", "hidden", "abs"} & set(exports)


def test_names_of_versions_are_not_exported(tmp_path: Path) -> None:
    script = tmp_path / "versions.map"
    script.write_text("SHOWN_1.0 { global: shown; local: *; };\n")
    text = "int shown(int n) { return n; }\n"
    path = compile_to(tmp_path / "libversions.so", text, f"-Wl,--version-script={script}")
    assert {"shown": True} == ElfFile(path).exports()


def test_indirect_functions_are_functions() -> None:
    program = (
        "import ctypes.util, noodle.bridges.native.linker as linker, pathlib;"
        "print(linker.find_library('libm.so.6', pathlib.Path()))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ElfFile(Path(result.stdout.strip())).exports()["cos"] is True


def test_soname_and_dependencies(tmp_path: Path) -> None:
    inner = compile_to(
        tmp_path / "libinner.so", "int inner(void) { return 1; }", "-Wl,-soname,in.1"
    )
    text = "int inner(void); int outer(void) { return inner(); }"
    outer = compile_to(tmp_path / "libouter.so", text, "-Wl,--no-as-needed", str(inner))
    assert ("in.1", None) == (ElfFile(inner).soname(), ElfFile(outer).soname())
    assert "in.1" in ElfFile(outer).needed()


def test_content_has_an_identity_with_and_without_build_id(tmp_path: Path) -> None:
    texts = ["int f(void) { return 1; }", "int f(void) { return 2; }"]
    for flag in ("-Wl,--build-id=sha1", "-Wl,--build-id=none"):
        paths = [compile_to(tmp_path / f"lib{n}.so", text, flag) for n, text in enumerate(texts)]
        first, second = (ElfFile(path).identity() for path in paths)
        assert first != second
        again = compile_to(tmp_path / "lib0.so", texts[0], flag)
        assert first == ElfFile(again).identity()


def test_this_process_has_a_processor(sample: Path) -> None:
    assert ElfFile(sample).machine == running_machine()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_refused_or_read(
    sample: Path, tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(sample.read_bytes())
    places = st.integers(0, 63) | st.integers(0, len(content) - 1)
    table = int.from_bytes(content[40:48], "little")
    places |= st.integers(table, len(content) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=8)):
        content[place] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
    length = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    path = tmp_path / "libdamaged.so"
    path.write_bytes(content[:length])
    with suppress(NotElfError):
        read_everything(path)


def test_a_huge_table_is_not_allocated(sample: Path, tmp_path: Path) -> None:
    content = bytearray(sample.read_bytes())
    content[40:48] = (2**63).to_bytes(8, "little")
    path = tmp_path / "libhuge.so"
    path.write_bytes(content)
    with pytest.raises(NotElfError, match="outside the file"):
        ElfFile(path)
