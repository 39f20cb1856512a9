"""Hosts from their start to their end: found, started, several, ended with their program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.node.programs import (
    CLIENT,
    SAMPLES,
    SECONDS,
    environment,
    is_alive,
    run_script,
    wait_until_gone,
)
from tests.native_core.wire_peers import NODE

SAMPLE = f'const sample = await noodle.load("{SAMPLES / "sample.py"}");'


class Started:
    """A program that runs until it is ended, and what it has printed first."""

    def __init__(self, source: str, directory: Path, **variables: str) -> None:
        script = directory / "running.mjs"
        script.write_text(f'import * as noodle from "{CLIENT / "index.mjs"}";\n{source}\n')
        self.process = subprocess.Popen(
            [NODE, script],
            cwd=directory,
            env=environment(**variables),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline().strip()

    def end(self, number: int) -> None:
        self.process.send_signal(number)
        self.process.wait(SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()


# ------------------------------------------------------------------------- With the program


def test_a_program_that_has_nothing_more_to_do_ends_and_so_does_its_host(tmp_path: Path):
    done = run_script(
        f"{SAMPLE} await sample.hold(() => 1); console.log(await sample.process_id());", tmp_path
    )
    wait_until_gone(int(done.stdout))


def test_a_program_waits_for_its_calls(tmp_path: Path):
    done = run_script(f"{SAMPLE} sample.slow(0.3).then(console.log);", tmp_path)
    assert done.stdout == "0.3\n"


def test_the_exit_handlers_of_python_run_when_the_program_just_exits(tmp_path: Path):
    done = run_script(
        f"""{SAMPLE}
        const atexit = await noodle.load("python:atexit");
        const builtins = await noodle.load("python:builtins");
        await atexit.register(builtins.print, "finished in order");
        console.log(await sample.process_id());
        process.exit(5);""",
        tmp_path,
        check=False,
    )
    pid, *rest = done.stdout.splitlines()
    wait_until_gone(int(pid))
    assert (done.returncode, rest) == (5, ["finished in order"])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_program_that_is_killed_takes_its_host_and_the_workers_of_that_along(
    tmp_path: Path, number: int
):
    program = Started(
        f"""{SAMPLE}
        const worker = await noodle.load("node:process");
        console.log(await sample.process_id(), await worker.pid);
        setInterval(() => {{}}, 1000);""",
        tmp_path,
    )
    pids = [int(pid) for pid in program.line.split()]
    assert len(set(pids)) == 2
    assert all(map(is_alive, pids))
    program.end(number)
    wait_until_gone(*pids)


def test_a_host_that_computes_without_end_is_ended_with_its_program(tmp_path: Path):
    """No thread of Python runs there any more, so that none could see the program's end."""
    program = Started(
        f"""{SAMPLE}
        const pid = await sample.process_id();
        sample.busy(() => console.log(pid));""",
        tmp_path,
    )
    program.end(signal.SIGKILL)
    wait_until_gone(int(program.line))


def test_a_host_lives_as_long_as_the_thread_that_started_it(tmp_path: Path):
    (tmp_path / "thread.mjs").write_text(
        f"""import * as noodle from "{CLIENT / "index.mjs"}";
        import {{ parentPort }} from "node:worker_threads";
        {SAMPLE}
        parentPort.postMessage(await sample.process_id());
        setInterval(() => {{}}, 1000);"""
    )
    done = run_script(
        f"""import {{ readFileSync }} from "node:fs";
        import {{ Worker }} from "node:worker_threads";
        {SAMPLE}
        const thread = new Worker(new URL("./thread.mjs", import.meta.url));
        const pid = await new Promise((resolve) => thread.on("message", resolve));
        console.log(pid, await sample.process_id());
        await thread.terminate();
        // Node.js takes note of the children of its main thread only.
        while (/\\) [^Z]/.test(readFileSync(`/proc/${{pid}}/stat`, "utf8"))) {{
          await new Promise((resolve) => setTimeout(resolve, 10));
        }}
        console.log(await sample.echo("still here"));""",
        tmp_path,
    )
    pids, last = done.stdout.splitlines()
    assert len(set(pids.split())) == 2
    assert last == "still here"


# ------------------------------------------------------------------------------------- Close


def test_close_ends_the_host_in_order_and_refuses_what_comes_later(tmp_path: Path):
    done = run_script(
        f"""
        const host = await noodle.start({{ directory: "{SAMPLES}" }});
        const sample = await host.load("./sample.py");
        const pid = await sample.process_id();
        const waiting = sample.never().catch((error) => error.name);
        await host.close();
        await host.close();
        console.log(await waiting);
        console.log(await sample.echo(1).catch((error) => error.name));
        console.log(await host.load("numpy").catch((error) => error.name));
        try {{ process.kill(pid, 0); console.log("alive"); }} catch {{ console.log("gone"); }}""",
        tmp_path,
    )
    assert done.stdout.split() == ["InstanceUnavailableError"] * 3 + ["gone"]


