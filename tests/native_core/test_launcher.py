"""The launcher, with real processes: what a worker is given, and how a failure is told."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.native_core.core_programs import NATIVE, TESTS, build_once

FAILED, NOT_EXECUTED = 126, 127


@pytest.fixture(scope="module")
def launcher(programs: Path) -> Path:
    sources = [NATIVE / "launcher" / "launcher.c"]
    return build_once(programs, "noodle-launcher", sources, "-O2", "-static")


@pytest.fixture(scope="module")
def probe(programs: Path) -> Path:
    return build_once(programs, "probe", [TESTS / "probe.c"], "-O2")


class Launch:
    """One run of the launcher, with the status and the output as they came."""

    def __init__(self, launcher: Path, *arguments: str, parent: int | None = None) -> None:
        status, status_end = os.pipe()
        output, output_end = os.pipe()
        os.set_inheritable(status_end, True)
        os.set_inheritable(output_end, True)
        self.process = subprocess.Popen(
            [
                launcher,
                f"--parent={os.getpid() if parent is None else parent}",
                f"--status={status_end}",
                f"--stdout={output_end}",
                *arguments,
            ],
            close_fds=False,
            env={"SECRET": "from the environment", "NOT_ALLOWED": "no"},
        )
        os.close(status_end)
        os.close(output_end)
        with os.fdopen(status, encoding="utf-8") as file:
            self.status = file.read()
        self.output = os.fdopen(output, encoding="utf-8")

    def finish(self) -> tuple[int, str, str]:
        """Return exit code, status line and output."""
        with self.output:
            text = self.output.read()
        return self.process.wait(), self.status, text


def facts(text: str) -> dict[str, list[str]]:
    found = defaultdict(list)
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        found[name].append(value)
    return found


def inheritable() -> int:
    """A descriptor that a careless child would inherit."""
    descriptor = os.open("/dev/zero", os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    return descriptor


@pytest.fixture
def report(launcher: Path, probe: Path) -> dict[str, list[str]]:
    """What a worker with all four descriptors and two variables finds."""
    leak = inheritable()
    # In the reverse order of their targets, and overlapping them: the worst to rearrange.
    ends = [os.memfd_create(name, 0) for name in ("lifeline", "event", "socket", "control")]
    for end in ends:
        os.set_inheritable(end, True)
    names = ("lifeline", "event", "socket", "control")
    options = [f"--{name}={end}" for name, end in zip(names, ends, strict=True)]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        launch = Launch(
            launcher,
            *options,
            "--env=A=1",
            "--env=SECRET",
            "--env=B=x=y z",
            "--directory=/usr",
            "--limit-data=1000000000",
            "--limit-files=200",
            "--",
            str(probe),
            "report",
            "two words",
        )
        code, status, text = launch.finish()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
        for fd in (leak, *ends):
            os.close(fd)
    assert (0, "") == (code, status)
    return facts(text)


def test_the_environment_is_exactly_the_list(report: dict[str, list[str]]):
    assert ["A=1", "SECRET=from the environment", "B=x=y z"] == report["variable"]


def test_there_are_no_descriptors_but_the_given_ones(report: dict[str, list[str]]):
    numbers = [line.split()[0] for line in report["descriptor"]]
    targets = {line.split()[0]: line.split()[1] for line in report["descriptor"]}
    assert ["0", "1", "2", "3", "4", "5", "6"] == numbers
    assert ("/dev/null", "/dev/null") == (targets["0"], targets["2"])
    assert targets["1"].startswith("pipe:")
    given = ["/memfd:control", "/memfd:socket", "/memfd:event", "/memfd:lifeline"]
    assert given == [targets[number] for number in "3456"]


def test_the_worker_leads_a_session_and_dies_with_its_parent(report: dict[str, list[str]]):
    assert ["1"] == report["session"]
    assert [str(int(signal.SIGKILL))] == report["death"]


def test_every_signal_has_its_default(report: dict[str, list[str]]):
    """Python ignores SIGPIPE, and the parent blocks SIGUSR1: neither is passed on."""
    assert ["0"] == report["signals"]


def test_directory_arguments_and_limits_are_the_given_ones(report: dict[str, list[str]]):
    assert ["/usr"] == report["directory"]
    assert ["report", "two words"] == report["argument"]
    limits = ["core 0 0", "data 1000000000 1000000000", "files 200 200"]
    assert limits == report["limit"]


def test_what_is_not_given_is_closed(launcher: Path, probe: Path):
    code, status, text = Launch(launcher, "--", str(probe), "report").finish()
    assert (0, "") == (code, status)
    assert ["0", "1", "2"] == [line.split()[0] for line in facts(text)["descriptor"]]
    assert ["/"] == facts(text)["directory"]
    assert [] == facts(text)["variable"]


def test_a_program_that_is_not_there_is_reported(launcher: Path):
    code, status, text = Launch(launcher, "--", "/no/such/program").finish()
    assert (NOT_EXECUTED, "") == (code, text)
    assert f"exec {errno.ENOENT} No such file or directory: /no/such/program\n" == status


def test_a_program_that_is_no_program_is_reported(launcher: Path, tmp_path: Path):
    (tmp_path / "text").write_text("no program")
    (tmp_path / "text").chmod(0o700)
    code, status, _ = Launch(launcher, "--", str(tmp_path / "text")).finish()
    assert NOT_EXECUTED == code
    assert status.startswith(f"exec {errno.ENOEXEC} ")


def test_a_parent_that_has_ended_ends_the_launcher(launcher: Path, probe: Path):
    code, status, text = Launch(launcher, "--", str(probe), "report", parent=2**22).finish()
    assert (FAILED, "") == (code, text)
    assert f"parent {errno.ESRCH} No such process: the parent has ended\n" == status


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--colour=red", "--", "/bin/true"], "arguments 22 Invalid argument: --colour=red\n"),
        (
            ["--limit-data=-1", "--", "/bin/true"],
            "arguments 22 Invalid argument: --limit-data=-1\n",
        ),
        (["--env=UNSET", "--", "/bin/true"], "arguments 22 Invalid argument: --env=UNSET\n"),
        (["--env==x", "--", "/bin/true"], "arguments 22 Invalid argument: --env==x\n"),
        (["--"], "arguments 22 Invalid argument: expected -- PROGRAM\n"),
        ([], "arguments 22 Invalid argument: expected -- PROGRAM\n"),
        (
            ["--directory=/no/such", "--", "/bin/true"],
            "directory 2 No such file or directory: /no/such\n",
        ),
        (
            ["--control=900", "--", "/bin/true"],
            "descriptors 9 Bad file descriptor: one that was given is not open\n",
        ),
    ],
)
def test_a_mistake_is_one_line_on_the_status_descriptor(
    launcher: Path, arguments: list[str], line: str
):
    code, status, _ = Launch(launcher, *arguments).finish()
    assert (FAILED, line) == (code, status)


def test_a_long_or_broken_text_stays_one_line(launcher: Path):
    _, status, _ = Launch(launcher, "--", "/no\nsuch/" + "x" * 2000).finish()
    assert 1 == status.count("\n")
    assert status.startswith("exec 2 No such file or directory: /no such/x")
    assert 512 > len(status)


HOST = """
import os, subprocess, sys
launcher, probe = sys.argv[1:]
status, status_end = os.pipe()
command = [launcher, f"--parent={os.getpid()}", f"--status={status_end}", "--stdout=1", "--",
           probe, "wait"]
subprocess.Popen(command, pass_fds=[status_end])
os.close(status_end)
assert os.read(status, 1) == b""
os.close(1)
sys.stdin.read()
"""


def test_the_worker_dies_when_its_parent_is_killed(launcher: Path, probe: Path):
    """The pipe ends only when the worker, its last writer, is gone."""
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, launcher, probe],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with host:
        assert host.stdout is not None
        worker = int(host.stdout.readline())
        os.kill(worker, 0)
        host.kill()
        assert "" == host.stdout.read()
