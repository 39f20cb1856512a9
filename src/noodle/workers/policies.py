"""What the C side leaves to Python: errors, the analysis of deadlocks, and requests of workers."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from noodle import _host
from noodle.deadlines import finish_in_time, remaining_seconds, scope_variable
from noodle.errors import (
    CallDepthError,
    DeadlineExceededError,
    ForeignError,
    ForkedProcessError,
    InputLimitError,
    InternalError,
    ReferenceReleasedError,
    UsageError,
    WorkerCrashedError,
)
from noodle.foreign_frames import with_frames
from noodle.sizes import format_size
from noodle.workers import (
    callback_loop,
    callback_tasks,
    callbacks,
    deadlocks,
    references,
    registry,
    remote_errors,
    requests,
    told_errors,
)
from noodle.workers.arrays import array_over

if TYPE_CHECKING:
    import asyncio

    from noodle.workers.worker import Worker

__all__ = ["crashed", "find_worker"]


def _no_worker(link: _host.Link) -> Worker | None:
    """Stand in for ``worker_of`` until workers exist."""
    return None


find_worker: Callable[[_host.Link], Worker | None] = _no_worker


def ends_with_process() -> bool:
    """Return whether this thread ends without a word because the process ends.

    So do daemon threads everywhere; that their workers have ended by then is for nobody.
    """
    return registry.is_exiting() and threading.current_thread().daemon


def crashed(link: _host.Link, function: str | None) -> WorkerCrashedError | SystemExit:
    """Return the error for a call to a worker that has ended."""
    if ends_with_process():
        return SystemExit()
    worker = find_worker(link)
    if worker is None:
        return WorkerCrashedError(f"the worker {link.name} has ended", received=link.broken)
    error = worker.crash_report(function)
    if function is not None:
        call = (link.name, None, None, function)
        error.__traceback__ = with_frames([call], None, shows_lines=False)
    return error


def arrived(link: _host.Link, fields: tuple[Any, ...]) -> BaseException:
    """Return the exception for an error that came from a worker; see ``remote_errors.arrived``.

    One of missing memory says how much the worker may have.
    """
    error = remote_errors.arrived(link, fields)
    worker = find_worker(link) if isinstance(error, MemoryError) else None
    if worker is not None and worker.program.memory_bytes is not None:
        error.add_note(memory_note(worker))
    return error


def memory_note(worker: Worker) -> str:
    """Return what to say of a worker's memory limit where that may be the reason for an error."""
    limit = format_size(worker.program.memory_bytes or 0)
    return f"the worker {worker.name} may have at most {limit} of memory"


def overdue(link: _host.Link, function: str | None, seconds: float) -> DeadlineExceededError:
    """Return the error for a call whose deadline has passed while it was waited for."""
    return DeadlineExceededError(
        f"{function or 'the call'} did not finish before its deadline",
        received=f"no answer after {seconds:.6g} s",
        where=f"worker {link.name}",
        remedy="allow more time with noodle.deadline(seconds)",
    )


def not_before_deadline(name: str, wait: float, limit: float) -> DeadlineExceededError:
    """Return the error for a worker that may not be started again before the deadline."""
    return DeadlineExceededError(
        f"{name} cannot be started before the deadline",
        expected=f"a start within {max(limit, 0.0):.3g} s",
        received=f"it crashed and may be started again in {wait:.3g} s",
        remedy="allow more time with noodle.deadline(seconds)",
    )


def not_ready(name: str, seconds: float) -> DeadlineExceededError:
    """Return the error for a worker that is still being started at the deadline."""
    return DeadlineExceededError(
        f"{name} was not ready before the deadline",
        expected=f"a start within {max(seconds, 0.0):.3g} s",
        received="a worker that is still starting",
        remedy="allow more time with noodle.deadline(seconds)",
    )


def refused(
    link: _host.Link | None, function: str | None, status: str, number: int
) -> ForeignError | InternalError | InputLimitError:
    """Return the error for what the native core refused, by the name of its status."""
    import os

    where = f"worker {link.name}" if link is not None else None
    if status == "QUOTA":
        return _over_quota(link, function, where)
    if status == "LIMIT":
        return InputLimitError(
            f"{function or 'the call'} needs more shared memory than there is",
            received="the limit on bytes, segments or workers is reached",
            where=where,
            remedy="release arrays, or raise the limit",
        )
    if status == "SYSTEM":
        return ForeignError(
            f"{function or 'the call'} failed in the operating system",
            received=os.strerror(number),
            where=where,
        )
    return InternalError(f"{function or 'a call'} ended with {status}", where=where)


def _over_quota(
    link: _host.Link | None, function: str | None, where: str | None
) -> InputLimitError:
    worker = find_worker(link) if link is not None else None
    expected = received = None
    if worker is not None and link is not None:
        program = worker.program
        expected = (
            f"at most {format_size(program.most_shared_bytes())} "
            f"in {program.most_shared_segments()} segments"
        )
        lent = link.statistics()["lent_segments"]
        received = f"{format_size(link.lent_bytes)} in {lent} segments, and one more"
    return InputLimitError(
        f"{function or 'the call'} needs more shared memory than its worker may have",
        expected=expected,
        received=received,
        where=where,
        remedy="release arrays that are no longer needed, or raise the limit with shared_memory",
    )


