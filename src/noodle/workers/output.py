"""What workers print: carried to where the host's own output goes."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TextIO

from noodle import _host

__all__ = ["StandardStream"]


class StandardStream:
    """A worker's standard output or standard error.

    It ends where the host's own stream ends when the worker starts: at the host's descriptor, or at
    ``sys.stdout`` or ``sys.stderr`` where those were replaced (notebooks, test runners). The last
    lines are kept for crash reports.

    Args:
        number: 1 for standard output, 2 for standard error.
    """

    def __init__(self, number: int) -> None:
        self._name = "stdout" if number == 1 else "stderr"
        source, self.worker_end = _make_ends(number)
        if _is_replaced(self._name, number):
            self._output = _host.Output(source, write=partial(_write, self._name))
        else:
            self._output = _host.Output(source, number)

    def started(self) -> None:
        """Close the worker's end on this side: the worker has its own now."""
        os.close(self.worker_end)

    def finish(self, seconds: float) -> bool:
        """Wait until all output has been carried; return whether it has."""
        return self._output.finish(seconds)

    def last_lines(self, count: int) -> list[str]:
        """Return the last lines of the output, at most ``count``."""
        text = self._output.last().decode("utf-8", "replace")
        return [line.rstrip() for line in text.splitlines()[-count:]]

    def close(self) -> None:
        """Stop carrying output."""
        self._output.close()


def _write(name: str, chunk: bytes) -> None:
    """Write to a stream of ``sys``; no method, which would keep itself alive through the pump."""
    stream: TextIO | None = getattr(sys, name)
    if stream is None:
        return
    try:
        stream.write(chunk.decode("utf-8", "replace"))
        stream.flush()
    except ValueError:
        # Whoever has replaced it may close it at any time; what comes then is for nobody.
        if not stream.closed:
            raise


def _is_replaced(name: str, number: int) -> bool:
    stream = getattr(sys, name)
    if stream is None:
        return False
    try:
        return stream is not getattr(sys, f"__{name}__") or stream.fileno() != number
    except (OSError, ValueError, AttributeError):
        return True


def _make_ends(number: int) -> tuple[int, int]:
    """Return a reading and a writing end: of a terminal where the host has one, else of a pipe."""
    try:
        on_terminal = os.isatty(number)
    except OSError:
        on_terminal = False
    if not on_terminal:
        return os.pipe2(os.O_CLOEXEC)
    import termios

    source, worker_end = os.openpty()
    attributes = termios.tcgetattr(worker_end)
    attributes[1] &= ~termios.OPOST  # the host's terminal ends the lines
    termios.tcsetattr(worker_end, termios.TCSANOW, attributes)
    return source, worker_end
