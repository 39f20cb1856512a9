"""``noodle repl``: typed on a terminal, and piped in."""

from __future__ import annotations

import stat
from pathlib import Path

from tests.cli.conftest import Command, OpenTerminal

PROMPT = r"noodle>\s*\Z"
"""A prompt behind which nothing stands yet: one that is drawn again is followed by the input."""


def test_piped_lines_are_answered_in_noodles_form(noodle: Command):
    result = noodle(
        "repl", stdin='let x = 2\nx + 1\n[null, true, "a"]\nnull\nprint("hi")\n({a: 1})\n'
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == ["3", '[null, true, "a"]', "hi", "{a: 1}"]


def test_piped_lines_may_continue(noodle: Command):
    result = noodle("repl", stdin="fn twice(a) {\n    return a * 2\n}\ntwice(21)\n")
    assert (result.returncode, result.stdout) == (0, "42\n")


def test_a_piped_error_does_not_stop_what_follows_and_gives_the_exit_code(noodle: Command):
    result = noodle("repl", stdin="print(nope)\n1 / 0\n1 + 1\n")
    assert (result.returncode, result.stdout) == (3, "2\n")
    assert "`nope` is not declared" in result.stderr
    assert "    |       ^^^^" in result.stderr
    assert "error: " in result.stderr.partition("1 / 0")[0]


def test_piped_input_that_ends_too_early_is_an_error(noodle: Command):
    result = noodle("repl", stdin="1 + 1\nprint(\n")
    assert (result.returncode, result.stdout) == (3, "2\n")
    assert "never closed" in result.stderr


def test_libraries_are_loaded_from_the_working_directory(noodle: Command, folder: Path):
    (folder / "helper.py").write_text("def twice(x):\n    return 2 * x\n")
    (folder / "noodle.toml").write_text('[ffi.bridges.h]\npath = "./helper.py"\n')
    result = noodle(
        "repl",
        stdin='import ffi "./helper.py" as a\nimport ffi "h" as b\na.twice(1) + b.twice(1)\n',
    )
    assert (result.returncode, result.stdout) == (0, "4\n")


def test_a_person_types_several_lines_completes_and_leaves(open_terminal: OpenTerminal):
    session = open_terminal("repl")
    session.expect("Ctrl-D leaves")
    session.expect(PROMPT)
    session.type("fn double(a) {\r")
    session.expect(r"\.\.\.>")
    session.type("return a * 2\r}\r")
    session.expect(PROMPT)
    session.type("doub\t")
    session.expect("double")
    session.type("(21)\r")
    session.expect(r"\n42\n")
    session.expect(PROMPT)
    session.type('import ffi "colorsys" as colours\r')
    session.expect(r"colours\n")
    session.expect(PROMPT)
    session.type("colours.hsv_\t")
    session.expect("hsv_to_rgb")
    session.type("(0, 0, 7)\r")
    session.expect(r"\n\(7, 7, 7\)\n")
    session.expect(PROMPT)
    session.type("\x04")
    assert session.wait() == 0


def test_errors_have_a_caret_and_the_session_goes_on(open_terminal: OpenTerminal):
    session = open_terminal("repl")
    session.expect(PROMPT)
    session.type("nope\r")
    session.expect(r"error: `nope` is not declared\n  1 \| nope\n    \| \^\^\^\^\n")
    session.expect(PROMPT)
    session.type("1 + 1\r")
    session.expect(r"\n2\n")


def test_ctrl_c_gives_up_the_line_and_interrupts_what_runs(open_terminal: OpenTerminal):
    session = open_terminal("repl")
    session.expect(PROMPT)
    session.type("garbage (\x03")
    session.expect(PROMPT)
    session.type('print("bu" + "sy"); while true { let x = 1 }\r')
    session.expect(r"busy\n")
    session.type("\x03")
    session.expect("interrupted at <input 1>:1:")
    session.expect(PROMPT)
    session.type("exit\r")
    assert session.wait() == 0


def test_history_is_kept_for_the_next_session(open_terminal: OpenTerminal, tmp_path: Path):
    session = open_terminal("repl")
    session.expect(PROMPT)
    session.type("6 * 7\r")
    session.expect(r"\n42\n")
    session.expect(PROMPT)
    session.type("\x04")
    assert session.wait() == 0
    file = tmp_path / "state" / "noodle" / "history"
    assert "+6 * 7\n" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    later = open_terminal("repl")
    later.expect(PROMPT)
    later.type("\x1b[A\r")
    later.expect(r"\n42\n")


def test_without_a_place_for_the_history_the_session_works(
    open_terminal: OpenTerminal, tmp_path: Path
):
    (tmp_path / "state").write_text("a file where a directory should be")
    session = open_terminal("repl")
    session.expect("No history is kept: ")
    session.expect(PROMPT)
    session.type("1 + 1\r")
    session.expect(r"\n2\n")


def test_an_empty_line_ends_a_snippet_that_was_given_up(open_terminal: OpenTerminal):
    session = open_terminal("repl")
    session.expect(PROMPT)
    session.type("print((\r")
    session.expect(r"\.\.\.>")
    session.type("\x15\r")
    session.expect("never closed")
    session.expect(PROMPT)
