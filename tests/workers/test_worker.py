"""The life of one worker: start, output, health, crash report, end."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from tests.workers.echo import (
    IN_C,
    Functions,
    await_end,
    echo_pool,
    echo_program,
    functions_of,
    start_host,
    statistics,
)

from noodle.errors import ForkedProcessError, MissingToolError, VersionError, WorkerCrashedError
from noodle.workers.pool import Pool
from noodle.workers.program import Program
from noodle.workers.worker import Worker


@IN_C
def test_a_worker_says_what_it_is(pool: Pool):
    worker = pool.worker()
    assert worker.runtime is not None
    assert ("echo", "1.0") == (worker.runtime.name, worker.runtime.version)
    assert worker.pid not in (0, os.getpid())


@IN_C
def test_versions_that_differ_are_named(echo_worker: Path):
    program = echo_program(echo_worker, environment={"ECHO_PROTOCOL": "99"})
    with pytest.raises(VersionError) as caught:
        Worker(program).wait_ready()
    assert "protocol 2," in (caught.value.expected or "")
    assert "protocol 99," in (caught.value.received or "")


@IN_C
def test_a_worker_that_does_not_get_ready_is_killed(echo_worker: Path):
    program = echo_program(echo_worker, environment={"ECHO_SILENT": "1"}, start_seconds=0.2)
    with pytest.raises(WorkerCrashedError, match="it was not ready in time"):
        Worker(program).wait_ready()


@pytest.mark.parametrize(
    ("command", "directory"),
    [("/nowhere/node", "/"), ("/etc/passwd", "/"), ("/bin/true", "/nowhere")],
)
def test_a_program_that_cannot_be_run_is_a_clear_error(command: str, directory: str):
    with pytest.raises(MissingToolError, match="cannot be started"):
        Worker(Program("broken", (command,), directory=directory)).wait_ready()


def test_a_program_that_ends_at_once_is_reported():
    with pytest.raises(WorkerCrashedError, match="exit code 0"):
        Worker(Program("true", ("/bin/true",))).wait_ready()


def test_a_crash_report_has_signal_call_and_last_output(function: Functions):
    with pytest.raises(WorkerCrashedError) as caught:
        function("crash")()
    text = str(caught.value)
    assert "ended during crash" in text
    assert "signal SIGSEGV" in text
    assert "about to crash" in caught.value.__notes__[0]


def test_an_exit_is_reported_with_its_code(function: Functions):
    with pytest.raises(WorkerCrashedError, match="exit code 3"):
        function("exit")(3)


def test_health_tells_busy_from_dead(pool: Pool, function: Functions):
    worker = pool.worker()
    thread = threading.Thread(target=function("sleep"), args=(0.5,))
    thread.start()
    seen = set()
    while thread.is_alive():
        health = worker.health()
        assert health.alive
        seen.add((health.busy_function, health.in_flight))
    thread.join()
    assert ("sleep", 1) in seen
    worker.stop()
    assert "ended" == str(worker.health())


# ---------------------------------------------------------------------------------- Output


def test_output_goes_to_a_replaced_stream(echo_worker: Path, capsys: pytest.CaptureFixture[str]):
    with echo_pool(echo_worker) as pool:
        functions_of(pool)("print")("hello from the worker")
        pool.worker().stop()
    assert "hello from the worker\n" == capsys.readouterr().out


def test_output_goes_to_the_descriptor_of_the_host(echo_worker: Path):
    host, _ = start_host(echo_worker, "function('print')('hello'); pool.stop()")
    output, errors = host.communicate(timeout=30)
    assert ("hello\n", "") == (output, errors)


def test_output_that_comes_while_the_interpreter_ends_holds_nobody_up(echo_worker: Path):
    """What the worker left behind prints on, and Python carries it to a replaced stream."""
    program = """
