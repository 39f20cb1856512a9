"""The threads of a host: one reads what comes, and does it itself if that is quick.

Handing a request over to another thread costs more than most requests do. So the reading thread
does what was quick the last time, and reads on; anything else it does after another thread has
taken over the reading. If what should have been quick takes longer, the watching thread sees to
that within about a millisecond. So a request costs no change of threads as a rule, and a slow one
holds up nobody.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

__all__ = ["ServingThreads", "Work"]

IDLE_MOST = 8
"""Chosen: threads that stay although there is nothing to do."""

THREADS_MOST = 1024
"""Chosen: threads that there may be, those that wait for the client included."""

QUICK_SECONDS = 200e-6
"""Chosen: a few times what handing over costs."""

WATCH_SECONDS = 1e-3
"""Chosen: how long others may be held up by what was expected to be quick."""

WATCHED_SECONDS = 20e-3
"""Chosen: how long the watching thread stays awake after a request; an idle host must sleep."""

KNOWN_MOST = 4096
"""Chosen: functions whose duration is remembered."""


@dataclass(frozen=True, slots=True)
class Work:
    """Something to do.

    Args:
        key: What takes about as long each time.
        run: Does it.
    """

    key: Hashable
    run: Callable[[], None]


@dataclass(slots=True, eq=False)
class _Seat:
    """Where one thread sleeps while it has nothing to do.

    Args:
        work: What it was woken to do; None to read.
    """

    work: Work | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._lock.acquire()

    def sleep(self) -> None:
        self._lock.acquire()

    def wake(self) -> None:
        if self._lock.locked():
            self._lock.release()


class ServingThreads:
    """Reads what comes and has it done.

    Args:
        read: Waits for what comes next and returns what has to be done, or None when nothing has;
            raises EOFError at the end. Called by one thread at a time.
        most: How many requests may run at a time; what waits for the client does not count.
    """

    def __init__(self, read: Callable[[], Work | None], most: int) -> None:
        self._read = read
        self._most = most
        self._state = threading.Lock()
        self._reader: _Seat | None = None
        self._idle: list[_Seat] = []
        self._backlog: deque[Work] = deque()
        self._threads = 0
        self._running = 0
        self._seconds: dict[Hashable, float] = {}
        self._in_between: float | None = None
        """Since when the reading thread does something itself, on the monotonic clock."""
        self._last = 0.0
        self._watch = _Seat()
        self._watch_sleeps = False
        self.ended = threading.Event()
        """Set when nothing comes any more."""

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._watching, name="noodle-client-watch", daemon=True).start()
        with self._state:
            self._let_read()

    def is_reading(self) -> bool:
        """Return whether the calling thread is in the middle of reading a message."""
        return _this_thread.reads

    def counts(self) -> dict[str, int]:
        """Return how many requests run and wait for a thread, and how many threads there are."""
        with self._state:
            return {
                "running": self._running,
                "queued": len(self._backlog),
                "threads": self._threads,
            }

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """A block in which the calling thread waits for the client, and another may run."""
        seat = _this_thread.seat
        if seat is None:
            yield
            return
        with self._state:
            self._running -= 1
            if self._reader is seat:
                self._let_read()
            if self._backlog and self._can_start():
                self._running += 1
                self._start(self._backlog.popleft())
        try:
            yield
        finally:
            with self._state:
                self._running += 1

    # ------------------------------------------------------- which thread does what: _state is held

    def _can_start(self) -> bool:
        return bool(self._idle) or self._threads < THREADS_MOST

    def _let_read(self) -> None:
        """Give the reading to another thread than the one that has it."""
        self._in_between = None
        self._start(None)

    def _start(self, work: Work | None) -> None:
        """Have a thread do something, or read."""
        sleeper = self._idle.pop() if self._idle else None
        seat = sleeper or _Seat()
        seat.work = work
        if work is None:
            self._reader = seat
        if sleeper is not None:
            sleeper.wake()
            return
        self._threads += 1
        thread = threading.Thread(
            target=self._serve, args=(seat,), name="noodle-client", daemon=True
        )
        thread.start()

    # ------------------------------------------------------------------------ a serving thread

    def _serve(self, seat: _Seat) -> None:
        _this_thread.seat = seat
        try:
            while not self.ended.is_set():
                if seat.work is None:
                    self._read_on(seat)
                else:
                    self._run(seat.work, seat)
                if not self._rest(seat):
                    return
        except EOFError:
            self._end()
        except BaseException:
            self._end()  # a host that reads no more must not stay
            raise
        finally:
            with self._state:
                self._threads -= 1

    def _rest(self, seat: _Seat) -> bool:
        """Sleep until there is something to do; return False where nobody needs the thread."""
        with self._state:
            if self._backlog and self._running < self._most:
                self._running += 1
                seat.work = self._backlog.popleft()
                return True
            if len(self._idle) >= IDLE_MOST or self.ended.is_set():
                return False
            self._idle.append(seat)
        seat.sleep()
        return True

    def _read_on(self, seat: _Seat) -> None:
        """Read, and do what is quick, until another thread reads."""
        while self._reader is seat:
            _this_thread.reads = True
            try:
                work = self._read()
            finally:
                _this_thread.reads = False
            if work is not None and self._admit(work, seat):
                self._run(work, seat)

    def _admit(self, work: Work, seat: _Seat) -> bool:
        """Return whether the reading thread does something now, after letting another read."""
        quick = self._seconds.get(work.key, 1.0) < QUICK_SECONDS
        with self._state:
            # Someone must go on reading, or no answer that a thread waits for would come.
            if self._running >= self._most or not (quick or self._can_start()):
                self._backlog.append(work)
                return False
            self._running += 1
            if quick:
                self._in_between = self._last = time.monotonic()
            else:
                self._let_read()
        if quick and self._watch_sleeps:
            self._wake_watch()
        return True

    def _run(self, work: Work, seat: _Seat) -> None:
        began = time.monotonic()
        work.run()
        with self._state:
            self._running -= 1
            if self._reader is seat:
                self._in_between = None
        if len(self._seconds) >= KNOWN_MOST:
            self._seconds.clear()
        self._seconds[work.key] = time.monotonic() - began

    def _end(self) -> None:
        self.ended.set()
        with self._state:
            for seat in self._idle:
                seat.wake()
            self._idle.clear()
        if self._watch_sleeps:
            self._wake_watch()

    # ---------------------------------------------------------------------- the watching thread

    def _watching(self) -> None:
        """Let another thread read when the reading one has been busy for too long."""
        while not self.ended.is_set():
            if time.monotonic() - self._last > WATCHED_SECONDS:
                self._watch_sleeps = True
                if self._in_between is None:
                    self._watch.sleep()
                self._watch_sleeps = False
            time.sleep(WATCH_SECONDS)
            with self._state:
                since = self._in_between
                late = since is not None and time.monotonic() - since >= WATCH_SECONDS
                if late and self._can_start():
                    self._let_read()

    def _wake_watch(self) -> None:
        with self._state:
            if self._watch_sleeps:
                self._watch_sleeps = False
                self._watch.wake()


class _ThisThread(threading.local):
    reads = False
    seat: _Seat | None = None


_this_thread = _ThisThread()
