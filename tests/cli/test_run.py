"""``noodle run``: output, errors and exit codes of programs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Command, OpenTerminal

Write = Callable[[str, str], Path]


def test_a_program_prints_and_ends_with_0(noodle: Command, write: Write):
    write("hello.noodle", 'print("hello", [1, true, null])\n')
    result = noodle("run", "hello.noodle")
    assert (result.returncode, result.stdout, result.stderr) == (0, "hello [1, true, null]\n", "")


def test_the_program_of_the_specification(noodle: Command, write: Write):
    write(
        "matrices.noodle",
        'import ffi "numpy" as np\n'
        "let matrix_a = np.array([[1, 2], [3, 4]])\n"
        "let matrix_b = np.array([[5, 6], [7, 8]])\n"
        "print(np.matmul(matrix_a, matrix_b))\n",
    )
    result = noodle("run", "matrices.noodle")
    assert (result.returncode, result.stdout) == (0, "[[19 22]\n [43 50]]\n")


def test_the_module_is_the_command(write: Write, folder: Path):
    write("hello.noodle", 'print("hello")\n')
    result = subprocess.run(
        [sys.executable, "-m", "noodle", "run", "hello.noodle"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "hello\n"


def test_options_may_stand_on_either_side_of_the_program(noodle: Command, write: Write):
    write("hello.noodle", 'print("hello")\n')
    for arguments in (["--debug", "hello.noodle"], ["hello.noodle", "--debug"]):
        result = noodle("run", *arguments)
        assert (result.returncode, result.stdout) == (0, "hello\n")


def test_all_errors_of_a_program_are_shown_with_their_lines(noodle: Command, write: Write):
    write("bad.noodle", 'let x = 1 + "a"\nprint("not shown")\nprint(y)\n')
    result = noodle("run", "bad.noodle")
    assert (result.returncode, result.stdout) == (3, "")
    shown = result.stderr.splitlines()
    assert shown[0].startswith("bad.noodle:1:9: error: ")
    assert shown[1:3] == ['  1 | let x = 1 + "a"', "    |         ^^^^^^^"]
    assert any(line.startswith("bad.noodle:3:7: error: ") for line in shown)
    assert "Traceback" not in result.stderr


def test_a_failure_shows_its_place_and_the_calls_that_led_to_it(noodle: Command, write: Write):
    write(
        "solve.noodle",
        'import ffi "numpy" as np\n'
        "fn solve(a) {\n"
        "    return np.linalg.solve(a, [1, 2])\n"
        "}\n"
        'print("before")\n'
        "solve([[1, 2], [2, 4]])\n",
    )
    result = noodle("run", "solve.noodle")
    assert (result.returncode, result.stdout) == (1, "before\n")
    shown = result.stderr.splitlines()
    assert shown[:3] == [
        "solve.noodle:3:12: error: LinAlgError: Singular matrix",
        "  3 |     return np.linalg.solve(a, [1, 2])",
        "    |            ^^^^^^^^^^^^^^^^^^^^^^^^^^",
    ]
    assert shown[-1] == "  called from solve.noodle:6:1"
    assert "Traceback" not in result.stderr


def test_a_long_chain_of_calls_is_cut(noodle: Command, write: Write):
    write("deep.noodle", "fn f(n) {\n    return 1 + f(n + 1)\n}\nf(0)\n")
    result = noodle("run", "deep.noodle")
    assert result.returncode == 1
    assert "more calls" in result.stderr
    assert "called from deep.noodle:2:16 in f, 18 times" in result.stderr
    assert len(result.stderr.splitlines()) < 10


def test_debug_shows_the_traceback_before_the_message(noodle: Command, write: Write):
    write("zero.noodle", "print(1 / 0)\n")
    result = noodle("run", "--debug", "zero.noodle")
    assert result.returncode == 1
    traceback, _, message = result.stderr.partition("zero.noodle:1:7: error: ")
    assert traceback.startswith("Traceback (most recent call last):")
    assert message
    by_variable = noodle("run", "zero.noodle", variables={"NOODLE_DEBUG": "1"})
    assert by_variable.stderr.startswith("Traceback")


@pytest.mark.parametrize(
    ("source", "message", "remedy"),
    [
        ('import ffi "nmpy" as np', "no Python package 'nmpy'", "numpy"),
        ('import ffi "nosuch:thing" as x', "no bridge has the scheme nosuch:", ""),
        ('import ffi "./kernl.c" as k', "there is no file ./kernl.c", "./kernel.c"),
        ('import ffi "libnosuch.so.9" as x { fn f(): void }', "libnosuch.so.9", ""),
        ('import ffi "numpy" as np with { versoin: "1" }', "no option 'versoin'", "version"),
        (
            'import ffi "numpy" as np with { version: "0.1", placement: "inprocess" }',
            "is not what this interpreter",
            "",
        ),
        ('import ffi "numpy" as np with { directory: "/" }', "no option 'directory'", ""),
    ],
)
def test_what_cannot_be_loaded_ends_with_4_and_says_what_to_do(
    noodle: Command, write: Write, source: str, message: str, remedy: str
):
    write("kernel.c", "int one(void) { return 1; }\n")
    write("load.noodle", f'print("before")\n{source}\n')
    result = noodle("run", "load.noodle")
    assert (result.returncode, result.stdout) == (4, "before\n")
    headline, excerpt, *_ = result.stderr.splitlines()
    assert headline.startswith("load.noodle:2:1: error: ")
    assert message in headline
    assert excerpt == f"  2 | {source}"
    assert remedy in result.stderr.partition("try:")[2]
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "message", "remedy"),
    [
        ("helo.noodle", None, "there is no such file", "hello.noodle"),
        ("hello", None, "there is no such file", "hello.noodle"),
        (".", None, "this is a directory", "./hello.noodle"),
        ("latin.noodle", b'print("\xe9")\n', "not UTF-8", "UTF-8"),
        ("binary.noodle", b"\x7fELF\x00\xff", "not UTF-8", "UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_ends_with_3(
    noodle: Command,
    write: Write,
    folder: Path,
    name: str,
    content: bytes | None,
    message: str,
    remedy: str,
):
    write("hello.noodle", "print(1)\n")
    if content is not None:
        (folder / name).write_bytes(content)
    result = noodle("run", name)
    assert (result.returncode, result.stdout) == (3, "")
    assert message in result.stderr
    assert remedy in result.stderr.partition("try:")[2]


def test_the_configuration_above_the_program_names_libraries(
    noodle: Command, write: Write, folder: Path
):
    write("noodle.toml", '[ffi.bridges.colours]\npath = "colorsys"\n')
    (folder / "sub").mkdir()
    write("sub/use.noodle", 'import ffi "colours" as c\nprint(c.rgb_to_hsv(0, 0, 0))\n')
    result = noodle("run", "sub/use.noodle")
    assert (result.returncode, result.stdout) == (0, "(0.0, 0.0, 0)\n")


def test_a_configuration_can_be_named(noodle: Command, write: Write):
    write("other.toml", '[ffi.bridges.colours]\npath = "colorsys"\n')
    write("use.noodle", 'import ffi "colours" as c\nprint(c.rgb_to_hsv(0, 0, 0))\n')
    assert noodle("run", "use.noodle").returncode == 4
    assert noodle("run", "use.noodle", "--config", "other.toml").stdout == "(0.0, 0.0, 0)\n"
    assert noodle("run", "use.noodle", "--config", "nosuch.toml").returncode == 2


def test_a_wrong_configuration_ends_with_4_and_names_the_line(noodle: Command, write: Write):
    write("noodle.toml", "[ffi]\nbridge = 1\n")
    write("use.noodle", 'import ffi "colorsys" as c\n')
    result = noodle("run", "use.noodle")
    assert result.returncode == 4
    assert "noodle.toml:2" in result.stderr
    write("plain.noodle", "print(1)\n")
    assert noodle("run", "plain.noodle").returncode == 0


def test_a_relative_target_is_found_beside_the_program(noodle: Command, write: Write, folder: Path):
    (folder / "sub").mkdir()
    write("sub/helper.py", "def twice(x):\n    return 2 * x\n")
    write("sub/use.noodle", 'import ffi "./helper.py" as h\nprint(h.twice(21))\n')
    assert noodle("run", "sub/use.noodle").stdout == "42\n"


def test_a_foreign_call_to_exit_is_honoured(noodle: Command, write: Write):
    write("leave.noodle", 'import ffi "sys" as s\nprint("bye")\ns.exit(7)\n')
    result = noodle("run", "leave.noodle")
    assert (result.returncode, result.stdout, result.stderr) == (7, "bye\n", "")


def test_a_reader_that_leaves_ends_the_program_quietly(
    noodle_command: list[str], write: Write, folder: Path, environment: dict[str, str]
):
    write("count.noodle", "let i = 0\nwhile true {\n    print(i)\n    i = i + 1\n}\n")
    process = subprocess.Popen(
        [*noodle_command, "run", "count.noodle"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"0\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141


def test_a_closed_pipe_of_the_programs_own_is_an_error(noodle: Command, write: Write):
    write(
        "own.noodle",
        'import ffi "./own.py" as own\nprint("before")\nown.write_to_closed_pipe()\n',
    )
    write(
        "own.py",
        "import os\n\ndef write_to_closed_pipe():\n"
        "    reader, writer = os.pipe()\n    os.close(reader)\n    os.write(writer, b'x')\n",
    )
    result = noodle("run", "own.noodle")
    assert (result.returncode, result.stdout) == (1, "before\n")
    assert "BrokenPipeError" in result.stderr


@pytest.mark.parametrize("command", ["bridges numpy", "check hello.noodle"])
def test_a_reader_that_leaves_ends_other_commands_quietly_too(
    noodle_command: list[str],
    write: Write,
    folder: Path,
    environment: dict[str, str],
    command: str,
):
    write("hello.noodle", "print(1)\n")
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [*noodle_command, *command.split()],
        cwd=folder,
        env=environment,
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (result.returncode, result.stderr) == (141, b"")


@pytest.mark.parametrize("command", ["run hello.noodle", "bridges"])
@pytest.mark.parametrize("buffering", ["", "1"], ids=["at the end", "while it runs"])
def test_output_that_cannot_be_written_is_an_error(
    noodle_command: list[str],
    write: Write,
    folder: Path,
    environment: dict[str, str],
    buffering: str,
    command: str,
):
    write("hello.noodle", 'print("hello")\n')
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [*noodle_command, *command.split()],
            cwd=folder,
            env=environment | {"PYTHONUNBUFFERED": buffering},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert result.returncode == 1
    assert re.search("output cannot be written|No space left on device", result.stderr)
    assert "Traceback" not in result.stderr
    assert "defect" not in result.stderr


def test_ctrl_c_ends_with_130_and_says_where(open_terminal: OpenTerminal, write: Write):
    write("wait.noodle", 'print("ready")\nwhile true {\n    let x = 1\n}\n')
    session = open_terminal("run", "wait.noodle")
    session.expect("ready")
    session.type("\x03")
    session.expect(r"interrupted at wait\.noodle:[123]:")
    assert session.wait() == 130
    assert "Traceback" not in session.text


def test_a_crash_in_a_library_shows_the_line_of_the_program(noodle: Command, write: Write):
    write("crash.noodle", 'import ffi "ctypes" as c\nc.string_at(1)\n')
    result = noodle("run", "crash.noodle")
    assert result.returncode == -signal.SIGSEGV
    assert 'File "crash.noodle", line 2' in result.stderr


def test_colours_only_on_a_terminal_that_wants_them(
    noodle: Command, open_terminal: OpenTerminal, write: Write
):
    write("bad.noodle", "print(x)\n")
    assert "\x1b" not in noodle("run", "bad.noodle").stderr
    coloured = open_terminal("run", "bad.noodle")
    assert coloured.wait() == 3
    assert "\x1b[1;31merror" in coloured.shown
    plain = open_terminal("run", "bad.noodle", variables={"NO_COLOR": "1"})
    assert plain.wait() == 3
    assert "\x1b" not in plain.shown


def test_a_source_line_cannot_steer_the_terminal(noodle: Command, write: Write):
    write("steer.noodle", 'let a = "\x1b]0;title\x07" + 1\n')
    result = noodle("run", "steer.noodle")
    assert result.returncode == 3
    assert "\x1b" not in result.stderr
    assert "␛]0;title␇" in result.stderr


def test_a_program_without_imports_makes_no_engine(
    noodle_command: list[str], write: Write, folder: Path, environment: dict[str, str]
):
    write("hello.noodle", 'print("hello")\n')
    variables = environment | {"PYTHONPROFILEIMPORTTIME": "1"}
    results = [
        subprocess.run(
            [*noodle_command, "run", "hello.noodle"],
            cwd=folder,
            env=variables,
            capture_output=True,
            text=True,
            check=True,
        )
        for _ in range(2)
    ]
    imported = {line.rpartition("|")[2].strip() for line in results[1].stderr.splitlines()}
    assert "noodle.language.loader" in imported
    unwanted = {
        "noodle.runtime.engine",
        "noodle.cli.app",
        "noodle.language.compiler",
        "noodle.calls",
    }
    assert imported & (unwanted | {"typer", "rich", "lark", "dataclasses", "pathlib"}) == set()


def test_a_broken_plug_in_is_told_in_one_line(noodle: Command, write: Write):
    """The program goes on, and no line of Python's is shown."""
    write("noodle_bridge_broken.py", "raise RuntimeError('no licence')\n")
    write("noodle.toml", 'bridge_paths = ["."]\n')
    write("uses_it.noodle", 'import ffi "broken:x" as x\n')
    result = noodle("run", "uses_it.noodle")
    warning, _, error = result.stderr.partition("\n")
    assert result.returncode == 4
    assert warning == (
        "noodle: the bridge plug-in 'broken' is broken and left out: RuntimeError: no licence"
    )
    assert error.startswith("uses_it.noodle:1:1: error: no bridge 'broken'\n")


