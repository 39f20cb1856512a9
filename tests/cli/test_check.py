"""``noodle check``: what can be found without running."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Command

Write = Callable[[str, str], Path]


def test_a_program_without_errors_is_named_and_not_run(invoke: Command, write: Write):
    write("fine.noodle", 'print("running")\n')
    result = invoke("check", "fine.noodle")
    assert (result.returncode, result.stdout) == (0, "fine.noodle: no errors\n")


def test_errors_of_several_programs_are_all_reported(invoke: Command, write: Write):
    write("first.noodle", "print(a)\nprint(b)\n")
    write("fine.noodle", "print(1)\n")
    write("second.noodle", "let = 3\n")
    result = invoke("check", "first.noodle", "fine.noodle", "second.noodle", "nosuch.noodle")
    assert (result.returncode, result.stdout) == (3, "fine.noodle: no errors\n")
    errors = result.stderr
    for text in (
        "first.noodle:1:7: error: ",
        "first.noodle:2:7: error: ",
        "first.noodle: 2 errors\n",
        "second.noodle:1:5: error: ",
        "second.noodle: 1 error\n",
        "nosuch.noodle: error: there is no such file",
    ):
        assert text in errors


def test_a_file_that_an_import_names_must_exist(invoke: Command, write: Write):
    write("kernel.c", "int one(void) { return 1; }\n")
    write(
        "use.noodle",
        'import ffi "./kernel.c" as k { fn one(): i32 }\nimport ffi "./kernl.c" as l\n',
    )
    result = invoke("check", "use.noodle")
    assert result.returncode == 3
    assert "use.noodle:2:1: error: there is no file ./kernl.c" in result.stderr
    assert "./kernel.c" in result.stderr.partition("try:")[2]
    assert "use.noodle: 1 error" in result.stderr


def test_nothing_is_loaded(invoke: Command, write: Write):
    write("loud.py", 'print("loaded")\n')
    write("use.noodle", 'import ffi "./loud.py" as l\n')
    result = invoke("check", "use.noodle")
    assert (result.returncode, result.stdout) == (0, "use.noodle: no errors\n")


def test_a_configured_name_is_a_target(invoke: Command, write: Write):
    write("noodle.toml", '[ffi.bridges."my:lib"]\npath = "colorsys"\n')
    write("use.noodle", 'import ffi "my:lib" as l\n')
    assert invoke("check", "use.noodle").returncode == 0
    write("other.toml", "")
    assert invoke("check", "use.noodle", "--config", "other.toml").returncode == 3


def test_noodle_files_that_it_imports_are_checked_too(invoke: Command, write: Write):
    write("main.noodle", 'import "./lib.noodle" as lib\nimport "./lib.noodle" as again\n')
    write("lib.noodle", 'import ffi "./nowhere.so" as n\n')
    result = invoke("check", "main.noodle")
    assert result.returncode == 3
    assert "lib.noodle:1:1: error: there is no file ./nowhere.so" in result.stderr
    assert "main.noodle: 1 error" in result.stderr
    write("lib.noodle", "print(nothing)\n")
    assert (
        "lib.noodle:1:7: error: `nothing` is not declared" in invoke("check", "main.noodle").stderr
    )


def test_an_import_of_a_noodle_file_that_is_not_there_is_an_error(invoke: Command, write: Write):
    write("main.noodle", 'let a = 1\nimport "./lbi.noodle" as lib\n')
    write("lib.noodle", "let x = 1\n")
    result = invoke("check", "main.noodle")
    assert result.returncode == 3
    assert "main.noodle:2:1: error: cannot import './lbi.noodle': there is no" in result.stderr
    assert "try:      lib.noodle" in result.stderr


def test_an_import_circle_is_an_error(invoke: Command, write: Write):
    write("a.noodle", 'import "./b.noodle" as b\n')
    write("b.noodle", 'import "./a.noodle" as a\n')
    result = invoke("check", "a.noodle")
    assert result.returncode == 3
    assert "b.noodle:1:1: error: Noodle files import each other in a circle" in result.stderr
    assert "a.noodle: 1 error" in result.stderr


def test_names_and_calls_of_libraries_are_checked_by_what_they_declare(
    invoke: Command, write: Write
):
    write("kernel.c", "double twice(double x) { return 2 * x; }\n")
    write("loud.py", 'print("loaded")\ndef half(x: float) -> float: ...\n')
    write(
        "use.noodle",
        'import ffi "./kernel.c" as k\nimport ffi "./loud.py" as l\n'
        'import ffi "math" as math\nimport ffi "libm.so.6" as m { fn cos(x: f64): f64 }\n'
        "print(k.twise(1))\nprint(k.twice())\n"
        'print(l.half("a"))\nprint(l.haf(1))\n'
        "print(math.sqr(2))\nprint(math.sqrt(1, 2))\nprint(m.sin(1))\n"
        "print(k.twice(1), l.half(1), math.sqrt(2), m.cos(0), math.pi)\n",
    )
    result = invoke("check", "use.noodle")
    assert result.returncode == 3
    assert "loaded" not in result.stdout + result.stderr
    for text in (
        "use.noodle:5:9: error: `k` has no `twise`",
        "try:      write `twice`",
        "use.noodle:6:7: error: `twice` does not take these arguments",
        "use.noodle:7:14: error: `half` does not take this as `x`",
        "use.noodle:8:9: error: `l` has no `haf`",
        "use.noodle:9:12: error: `math` has no `sqr`",
        "use.noodle:10:7: error: `sqrt` does not take these arguments",
        "use.noodle:11:9: error: `m` has no `sin`",
        "use.noodle: 7 errors",
    ):
        assert text in result.stderr


def test_a_library_that_cannot_be_described_is_no_error(invoke: Command, write: Write):
    write("wrong.c", "double twice(double x { return 2 * x; }\n")
    write("wrong.py", "def f(:\n")
    write(
        "use.noodle",
        'import ffi "./wrong.c" as k\nimport ffi "./wrong.py" as w\n'
        'import ffi "nosuchpackage" as n\nimport ffi "npm:nosuchpackage-of-noodle" as j\n'
        "print(k.twice(1), w.f(1), n.f(1), j.f(1))\n",
    )
    result = invoke("check", "use.noodle")
    assert (result.returncode, result.stderr) == (0, "")
