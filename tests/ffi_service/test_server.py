"""How a service starts and ends."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from noodle.ffi_service.server import bind_loopback
from tests.ffi_service.conftest import WAIT_SECONDS, RunningService, Serve

HELLO = 'fn greet(name) { return "hello ${name}" }\n'
GATE = """\
import threading
from pathlib import Path


def wait():
    print("began", flush=True)
    while not Path("open").exists():
        threading.Event().wait(0.01)
    return "opened"


def go_on():
    threading.Thread(target=threading.Event().wait).start()
"""
WAITING = 'import ffi "./gate.py" as gate\nfn wait() { return gate.wait() }\n'


def refused(
    noodle_command: list[str], folder: Path, *options: str, text: str = HELLO, **variables: str
) -> tuple[int, str]:
    """The exit code and the errors of a service that does not start."""
    (folder / "program.noodle").write_text(text)
    ended = subprocess.run(
        [*noodle_command, "serve", "program.noodle", "--port", "0", *options],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_SECONDS,
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.2", "127.0.0.2"),
        ("localhost", "127.0.0.1"),
        ("::1", "::1"),
        ("[::1]", "::1"),
    ],
)
def test_it_listens_on_loopback(serve: Serve, host: str, address: str):
    if address == "::1" and not has_loopback_of_ipv6():
        address = host = "127.0.0.1"
    service = serve(HELLO, "--host", host)
    assert service.host in {address, "::1" if host == "localhost" else address}
    assert (200, {"result": "hello you"}) == service.call("greet", "you")


def has_loopback_of_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "no.such.invalid", "", "a" * 300])
def test_it_listens_nowhere_else(noodle_command: list[str], tmp_path: Path, host: str):
    code, told = refused(noodle_command, tmp_path, "--host", host)
    assert (4, True) == (code, "is no loopback address" in told)


def test_answers_are_sent_at_once():
    """With Nagle's algorithm (RFC 896) the second part of an answer waits 40 ms for the client."""
    option = []

    async def main() -> None:
        with bind_loopback("127.0.0.1", 0) as listener:
            address = listener.getsockname()
            server = await asyncio.start_server(take, sock=listener)
            _, writer = await asyncio.open_connection(*address)
            async with server:
                while not option:
                    await asyncio.sleep(0)
            writer.close()

    async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted = writer.get_extra_info("socket")
        option.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    asyncio.run(asyncio.wait_for(main(), WAIT_SECONDS))
    assert [1] == option


def test_it_says_what_it_serves_and_where(serve: Serve):
    service = serve(HELLO + "fn other() { }\n")
    service.wait_for_told(
        r"^noodle: serving 2 functions of program.noodle at http://127.0.0.1:\d+$"
    )
    service = serve(HELLO)
    service.wait_for_told(r"^noodle: serving 1 function of program.noodle at ")


def test_a_port_that_is_taken_is_told(noodle_command: list[str], tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, told = refused(noodle_command, tmp_path, "--port", port)
    assert (4, True) == (code, f"port {port} cannot be listened on" in told)
    assert "try:      --port 0 takes one that is free" in told


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_a_deadline_that_is_no_duration_is_refused(
    noodle_command: list[str], tmp_path: Path, seconds: str
):
    code, told = refused(noodle_command, tmp_path, "--deadline", seconds)
    assert (4, True) == (code, "a deadline must be a positive number of seconds" in told)


def test_roles_cannot_be_applied_and_are_not_passed_over(noodle_command: list[str], tmp_path: Path):
    (tmp_path / "noodle.toml").write_text('[security.authorization.user_roles]\nreader = ["a"]\n')
    code, told = refused(noodle_command, tmp_path)
    assert (4, True) == (code, "a service does not know its callers" in told)


def test_a_program_that_does_not_compile_is_not_served(noodle_command: list[str], tmp_path: Path):
    code, told = refused(noodle_command, tmp_path, text="fn greet( {\n")
    assert (3, True) == (code, "program.noodle:1:" in told)


def test_a_program_that_raises_is_not_served(noodle_command: list[str], tmp_path: Path):
    code, told = refused(noodle_command, tmp_path, text=HELLO + "print(1 / 0)\n")
    assert (1, True) == (code, "program.noodle:2:7: error:" in told)


def test_a_program_that_exits_says_that_it_is_not_served(noodle_command: list[str], tmp_path: Path):
    text = HELLO + 'import ffi "sys" as sys\nsys.exit(7)\n'
    code, told = refused(noodle_command, tmp_path, text=text)
    assert (7, True) == (code, "program.noodle has ended by itself, and is not served" in told)


def test_nobody_can_connect_before_the_program_has_run(serve: Serve):
    helper = """\
import socket


def connects(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
"""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    text = (
        f'import ffi "./helper.py" as helper\nlet early = helper.connects({port})\n'
        "fn was_early() { return early }\n"
    )
    service = serve(text, "--port", str(port), files={"helper.py": helper})
    assert (200, {"result": False}) == service.call("was_early")


def test_a_program_without_functions_is_not_served(noodle_command: list[str], tmp_path: Path):
    code, told = refused(noodle_command, tmp_path, text="let x = 1\n")
    assert (3, True) == (code, "try:      write `fn name(…) { … }`" in told)


def test_a_missing_package_of_the_service_is_told_with_what_to_type(tmp_path: Path):
    (tmp_path / "program.noodle").write_text(HELLO)
    start = (
        "import importlib.util, sys; find = importlib.util.find_spec;"
        "importlib.util.find_spec = lambda name: None if name == 'uvicorn' else find(name);"
        "from noodle.cli import main; sys.argv[1:] = ['serve', 'program.noodle']; sys.exit(main())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", start],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_SECONDS,
    )
    assert (4, True) == (ended.returncode, "received: no uvicorn" in ended.stderr)
    assert 'try:      python -m pip install "noodle-ffi[service]"' in ended.stderr


