"""What goes wrong in a Python worker ends in a typed error in time; the next call works."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

import pytest
from tests.workers.echo import await_end, reaches
from tests.workers.pythons import (
    FAULT_RUNS,
    VERSIONS,
    PythonWorker,
    python_worker,
    require_python,
)

import noodle
from noodle import _host
from noodle.errors import (
    DeadlineExceededError,
    MemoryLimitError,
    RemoteCallError,
    WorkerCrashedError,
)
from noodle.workers import registry
from noodle.workers.worker import worker_of

LIMIT = 30.0
SOON = 1.0
"""Seconds within which an error follows its cause, or its deadline."""

SAMPLE = "python_sample.py."


@pytest.fixture(params=FAULT_RUNS)
def version(request: pytest.FixtureRequest) -> str:
    """The version of Python that has the fault."""
    return str(request.param)


@pytest.fixture(scope="module", autouse=True)
def started_before() -> None:
    """What the first worker of a process opens stays open; workers of other tests open things."""
    gc.collect()
    for link in registry.links():
        if worker := worker_of(link):
            worker.stop()
    with python_worker(VERSIONS[-1]) as worker:
        worker.run("print('started')")


@pytest.fixture
def leaves_nothing() -> Iterator[None]:
    """A check that no process, descriptor or segment is left once the workers have ended."""
    gc.collect()
    before = held()
    yield
    gc.collect()
    end = time.monotonic() + 10
    while not has_no_more(left := held(), before) and time.monotonic() < end:
        gc.collect()
    assert has_no_more(left, before), f"{left} instead of {before}"


def has_no_more(now: tuple[set[int], int, int], before: tuple[set[int], int, int]) -> bool:
    """Whether nothing was added; what an earlier test left may have gone meanwhile."""
    return now[0] <= before[0] and now[1] <= before[1] and now[2] <= before[2]


def held() -> tuple[set[int], int, int]:
    """The child processes, the number of descriptors, and that of leased segments."""
    own = Path("/proc/self")
    children: set[int] = set()
    for thread in (own / "task").iterdir():
        with suppress(FileNotFoundError):  # it has ended meanwhile
            children |= set(map(int, (thread / "children").read_text().split()))
    return children, len(list((own / "fd").iterdir())), noodle.stats().leased_segments


@pytest.fixture
def worker(version: str, leaves_nothing: None) -> Iterator[PythonWorker]:
    """A worker that no other test uses, and that leaves nothing behind."""
    with noodle.deadline(LIMIT), python_worker(version, grace_seconds=0.3) as worker:
        assert 5.0 == worker.function("math.hypot")(3, 4)
        yield worker


def assert_recovers(worker: PythonWorker) -> None:
    """The next call works, and soon nothing is in flight or lent."""
    assert 5.0 == worker.function("math.hypot")(3, 4)
    link = worker.pool.worker().link
    end = time.monotonic() + 10
    while (left := unsettled(link)) != (0, 0) and time.monotonic() < end:
        continue
    assert (0, 0) == left


def unsettled(link: _host.Link) -> tuple[int, int]:
    counters = link.statistics()
    return counters["in_flight"], counters["lent_segments"]


@contextmanager
def raised_soon(kind: type[BaseException], after: float = 0.0) -> Iterator[pytest.ExceptionInfo]:
    """Expect an error within a second of now, or of a deadline ``after`` seconds from now."""
    started = time.monotonic()
    with pytest.raises(kind) as caught:
        yield caught
    assert time.monotonic() - started < after + SOON


# ------------------------------------------------------------------------------------ Sudden ends


HEAP = """
import ctypes
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
block = libc.malloc(64)
ctypes.memset(block - 16, 0x41, 96)
libc.free(ctypes.c_void_p(block))
"""


@pytest.mark.parametrize(
    ("source", "how"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "signal SIGKILL"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGBUS)", "signal SIGBUS"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "signal SIGTERM"),
        ("import ctypes; ctypes.string_at(8)", "signal SIGSEGV"),
        ("import os; os.abort()", "signal SIGABRT"),
        ("import os; os._exit(7)", "exit code 7"),
        ("import ctypes; ctypes.CDLL(None).exit(9)", "exit code 9"),
        (HEAP, "signal SIG"),
    ],
    ids=["kill", "bus", "term", "segfault", "abort", "_exit", "exit", "heap"],
)
def test_a_sudden_end_is_a_typed_error(worker: PythonWorker, source: str, how: str):
    worker.run("import ctypes, os, signal")  # what takes its time is there before
    with raised_soon(WorkerCrashedError) as caught:
        worker.run(source)
    assert caught.match("ended during run")
    assert how in str(caught.value)
    assert_recovers(worker)


def test_a_stack_that_overflows_is_a_typed_error(worker: PythonWorker):
    """Versions from 3.12 on count the C stack, and raise."""
    source = "import sys; sys.setrecursionlimit(10**8)\ndef f(_): return list(map(f, [0]))\nf(0)"
    with pytest.raises((WorkerCrashedError, RecursionError)):
        worker.run(source)
    assert_recovers(worker)


def test_an_endless_loop_is_interrupted_at_the_deadline(worker: PythonWorker):
    process = worker.pool.worker().pid
    spin = worker.function(SAMPLE + "spin")
    spin(0.0)
    with raised_soon(DeadlineExceededError, 0.2), noodle.deadline(0.2):
        spin(60.0)
    assert_recovers(worker)
    assert process == worker.pool.worker().pid


def test_a_call_that_cannot_be_interrupted_costs_the_worker_its_life(worker: PythonWorker):
    """C code that keeps the GIL: nothing of Python's runs until it ends."""
    sleep = worker.run("import ctypes; libc = ctypes.PyDLL(None); result = lambda: libc.sleep(60)")
    running = worker.pool.worker()
    with raised_soon(DeadlineExceededError, 0.2), noodle.deadline(0.2):
        sleep()
    assert running.join(10)
    assert running.exit is not None
    assert signal.SIGKILL == running.exit.signal
    assert_recovers(worker)


