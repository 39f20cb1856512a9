"""What is told to whoever runs a service, written by one thread: nobody waits for it.

Standard error may be a terminal that has been stopped, or a pipe that nobody reads. Then entries
are lost, and calls are answered all the same.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress

from noodle.ffi_service import limits

__all__ = ["ServiceLog"]

Report = Callable[[int, str, BaseException], None]
"""Writes about a call: its number, the function's name, what it raised."""

Tell = Callable[[str], None]
"""Writes a line."""


class ServiceLog(logging.Handler):
    """Takes entries, and has them written one after the other.

    It is a handler too, for what the packages log that serve HTTP.

    Args:
        report: Writes about a call.
        tell: Writes anything else.
    """

    def __init__(self, report: Report, tell: Tell) -> None:
        super().__init__(logging.ERROR)
        self._report = report
        self._tell = tell
        self._entries: queue.Queue[Callable[[], None]] = queue.Queue(limits.LOGGED_MOST)
        self._lost = 0
        threading.Thread(target=self._write_all, name="noodle-service-log", daemon=True).start()

    def call_failed(self, number: int, function: str, error: BaseException) -> None:
        """Take that a call failed; returns at once."""
        self._add(lambda: self._report(number, function, error))

    def say(self, text: str) -> None:
        """Take a line; returns at once."""
        self._add(lambda: self._tell(text))

    def emit(self, record: logging.LogRecord) -> None:
        """Take what a package logs."""
        self.say(self.format(record))

    def finish(self, seconds: float) -> None:
        """Wait until what was taken is written, or for so long."""
        written = threading.Event()
        self._add(written.set)
        written.wait(seconds)

    def _add(self, entry: Callable[[], None]) -> None:
        try:
            self._entries.put_nowait(entry)
        except queue.Full:
            self._lost += 1

    def _write_all(self) -> None:
        while True:
            entry = self._entries.get()
            with suppress(Exception):  # whoever read it has left; there is nobody to tell
                self._tell_losses()
                entry()
            del entry  # an error holds the frames of its call

    def _tell_losses(self) -> None:
        lost, self._lost = self._lost, 0
        if lost:
            self._tell(f"{lost} entries were lost, because nobody read what was written")