def forked(link: _host.Link, function: str | None) -> ForkedProcessError:
    """Return the error for a call, in the child of a fork, to a worker of the parent."""
    return ForkedProcessError(
        f"{function or 'the worker'} belongs to the process that this one was forked from",
        where=f"worker {link.name}",
        remedy="load the library again in this process, or start it with spawn instead of fork",
    )


def released(name: str, why: str) -> ReferenceReleasedError:
    """Return the error for the use of a worker's object that is gone."""
    return ReferenceReleasedError(
        f"{name or 'an object of a worker'} cannot be used any more",
        received=why,
        remedy="ask the library for it again",
    )


def too_deep(link: _host.Link, function: str | None, depth: int) -> CallDepthError:
    """Return the error for calls that are nested too deeply."""
    return CallDepthError(
        f"{function or 'a callback'} is nested too deeply",
        expected=f"at most {_host.DEPTH_MAX} calls and callbacks within each other",
        received=str(depth + 1),
        where=f"worker {link.name}",
    )


def unreadable(link: _host.Link, function: str | None, error: BaseException) -> BaseException:
    """Return the error for an answer that cannot be read; nonsense costs the worker its life."""
    if not isinstance(error, (InputLimitError, ValueError, ReferenceError)):
        return error
    status = getattr(error, "status", None)
    if status in _host.TOO_MUCH_STATUSES:
        return error
    if status is None and isinstance(error, InputLimitError):
        return error  # its quota of shared memory
    if status in _host.UNFIT_STATUSES:
        return ForeignError(f"the result of {function or 'a call'} has no form in Python: {error}")
    link.condemn(f"what it sent cannot be read: {error}")
    return crashed(link, function)


def reference_types(runtime: str) -> tuple[type[references.Proxy], ...] | None:
    """Return the classes of the proxies for a runtime's objects, or None for the usual ones."""
    if runtime != "python":
        return None
    from noodle.workers import python_references

    return python_references.TYPES


def uncaught(link: _host.Link, error: object) -> None:
    """Show an error of a worker that no call was waiting for, on standard error."""
    import traceback

    lines = (
        traceback.format_exception(error) if isinstance(error, BaseException) else [f"{error}\n"]
    )
    # One write: the worker's own output goes to the same stream meanwhile.
    if sys.stderr is not None:
        sys.stderr.write("".join([f"Uncaught in the worker {link.name}:\n", *lines]))


class _Loops(threading.local):
    """An event loop for each thread that settles callbacks.

    It goes on between them: asynchronous generators, and whatever else is bound to a loop, live
    longer than one callback.
    """

    runner: asyncio.Runner | None = None


_loops = _Loops()


def settle(link: _host.Link, call_id: int, awaitable: Any) -> Any:
    """Run what an asynchronous callback gave to its end, on the thread that waits for its call.

    Args:
        link: The worker that asked for it.
        call_id: The number by which the worker can cancel it.
        awaitable: A coroutine, a future, or whatever else can be awaited.

    Raises:
        UsageError: The thread runs one: it is blocked by the call that the callback is part of.
        CancelledError: Nobody waits for it any more. It is one of ``concurrent.futures``, which is
            no reason for this thread to end.
        DeadlineExceededError: It did not end before the deadline of the call.
    """
    import asyncio

    async def run() -> Any:
        with callback_tasks.cancellable(link, call_id, awaitable):
            return await finish_in_time(awaitable)

    with suppress(RuntimeError):  # there is none, as there should be
        asyncio.get_running_loop()
        if asyncio.iscoroutine(awaitable):
            awaitable.close()
        raise UsageError(
            "an asynchronous callback cannot run: its event loop waits for the call it belongs to",
            received=type(awaitable).__name__,
            remedy="await the call: `await function.aio(…)` instead of `function(…)`",
        )
    if _loops.runner is None:
        _loops.runner = asyncio.Runner()
        weakref.finalize(threading.current_thread(), _loops.runner.close)
    try:
        return _loops.runner.run(run(), context=copy_context())
    except asyncio.CancelledError:
        raise callback_tasks.cancelled() from None


_host.install(
    InputLimitError,
    crashed=crashed,
    overdue=overdue,
    refused=refused,
    forked=forked,
    too_deep=too_deep,
    released=released,
    stuck=deadlocks.stuck,
    remote_error=arrived,
    array=array_over,
    perform=requests.perform,
    returned=remote_errors.returned,
    describe=told_errors.describe,
    unreadable=unreadable,
    settle=settle,
    settle_later=callback_loop.settle_later,
    cancel=callback_tasks.cancel,
    uncaught=uncaught,
    reference_types=references.TYPES,
    most_arguments=callbacks.most_arguments,
    note_callback=callbacks.note_callback,
    undefined=references.undefined,
    deadline_scope=scope_variable(),
    remaining_seconds=remaining_seconds,
)