def test_close_does_not_wait_for_ever(tmp_path: Path):
    done = run_script(
        f"""
        const host = await noodle.start({{ directory: "{SAMPLES}", grace: 200 }});
        const sample = await host.load("./sample.py");
        let begun;
        const busy = new Promise((resolve) => (begun = resolve));
        const call = sample.busy(() => begun()).catch((error) => error.name);
        await busy;
        await host.close();
        console.log(await call);""",
        tmp_path,
    )
    assert done.stdout.split() == ["InstanceUnavailableError"]


def test_await_using_closes_a_host(tmp_path: Path):
    done = run_script(
        f"""
        const host = await noodle.start({{ directory: "{SAMPLES}" }});
        const sample = await host.load("./sample.py");
        await host[Symbol.asyncDispose]();
        console.log(await sample.echo(1).catch((error) => error.message));""",
        tmp_path,
    )
    assert done.stdout == "this Noodle was closed\n"


def test_the_shared_host_can_be_closed_and_comes_again(tmp_path: Path):
    done = run_script(
        f"""{SAMPLE}
        const first = await sample.process_id();
        await noodle.close();
        const again = await noodle.load("{SAMPLES / "sample.py"}");
        console.log(first !== await again.process_id());
        await noodle.close();""",
        tmp_path,
    )
    assert done.stdout == "true\n"


def test_several_hosts_are_independent(tmp_path: Path):
    done = run_script(
        f"""
        const hosts = await Promise.all([1, 2, 3].map(() =>
          noodle.start({{ directory: "{SAMPLES}" }})));
        const samples = await Promise.all(hosts.map((host) => host.load("./sample.py")));
        const pids = await Promise.all(samples.map((sample) => sample.process_id()));
        await hosts[0].close();
        const counter = await samples[1].Counter(5);
        const other = await samples[2].told(counter).catch((error) => error.message);
        console.log(new Set(pids).size, await samples[2].echo(1), other.split("\\n")[0]);
        await Promise.all(hosts.map((host) => host.close()));""",
        tmp_path,
    )
    assert done.stdout == "3 1 Counter belongs to another host\n"


# ------------------------------------------------------------------------------------- Output


def test_what_python_prints_comes_out_where_the_program_prints(tmp_path: Path):
    done = run_script(
        """
        const builtins = await noodle.load("python:builtins");
        await builtins.print("to standard output");
        console.log("from Node.js");
        const sys = await noodle.load("python:sys");
        await sys.stderr.write("to standard error\\n");
        console.log(await sys.stdin.read());""",
        tmp_path,
    )
    assert done.stdout == "to standard output\nfrom Node.js\n\n"
    assert done.stderr == "to standard error\n"


def test_the_output_can_be_taken_by_a_function_or_a_stream_or_nobody(tmp_path: Path):
    done = run_script(
        """
        import { Writable } from "node:stream";
        let text = "";
        const stream = new Writable({ write(chunk, _, done) { text += chunk; done(); } });
        const host = await noodle.start({ stdout: (part) => (text += part), stderr: stream });
        const builtins = await host.load("python:builtins");
        const sys = await host.load("python:sys");
        await builtins.print("one");
        await sys.stderr.write("two");
        while (!text.includes("two")) await new Promise(setImmediate);
        await host.close();
        const quiet = await noodle.start({ stdout: "ignore" });
        await (await quiet.load("python:builtins")).print("three");
        await quiet.close();
        console.log(JSON.stringify(text));""",
        tmp_path,
    )
    assert done.stdout in ('"one\\ntwo"\n', '"twoone\\n"\n')


# -------------------------------------------------------------------------------- Which Python


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python in which Noodle is not installed."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=True)
    return folder / "bin" / "python"


def tried(source: str, directory: Path, **variables: str) -> str:
    """Return the error that a load ends with, or ``started``."""
    script = f"""
      try {{ {source} }} catch (error) {{
        console.log(error.name + ": " + error.message);
        process.exit();
      }}
      console.log("started");"""
    return run_script(script, directory, **variables).stdout


LOAD = 'await noodle.load("python:json");'


def test_a_python_without_noodle_is_named_with_what_to_type(tmp_path: Path, bare_python: Path):
    told = tried(LOAD, tmp_path, NOODLE_PYTHON=str(bare_python))
    assert "MissingPackageError: Noodle is not installed in this Python" in told
    assert f"where:    {bare_python} (from NOODLE_PYTHON)" in told
    assert f"try:      {bare_python} -m pip install noodle-ffi" in told