def test_without_a_command_that_serves_no_web_framework_is_loaded(tmp_path: Path):
    program = "import sys, noodle.cli.app, noodle.ffi_service.server; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert set() == {"starlette", "uvicorn", "msgspec", "anyio"} & set(loaded)


@contextmanager
def call_that_waits(service: RunningService) -> Iterator[http.client.HTTPConnection]:
    """The connection of a call that has begun and not ended."""
    with closing(service.connect()) as connection:
        connection.request(
            "POST", "/v1/call", b'{"function": "wait"}', {"Content-Type": "application/json"}
        )
        assert service.process.stdout is not None
        assert "began\n" == service.process.stdout.readline()
        yield connection


def answer(connection: http.client.HTTPConnection) -> tuple[int, Any]:
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def wait_until_refused(service: RunningService) -> None:
    """Wait until nobody listens any more."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            service.request("GET", "/livez")
        except OSError:
            return
    raise AssertionError("it still takes requests")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_calls_finish_when_it_is_told_to_end(serve: Serve, number: int, code: int):
    service = serve(WAITING, files={"gate.py": GATE})
    with call_that_waits(service) as connection:
        service.process.send_signal(number)
        wait_until_refused(service)
        (service.folder / "open").touch()
        assert (200, {"result": "opened"}) == answer(connection)
    assert code == service.process.wait(WAIT_SECONDS)


def test_a_call_that_never_ends_does_not_keep_it(serve: Serve):
    service = serve(WAITING, constants={"FINISHING_SECONDS": 1}, files={"gate.py": GATE})
    with call_that_waits(service) as connection:
        service.process.send_signal(signal.SIGTERM)
        status, body = answer(connection)
    assert (503, "InstanceUnavailableError") == (status, body["error"]["type"])
    assert 0 == service.process.wait(WAIT_SECONDS)
    service.wait_for_told("error: wait did not finish before the service had to end")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_thread_that_never_ends_does_not_keep_it(serve: Serve, number: int, code: int):
    program = WAITING + "fn go_on() { gate.go_on() }\n"
    service = serve(program, constants={"LEAVING_SECONDS": 0.5}, files={"gate.py": GATE})
    assert (200, {"result": None}) == service.call("go_on")
    service.process.send_signal(number)
    wait_until_refused(service)
    service.process.send_signal(signal.SIGTERM)  # a second one ends it no other way
    assert code == service.process.wait(WAIT_SECONDS)


def test_it_answers_by_the_address_that_it_announces(serve: Serve):
    service = serve(HELLO, "--host", "127.5")
    assert ("127.0.0.5", (200, {"result": "hello you"})) == (
        service.host,
        service.call("greet", "you"),
    )


def test_variables_for_other_servers_do_not_matter(serve: Serve):
    service = serve(HELLO, environment={"WEB_CONCURRENCY": "auto", "FORWARDED_ALLOW_IPS": "*"})
    assert (200, {"result": "hello you"}) == service.call("greet", "you")


def test_its_workers_end_with_it(serve: Serve):
    program = 'import ffi "node:process" as process\nfn id() { return process.pid }\n'
    service = serve(program)
    status, body = service.call("id")
    assert (200, True) == (status, body["result"] != service.process.pid)
    assert 0 == service.end()
    worker = Path(f"/proc/{body['result']}")
    deadline = time.monotonic() + WAIT_SECONDS
    while worker.exists() and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert not worker.exists()
