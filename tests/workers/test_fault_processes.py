"""The ends of hosts with running Node.js workers, forks, output, and what is left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.workers.echo import await_end
from tests.workers.faults import (
    LIMIT,
    Faults,
    in_thread,
    load_faults,
    run_program,
    start_program,
)

import noodle
from noodle.errors import (
    DeadlineExceededError,
    ForkedProcessError,
    MissingToolError,
    WorkerCrashedError,
)

pytestmark = pytest.mark.usefixtures("repetition")

THREAD = "threading.Thread"


@pytest.fixture
def faults() -> Iterator[Faults]:
    with noodle.deadline(LIMIT), load_faults() as faults:
        yield faults


# ------------------------------------------------------------------------------------ The end


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("faults.add(1, 2)", 0),
        ("kept = iter(faults.count(9)), faults.Thing(1), faults.floats(100_000); next(kept[0])", 0),
        ("threading.Thread(target=faults.never, daemon=True).start(); faults.add(1, 2)", 0),
        ("threading.Thread(target=faults.spin, daemon=True).start()", 0),
        (f"{THREAD}(target=faults.call, args=(threading.Event().wait,), daemon=True).start()", 0),
        ("import signal; os.kill(faults.pid(), signal.SIGSTOP)", 0),
        ("faults.call(lambda: sys.exit(5))", 5),
        ("faults.add(1, 2)\nif os.fork() == 0: sys.exit(0)\nassert os.wait()[1] == 0", 0),
    ],
)  # fmt: skip
def test_a_host_ends_at_once_and_without_a_word(program: str, status: int) -> None:
    assert (status, "", "") == run_program(program)


def test_a_daemon_thread_that_needs_a_worker_at_the_end_ends_without_a_word() -> None:
    program = """
from noodle.workers import pool, registry
faults.add(1, 2)
registry.note_exit()
pool.shut_down()
thread = threading.Thread(target=faults.add, args=(1, 2), daemon=True)
thread.start()
thread.join()
"""
    assert (0, "", "") == run_program(program)


@pytest.mark.parametrize("doing", ["spin()", "never()", "call(threading.Event().wait)"])
def test_no_worker_outlives_a_host_that_is_killed(doing: str) -> None:
    with start_program(f"print(faults.pid(), flush=True)\nfaults.{doing}") as host:
        assert host.stdout is not None
        pid = int(host.stdout.readline())
        host.send_signal(signal.SIGKILL)
        host.communicate(timeout=LIMIT)
    assert await_end(pid)


def test_a_worker_leaves_no_zombie(faults: Faults) -> None:
    pid = faults.pid()
    with pytest.raises(WorkerCrashedError):
        faults.exit(0)
    assert not Path(f"/proc/{pid}").exists()


# ------------------------------------------------------------------------------------- Output


def test_what_a_worker_prints_appears_in_order_and_apart_from_the_protocol() -> None:
    status, output, errors = run_program("faults.print(500); assert faults.add(1, 2) == 3")
    assert 0 == status
    assert [f"out {i}" for i in range(500)] == output.splitlines()
    assert [f"err {i}" for i in range(500)] == errors.splitlines()


def test_output_that_nobody_reads_any_more_breaks_no_call() -> None:
    program = """
reader, writer = os.pipe()
os.dup2(writer, 1), os.close(reader), os.close(writer)
faults.print(500)
assert faults.add(1, 2) == 3
"""
    status, output, errors = run_program(program)
    assert (0, "") == (status, output)
    assert [f"err {i}" for i in range(500)] == errors.splitlines()


# -------------------------------------------------------------------------------------- Forks


def test_a_fork_beside_calls_of_another_thread_harms_nobody(faults: Faults) -> None:
    faults.add(1, 2)
    is_over = False

    def call() -> None:
        while not is_over:
            assert 3 == faults.add(1, 2)

    statuses = []
    with in_thread(call) as failures:
        for _ in range(5):
            pid = os.fork()
            if pid == 0:
                with suppress(BaseException):
                    try:
                        faults.add(1, 2)
                    except ForkedProcessError:
                        os._exit(7)
                os._exit(1)
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        is_over = True
    assert ([7] * 5, []) == (statuses, failures)
    assert 3 == faults.add(1, 2)


# ------------------------------------------------------------------------------ Starts that fail


def _program(folder: Path, text: str) -> str:
    path = folder / "node"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_without_node_the_command_to_type_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOODLE_NODE", "/nonexistent")
    with pytest.raises(MissingToolError, match="unset NOODLE_NODE"):
        noodle.load("node:path")


def test_a_start_does_not_outlast_the_deadline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NOODLE_NODE", _program(tmp_path, "exec sleep 60"))
    with pytest.raises(DeadlineExceededError), noodle.deadline(0.3):
        noodle.load("node:path")


@pytest.mark.parametrize("text", ["exit 3", "kill -SEGV $$", "head -c 99999 /dev/urandom >&3"])
def test_a_program_that_is_no_worker_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    monkeypatch.setenv("NOODLE_NODE", _program(tmp_path, text))
    with pytest.raises(WorkerCrashedError), noodle.deadline(LIMIT):
        noodle.load("node:path")


@pytest.mark.parametrize(
    ("source", "kind", "told"),
    [
        ("process.exit(7)", WorkerCrashedError, "ended during the import of .*/module.mjs"),
        ("for (;;);", DeadlineExceededError, "module.mjs was not imported before the deadline"),
        ("await new Promise(() => {})", DeadlineExceededError, "was not imported before"),
    ],
)
def test_a_module_that_is_never_imported_ends_the_load(
    tmp_path: Path, source: str, kind: type[Exception], told: str
) -> None:
    path = tmp_path / "module.mjs"
    path.write_text(source, encoding="utf-8")
    with noodle.deadline(1.5), pytest.raises(kind, match=told):
        noodle.load(str(path), environment={"FAULTS": str(tmp_path)})


# -------------------------------------------------------------------------------------- Leaks


@pytest.mark.parametrize("end", ["stop_worker()", "crash_worker()"])
def test_ends_and_starts_leave_no_descriptor(end: str) -> None:
    program = f"""
import gc
from noodle.bridges.javascript.node import find_node
from noodle.bridges.javascript.options import JavaScriptOptions
from noodle.bridges.javascript.pools import pool_for

pool = pool_for(find_node(), JavaScriptOptions())

def stop_worker():
    pool.stop()

def crash_worker():
    try:
        faults.exit(1)
    except noodle.errors.WorkerCrashedError:
        print("crashed")

counts = []
for _ in range(4):
    faults.floats(20_000)
    {end}
    faults.add(1, 2)
    gc.collect()
    counts.append(len(os.listdir("/proc/self/fd")))
assert counts[1:] == [counts[1]] * 3, counts
"""
    status, output, errors = run_program(program)
    assert (0, "") == (status, errors)
    assert output.split() == ["crashed"] * (4 * end.startswith("crash"))