@pytest.mark.parametrize(
    ("code", "name", "text"),
    [
        (87, "VersionError", "this Python is too old for Noodle"),
        (88, "VersionError", "the Noodle in this Python is too old"),
        (1, "HostCrashedError", "exit code 1"),
    ],
)
def test_a_python_that_will_not_do_is_a_typed_error(
    tmp_path: Path, code: int, name: str, text: str
):
    """A script stands in for an old Python, which not every machine has."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexit {code}\n")
    python.chmod(0o755)
    told = tried(f'await noodle.start({{ python: "{python}" }});', tmp_path)
    assert told.startswith(f"{name}: ")
    assert text in told


@pytest.mark.parametrize(
    ("source", "variables", "text"),
    [
        (LOAD, {"NOODLE_PYTHON": "/no/such/python"}, "NOODLE_PYTHON names no program"),
        ('await noodle.start({ python: "/no/python" });', {}, "python names no program"),
        ('await noodle.start({ command: ["/no/program"] });', {}, "could not be started"),
        (LOAD, {"NOODLE_PYTHON": "", "PATH": "/nowhere"}, "there is no Python to start"),
    ],
)
def test_a_missing_python_is_a_typed_error(
    tmp_path: Path, source: str, variables: dict[str, str], text: str
):
    told = tried(source, tmp_path, **variables)
    assert told.startswith("MissingToolError: ")
    assert text in told


def test_the_pythons_are_tried_in_turn(tmp_path: Path, bare_python: Path):
    """Those of VIRTUAL_ENV and PATH are tried until one has Noodle; one that is named is not."""
    bare = {"NOODLE_PYTHON": "", "PATH": str(bare_python.parent)}
    assert tried(LOAD, tmp_path, **bare).startswith("MissingPackageError")
    assert tried(LOAD, tmp_path, **bare, VIRTUAL_ENV=sys.prefix) == "started\n"
    bare_environment = str(bare_python.parent.parent)
    both = {"NOODLE_PYTHON": "", "PATH": str(Path(sys.executable).parent)}
    assert tried(LOAD, tmp_path, **both, VIRTUAL_ENV=bare_environment) == "started\n"
    assert tried(LOAD, tmp_path, PATH=both["PATH"], NOODLE_PYTHON=str(bare_python)) != "started\n"


def test_modules_of_the_working_directory_stand_in_for_none(tmp_path: Path):
    """An editor may be opened in a folder that came from anywhere."""
    for name in ("json", "noodle", "socket"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken over')\n")
    assert tried(LOAD, tmp_path) == "started\n"


def test_the_configuration_is_looked_for_from_the_directory_up(tmp_path: Path):
    (tmp_path / "noodle.toml").write_text('[ffi.bridges.mine]\npath = "json"\n')
    inner = tmp_path / "inner"
    inner.mkdir()
    done = run_script(
        f"""
        const host = await noodle.start({{ directory: "{inner}" }});
        const mine = await host.load("mine");
        console.log(await mine.dumps([1]));
        await host.close();
        const other = await noodle.start({{ config: "{tmp_path}/none.toml" }});
        console.log(await other.load("mine").catch((error) => error.name));
        await other.close();""",
        inner,
    )
    assert done.stdout == "[1]\nSettingsError\n"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("{ pyton: '/usr/bin/python3' }", "python"),
        ("{ threads: 0 }", "a positive integer"),
        ("{ stdout: 1 }", '"inherit"'),
        ("{ python: 'a', command: ['b'] }", "either the option python or the option command"),
    ],
)
def test_a_wrong_option_of_a_host_is_refused(tmp_path: Path, options: str, text: str):
    told = tried(f"await noodle.start({options});", tmp_path)
    assert told.startswith("SettingsError: ")
    assert text in told


def test_a_command_starts_a_host_in_its_own_way(tmp_path: Path, noodle_command: list[str]):
    done = run_script(
        f"""
        const host = await noodle.start({{ command: {[*noodle_command, "host"]} }});
        console.log(await (await host.load("python:json")).dumps([1]));
        await host.close();""",
        tmp_path,
    )
    assert done.stdout == "[1]\n"


@pytest.fixture(autouse=True)
def no_host_stays() -> Iterator[None]:
    """Every test leaves no process behind that it has started."""
    yield
    deadline = time.monotonic() + SECONDS
    while left := [pid for pid in _children_of_none() if is_alive(pid)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.01)


def _children_of_none() -> list[int]:
    """Hosts of this interpreter whose program is gone."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError, IndexError):
            continue
        is_host = arguments[0] == os.fsencode(sys.executable) and b"noodle-host" in arguments
        if is_host and parent == 1:
            found.append(int(entry.name))
    return found
