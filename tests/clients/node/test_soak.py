"""The client for a long time: memory stays flat, and faults end well however often they come."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients.node.programs import SAMPLES, run_script

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_memory_stays_flat_over_many_calls_objects_and_callbacks(tmp_path: Path):
    """Of both processes; and no object stays on either side."""
    done = run_script(
        f"""
        import {{ readFileSync }} from "node:fs";
        import {{ setFlagsFromString }} from "node:v8";
        import {{ runInNewContext }} from "node:vm";
        setFlagsFromString("--expose-gc");
        const collect = runInNewContext("gc");
        const host = await noodle.start({{ directory: "{SAMPLES}" }});
        const sample = await host.load("./sample.py");
        const gc = await host.load("python:gc");
        const pid = await sample.process_id();
        const resident = (id) => Number(/VmRSS:\\s+(\\d+)/.exec(
          readFileSync(`/proc/${{id}}/status`, "utf8"))[1]) / 1024;
        const array = new Float64Array(20_000);
        const round = async () => {{
          for (let batch = 0; batch < 20; batch++) {{
            await Promise.all(Array.from({{ length: 1000 }}, (_, n) => sample.echo([n, "text"])));
            await Promise.all(Array.from({{ length: 200 }}, (_, n) => sample.Counter(n)));
            await Promise.all(Array.from({{ length: 50 }}, (_, n) => sample.call((m) => m, n)));
            await sample.echo(array);
            await sample.fail().catch(() => {{}});
          }}
          for (let turn = 0; turn < 20; turn++) {{
            collect();
            await gc.collect();
            await new Promise((resolve) => setTimeout(resolve, 5));
          }}
        }};
        await round();
        await round();
        // V8 lets its young generation grow and keeps the room; the client has no native code.
        const used = () => {{
          const {{ heapUsed, external }} = process.memoryUsage();
          return (heapUsed + external) / 1024 / 1024;
        }};
        const before = [resident(pid), used()];
        for (let turn = 0; turn < 10; turn++) await round();
        const after = [resident(pid), used()];
        const {{ references, client_references }} = await host.stats();
        console.log(JSON.stringify([after.map((now, index) => now - before[index]),
          references, client_references]));
        await host.close();""",
        tmp_path,
        seconds=800,
    )
    (host, program), references, client_references = json.loads(done.stdout)
    assert host < 8
    assert program < 2
    assert references < 20
    assert client_references < 20


@pytest.mark.parametrize("fault", ["SIGKILL", "SIGSEGV", "SIGSTOP"])
def test_a_fault_ends_well_fifty_times(tmp_path: Path, fault: str):
    """Each time in a host of its own, since one that crashes too often is not started again."""
    done = run_script(
        f"""
        for (let turn = 0; turn < 50; turn++) {{
          const host = await noodle.start({{ directory: "{SAMPLES}", grace: 100 }});
          const sample = await host.load("./sample.py");
          const pid = await sample.process_id();
          const never = () => new Promise(() => {{}});
          const calls = [sample.slow(60), sample.never(), sample.call(never)];
          const ended = Promise.all(calls.map((call) => call.catch((error) => error.name)));
          process.kill(pid, "{fault}");
          await sample.echo.$options({{ deadline: 50 }})(1).catch(() => {{}});
          const names = await ended;
          if (names.some((name) => name !== "HostCrashedError")) throw new Error(names);
          if ((await sample.echo(turn)) !== turn) throw new Error("no new host");
          await host.close();
        }}
        console.log("fifty");""",
        tmp_path,
        seconds=800,
    )
    assert done.stdout == "fifty\n"