def test_a_recursion_without_end_is_an_error(worker: PythonWorker):
    with pytest.raises(RecursionError):
        worker.run("def f(): return f()\nf()")
    assert_recovers(worker)


def test_a_stopped_worker_is_overdue_and_killed(worker: PythonWorker):
    running = worker.pool.worker()
    stop = worker.run("import os, signal; result = lambda: os.kill(os.getpid(), signal.SIGSTOP)")
    with raised_soon(DeadlineExceededError, 0.3), noodle.deadline(0.3):
        stop()
    assert running.join(10)
    assert running.exit is not None
    assert signal.SIGKILL == running.exit.signal
    assert_recovers(worker)


@pytest.mark.parametrize("source", ["while True: pass", "time.sleep(600)"])
def test_a_loop_that_swallows_interrupts_holds_nobody_up(worker: PythonWorker, source: str):
    """It ends, where one of them comes between its blocks, or its worker does."""
    running = worker.pool.worker()
    stubborn = (
        f"import time\nwhile True:\n    try:\n        {source}\n    except BaseException: pass"
    )
    with pytest.raises(DeadlineExceededError), noodle.deadline(0.3):
        worker.run(stubborn)
    end = time.monotonic() + 10
    while running.alive and running.link.in_flight and time.monotonic() < end:
        time.sleep(0)
    assert not (running.alive and running.link.in_flight)
    assert_recovers(worker)


def test_a_crash_in_a_thread_of_the_library_ends_what_runs_beside_it(worker: PythonWorker):
    source = "import ctypes, threading, time\n"
    source += "threading.Thread(target=ctypes.string_at, args=(8,)).start()\ntime.sleep(60)"
    with pytest.raises(WorkerCrashedError, match="signal SIGSEGV"):
        worker.run(source)
    assert_recovers(worker)


