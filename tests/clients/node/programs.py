"""Runs JavaScript against the client, in one Node.js for many pieces or one for each."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.native_core.wire_peers import NODE

HERE = Path(__file__).parent
SAMPLES = HERE / "samples"
CLIENT = HERE.parent.parent.parent / "clients" / "node"

SECONDS = 30
"""How long a program or a piece of one may take, far more than any does."""


class JavaScriptError(Exception):
    """What a piece of JavaScript has thrown."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        super().__init__(f"{told['name']}: {told['message']}\n{told.get('stack')}")
        self.name: str = told["name"]
        self.message: str = told["message"]
        self.stack: str = told.get("stack", "")
        self.classes: list[str] = told["classes"]
        self.told = told


def environment(**variables: str) -> dict[str, str]:
    """The environment of a program whose host is the Noodle under test."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NOODLE_")}
    kept.pop("VIRTUAL_ENV", None)
    return kept | {"NOODLE_PYTHON": sys.executable} | variables


class Program:
    """A Node.js that runs pieces of JavaScript, one after the other."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [NODE, HERE / "driver.mjs", CLIENT / "index.mjs", SAMPLES],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
            text=True,
        )

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        code = self._process.wait(SECONDS)
        self._process.stdout.close()
        assert code in (0, -signal.SIGKILL)

    def run(self, source: str) -> Any:
        """Return what the body of an async function returns, or raise what it throws."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(source) + "\n")
        self._process.stdin.flush()
        # No select(): a test process may have more descriptors than it knows.
        answer = select.poll()
        answer.register(self._process.stdout, select.POLLIN)
        if not answer.poll(1000 * SECONDS):
            self._process.kill()
            self._process.communicate()
            self._start()  # so that the pieces after it are none the worse for it
            raise AssertionError(f"no answer within {SECONDS} s of: {source}")
        line = self._process.stdout.readline()
        assert line, f"Node.js ended with code {self._process.wait(SECONDS)}"
        answer = json.loads(line)
        if "error" in answer:
            raise JavaScriptError(answer["error"])
        return answer["value"]


def run_script(
    source: str, directory: Path, *, check: bool = True, seconds: int = SECONDS, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a script as a program of its own; it sees the client as ``noodle``."""
    script = directory / "script.mjs"
    script.write_text(f'import * as noodle from "{CLIENT / "index.mjs"}";\n{source}\n')
    done = subprocess.run(
        [NODE, script],
        cwd=directory,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(*pids: int) -> None:
    end = time.monotonic() + SECONDS
    while any(map(is_alive, pids)):
        assert time.monotonic() < end, f"{pids} are still there"
        time.sleep(0.01)
