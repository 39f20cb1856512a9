"""A command on a pseudo-terminal: what is typed into it, and what it shows."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[=>]|\x1b\][^\x07]*\x07")

# Makes the terminal the controlling one, so that Ctrl-C becomes a signal.
_LAUNCHER = (
    "import fcntl, os, sys, termios\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "os.execv(sys.argv[1], sys.argv[1:])"
)
LIMIT_SECONDS = 30


class TerminalSession:
    """A running command.

    Args:
        command: The program with its arguments.
        directory: Where it runs.
        environment: Its environment.
    """

    def __init__(
        self, command: Sequence[str], directory: Path, environment: Mapping[str, str]
    ) -> None:
        self._terminal, other_end = pty.openpty()
        os.set_blocking(self._terminal, False)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCHER, *command],
            cwd=directory,
            env=environment,
            stdin=other_end,
            stdout=other_end,
            stderr=other_end,
            start_new_session=True,
        )
        os.close(other_end)
        self.shown = ""
        self._seen = 0

    @property
    def text(self) -> str:
        """All that was shown, without escape sequences."""
        return _ESCAPES.sub("", self.shown).replace("\r", "")

    def type(self, keys: str) -> None:
        """Press keys; ``\\r`` is Enter."""
        os.write(self._terminal, keys.encode())

    def expect(self, pattern: str) -> re.Match[str]:
        """Read until a pattern shows behind the last one that was found."""
        end = time.monotonic() + LIMIT_SECONDS
        while True:
            match = re.compile(pattern).search(self.text, self._seen)
            if match:
                self._seen = match.end()
                return match
            if time.monotonic() > end or not self._read():
                raise AssertionError(f"{pattern!r} is not in {self.text[self._seen :]!r}")

    def _read(self) -> bool:
        terminal = select.poll()
        terminal.register(self._terminal, select.POLLIN)
        ready = terminal.poll(1000 * LIMIT_SECONDS)
        try:
            data = os.read(self._terminal, 65536) if ready else b""
        except OSError:  # EIO: the other end is closed
            data = b""
        self.shown += data.decode("utf-8", "replace")
        return bool(data)

    def wait(self) -> int:
        """Read to the end and return the exit code."""
        while self._read():
            continue
        return self._process.wait(LIMIT_SECONDS)

    def close(self) -> None:
        """Stop the command if it still runs, and free the terminal."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._terminal)