FRAGILE = """
import os

class Fragile:
    def __init__(self, falls=True):
        if falls:
            os.abort()

    def fall(self):
        os.abort()

def fall():
    os.abort()
"""


@pytest.fixture
def fragile(version: str, tmp_path: Path) -> Iterator[ModuleType]:
    """Functions that end their worker, which is their own: after five ends there is a pause."""
    (tmp_path / "fragile.py").write_text(FRAGILE, encoding="utf-8")
    options = {"interpreter": str(require_python(version)), "directory": str(tmp_path)}
    alone = {"FRAGILE": str(tmp_path)}
    loaded = noodle.load("./fragile.py", placement="isolated", environment=alone, **options)
    with noodle.deadline(LIMIT):
        yield loaded
    noodle.unload(loaded)


async def awaited(call: Callable[[], Awaitable[object]]) -> object:
    return await call()


@pytest.mark.parametrize(
    ("call", "name", "place"),
    [
        (lambda fragile: fragile.fall(), "fall", "./fragile.py.fall"),
        (lambda fragile: asyncio.run(awaited(fragile.fall.aio)), "fall", "./fragile.py.fall"),
        (lambda fragile: fragile.fall.batch([(), ()]), "fall", "./fragile.py.fall"),
        (lambda fragile: fragile.Fragile(), "Fragile", "./fragile.py.Fragile"),
        (lambda fragile: fragile.Fragile(False).fall(), "Fragile.fall", "./fragile.py"),
    ],
    ids=["call", "awaited", "batch", "constructor", "method"],
)
def test_library_and_function_are_named(
    fragile: ModuleType, call: Callable[[ModuleType], object], name: str, place: str
):
    with pytest.raises(WorkerCrashedError) as caught:
        call(fragile)
    shown = str(caught.value)
    assert f"ended during {name}" in shown
    assert "signal SIGABRT" in shown
    assert str(caught.value.where).startswith(f"{place}, process ")
    assert name == traceback.extract_tb(caught.value.__traceback__)[-1].name


def test_an_error_through_a_callback_names_the_call_that_ended_its_worker(
    fragile: ModuleType, version: str
):
    with python_worker(version) as worker:
        call = worker.run("result = lambda function: function()")
        with pytest.raises(WorkerCrashedError) as caught:
            call(fragile.fall)
    assert str(caught.value.where).startswith("./fragile.py.fall, process ")


