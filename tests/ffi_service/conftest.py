"""A service of its own process, and what is asked of it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

WAIT_SECONDS = 60.0

WITH_CONSTANTS = """\
import sys
from noodle.cli import main
from noodle.ffi_service import limits

vars(limits).update(eval(sys.argv.pop(1)))
sys.exit(main())
"""
"""Runs the command with other limits than the usual ones."""


@dataclass
class RunningService:
    """``noodle serve`` in a process.

    Args:
        process: It; its standard error is read all the time.
        folder: Where its program is.
    """

    process: subprocess.Popen[str]
    folder: Path
    told: list[str] = field(default_factory=list)
    _reads: threading.Event = field(default_factory=threading.Event)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self._reads.set()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.host, self.port = self._address()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._reads.wait()
            with self._changed:
                self.told.append(line.rstrip("\n"))
                self._changed.notify_all()

    def _address(self) -> tuple[str, int]:
        url = urlsplit(self.wait_for_told(r"at (http://\S+)$"))
        assert url.hostname is not None
        assert url.port is not None
        return url.hostname, url.port

    def wait_for_told(self, pattern: str) -> str:
        """Return what a line of standard error has at the pattern's first group."""

        def found() -> re.Match[str] | None:
            return next((hit for line in self.told if (hit := re.search(pattern, line))), None)

        with self._changed:
            assert self._changed.wait_for(found, WAIT_SECONDS), self.told
            hit = found()
        assert hit is not None
        return hit.group(1) if hit.groups() else hit.group()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=WAIT_SECONDS)

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, Any]:
        """Return the status and the content of an answer."""
        connection = self.connect()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        content = json.loads(response.read())
        connection.close()
        return response.status, content

    def call(self, function: str, *arguments: Any, **keywords: Any) -> tuple[int, Any]:
        """Return the status and the content of the answer to a call."""
        asked = {"function": function, "arguments": arguments, "keywords": keywords}
        return self.post(json.dumps(asked).encode())

    def post(self, body: bytes) -> tuple[int, Any]:
        return self.request("POST", "/v1/call", body, content_type="application/json")

    @contextmanager
    def unread(self) -> Iterator[None]:
        """A block in which nobody reads its standard error."""
        self._reads.clear()
        yield
        self._reads.set()

    def leave(self) -> None:
        """Read its standard error no more; what it writes after the next line is an error there."""
        assert self.process.stderr is not None
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, self.process.stderr.fileno())
        os.close(nothing)

    def close(self) -> None:
        """Kill it."""
        with self.process:
            self.process.kill()
            self._reader.join()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(WAIT_SECONDS)


Serve = Callable[..., RunningService]


@pytest.fixture(scope="module")
def serve(noodle_command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Serve a program's text."""
    running: list[RunningService] = []

    def start(
        text: str,
        *options: str,
        files: dict[str, str] | None = None,
        constants: dict[str, float] | None = None,
        environment: dict[str, str] | None = None,
    ) -> RunningService:
        folder = tmp_path_factory.mktemp("service")
        for name, content in {"program.noodle": text, **(files or {})}.items():
            (folder / name).write_text(content)
        command = [sys.executable, "-c", WITH_CONSTANTS, repr(constants)]
        process = subprocess.Popen(
            [
                *(command if constants else noodle_command),
                "serve",
                "program.noodle",
                "--port",
                "0",
                *options,
            ],
            cwd=folder,
            env={name: value for name, value in os.environ.items() if name[:7] != "NOODLE_"}
            | (environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            running.append(RunningService(process, folder))
        except BaseException:
            process.kill()
            raise
        return running[-1]

    yield start
    for service in running:
        service.close()
