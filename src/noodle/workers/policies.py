"""What the C side leaves to Python: errors, the analysis of deadlocks, and requests of workers."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from noodle import _host
from noodle.deadlines import remaining_seconds, scope_variable
from noodle.errors import (
    CallDepthError,
    DeadlineExceededError,
    ForeignError,
    ForkedProcessError,
    InputLimitError,
    InternalError,
    ReferenceReleasedError,
    WorkerCrashedError,
)
from noodle.workers import deadlocks, references, registry, remote_errors, requests
from noodle.workers.arrays import array_over

if TYPE_CHECKING:
    from noodle.workers.worker import Worker

__all__ = ["crashed", "find_worker"]


def _no_worker(link: _host.Link) -> Worker | None:
    """Stand in for ``worker_of`` until workers exist."""
    return None


find_worker: Callable[[_host.Link], Worker | None] = _no_worker


def crashed(link: _host.Link, function: str | None) -> WorkerCrashedError | SystemExit:
    """Return the error for a call to a worker that has ended.

    When workers end because this process does, its daemon threads end without a word, as they do
    everywhere else.
    """
    if registry.is_exiting() and threading.current_thread().daemon:
        return SystemExit()
    worker = find_worker(link)
    if worker is not None:
        return worker.crash_report(function)
    return WorkerCrashedError(f"the worker {link.name} has ended", received=link.broken)


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


def settle(awaitable: Any) -> Any:
    """Run what an asynchronous callback returned to its end, on a thread without an event loop."""
    import asyncio

    async def run() -> Any:
        return await awaitable

    return asyncio.run(run())


_host.install(
    InputLimitError,
    crashed=crashed,
    overdue=overdue,
    refused=refused,
    forked=forked,
    too_deep=too_deep,
    released=released,
    stuck=deadlocks.stuck,
    remote_error=remote_errors.remote_error,
    array=array_over,
    perform=requests.perform,
    returned=remote_errors.returned,
    unreadable=unreadable,
    settle=settle,
    uncaught=uncaught,
    reference_types=references.TYPES,
    undefined=references.undefined,
    deadline_scope=scope_variable(),
    remaining_seconds=remaining_seconds,
)