def test_a_host_that_ends_while_its_worker_misbehaves_leaves_no_process(version: str):
    """The worker ignores every signal, and has a child that does so as well."""
    program = """
import sys
from tests.workers.pythons import python_worker
with python_worker(sys.argv[1]) as worker:
    child = worker.run(
        "import os, signal, time\\n"
        "for n in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:\\n"
        "    signal.signal(n, signal.SIG_IGN)\\n"
        "result = os.fork()\\n"
        "if result == 0:\\n"
        "    time.sleep(600)\\n"
    )
    print(worker.pool.worker().pid, child, flush=True)
    sys.stdin.read()
"""
    require_python(version)
    root = Path(__file__).parent.parent.parent
    with subprocess.Popen(
        [sys.executable, "-c", program, version],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as host:
        assert host.stdout is not None
        processes = list(map(int, host.stdout.readline().split()))
        os.kill(host.pid, signal.SIGKILL)
    assert 2 == len(processes)
    assert all(await_end(process) for process in processes)


def test_every_thread_learns_of_the_end(worker: PythonWorker):
    sleep = worker.function(SAMPLE + "sleep")
    sleep(0)
    with ThreadPoolExecutor(4) as executor:
        futures = [executor.submit(sleep, 60.0) for _ in range(4)]
        while worker.pool.worker().link.statistics()["in_flight"] < 4:
            time.sleep(0)
        worker.pool.worker().link.kill()
        assert [WorkerCrashedError] * 4 == [type(future.exception(10)) for future in futures]
    assert_recovers(worker)


# -------------------------------------------------------------------- Descriptors and signals


def test_a_library_that_closes_descriptors_leaves_the_channel(worker: PythonWorker):
    process = worker.pool.worker().pid
    worker.run("import os; os.closerange(3, 512)")
    assert_recovers(worker)
    with ThreadPoolExecutor(2) as executor:
        assert [5.0] * 20 == list(
            executor.map(lambda _: worker.function("math.hypot")(3, 4), range(20))
        )
    assert process == worker.pool.worker().pid


def test_one_that_closes_all_of_them_is_named(worker: PythonWorker):
    """What was answered before is an answer; the worker ends as soon as it notices."""
    running = worker.pool.worker()
    with suppress(WorkerCrashedError):
        worker.run("import os; os.closerange(3, os.sysconf('SC_OPEN_MAX'))")
    assert running.join(10)
    report = running.crash_report(None)
    assert "descriptors were closed" in "".join(getattr(report, "__notes__", ())), str(report)
    assert_recovers(worker)


@pytest.mark.parametrize(
    "source",
    [
        "import signal\n"
        "for n in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:\n"
        "    signal.signal(n, signal.SIG_IGN)",
        "import signal\n"
        "for n in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:\n"
        "    signal.signal(n, signal.SIG_DFL)",
        "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())",
        "import signal; signal.signal(signal.SIGALRM, lambda *_: 1 / 0); signal.alarm(1)",
    ],
    ids=["ignored", "default", "blocked", "alarm"],
)
def test_signal_handlers_of_a_library_leave_the_channel(worker: PythonWorker, source: str):
    worker.run(source)
    end = time.monotonic() + (1.5 if "alarm" in source else 0)
    while time.monotonic() < end:
        try:
            worker.function(SAMPLE + "sleep")(0.05)
        except ZeroDivisionError:
            break
    assert_recovers(worker)
    worker.pool.worker().stop(10)
    assert_recovers(worker)


# --------------------------------------------------------------------------------- Child processes


def test_a_forked_child_neither_serves_nor_answers(worker: PythonWorker):
    process = worker.pool.worker().pid
    fork = worker.run("import os; result = os.fork")
    children = [fork() for _ in range(5)]
    assert 0 not in children
    assert 5 == len(set(children))
    assert all(await_end(child) for child in children)
    assert process == worker.pool.worker().pid
    assert_recovers(worker)


def test_a_forked_child_reaches_no_object_of_the_host(worker: PythonWorker):
    source = """
import os
def fork_and_call(function):
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            told = str(function())
        except RuntimeError as error:
            told = str(error)
        os.write(writer, told.encode())
        os._exit(0)
    os.close(writer)
    return os.read(reader, 1000).decode()
result = fork_and_call
"""
    calls: list[int] = []
    told = worker.run(source)(lambda: calls.append(1))
    assert "forked from a worker" in told
    assert [] == calls
    assert_recovers(worker)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_works_inside(worker: PythonWorker, method: str):
    source = f"""
import multiprocessing, math
context = multiprocessing.get_context({method!r})
with context.Pool(2) as pool:
    result = pool.map(math.sqrt, [1.0, 4.0, 9.0])
"""
    assert [1.0, 2.0, 3.0] == worker.run(source)
    assert_recovers(worker)


def test_children_end_with_their_worker(worker: PythonWorker):
    child = worker.run("import subprocess; result = subprocess.Popen(['sleep', '600']).pid")
    worker.pool.worker().stop()
    assert await_end(child)
    assert_recovers(worker)


def test_children_end_with_a_worker_that_crashes(worker: PythonWorker):
    source = "import multiprocessing as m, time\np = m.get_context('fork').Process(\n"
    child = worker.run(source + "    target=time.sleep, args=(600,))\np.start()\nresult = p.pid")
    with pytest.raises(WorkerCrashedError, match="signal SIGABRT"):
        worker.run("import os; os.abort()")
    assert await_end(child)
    assert_recovers(worker)


def test_a_child_that_crashes_is_the_librarys_matter(worker: PythonWorker):
    source = "import multiprocessing as m, os\np = m.get_context('fork').Process(target=os.abort)\n"
    assert -signal.SIGABRT == worker.run(source + "p.start()\np.join()\nresult = p.exitcode")
    assert_recovers(worker)


# --------------------------------------------------------------------------------- Input, output


def test_reading_standard_input_ends_at_once(worker: PythonWorker):
    with pytest.raises(EOFError):
        worker.run("input()")
    assert_recovers(worker)


def test_huge_output_passes(worker: PythonWorker, capfd: pytest.CaptureFixture[str]):
    worker.run("print('x' * 5_000_000)")
    assert reaches(5_000_001, lambda: os.fstat(1).st_size)
    assert capfd.readouterr().out.count("x") == 5_000_000
    assert_recovers(worker)


def test_output_of_a_library_that_never_stops_holds_no_call_up(worker: PythonWorker):
    """Nobody reads the output of this host, which is no reason for a call to wait for ever."""
    source = "import os, threading\ndef go():\n    while True: os.write(1, b'x' * 65536)\n"
    worker.run(source + "threading.Thread(target=go, daemon=True).start()")
    for _ in range(20):
        assert 5.0 == worker.function("math.hypot")(3, 4)
    worker.pool.worker().stop()
    assert_recovers(worker)


def test_the_last_words_are_in_the_report(worker: PythonWorker):
    with pytest.raises(WorkerCrashedError) as caught:
        worker.run("import os, sys; print('about to end', file=sys.stderr); os.abort()")
    assert "about to end" in "".join(caught.value.__notes__)


@pytest.mark.parametrize(
    "read", ["sys.stdin.read()", "os.read(0, 10)", "sys.stdin.buffer.read()", "list(sys.stdin)"]
)
def test_there_is_nothing_to_read(worker: PythonWorker, read: str):
    assert len(worker.run(f"import os, sys; result = {read}")) == 0
    assert_recovers(worker)


def test_a_limit_on_memory_is_an_error_and_not_the_end(version: str):
    with noodle.deadline(LIMIT), python_worker(version, memory_bytes=400 * 10**6) as worker:
        with pytest.raises(MemoryError) as caught:
            worker.run("bytearray(1 << 30)")
        assert "may have at most 400 MB of memory" in "".join(caught.value.__notes__)
        assert_recovers(worker)


def test_an_end_for_want_of_memory_names_limit_library_and_function(version: str, tmp_path: Path):
    source = """
import os, traceback
def hungry():
    try:
        kept = [bytearray(b"x" * 10**7) for _ in range(100)]
    except MemoryError:
        traceback.print_exc()
        os._exit(1)
def well(): return "well"
"""
    (tmp_path / "fragile.py").write_text(source, encoding="utf-8")
    options = {"interpreter": str(require_python(version)), "memory": "200 MB"}
    fragile = noodle.load(f"{tmp_path}/fragile.py", placement="isolated", **options)
    with pytest.raises(MemoryLimitError) as caught, noodle.deadline(LIMIT):
        fragile.hungry()
    assert "ran out of memory during hungry" in caught.value.summary
    assert "at most 200 MB" == caught.value.expected
    assert "fragile.py.hungry, process " in str(caught.value.where)
    assert "well" == fragile.well()
    noodle.unload(fragile)


def test_results_that_cannot_be_sent_are_errors(worker: PythonWorker):
    for source in (
        "result = 1 << 600_000",
        "class Odd:\n    def __str__(self): raise ValueError\n"
        "    __repr__ = __str__\nraise Exception(Odd())",
        "class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd",
    ):
        with pytest.raises(RemoteCallError):
            worker.run(source)
    odd = "class Odd:\n    __class__ = property(lambda s: 1 / 0)\nresult = Odd()"
    assert worker.run(odd) is not None
    assert_recovers(worker)
