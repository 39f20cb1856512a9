"""What goes wrong: hosts that die, stop, compute for ever, or talk nonsense. Nothing hangs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.clients.node.programs import HERE, SAMPLES, JavaScriptError, Program, run_script

STARTED = f"""
  const host = await noodle.start({{ directory: "{SAMPLES}", grace: 300 }});
  const sample = await host.load("./sample.py");
  const named = (error) => error.name;
"""


def run(source: str, directory: Path) -> list[str]:
    """Run a script with a host of its own; return the lines that it prints."""
    return run_script(f"{STARTED}{source}\nawait host.close();", directory).stdout.splitlines()


@pytest.mark.parametrize(
    ("death", "received"),
    [
        ("sample.process_id().then((pid) => process.kill(pid, 'SIGKILL'))", "killed by SIGKILL"),
        ("sample.end(3)", "exit code 3"),
        ("host.load('python:ctypes').then((c) => c.string_at(0))", "killed by SIGSEGV"),
    ],
)
def test_a_host_that_dies_ends_every_call_with_what_happened(
    tmp_path: Path, death: str, received: str
):
    lines = run(
        f"""
        const calls = [sample.slow(60), sample.never(), sample.call(() => new Promise(() => {{}}))];
        const ended = Promise.all(calls.map((call) => call.catch((error) => error)));
        {death}.catch(() => {{}});
        for (const error of await ended) {{
          console.log([error.name, error.received, error.summary].join("|"));
        }}
        console.log((await sample.echo("again")));""",
        tmp_path,
    )
    during = "the Noodle host ended during ./sample.py."
    assert lines == [
        *(f"HostCrashedError|{received}|{during}{name}" for name in ("slow", "never", "call")),
        "again",
    ]


def test_after_a_crash_libraries_are_loaded_anew_and_objects_are_gone(tmp_path: Path):
    assert run(
        """
        const pid = await sample.process_id();
        const counter = await sample.Counter(1);
        const echo = await sample.echo;
        await sample.end(1).catch(named);
        console.log(pid !== await sample.process_id());
        for (const use of [() => counter.value, () => echo(1), () => sample.told(counter)]) {
          console.log(await Promise.resolve().then(use).catch(named));
        }
        console.log(await (await sample.Counter(2)).value);
        const both = await Promise.all([sample.echo(1), sample.told(sample.values)]);
        console.log(both.length);""",
        tmp_path,
    ) == ["true", *["ReferenceReleasedError"] * 3, "2", "2"]


def test_a_library_that_could_not_be_loaded_anew_is_tried_again_by_the_next_call(tmp_path: Path):
    """Meanwhile each call fails by itself, those too whose arguments fail for the same reason."""
    (tmp_path / "own.py").write_text("import os\nvalue = 5\ndef end(): os._exit(1)\n"
                                     "def echo(value): return value\n")  # fmt: skip
    lines = run(
        f"""
        const {{ renameSync }} = await import("node:fs");
        const own = await host.load("{tmp_path}/own.py");
        renameSync("own.py", "away.py");
        await own.end().catch(named);
        console.log(await own.echo(1).catch(named));
        console.log(await own.echo(own.value).catch(named));
        renameSync("away.py", "own.py");
        console.log(await own.echo(own.value));""",
        tmp_path,
    )
    assert lines == ["TargetError", "TargetError", "5"]


def test_a_host_that_crashes_again_and_again_is_not_started_for_a_while(tmp_path: Path):
    lines = run(
        """
        for (let turn = 0; turn < 7; turn++) {
          console.log(await sample.end(1).catch(named));
        }""",
        tmp_path,
    )
    assert lines == ["HostCrashedError"] * 5 + ["InstanceUnavailableError"] * 2


def test_a_program_goes_on_when_a_host_dies_that_it_does_not_wait_for(tmp_path: Path):
    lines = run(
        """
        process.kill(await sample.process_id(), "SIGKILL");
        while ((await sample.echo(1).catch(named)) !== 1);
        console.log("goes on");""",
        tmp_path,
    )
    assert lines == ["goes on"]


@pytest.mark.parametrize("stuck", ["process.kill(pid, 'SIGSTOP')", "sample.busy().catch(() => {})"])
def test_a_host_that_does_not_answer_is_ended_after_the_grace(tmp_path: Path, stuck: str):
    """The deadline ends the call at once; a host that then gives no sign of life is replaced."""
    lines = run(
        f"""
        const pid = await sample.process_id();
        const other = sample.never().catch((error) => error.received);
        {stuck};
        const started = performance.now();
        const error = await sample.echo.$options({{ deadline: 100 }})(1).catch((error) => error);
        const took = performance.now() - started;
        console.log(error.name, took >= 99 && took < 5000);
        console.log(await other);
        console.log((await sample.process_id()) !== pid);""",
        tmp_path,
    )
    assert lines[0] == "DeadlineExceededError true"
    assert lines[1].startswith("killed by SIGKILL: it was ended: no answer for 300 ms after the")
    assert lines[2] == "true"


def test_a_slow_call_is_no_reason_to_end_a_host(tmp_path: Path):
    assert run(
        """
        const pid = await sample.process_id();
        console.log(await sample.slow.$options({ deadline: 50 })(1.5).catch(named));
        console.log(await sample.slow(0.5));
        console.log((await sample.process_id()) === pid);""",
        tmp_path,
    ) == ["DeadlineExceededError", "0.5", "true"]


def test_the_child_of_a_fork_cannot_call_and_does_not_answer(program: Program):
    assert program.run("""
      const sample = await load("./sample.py");
      const results = [await sample.fork_and_call(() => 1), await sample.fork_and_return()];
      return [...results, await sample.echo("goes on")];
    """) == ["ForkedProcessError", "parent", "goes on"]


# ---------------------------------------------------------------------------- A strange host


def told_by(behaviour: str, directory: Path, options: str = "") -> str:
    """Return what becomes of a call to a host that misbehaves in one way."""
    command = [sys.executable, str(HERE / "fake_host.py"), behaviour]
    source = f"""
      try {{
        const host = await noodle.start({{ command: {command}, {options} }});
        console.log(String(await host.stats()));
        await host.close();
      }} catch (error) {{
        console.log(error.name + ": " + error.message);
      }}
    """
    return run_script(source, directory).stdout


@pytest.mark.parametrize("behaviour", ["old stream", "old wire"])
def test_another_version_of_the_protocol_is_an_error_that_names_both(
    tmp_path: Path, behaviour: str
):
    told = told_by(behaviour, tmp_path)
    assert told.startswith("VersionError: this client and the installed Noodle do not speak")
    assert "expected: version 1 of the stream, 2 of the wire format" in told
    assert "of Noodle 9.9.9" in told
    assert "where:    /usr/bin/python3.99" in told


@pytest.mark.parametrize(
    ("behaviour", "text"),
    [
        ("no greeting", "before it was ready"),
        ("garbage", "its header is none"),
        ("bad payload", "is not MessagePack"),
        ("two values", "bytes follow the message"),
        ("a call", "a frame that no host sends"),
        ("closes", "SIGKILL"),
    ],
)
def test_a_host_that_talks_nonsense_is_ended(tmp_path: Path, behaviour: str, text: str):
    told = told_by(behaviour, tmp_path)
    assert told.startswith("HostCrashedError: ")
    assert text in told


def test_an_answer_that_nobody_waits_for_is_dropped(tmp_path: Path):
    assert told_by("unknown answer", tmp_path) == "5\n"


def test_a_host_that_never_greets_is_ended_in_time(tmp_path: Path):
    told = told_by("silent", tmp_path, "startTimeout: 200")
    assert told.startswith("DeadlineExceededError: the Noodle host was not ready in time")


# ----------------------------------------------------------------------------- Large messages


@pytest.mark.parametrize("made", ["new Uint8Array(2 ** 31 + 8)", "Buffer.alloc(2 ** 31 + 8)"])
def test_a_message_larger_than_the_limit_is_refused_before_it_is_copied(
    program: Program, made: str
):
    with pytest.raises(JavaScriptError, match=r"too large|more bytes than the limit") as caught:
        program.run(f"""
          const sample = await load("./sample.py");
          return sample.echo({made});
        """)
    assert caught.value.name == "InputLimitError"


def test_what_could_not_be_sent_holds_nothing_of_the_program(program: Program):
    assert (
        program.run("""
      const { setFlagsFromString } = await import("node:v8");
      const { runInNewContext } = await import("node:vm");
      setFlagsFromString("--expose-gc");
      const collect = runInNewContext("gc");
      const sample = await load("./sample.py");
      const fail = (unfit) => {
        const callback = () => 1;
        return [new WeakRef(callback), sample.echo([callback, unfit]).catch((error) => error.name)];
      };
      const found = [];
      for (const unfit of [Symbol("it"), new Uint8Array(2 ** 31 + 8)]) {
        const [weak, failed] = fail(unfit);
        found.push(await failed);
        for (let turn = 0; turn < 100 && weak.deref() !== undefined; turn++) {
          await new Promise(setImmediate);
          collect();
        }
        found.push(weak.deref() === undefined);
      }
      return found;
    """)
        == ["InputLimitError", True] * 2
    )


def test_a_result_larger_than_the_limit_is_refused_and_the_host_goes_on(program: Program):
    """The memory is never touched, neither here nor there."""
    with pytest.raises(JavaScriptError, match="too large") as caught:
        program.run("""
          const np = await load("numpy");
          return np.zeros(2 ** 31 + 8, noodle.named({ dtype: "uint8" }));
        """)
    assert caught.value.name == "InputLimitError"
    assert program.run('return (await load("numpy")).add(1, 2);') == 3


def test_a_message_of_many_megabytes_passes(program: Program):
    assert program.run("""
      const sample = await load("./sample.py");
      const text = await sample.echo("ü".repeat(5_000_000));
      const list = await sample.echo(Array.from({ length: 300_000 }, (_, n) => n / 2));
      return [text.length, list.length, list.at(-1)];
    """) == [5_000_000, 300_000, 149_999.5]
