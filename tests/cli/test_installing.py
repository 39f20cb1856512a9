"""When a load installs: on a terminal, under ``noodle run``, and where it is asked for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.bridges.javascript.registry import Registry
from tests.cli.conftest import Command, OpenTerminal
from tests.cli.terminal_session import TerminalSession

Write = Callable[[str, str], Path]

SCRIPT = "import noodle\nprint(noodle.load('npm:tiny@1').default())\n"
PROGRAM = 'import ffi "npm:tiny@1" as tiny\nprint(tiny.default())\n'


@pytest.fixture(autouse=True)
def tiny(environment: dict[str, str]) -> Iterator[Registry]:
    """A registry that has ``tiny``, and no cache that has anything."""
    with Registry() as registry:
        environment["npm_config_registry"] = registry.url
        registry.publish("tiny", "1.0.0", {"index.js": "module.exports = () => 'it is tiny'"})
        yield registry


def script(folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(SCRIPT)
    return subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_a_script_that_nobody_watches_installs_nothing(
    folder: Path,
    environment: dict[str, str],
    tiny: Registry,
) -> None:
    ended = script(folder, environment)
    assert 1 == ended.returncode
    assert "npm:tiny@1 is not in noodle.lock, and may not be resolved now" in ended.stderr
    assert "noodle sync npm:tiny@1, or set NOODLE_INSTALL=always" in ended.stderr
    assert [] == tiny.requests
    assert not (folder / "noodle.lock").exists()


SERVICE = """\
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import noodle

if sys.argv[1:]:
    noodle.configure(install=sys.argv[1])


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            text = noodle.load("npm:tiny@1").default()
        except noodle.errors.MissingPackageError as error:
            text = error.remedy
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())


with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
    print("listening on port", server.server_port, flush=True)
    server.serve_forever()
