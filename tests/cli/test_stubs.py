"""``noodle stubs``: where it writes, what it says, and what it refuses."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Command

Write = Callable[[str, str], Path]

KERNEL = "/* Twice as much. */\ndouble twice(double x) { return 2 * x; }\n"
HELPER = 'def half(x: float) -> float:\n    """Half of it."""\n    return x / 2\n'


def test_a_stub_is_written_beside_and_told(invoke: Command, write: Write, folder: Path):
    write("kernel.c", KERNEL)
    result = invoke("stubs", "./kernel.c")
    assert (result.returncode, result.stdout) == (0, "kernel.pyi: 1 function from its source\n")
    text = (folder / "kernel.pyi").read_text(encoding="utf-8")
    ast.parse(text)
    assert text.startswith("# Written by: noodle stubs ./kernel.c\n")
    assert "def twice(x: float) -> float:" in text
    assert "Twice as much." in text


def test_a_header_is_read(invoke: Command, folder: Path):
    result = invoke("stubs", "libm.so.6", "--header", "math.h")
    assert result.returncode == 0
    assert "functions from math.h" in result.stdout
    text = (folder / "libm.pyi").read_text(encoding="utf-8")
    assert text.startswith("# Written by: noodle stubs libm.so.6 --header math.h\n")
    assert "def cos(__x: float) -> float:" in text


def test_a_stub_goes_where_it_is_wanted(invoke: Command, write: Write, folder: Path):
    write("helper.py", HELPER)
    assert invoke("stubs", "./helper.py", "--output", "deep/own.pyi").returncode == 0
    assert "Half of it." in (folder / "deep" / "own.pyi").read_text(encoding="utf-8")
    assert invoke("stubs", "./helper.py", "-o", "deep").stdout.startswith("deep/helper.pyi: ")
    printed = invoke("stubs", "./helper.py", "--output", "-").stdout
    assert "def half(x: float) -> float:" in printed
    assert not (folder / "helper.pyi").exists()


def test_a_stub_is_written_anew_and_what_others_wrote_is_kept(
    invoke: Command, write: Write, folder: Path
):
    write("helper.py", HELPER)
    assert invoke("stubs", "./helper.py").returncode == 0
    assert invoke("stubs", "./helper.py").returncode == 0
    write("helper.pyi", "def half(x: int) -> int: ...\n")
    result = invoke("stubs", "./helper.py")
    assert result.returncode == 4
    assert "helper.pyi is there already, and is none of noodle stubs" in result.stderr
    assert "try:      noodle stubs ./helper.py --output PATH" in result.stderr
    assert invoke("stubs", "./helper.py", "-o", "helper.pyi").returncode == 0


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("math", "math_stubs.pyi"),
        ("pycparser", "pycparser_stubs.pyi"),
        ("os.path", "os_path.pyi"),
        ("./own-helper.py", "own_helper_py.pyi"),
    ],
)
def test_a_stub_hides_no_module_of_python(
    invoke: Command, write: Write, folder: Path, target: str, name: str
):
    write("own-helper.py", HELPER)
    assert invoke("stubs", target).returncode == 0
    ast.parse((folder / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("target", "message", "remedy"),
    [
        ("./kernl.c", "there is no file ./kernl.c", "./kernel.c"),
        ("libnowhere.so.9", "library 'libnowhere.so.9' was not found", "install it"),
        ("nosuchpackage", "no Python package 'nosuchpackage'", "pip install nosuchpackage"),
        ("libm.so.6", "nothing says what libm.so.6 declares", "libm.so.6 --header NAME.h"),
        ("loopback:x", "nothing is known of what loopback:x declares", "noodle bridges"),
    ],
)
def test_a_target_that_is_not_there_is_an_error_with_what_to_type(
    invoke: Command, write: Write, target: str, message: str, remedy: str
):
    write("kernel.c", KERNEL)
    result = invoke("stubs", target)
    assert result.returncode == 4
    assert message in result.stderr
    assert remedy in result.stderr


def test_a_place_that_cannot_be_written_is_an_error(invoke: Command, write: Write):
    write("helper.py", HELPER)
    write("file", "")
    result = invoke("stubs", "./helper.py", "--output", "file/helper.pyi")
    assert result.returncode == 4
    assert "the stub cannot be written" in result.stderr


def test_a_configured_name_brings_its_options(invoke: Command, write: Write, folder: Path):
    write("own.h", "/* Of x. */ double cos(double x);\n")
    write(
        "noodle.toml", '[ffi.bridges.maths]\npath = "libm.so.6"\noptions = { header = "./own.h" }\n'
    )
    result = invoke("stubs", "maths")
    assert result.returncode == 0, result.stderr
    assert "def cos(x: float) -> float:" in (folder / "maths.pyi").read_text(encoding="utf-8")
