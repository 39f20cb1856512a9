"""What is told to whoever runs a service, written by one thread: nobody waits for it.

Standard error may be a terminal that has been stopped, or a pipe that nobody reads. Then entries
are lost, and calls are answered all the same.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
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
        self._state = threading.Condition()
        self._entries: deque[tuple[Callable[[], None], int]] = deque()
        self._held = 0
        """Bytes of requests whose entries are not written yet."""
        self._lost = 0
        threading.Thread(target=self._write_all, name="noodle-service-log", daemon=True).start()

    def call_failed(self, number: int, function: str, error: BaseException, size: int = 0) -> None:
        """Take that a call failed; returns at once.

        Args:
            number: The number of the call.
            function: The function's name.
            error: What it raised; its frames hold the arguments until the entry is written.
            size: Bytes that the arguments took in the request.
        """
        self._add(lambda: self._report(number, function, error), size)

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

    def _add(self, entry: Callable[[], None], size: int = 0) -> None:
        with self._state:
            room = self._held + size <= limits.LOGGED_BYTES_MAX
            if room and len(self._entries) < limits.LOGGED_MOST:
                self._held += size
                self._entries.append((entry, size))
                self._state.notify()
            else:
                self._lost += 1

    def _write_all(self) -> None:
        while True:
            with self._state:
                self._state.wait_for(lambda: self._entries)
                entry, size = self._entries.popleft()
            # Whoever read it has left, or an exception's own code runs while it is shown.
            with suppress(BaseException):
                self._tell_losses()
            with suppress(BaseException):
                entry()
            del entry
            with self._state:
                self._held -= size

    def _tell_losses(self) -> None:
        with self._state:
            lost, self._lost = self._lost, 0
        if lost:
            self._tell(f"{lost} entries were lost, because nobody read what was written")