"""


def answer_on(port: str) -> str:
    with urlopen(f"http://127.0.0.1:{port}/", timeout=60) as response:
        return str(response.read().decode())


def test_a_service_installs_nothing_and_serves_what_sync_has_installed(
    folder: Path,
    environment: dict[str, str],
    noodle: Command,
    tiny: Registry,
) -> None:
    (folder / "service.py").write_text(SERVICE)
    with subprocess.Popen(
        [sys.executable, "service.py"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as service:
        try:
            assert service.stdout is not None
            port = service.stdout.readline().split()[-1]
            assert answer_on(port) == "noodle sync npm:tiny@1, or set NOODLE_INSTALL=always"
            assert [] == tiny.requests
            assert 0 == noodle("sync", "npm:tiny@1").returncode
            assert answer_on(port) == "it is tiny"
        finally:
            service.kill()


def test_a_service_on_a_terminal_installs_nothing_with_the_policy_never(
    folder: Path,
    environment: dict[str, str],
    tiny: Registry,
) -> None:
    (folder / "service.py").write_text(SERVICE)
    session = TerminalSession([sys.executable, "service.py", "never"], folder, environment)
    try:
        session.expect(r"listening on port \d+\r?\n")
        port = re.findall(r"listening on port (\d+)", session.text)[0]
        assert answer_on(port) == "noodle sync npm:tiny@1"
    finally:
        session.close()
    assert [] == tiny.requests


def test_the_same_script_installs_where_it_is_asked_for_and_says_so(
    folder: Path,
    environment: dict[str, str],
) -> None:
    environment["NOODLE_INSTALL"] = "always"
    ended = script(folder, environment)
    assert (0, "it is tiny\n") == (ended.returncode, ended.stdout)
    told = ["noodle: resolving npm:tiny@1", "noodle: installing npm:tiny@1 (1 package)"]
    assert told == ended.stderr.splitlines()


def test_a_terminal_shows_that_something_moves_while_it_installs(
    folder: Path,
    environment: dict[str, str],
) -> None:
    (folder / "script.py").write_text(SCRIPT)
    session = TerminalSession([sys.executable, "script.py"], folder, environment)
    try:
        session.expect("it is tiny")
        assert re.search("[\u2800-\u28ff] installing npm:tiny@1", session.text)
        assert "\x1b[2K" in session.shown  # the line of the moving sign is cleared
    finally:
        session.close()


def test_the_same_script_installs_on_a_terminal_and_says_so(
    folder: Path,
    environment: dict[str, str],
) -> None:
    (folder / "script.py").write_text(SCRIPT)
    session = TerminalSession([sys.executable, "script.py"], folder, environment)
    try:
        session.expect(r"noodle: installing npm:tiny@1 \(1 package\)")
        session.expect("it is tiny")
    finally:
        session.close()


def test_a_session_installs(open_terminal: OpenTerminal) -> None:
    session = open_terminal("repl")
    session.expect("noodle>")
    session.type('import ffi "npm:tiny@1" as tiny\r')
    session.expect(r"noodle: installing npm:tiny@1 \(1 package\)")
    session.type("tiny.default()\r")
    session.expect("it is tiny")


def test_a_program_that_is_run_installs_and_says_so(
    noodle: Command,
    write: Write,
) -> None:
    write("program.noodle", PROGRAM)
    first = noodle("run", "program.noodle")
    assert (0, "it is tiny\n") == (first.returncode, first.stdout)
    assert "noodle: installing npm:tiny@1 (1 package)\n" in first.stderr
    second = noodle("run", "program.noodle")
    assert (0, "it is tiny\n", "") == (second.returncode, second.stdout, second.stderr)


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (["--frozen"], {}),
        (["--frozen"], {"NOODLE_INSTALL": "always"}),
        ([], {"NOODLE_INSTALL": "never"}),
    ],
)
def test_frozen_and_the_policy_never_hold_for_a_program_that_is_run(
    noodle: Command,
    write: Write,
    tiny: Registry,
    arguments: list[str],
    variables: dict[str, str],
) -> None:
    write("program.noodle", PROGRAM)
    ended = noodle("run", *arguments, "program.noodle", variables=variables)
    assert (4, "") == (ended.returncode, ended.stdout)
    assert "try:      noodle sync program.noodle\n" in ended.stderr
    assert [] == tiny.requests
    assert 0 == noodle("sync", "program.noodle").returncode
    ended = noodle("run", *arguments, "program.noodle", variables=variables)
    assert (0, "it is tiny\n", "") == (ended.returncode, ended.stdout, ended.stderr)


SERVED = PROGRAM + "fn describe() { return tiny.default() }\n"


@pytest.mark.parametrize("asked", ["", "always", "auto"])
def test_nothing_is_installed_under_serve_whatever_the_settings_say(
    noodle: Command,
    write: Write,
    tiny: Registry,
    asked: str,
) -> None:
    write("program.noodle", SERVED)
    write("noodle.toml", f'install = "{asked or "always"}"\n')
    variables = {"NOODLE_INSTALL": asked} if asked else {}
    ended = noodle("serve", "program.noodle", "--port", "0", variables=variables)
    assert (4, "") == (ended.returncode, ended.stdout)
    assert "npm:tiny@1 is not in noodle.lock, and may not be resolved now" in ended.stderr
    assert "received: the policy never, which installs nothing\n" in ended.stderr
    assert "try:      noodle sync program.noodle\n" in ended.stderr
    assert [] == tiny.requests


def test_nothing_is_installed_under_serve_on_a_terminal(
    open_terminal: OpenTerminal,
    write: Write,
    tiny: Registry,
) -> None:
    write("program.noodle", SERVED)
    session = open_terminal("serve", "program.noodle", "--port", "0")
    session.expect("noodle sync program.noodle")
    assert [] == tiny.requests


def test_a_locked_package_that_is_not_installed_is_an_error_under_serve(
    noodle: Command,
    write: Write,
    tiny: Registry,
) -> None:
    write("program.noodle", SERVED)
    assert 0 == noodle("sync", "--lock-only", "program.noodle").returncode
    before = list(tiny.requests)
    ended = noodle("serve", "program.noodle", "--port", "0")
    assert 4 == ended.returncode
    assert "the packages of npm:tiny@1 are not installed" in ended.stderr
    assert "try:      noodle sync program.noodle\n" in ended.stderr
    assert before == tiny.requests


def call_of(session: TerminalSession, function: str) -> Request:
    """A call of a service that tells its address on a terminal."""
    session.expect(r"serving 1 function of program.noodle at http://127.0.0.1:\d+\r?\n")
    (address,) = re.findall(r"http://127.0.0.1:\d+", session.text)
    body = json.dumps({"function": function}).encode()
    return Request(f"{address}/v1/call", body, {"Content-Type": "application/json"})


def test_a_served_program_has_what_sync_has_installed(
    noodle: Command,
    open_terminal: OpenTerminal,
    write: Write,
) -> None:
    write("program.noodle", SERVED)
    assert 0 == noodle("sync", "program.noodle").returncode
    session = open_terminal("serve", "program.noodle", "--port", "0")
    with urlopen(call_of(session, "describe"), timeout=60) as response:
        assert {"result": "it is tiny"} == json.loads(response.read())


def test_what_a_served_function_loads_later_is_not_installed_either(
    open_terminal: OpenTerminal,
    write: Write,
    tiny: Registry,
) -> None:
    write("late.py", "import noodle\n\n\ndef describe():\n    return noodle.load('npm:tiny@1')\n")
    write("program.noodle", 'import ffi "./late.py" as late\nfn f() { return late.describe() }\n')
    session = open_terminal("serve", "program.noodle", "--port", "0")
    call = call_of(session, "f")
    with pytest.raises(HTTPError) as caught:
        urlopen(call, timeout=60)
    with caught.value as response:
        assert "MissingPackageError" == json.loads(response.read())["error"]["type"]
    session.expect("noodle sync npm:tiny@1")
    assert [] == tiny.requests


@pytest.mark.parametrize("command", ["serve", "run --frozen"])
def test_a_program_cannot_lift_what_the_command_says(
    noodle: Command, write: Write, tiny: Registry, command: str
) -> None:
    write(
        "own.py",
        "import noodle\n\nnoodle.configure(install='always')\nnoodle.load('npm:tiny@1')\n",
    )
    write("program.noodle", 'import ffi "./own.py" as own\nfn f() { }\n')
    ended = noodle(*command.split(), "program.noodle")
    assert 4 == ended.returncode
    assert "the setting install cannot be changed in this process" in ended.stderr
    assert [] == tiny.requests
