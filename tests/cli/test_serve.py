"""What is the command's own in serving: options, and what it shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Command, OpenTerminal

Write = Callable[[str, str], Path]


def test_help_tells_where_it_listens_and_that_nothing_is_installed(invoke: Command) -> None:
    shown = invoke("serve", "--help").stdout
    for text in ("--host", "127.0.0.1", "--port", "8080", "--deadline", "Nothing is installed"):
        assert text in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'FILE'"),
        (["x.noodle", "--prot", "1"], "--host, --port"),
        (["x.noodle", "--port", "65536"], "'--port': Input should be less than or equal to 65535"),
        (["x.noodle", "--threads", "0"], "'--threads': Input should be greater than or equal to 1"),
        (["x.noodle", "--deadline", "soon"], "'--deadline': Input should be a valid number"),
    ],
)
def test_a_wrong_command_line_is_told(invoke: Command, arguments: list[str], message: str) -> None:
    ended = invoke("serve", *arguments)
    assert (2, True) == (ended.returncode, message in " ".join(ended.stderr.split()))


def test_a_mistyped_command_is_answered_with_this_one(invoke: Command) -> None:
    assert "Did you mean 'serve'" in invoke("srve", "x.noodle").stderr


def test_a_program_that_is_not_there_is_told_with_those_near_it(
    noodle: Command, write: Write
) -> None:
    write("program.noodle", "fn f() { }\n")
    ended = noodle("serve", "progam.noodle")
    assert (3, True) == (ended.returncode, "try:      program.noodle" in ended.stderr)


def test_interrupting_it_says_so(open_terminal: OpenTerminal, write: Write) -> None:
    write("program.noodle", "fn f() { }\n")
    session = open_terminal("serve", "program.noodle", "--port", "0")
    session.expect("serving 1 function")
    session.type("\x03")
    session.expect("interrupted")
    assert 130 == session.wait()
