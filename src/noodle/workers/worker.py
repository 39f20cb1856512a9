"""One worker: a process, its link, and the thread that serves it."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
import weakref
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from noodle import _host
from noodle.errors import MemoryLimitError, NoodleError, VersionError, WorkerCrashedError
from noodle.sizes import format_size
from noodle.workers import deadlocks, policies, registry
from noodle.workers.function_names import DeclaredName, FunctionName
from noodle.workers.launcher import launch
from noodle.workers.memory_limit import WATCH_SECONDS, MemoryLimit, says_out_of_memory
from noodle.workers.output import StandardStream
from noodle.workers.program import Program

__all__ = ["Exit", "Health", "Runtime", "Worker", "worker_of"]

TICK_SECONDS = 1.0
OVER_LIMIT = "it exceeded its memory limit"
REPORT_LINES = 20
"""Chosen: of what a worker printed last, enough to hold a traceback."""
OWN_END_SECONDS = 0.25
"""Chosen: how long a worker that has closed its end of the link may take to end itself."""
LAST_WORDS_SECONDS = 0.7
"""Chosen: a crash is told within a second, and on a busy machine its last words may come late."""

_workers: weakref.WeakValueDictionary[int, Worker] = weakref.WeakValueDictionary()
"""By the identity of the link, which lives as long as its worker."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a worker said about itself when it was ready.

    Args:
        name: ``node``, ``python``, …
        version: The version of that runtime.
        incarnation: The number of this process, unlike that of any other.
    """

    name: str
    version: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class Exit:
    """How a worker's process ended.

    Args:
        code: Its exit code, or None when a signal ended it.
        signal: The signal's number, or None.
    """

    code: int | None
    signal: int | None

    def __str__(self) -> str:
        if self.signal is None:
            return "no exit status" if self.code is None else f"exit code {self.code}"
        try:
            return f"signal {signal.Signals(self.signal).name}"
        except ValueError:
            return f"signal {self.signal}"


@dataclass(frozen=True, slots=True)
class Health:
    """How a worker is: being slow differs from being dead.

    Args:
        alive: Whether its process exists.
        scheduled: Whether its native thread has shown a sign of life within the last second.
        progressing: Whether its loop or interpreter has turned within the last second.
        busy_function: The function that has been waited for longest, or None.
        busy_seconds: For how long; 0 when there is none.
        in_flight: How many calls have no answer.
    """

    alive: bool
    scheduled: bool
    progressing: bool
    busy_function: str | None
    busy_seconds: float
    in_flight: int

    def __str__(self) -> str:
        if not self.alive:
            return "ended"
        if self.busy_function is not None:
            return f"busy in {self.busy_function} for {self.busy_seconds:.1f} s"
        return "ready" if self.scheduled else "not scheduled"


class _Hold:
    """What keeps a worker from being ended for idleness."""

    __slots__ = ("__weakref__",)


class Worker:
    """One worker, from its start on, which ``wait_ready`` awaits; it is never restarted itself.

    Args:
        program: What it runs.
        number: Which of its pool it is, for its name.
    """

    def __init__(self, program: Program, number: int = 0) -> None:
        self.program = program
        self.name = program.name if number == 0 else f"{program.name} #{number + 1}"
        self.link = _host.Link(
            self.name,
            channels=program.channels,
            ring_bytes=program.ring_bytes,
            trusted=program.trusted,
            grace=program.grace_seconds,
            spin=program.spin_seconds,
            shared_bytes=program.most_shared_bytes(),
            shared_segments=program.most_shared_segments(),
            map_read_only=program.map_read_only,
            dedicated=program.dedicated,
        )
        self._memory = MemoryLimit(program)
        self.runtime: Runtime | None = None
        self.exit: Exit | None = None
        self.pid = 0
        self.started_at = time.monotonic()
        self.idle_seconds: float | None = None
        self.libraries: dict[str, None] = {}
        """The names of those that were loaded in it, in order."""
        self._holds: weakref.WeakSet[_Hold] = weakref.WeakSet()
        self.is_stopping = False
        self._pid_descriptor = -1
        self._signs = (0, 0)
        self._moved = (True, True)
        self._was_out_of_memory = False
        self._failure: BaseException | None = None
        self._ready = threading.Event()
        self._ended = threading.Event()
        self._streams = (StandardStream(1), StandardStream(2))
        self._last_lines: list[str] = []
        _workers[id(self.link)] = self
        self._thread = threading.Thread(target=self._run, name=f"noodle {self.name}", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"<worker {self.name}, pid {self.pid}, {self.health()}>"

    # ------------------------------------------------------------------------- Its own thread

    def _run(self) -> None:
        try:
            self._start()
        except BaseException as error:
            self._finish()
            crashed = isinstance(error, (WorkerCrashedError, SystemExit))
            self._failure = self.crash_report(None) if crashed else error
            self._ready.set()
            return
        registry.add(self.link)
        self._ready.set()
        self._serve()
        self._finish()

    def _serve(self) -> None:
        seconds = TICK_SECONDS if self._memory.most is None else WATCH_SECONDS
        ticked = time.monotonic()
        while not self.link.serve(seconds):
            if self._memory.is_exceeded(self.pid, self.link.lent_bytes):
                self.link.condemn(OVER_LIMIT)
            if time.monotonic() - ticked >= TICK_SECONDS:
                ticked = time.monotonic()
                self._tick()

    def _start(self) -> None:
        try:
            self.pid, pidfd = launch(
                self.program, self.link, *(stream.worker_end for stream in self._streams)
            )
        finally:
            for stream in self._streams:
                stream.started()
        self._pid_descriptor = os.dup(pidfd)
        self._memory.admit(self.pid)
        self.link.started(pidfd)
        ready = self.link.handshake(self.program.start_seconds)
        if ready is None:
            self.link.condemn("it was not ready in time")
            raise policies.crashed(self.link, None)
        self.runtime = self._checked(ready)
        self.link.reference_types = policies.reference_types(self.runtime.name)
        self.link.is_python = self.runtime.name == "python"

    def _checked(self, ready: list[Any]) -> Runtime:
        _, protocol, wire, channel, name, version, incarnation = ready
        own = (_host.PROTOCOL_VERSION, _host.WIRE_VERSION, _host.CHANNEL_VERSION)
        if (protocol, wire, channel) == own:
            return Runtime(str(name), str(version), incarnation)
        self.link.condemn("it speaks another version of the protocol")
        raise VersionError(
            f"the worker {self.name} does not fit this version of noodle",
            expected="protocol {}, wire {}, channel {}".format(*own),
            received=f"protocol {protocol}, wire {wire}, channel {channel} of {name} {version}",
            remedy="install host and worker from one version of noodle",
        )

    def _tick(self) -> None:
        signs = (self.link.beat, self.link.progress)
        self._moved = (signs[0] != self._signs[0], signs[1] != self._signs[1])
        self._signs = signs
        deadlocks.check_awaited(self.link)
        if self.idle_seconds is not None and not self.is_stopping:
            self._retire_if_idle(self.idle_seconds)

    def _retire_if_idle(self, seconds: float) -> None:
        """End in two steps, so that a call that is on its way here is still served."""
        if self.link.idle_seconds < seconds or self.link.held() or self._holds:
            return
        if not self.link.retires:
            self.link.retires = True
        else:
            self.is_stopping = True
            self.link.stop()

    def _finish(self) -> None:
        # One whose descriptors a library has closed ends itself, and says why.
        if self.link.broken is None:
            self._wait_for_end(OWN_END_SECONDS)
        self.link.kill()
        self.exit = self._reap()
        end = time.monotonic() + LAST_WORDS_SECONDS
        whole = [
            stream for stream in self._streams if stream.finish(max(0.0, end - time.monotonic()))
        ]
        self._last_lines = self._streams[1].last_lines(REPORT_LINES)
        self._was_out_of_memory = self._has_run_out()
        for stream in whole:  # into another one somebody still writes, who has left the session
            stream.close()
        self._memory.close()
        self.link.ended(self.exit.code != 0)
        self._ended.set()
        registry.ended(self.link)

    def _wait_for_end(self, seconds: float) -> None:
        if self._pid_descriptor >= 0:
            ended = select.poll()
            ended.register(self._pid_descriptor, select.POLLIN)
            ended.poll(1000 * seconds)

    def _reap(self) -> Exit:
        if self._pid_descriptor < 0:
            return Exit(None, None)
        self._wait_for_end(5.0)
        # What it has started ends with it. Until it is waited for, its number names no other group.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        try:
            status = os.waitid(os.P_PIDFD, self._pid_descriptor, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            status = None
        os.close(self._pid_descriptor)
        self._pid_descriptor = -1
        if status is None:
            return Exit(None, None)
        if status.si_code == os.CLD_EXITED:
            return Exit(status.si_status, None)
        return Exit(None, status.si_status)

    # ----------------------------------------------------------------------------- From outside

    def hold(self) -> object:
        """Return what keeps it from being ended for idleness while it is referred to."""
        hold = _Hold()
        self._holds.add(hold)
        return hold

    @property
    def is_ready(self) -> bool:
        """Whether its start has succeeded."""
        return self._ready.is_set() and self._failure is None

    def wait_ready(self, seconds: float | None = None) -> bool:
        """Wait until it can take calls; return whether it can.

        Args:
            seconds: How long to wait at most; None for as long as the start may take.

        Raises:
            MissingToolError: Its program cannot be run.
            VersionError: It speaks another version of the protocol.
            WorkerCrashedError: It ended, or was not ready in time.
        """
        if not self._ready.wait(None if seconds is None else max(0.0, seconds)):
            return False
        if self._failure is not None:
            raise self._failure
        return True

    @property
    def alive(self) -> bool:
        """Whether calls can be sent to it."""
        return not self.link.forked and not self.link.dead

    def health(self) -> Health:
        """Return how it is, as far as can be seen without asking it."""
        waits = [] if self.link.forked else self.link.waits()
        longest = max(waits, key=lambda wait: wait[2], default=None)
        return Health(
            alive=self.alive,
            scheduled=self._moved[0],
            progressing=self._moved[1],
            busy_function=longest[1] if longest else None,
            busy_seconds=longest[2] if longest else 0.0,
            in_flight=self.link.in_flight,
        )

    def root(self) -> _host.Reference:
        """Return the reference of the worker itself, which imports and answers for the others."""
        return _host.root(self.link)

    def stop(self, seconds: float = 0.5) -> None:
        """Ask it to end, and kill it when it has not after so many seconds."""
        self.is_stopping = True
        if self.alive and not (self.ask_to_stop() and self._ended.wait(seconds)):
            self.link.kill()
        self.join()

    def ask_to_stop(self) -> bool:
        """Ask it to end, without waiting; return whether it could be asked."""
        self.is_stopping = True
        try:
            return self.is_ready and bool(self.link.stop())
        except NoodleError:
            return False

    def join(self, seconds: float = 5.0) -> bool:
        """Wait until its process has ended and been accounted for; return whether it has."""
        if threading.current_thread() is self._thread:
            return False
        return self._ended.wait(seconds)

    def crash_report(self, function: str | None) -> WorkerCrashedError:
        """Return the error for a call that cannot be answered any more.

        Args:
            function: What was called, or None when it was not a call.
        """
        self.join(2.0)  # how the process ended is known a moment later than that it did
        during = f" during {function}" if function else ""
        reason = f"it was killed: {self.link.broken}" if self.link.broken else str(self.exit or "")
        where = self._place(function)
        error: WorkerCrashedError
        if self._was_out_of_memory:
            error = MemoryLimitError(
                f"the worker {self.name} ran out of memory{during}",
                expected=f"at most {format_size(self.program.memory_bytes or 0)}",
                received=reason or "its process is gone",
                where=where,
                remedy="raise the memory limit; the next call starts the worker anew",
            )
        else:
            error = WorkerCrashedError(
                f"the worker {self.name} ended{during}",
                received=reason or "its process is gone",
                where=where,
                remedy="call again: the worker is started anew",
            )
        if self.program.memory_bytes and not (self._was_out_of_memory or self.link.broken):
            error.add_note(policies.memory_note(self))
        if self.program.map_read_only and self.exit and self.exit.signal == signal.SIGSEGV:
            error.add_note(
                "Read-only arrays are mapped in this worker (readonly='map'), where writing to one "
                "is this signal."
            )
        if self._last_lines:
            told = "\n  ".join(self._last_lines)
            error.add_note(f"its last output on standard error:\n  {told}")
        return error

    def _place(self, function: str | None) -> str | None:
        """Return the library of a call, or those it may be of, and the process if there is one."""
        called = list(self.libraries)
        if isinstance(function, FunctionName):
            called = [f"{function.library}.{function}"]
        elif isinstance(function, DeclaredName):
            called.insert(0, function.declared())
        return ", ".join([*called, f"process {self.pid}"]) if self.pid else None

    def _has_run_out(self) -> bool:
        """Return whether its memory limit has ended it, once its output is known."""
        if self._memory.most is None or self.exit is None or self.exit.code == 0:
            return False
        return (
            self.link.broken == OVER_LIMIT
            or self._memory.was_killed()
            or (not self.link.broken and says_out_of_memory(self._last_lines))
        )


def worker_of(link: _host.Link) -> Worker | None:
    """Return the worker at the other end of a link, or None when there is none any more."""
    return _workers.get(id(link))


policies.find_worker = worker_of
