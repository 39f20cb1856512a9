"""The package as npm packs it: what is in it, both ways to load it, its types, in an editor."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

import noodle
from tests.clients.node.programs import CLIENT, HERE, SECONDS, environment, wait_until_gone
from tests.native_core.wire_peers import NODE, NPM, install_from_npm

TYPESCRIPT = "5.9.3"


def run(arguments: list[str | Path], folder: Path, **variables: str) -> str:
    done = subprocess.run(
        [NODE, *arguments],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the packed package is installed, without a network."""
    folder = tmp_path_factory.mktemp("installed")
    cache = {"npm_config_cache": str(folder / "cache"), "npm_config_offline": "true"}
    packed = run([NPM, "pack", "--json", f"--pack-destination={folder}", CLIENT], folder, **cache)
    (folder / "packed.json").write_text(packed)
    (folder / "package.json").write_text('{"name": "program", "private": true}')
    name = json.loads(packed)[0]["filename"]
    run([NPM, "install", "--no-audit", "--no-fund", f"./{name}"], folder, **cache)
    return folder


def test_the_package_holds_what_it_needs_and_nothing_else(installed: Path):
    packed = json.loads((installed / "packed.json").read_text())[0]
    files = {file["path"] for file in packed["files"]}
    top = {path for path in files if "/" not in path}
    entries = {"index.js", "index.mjs", "index.d.ts", "index.d.mts"}
    assert top == entries | {"LICENSE", "README.md", "package.json"}
    in_checkout = {f"lib/{path.name}" for path in (CLIENT / "lib").iterdir()}
    assert files - top == in_checkout
    assert packed["version"] == noodle.__version__


def test_the_package_needs_no_other(installed: Path):
    modules = {path.name for path in (installed / "node_modules").iterdir()}
    assert modules == {".package-lock.json", "noodle-ffi"}
    manifest = json.loads((CLIENT / "package.json").read_text())
    assert {"dependencies", "scripts", "bin", "gypfile"} & manifest.keys() == set()


SUMS = """
  const np = await load("numpy");
  const c = await np.matmul([[1, 2], [3, 4]], [[5, 6], [7, 8]]);
  console.log([...c].join(), c.shape.join());
"""


def test_an_es_module_and_a_commonjs_module_load_it(installed: Path):
    (installed / "program.mjs").write_text(f'import {{ load }} from "noodle-ffi";\n{SUMS}')
    (installed / "program.cjs").write_text(
        f'const {{ load }} = require("noodle-ffi");\n(async () => {{ {SUMS} }})();'
    )
    for name in ("program.mjs", "program.cjs"):
        assert run([name], installed) == "19,22,43,50 2,2\n"


def test_both_ways_to_load_it_give_one_module(installed: Path):
    (installed / "both.mjs").write_text("""
      import { createRequire } from "node:module";
      import * as noodle from "noodle-ffi";
      const required = createRequire(import.meta.url)("noodle-ffi");
      const names = Object.keys(required).sort();
      console.log(names.every((name) => required[name] === noodle[name]),
        names.join() === Object.keys(noodle).sort().join());
    """)
    assert run(["both.mjs"], installed) == "true true\n"


def test_it_runs_without_native_code_and_child_processes_of_other_kinds(installed: Path):
    """What an editor's own Node.js refuses is not needed: no addon, no worker, no eval."""
    (installed / "plain.mjs").write_text(f"""
      import {{ load }} from "noodle-ffi";
      process.dlopen = () => {{ throw new Error("native code"); }};
      {SUMS}
    """)
    options = [
        "--no-addons",
        "--disallow-code-generation-from-strings",
        "--no-experimental-require-module",
    ]
    assert run([*options, "plain.mjs"], installed) == "19,22,43,50 2,2\n"


@pytest.mark.parametrize("module", ["node16", "bundler"])
def test_the_types_accept_what_is_right_and_refuse_what_is_wrong(installed: Path, module: str):
    try:
        compiler = install_from_npm("typescript", TYPESCRIPT) / "bin" / "tsc"
    except subprocess.SubprocessError as error:
        pytest.skip(f"npm could not install typescript: {error}")
    options = {
        "strict": True,
        "noEmit": True,
        "target": "es2022",
        "lib": ["es2022", "dom"],
        "types": [],
        "module": {"bundler": "esnext"}.get(module, module),
        "moduleResolution": module,
    }
    project = installed / module
    project.mkdir()
    (project / "types.mts").write_text((HERE / "types.ts").read_text())
    (project / "tsconfig.json").write_text(json.dumps({"compilerOptions": options}))
    run([compiler, "--project", "."], project)


def test_an_editor_extension_activates_runs_commands_and_deactivates(installed: Path):
    """The editor talks to a process that loads the extension, as editors do."""
    extension = installed / "node_modules" / "statistics-extension"
    extension.mkdir()
    for file in (HERE / "extension").iterdir():
        (extension / file.name).write_bytes(file.read_bytes())
    (installed / "editor.cjs").write_text(f"""
      const {{ fork }} = require("node:child_process");
      const child = fork({json.dumps(str(HERE / "extension_host.cjs"))},
        [{json.dumps(str(extension))}], {{ silent: true, execArgv: ["--no-addons"] }});
      const waiting = new Map();
      let last = 0;
      const ask = (request, rest = {{}}) => new Promise((resolve) => {{
        waiting.set(++last, resolve);
        child.send({{ id: last, request, ...rest }});
      }});
      child.on("message", ({{ id, result, error }}) => waiting.get(id)(error ?? result));
      const execute = (command, ...args) => ask("execute", {{ command, args }});
      (async () => {{
        const told = [await ask("activate")];
        told.push(await execute("statistics.mean", [1, 2, 6]));
        const {{ text, pid }} = await execute("helper.shout", "hello");
        told.push(text, await execute("helper.each", ["a", 1, null]));
        told.push(await execute("statistics.mean", []));
        told.push(await ask("output"), await ask("deactivate"));
        try {{ process.kill(pid, 0); told.push("alive"); }} catch {{ told.push("gone"); }}
        console.log(JSON.stringify(told));
        child.disconnect();
      }})();
    """)
    assert json.loads(run(["editor.cjs"], installed)) == [
        ["statistics.mean", "helper.shout", "helper.each"],
        3,
        "HELLO",
        ["a", 1, None],
        {"name": "statistics.StatisticsError", "message": "mean requires at least one data point"},
        "shouting hello\n",
        0,
        "gone",
    ]


def test_an_extension_whose_editor_dies_takes_its_host_along(installed: Path, tmp_path: Path):
    """The host ends with the process that holds its socket; nobody has to deactivate anything."""
    script = tmp_path / "dies.cjs"
    script.write_text(f"""
      const noodle = require({json.dumps(str(installed / "node_modules" / "noodle-ffi"))});
      (async () => {{
        const host = await noodle.start();
        console.log(await (await host.load("python:os")).getpid());
        process.kill(process.pid, "SIGKILL");
      }})();
    """)
    done = subprocess.run(
        [NODE, script],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    wait_until_gone(int(done.stdout))
