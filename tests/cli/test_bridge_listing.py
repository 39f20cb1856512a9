"""``noodle bridges``: what is registered, found, missing, and offered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Command, OpenTerminal

Write = Callable[[str, str], Path]


def rows(output: str) -> dict[str, str]:
    return {line.split(" ")[0]: line for line in output.splitlines() if line}


def test_the_bridges_are_listed(invoke: Command):
    result = invoke("bridges")
    assert result.returncode == 0
    listed = rows(result.stdout)
    assert {"python", "native", "loopback"} <= set(listed)
    assert listed["python"].split() == ["python", "noodle", "ready"]


def test_a_broken_plug_in_is_listed_with_its_reason(invoke: Command, write: Write, folder: Path):
    (folder / "plugins").mkdir()
    write("plugins/noodle_bridge_r.py", 'raise ImportError("R is not installed")\n')
    write("noodle.toml", 'bridge_paths = ["plugins"]\n')
    listed = rows(invoke("bridges").stdout)
    assert "R is not installed" in listed["r"]
    assert "ready" in listed["python"]


def test_configured_libraries_are_found_or_missing_with_what_to_type(invoke: Command, write: Write):
    write(
        "noodle.toml",
        '[ffi.bridges.colours]\npath = "colorsys"\n'
        '[ffi.bridges.old]\npath = "numpy"\nversion = "0.1"\nplacement = "inprocess"\n',
    )
    result = invoke("bridges")
    assert result.returncode == 4
    listed = rows(result.stdout)
    assert "colorsys, python bridge, inprocess" in listed["colours"]
    assert "is not what this interpreter has" in listed["old"]
    assert "try: python -m pip install 'numpy==0.1'" in result.stdout


def test_a_target_shows_what_it_offers(invoke: Command, write: Write):
    write(
        "helper.py",
        '"""Helpers for tests,\non two lines.\n\nAnd more."""\n'
        "import json\nfrom fractions import Fraction\n"
        "LIMIT = 3\n\ndef twice(x: int, times: int = 2) -> int:\n    return x * times\n",
    )
    result = invoke("bridges", "./helper.py")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[1] == "Helpers for tests, on two lines."
    assert "  twice(x: int, times: int?): int\n" in result.stdout
    assert "  LIMIT  int 3\n" in result.stdout
    assert "  Fraction(" in result.stdout
    assert "modules (1)\n  json\n" in result.stdout


def test_a_bridge_shows_its_options(invoke: Command):
    result = invoke("bridges", "native")
    assert result.returncode == 0
    assert "library_paths" in result.stdout


def test_a_target_that_cannot_be_loaded_ends_with_4(invoke: Command):
    result = invoke("bridges", "nmpy")
    assert (result.returncode, result.stdout) == (4, "")
    assert result.stderr.startswith("error: no Python package 'nmpy'")
    assert "try:      numpy" in result.stderr


def test_on_a_terminal_the_state_is_coloured(open_terminal: OpenTerminal):
    session = open_terminal("bridges")
    assert session.wait() == 0
    assert "\x1b[32mready" in session.shown


def test_what_a_header_declares_and_cannot_be_used_is_listed(invoke: Command, write: Write):
    write("own.h", "int one(int);\nint many(int, ...);\nlong double wide(void);\n")
    write(
        "own.c",
        '#include "own.h"\nint one(int x) { return x; }\nint many(int x, ...) { return x; }\n'
        "long double wide(void) { return 1; }\n",
    )
    result = invoke("bridges", "./own.c", "--header", "./own.h", "--unbound")
    assert (result.returncode, result.stderr) == (0, "")
    assert "2 functions are bound, 1 declared name is not" in result.stdout
    assert "long double" in rows(result.stdout)["wide"]
    offered = invoke("bridges", "./own.c", "--header", "./own.h").stdout
    assert "one(i32): i32" in offered
    assert "many(i32, ...): i32" in offered


def test_what_cannot_be_used_is_that_of_a_target(invoke: Command):
    assert invoke("bridges", "--unbound").returncode == 2
