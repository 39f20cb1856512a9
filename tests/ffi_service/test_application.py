"""What the service answers, asked over HTTP of one that runs."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress

import pytest

from tests.ffi_service.conftest import WAIT_SECONDS, RunningService, Serve

GATES = """\
import ffi "./gate.py" as gate

fn opened() { return gate.wait_until_open() }
fn open() { gate.open_it() }
fn began() { return gate.begun() }
fn turn(seconds) { return gate.turn(seconds) }
fn late() { return gate.late() }
fn fail(text) { return gate.fail(text) }
fn broken() { return gate.broken() }
fn unshown() { return gate.unshown() }
fn no_more() { return gate.no_more() }
fn given_up() { return gate.given_up() }
fn stop() { return gate.leave() }
fn nothing() { }
fn class(def, lambda = 1) { return def + lambda }
"""
LIBRARIES = """\
import ffi "numpy" as np
import ffi "node:path" as path
import ffi "./helper.c" as c with { placement: "isolated" }

fn solve(a, b = [1, 2]) { return np.linalg.solve(a, b) }
fn base(name) { return path.basename(name) }
fn half(n) { return c.half(n) }
fn crash() { return c.crash() }
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
import time
from concurrent.futures import CancelledError
from pathlib import Path

count = 0


def wait_until_open():
    global count
    count += 1
    while not Path("open").exists():
        threading.Event().wait(0.01)
    return True


def begun():
    return count


