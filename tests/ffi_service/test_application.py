"""What the service answers, asked over HTTP of one that runs."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack, closing

import pytest

from tests.ffi_service.conftest import WAIT_SECONDS, RunningService, Serve

PROGRAM = """\
import ffi "numpy" as np
import ffi "node:path" as path
import ffi "./helper.c" as c with { placement: "isolated" }
import ffi "./gate.py" as gate

let calls = 0
fn solve(a, b = [1, 2]) { return np.linalg.solve(a, b) }
fn base(name) { return path.basename(name) }
fn half(n) { return c.half(n) }
fn crash() { return c.crash() }
fn opened() { return gate.wait_until_open() }
fn open() { gate.open_it() }
fn spin() { while true { calls += 1 } }
fn stop() { return gate.leave() }
fn nothing() { }
fn library() { return np.linalg }
"""
HELPER = """\
#include <stdlib.h>
double half(double number) { return number / 2; }
int crash(void) { abort(); }
"""
GATE = """\
import sys
import threading
from pathlib import Path


def wait_until_open():
    while not Path("open").exists():
        threading.Event().wait(0.01)
    return True


def open_it():
    Path("open").touch()


def leave():
    sys.exit(3)
"""
JSON = {"Content-Type": "application/json"}
FILES = {"helper.c": HELPER, "gate.py": GATE}


@pytest.fixture(scope="module")
def service(serve: Serve) -> RunningService:
    return serve(PROGRAM, files=FILES)


def test_a_call_runs_the_programs_function(service: RunningService):
    assert (200, {"result": [-1.0, 1.0]}) == rounded(service.call("solve", [[1, 2], [3, 5]]))
    assert (200, {"result": [0.5, 0.0]}) == rounded(
        service.call("solve", b=[1, 1], a=[[2, 4], [2, 5]])
    )
    assert (200, {"result": None}) == service.call("nothing")


def rounded(answer: tuple[int, dict[str, list[float]]]) -> tuple[int, dict[str, list[float]]]:
    status, body = answer
    return status, {"result": [round(number, 9) for number in body["result"]]}


def test_a_program_may_use_every_kind_of_library(service: RunningService):
    assert (200, {"result": "c"}) == service.call("base", "/a/b/c")
    assert (200, {"result": 1.5}) == service.call("half", 3)


def test_what_the_function_raises_is_told_to_the_caller_and_its_place_to_the_log(
    service: RunningService,
):
    status, body = service.call("solve", [[1, 2], [2, 4]])
    error = body["error"]
    assert (500, "LinAlgError", "Singular matrix") == (status, error["type"], error["message"])
    service.wait_for_told(f"^noodle: call {error['call']}, of solve, failed$")
    service.wait_for_told(r"^program\.noodle:7:\d+: error: LinAlgError: Singular matrix$")


def test_a_library_that_crashes_fails_its_call_and_no_other(serve: Serve):
    service = serve(PROGRAM, files=FILES)
    for _ in range(2):
        status, body = service.call("crash")
        assert (502, "WorkerCrashedError") == (status, body["error"]["type"])
        assert (200, {"result": 2.0}) == service.call("half", 4)


def test_a_function_that_exits_ends_no_service(service: RunningService):
    status, body = service.call("stop")
    assert (500, "ForeignError") == (status, body["error"]["type"])
    assert (200, {"result": None}) == service.call("nothing")


def test_a_result_that_json_cannot_hold_is_an_error_that_the_log_describes(
    service: RunningService,
):
    status, body = service.call("library")
    assert (500, "library gave what has no form in JSON") == (status, body["error"]["message"])
    service.wait_for_told("received: module")


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b'{"function": "slove"}', 404, "NameNotFoundError"),
        (b'{"function": "np"}', 404, "NameNotFoundError"),
        (b'{"function": "solve"}', 400, "ArityError"),
        (b'{"function": "base", "keywords": {"nam": 1}}', 400, "ArityError"),
        (b'{"function": "base", "args": ["x"]}', 400, "ArgumentTypeError"),
        (b"no json", 400, "ArgumentTypeError"),
        (b'{"function": "base", "arguments": ' + b"[" * 50_000, 413, "InputLimitError"),
    ],
)
def test_a_request_that_is_no_call_is_refused(
    service: RunningService, body: bytes, status: int, kind: str
):
    answered, content = service.post(body)
    assert (status, kind) == (answered, content["error"]["type"])


def test_functions_are_listed_with_their_parameters(service: RunningService):
    status, body = service.request("GET", "/v1/functions")
    assert 200 == status
    listed = {entry["name"]: entry["parameters"] for entry in body["functions"]}
    assert [{"name": "name", "required": True}] == listed["base"]
    assert "np" not in listed


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/call", 405),
        ("POST", "/v1/call/", 404),
        ("POST", "/v1/functions", 405),
        ("GET", "/../etc/passwd", 404),
    ],
)
def test_other_paths_and_methods_are_answered_with_those_that_there_are(
    service: RunningService, method: str, path: str, status: int
):
    answered, body = service.request(method, path)
    assert (status, True) == (answered, "POST /v1/call" in body["error"]["expected"])


def test_a_page_of_the_web_cannot_call_by_a_name_of_its_own(service: RunningService):
    call = b'{"function": "nothing"}'
    status, _ = service.request(
        "POST", "/v1/call", call, content_type="application/json", host="rebound.example"
    )
    assert 421 == status


def test_a_form_of_another_page_is_no_call(service: RunningService):
    status, _ = service.request(
        "POST", "/v1/call", b'{"function": "nothing"}', content_type="text/plain"
    )
    assert 415 == status


def test_a_body_that_is_too_large_is_refused_although_its_size_is_not_stated(
    service: RunningService,
):
    connection = service.connect()
    connection.putrequest("POST", "/v1/call")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    megabyte = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
    try:
        for _ in range(9):
            connection.send(megabyte)
    except (BrokenPipeError, ConnectionResetError):
        pass  # it has been refused, and the rest is not read
    else:
        response = connection.getresponse()
        assert 413 == response.status
    finally:
        connection.close()
    assert (200, {"result": None}) == service.call("nothing")


def test_several_calls_share_a_connection(service: RunningService):
    connection = service.connect()
    for number in range(3):
        asked = json.dumps({"function": "half", "arguments": [number]})
        connection.request("POST", "/v1/call", asked, {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert {"result": number / 2} == json.loads(response.read())
    connection.close()


def test_calls_run_at_the_same_time(serve: Serve):
    service = serve(PROGRAM, files=FILES)
    answers: list[tuple[int, object]] = []
    waiting = [
        threading.Thread(target=lambda: answers.append(service.call("opened"))) for _ in range(8)
    ]
    for thread in waiting:
        thread.start()
    assert (200, {"result": None}) == service.call("open")
    for thread in waiting:
        thread.join(WAIT_SECONDS)
    assert [(200, {"result": True})] * 8 == answers


def test_a_deadline_ends_the_wait_and_the_thread_is_free_when_the_call_has_ended(serve: Serve):
    service = serve(PROGRAM, "--deadline", "1", "--threads", "1", files=FILES)
    status, body = service.call("spin")
    assert (504, "DeadlineExceededError") == (status, body["error"]["type"])
    assert 504 == service.call("nothing")[0]  # it waited for the only thread
    service.wait_for_told("call 2, of nothing, failed")
    assert 504 == service.call("nothing")[0]


def test_a_worker_that_does_not_answer_is_stopped_at_the_deadline(serve: Serve):
    program = 'import ffi "node:vm" as vm\nfn spin() { return vm.runInNewContext("for(;;);") }\n'
    service = serve(program + "fn nothing() { }\n", "--deadline", "1", "--threads", "1")
    assert 504 == service.call("spin")[0]
    statuses = [service.call("nothing")[0] for _ in range(20)]
    assert 200 in statuses  # the thread is free as soon as the worker has been ended


def test_more_calls_than_can_wait_are_refused_until_there_is_room(serve: Serve):
    service = serve(PROGRAM, "--threads", "1", constants={"QUEUED_MOST": 1}, files=FILES)
    with ExitStack() as connections:
        for _ in range(2):
            connection = connections.enter_context(closing(service.connect()))
            connection.request("POST", "/v1/call", b'{"function": "opened"}', JSON)
        while service.request("GET", "/readyz")[0] == 200:
            assert service.process.poll() is None
        assert (503, {"state": "busy"}) == service.request("GET", "/readyz")
        assert (200, {"state": "alive"}) == service.request("GET", "/livez")
        refused = connections.enter_context(closing(service.connect()))
        refused.request("POST", "/v1/call", b'{"function": "nothing"}', JSON)
        response = refused.getresponse()
        assert (503, "1") == (response.status, response.headers["Retry-After"])
        (service.folder / "open").touch()
        assert 200 == connection.getresponse().status
    assert (200, {"state": "ready"}) == service.request("GET", "/readyz")