import io
sys.stdout = io.StringIO()
from noodle.workers.program import Program
from noodle.workers.worker import Worker
text = 'setsid sh -c "while :; do echo more || exit; done" & sleep 0.2; exit 1'
path = {"PATH": os.environ["PATH"]}
worker = Worker(Program("chatty", ("/bin/sh", "-c", text), environment=path))
worker.join()
stream = worker._streams[0]
"""
    host, _ = start_host(echo_worker, program)
    assert ("", "") == host.communicate(timeout=30)
    assert 0 == host.returncode


# ------------------------------------------------------------------------------ No orphans


def test_what_a_worker_has_started_ends_with_it(echo_worker: Path, tmp_path: Path):
    text = f"sleep 60 & echo $! >{tmp_path}/pid; wait"
    program = Program("parent", ("/bin/sh", "-c", text), start_seconds=0.5)
    with pytest.raises(WorkerCrashedError):
        Worker(program).wait_ready()
    assert await_end(int((tmp_path / "pid").read_text()))


NO_DESCRIPTOR = """
import resource
from noodle import _host
pool.stop()
resource.setrlimit(resource.RLIMIT_NOFILE, (0, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
try:
    _host.start([b"/bin/sleep", b"60"], [])
except OSError as error:
    print(error.strerror)
try:
    print(os.waitpid(-1, os.WNOHANG | 0x40000000)[0])  # __WALL: children of every thread
except ChildProcessError:
    print("no child")
"""


def test_a_start_that_fails_half_way_leaves_no_zombie(echo_worker: Path):
    """The process runs already when there is no descriptor left for its pidfd."""
    host, _ = start_host(echo_worker, NO_DESCRIPTOR)
    assert "Too many open files\nno child\n" == host.communicate(timeout=30)[0]


def test_a_worker_ends_with_its_host(echo_worker: Path):
    host, pid = start_host(echo_worker, "")
    assert ("", "") == host.communicate(timeout=30)
    assert 0 == host.returncode
    assert await_end(pid)


@pytest.mark.parametrize("call", ["sys.stdin.read()", "function('sleep')(60.0)"])
def test_a_worker_ends_when_its_host_is_killed(echo_worker: Path, call: str):
    host, pid = start_host(echo_worker, call)
    host.send_signal(signal.SIGKILL)
    host.communicate(timeout=30)
    assert await_end(pid)


def test_a_stopped_worker_ends_when_its_host_is_killed(echo_worker: Path):
    host, pid = start_host(echo_worker, "print('stopping', flush=True); function('stop')()")
    assert host.stdout is not None
    assert "stopping\n" == host.stdout.readline()
    host.send_signal(signal.SIGKILL)
    host.communicate(timeout=30)
    assert await_end(pid)


def test_a_worker_survives_the_thread_that_asked_for_it(echo_worker: Path):
    """PDEATHSIG counts the thread that started the worker as its parent."""
    with echo_pool(echo_worker) as pool:
        thread = threading.Thread(target=pool.worker)
        thread.start()
        thread.join()
        worker = pool.worker()
        assert 3.0 == functions_of(pool)("add")(1.0, 2.0)
        assert worker is pool.worker()


# ----------------------------------------------------------------------------------- Forks


def _in_child(action: object) -> str:
    """Run a function in a forked child; return what it returned."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            text = action()  # type: ignore[operator]
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(writer, text.encode())
        os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as stream:
        text = stream.read()
    os.waitpid(pid, 0)
    return text


def test_a_child_of_fork_is_refused_the_workers_of_its_parent(pool: Pool, function: Functions):
    add, sleep = function("add"), function("object")
    kept = sleep()

    def child() -> str:
        try:
            add(1.0, 2.0)
        except ForkedProcessError as error:
            return str(error)
        return "called"

    assert "belongs to the process that this one was forked from" in _in_child(child)
    assert 3.0 == add(1.0, 2.0)
    del kept


def test_the_end_of_a_child_releases_nothing_of_its_parent(pool: Pool, function: Functions):
    releases = function("releases")
    kept = [function("object")()]
    releases()
    before = releases()

    def child() -> str:
        kept.clear()
        return "cleared"

    assert "cleared" == _in_child(child)
    assert before == releases()


def test_a_child_of_fork_starts_workers_of_its_own(pool: Pool, echo_worker: Path):
    worker = pool.worker()

    def child() -> str:
        with echo_pool(echo_worker) as own:
            total = functions_of(own)("add")(1.0, 2.0)
            return f"{total} {own.worker().pid != worker.pid}"

    assert "3.0 True" == _in_child(child)
    assert {"in_flight": 0}.items() <= statistics(pool).items()