def turn(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def late():
    wait_until_open()
    raise ValueError("later than the deadline")


def fail(text):
    raise ValueError(text)


def broken():
    raise ValueError("no Unicode: \\ud800")


class Unshown(Exception):
    def __str__(self):
        raise RuntimeError("it has no text")


def unshown():
    raise Unshown


def no_more():
    return next(iter([]))


def given_up():
    raise CancelledError("own")


def open_it():
    Path("open").touch()


def leave():
    sys.exit(3)
"""
JSON = {"Content-Type": "application/json"}
FILES = {"helper.c": HELPER, "gate.py": GATE}


@pytest.fixture(scope="module")
def service(serve: Serve) -> RunningService:
    return serve(LIBRARIES + GATES, files=FILES)


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
    service.wait_for_told(r"^program\.noodle:5:\d+: error: LinAlgError: Singular matrix$")


def test_a_library_that_crashes_fails_its_call_and_no_other(serve: Serve):
    service = serve(LIBRARIES, files=FILES)
    for _ in range(2):
        status, body = service.call("crash")
        assert (502, "WorkerCrashedError") == (status, body["error"]["type"])
        assert (200, {"result": 2.0}) == service.call("half", 4)


def test_a_function_that_exits_ends_no_service(service: RunningService):
    status, body = service.call("stop")
    assert (500, "ForeignError") == (status, body["error"]["type"])
    assert "stop asked to exit" in body["error"]["message"]
    assert (200, {"result": None}) == service.call("nothing")


@pytest.mark.parametrize(
    ("function", "kind"), [("no_more", "StopIteration"), ("given_up", "CancelledError")]
)
def test_exceptions_that_mean_something_to_event_loops_are_errors_like_others(
    service: RunningService, function: str, kind: str
):
    status, body = service.call(function)
    assert (500, kind) == (status, body["error"]["type"])
    service.wait_for_told(f"^noodle: call {body['error']['call']}, of {function}, failed$")


def test_an_exception_that_cannot_be_shown_is_told_by_its_class(service: RunningService):
    status, body = service.call("unshown")
    assert (500, "Unshown") == (status, body["error"]["type"])
    assert (200, {"result": None}) == service.call("nothing")


def test_parameters_may_have_words_of_python_as_names(service: RunningService):
    assert (200, {"result": 3}) == service.call("class", 2)
    assert (200, {"result": 7}) == service.call("class", **{"def": 3, "lambda": 4})


def test_a_message_that_is_no_unicode_is_told_as_far_as_it_is(service: RunningService):
    status, body = service.call("broken")
    assert (500, "ValueError", "no Unicode: ?") == (
        status,
        body["error"]["type"],
        body["error"]["message"],
    )


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
    for _ in range(9):
        connection.send(megabyte)
    response = connection.getresponse()
    assert (413, "close") == (response.status, response.headers["Connection"])
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
    service = serve(GATES, files=FILES)
    answers: list[tuple[int, object]] = []
    waiting = [
        threading.Thread(target=lambda: answers.append(service.call("opened"))) for _ in range(8)
    ]
    for thread in waiting:
        thread.start()
    wait_until(lambda: service.call("began") == (200, {"result": 8}))
    assert (200, {"result": None}) == service.call("open")
    for thread in waiting:
        thread.join(WAIT_SECONDS)
    assert [(200, {"result": True})] * 8 == answers


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end


def test_a_deadline_ends_the_wait_and_the_thread_is_free_when_the_call_has_ended(serve: Serve):
    service = serve(GATES, "--deadline", "1", "--threads", "1", files=FILES)
    status, body = service.call("late")
    assert (504, "DeadlineExceededError") == (status, body["error"]["type"])
    assert 504 == service.call("nothing")[0]  # it waited for the only thread
    service.wait_for_told(f"^noodle: call {body['error']['call']}, of late, failed$")
    service.wait_for_told("error: late did not finish before its deadline")
    service.wait_for_told("error: no thread was free before the deadline")
    (service.folder / "open").touch()
    wait_until(lambda: service.call("nothing") == (200, {"result": None}))
    service.wait_for_told("ValueError: later than the deadline")


def test_code_that_computes_in_this_process_is_given_up_too(serve: Serve):
    service = serve(GATES, "--deadline", "0.5", files=FILES)
    assert 504 == service.call("turn", 3)[0]


def test_the_lines_about_a_call_stand_together(serve: Serve):
    service = serve(GATES, files=FILES)
    calls = [
        threading.Thread(target=lambda: [service.call("fail", "text") for _ in range(10)])
        for _ in range(8)
    ]
    for thread in calls:
        thread.start()
    for thread in calls:
        thread.join(WAIT_SECONDS)
    service.wait_for_told("call 80, of fail, failed")
    service.call("fail", "the last one")
    service.wait_for_told("the last one")
    told = [line for line in service.told if re.search("failed$|error: ", line)]
    assert 162 == len(told)
    for heading, error in zip(told[::2], told[1::2], strict=True):
        assert (True, True) == (heading.endswith("of fail, failed"), "ValueError" in error)


def test_a_log_that_nobody_reads_keeps_no_caller_waiting(serve: Serve):
    """The pipe of standard error takes 64 KiB; each of these calls writes some hundred bytes."""
    service = serve(GATES, files=FILES)
    with service.unread():
        for _ in range(400):
            status, _ = service.call("fail", "x" * 500)
            assert 500 == status
        assert (200, {"result": None}) == service.call("nothing")
        assert 0 == service.end()


def test_a_log_whose_reader_has_left_changes_no_answer(serve: Serve):
    service = serve(GATES, files=FILES)
    service.leave()
    for _ in range(5):
        assert 500 == service.call("fail", "nobody reads this")[0]
    assert (200, {"result": None}) == service.call("nothing")
    assert 0 == service.end()


def test_a_connection_that_asks_nothing_is_closed(serve: Serve):
    service = serve(GATES, constants={"SILENCE_SECONDS": 0.3}, files=FILES)
    unread = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"
    with socket.create_connection((service.host, service.port), WAIT_SECONDS) as answered:
        answered.sendall(unread)
        answer = b""
        while not answer.endswith(b"}"):
            answer += answered.recv(1 << 16)
        answered.sendall(b"1")
        assert b"" == answered.recv(1)
    for head in (b"", b"GET /livez HTTP/1.1\r\nHost: local"):
        with socket.create_connection((service.host, service.port), WAIT_SECONDS) as silent:
            silent.sendall(head)
            assert b"" == silent.recv(1)
    connection = service.connect()
    with closing(connection):
        connection.request("POST", "/v1/call", b'{"function": "turn", "arguments": [1]}', JSON)
        assert 200 == connection.getresponse().status  # one that waits for its answer is not


def test_a_client_that_sends_no_more_gets_its_answer(serve: Serve):
    service = serve(GATES, files=FILES)
    body = b'{"function": "turn", "arguments": [0.2]}'
    head = (
        b"POST /v1/call HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    )
    with socket.create_connection((service.host, service.port), WAIT_SECONDS) as client:
        client.sendall(head + body)
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(1 << 16), b""))
    assert (True, True) == (answer.startswith(b"HTTP/1.1 200"), b'{"result":null}' in answer)


def test_connections_above_their_number_are_closed(serve: Serve):
    service = serve(GATES, constants={"CONNECTIONS_MOST": 3}, files=FILES)
    with ExitStack() as open_ones:
        for _ in range(3):
            silent = socket.create_connection((service.host, service.port), WAIT_SECONDS)
            open_ones.enter_context(silent)
        one_more = socket.create_connection((service.host, service.port), WAIT_SECONDS)
        open_ones.enter_context(one_more)
        with suppress(ConnectionResetError):
            assert b"" == one_more.recv(1)
    wait_until(lambda: answers(service))


def answers(service: RunningService) -> bool:
    try:
        return service.request("GET", "/livez")[0] == 200
    except OSError:
        return False


def test_a_size_that_is_stated_is_refused_before_it_arrives(service: RunningService):
    with closing(service.connect()) as connection:
        connection.putrequest("POST", "/v1/call")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(1 << 40))
        connection.endheaders()
        assert 413 == connection.getresponse().status


def test_a_client_that_leaves_within_its_request_is_not_worth_a_line(serve: Serve):
    service = serve(GATES, files=FILES)
    for text in (
        b"POST /v1/call HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n{",
        b"no http at all\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ):
        with socket.create_connection((service.host, service.port), WAIT_SECONDS) as leaving:
            leaving.sendall(text)
            leaving.shutdown(socket.SHUT_WR)
            while leaving.recv(1 << 16):
                pass
    service.call("fail", "the last one")
    service.wait_for_told("the last one")
    assert ["noodle: call 2, of fail, failed"] == service.told[1:2]


def test_long_names_and_many_keywords_are_answered_shortly(service: RunningService):
    status, body = service.call("n" * 1_000_000)
    assert (400, True) == (status, len(str(body)) < 3000)
    status, body = service.call("base", **{f"k{number}": 0 for number in range(100_000)})
    assert (400, True) == (status, len(str(body)) < 3000)


def test_a_worker_that_does_not_answer_is_stopped_at_the_deadline(serve: Serve):
    program = 'import ffi "node:vm" as vm\nfn spin() { return vm.runInNewContext("for(;;);") }\n'
    service = serve(program + "fn nothing() { }\n", "--deadline", "1", "--threads", "1")
    assert 504 == service.call("spin")[0]
    statuses = [service.call("nothing")[0] for _ in range(20)]
    assert 200 in statuses  # the thread is free as soon as the worker has been ended


def test_more_calls_than_can_wait_are_refused_until_there_is_room(serve: Serve):
    service = serve(GATES, "--threads", "1", constants={"QUEUED_MOST": 1}, files=FILES)
    with ExitStack() as connections:
        for _ in range(2):
            connection = connections.enter_context(closing(service.connect()))
            connection.request("POST", "/v1/call", b'{"function": "opened"}', JSON)
        wait_until(lambda: service.request("GET", "/readyz")[0] == 503)
        assert (503, {"state": "busy"}) == service.request("GET", "/readyz")
        assert (200, {"state": "alive"}) == service.request("GET", "/livez")
        refused = connections.enter_context(closing(service.connect()))
        refused.request("POST", "/v1/call", b'{"function": "nothing"}', JSON)
        response = refused.getresponse()
        assert (503, "1") == (response.status, response.headers["Retry-After"])
        (service.folder / "open").touch()
        assert 200 == connection.getresponse().status
    assert (200, {"state": "ready"}) == service.request("GET", "/readyz")