def test_a_warning_of_a_library_points_into_the_program(noodle: Command, write: Write):
    write("divide.noodle", 'import ffi "numpy" as np\nprint(np.array([1.0]) / 0)\n')
    result = noodle("run", "divide.noodle")
    assert (result.returncode, result.stdout) == (0, "[inf]\n")
    assert result.stderr.startswith("divide.noodle:2: RuntimeWarning: divide by zero")


def test_an_error_shows_the_calls_of_all_languages_in_order(noodle: Command, write: Write):
    """The innermost first: Node.js, Noodle, Python in a worker, Node.js, Noodle."""
    write("relay.mjs", "export const relay = (f, ...rest) => f(...rest);\n")
    write("far.mjs", 'export function fail() { throw new RangeError("far"); }\n')
    write("relay.py", "def relay(f, *rest):\n    return f(*rest)\n")
    write(
        "chain.noodle",
        'import ffi "./relay.mjs" as js\n'
        'import ffi "./far.mjs" as far\n'
        'import ffi "./relay.py" as py with { placement: "isolated" }\n'
        "fn inner() {\n"
        "  return far.fail()\n"
        "}\n"
        "js.relay(py.relay, inner)\n",
    )
    result = noodle("run", "chain.noodle")
    assert (result.returncode, result.stdout) == (1, "")
    lines = [re.sub(r"/\S*/", "", line) for line in result.stderr.splitlines()]
    assert lines == [
        "chain.noodle:5:10: error: RangeError: far",
        "  5 |   return far.fail()",
        "    |          ^^^^^^^^^^",
        "  raised in fail, far.mjs:1",
        "  called from relay, relay.py:2",
        "  called from relay, relay.mjs:1",
        "  called from chain.noodle:7:1",
    ]
