"""The errors of a connection to a client, and errors that come from it."""

from __future__ import annotations

from typing import Any

from noodle import _host
from noodle.client_host.frames import FRAME_BYTES_MAX
from noodle.errors import (
    ArgumentTypeError,
    CallDepthError,
    DeadlineExceededError,
    DeadlockError,
    ForeignError,
    ForkedProcessError,
    InputLimitError,
    InstanceUnavailableError,
    RemoteCallError,
    WorkerBlockedError,
)
from noodle.values import describe
from noodle.workers import remote_errors

__all__ = [
    "cancelled",
    "client_gone",
    "forked",
    "loop_stands_still",
    "overdue",
    "parts",
    "reader_asks",
    "remote_error",
    "thrown",
    "too_deep",
    "too_large",
    "unreadable",
]


def parts(content: Any) -> tuple[int, int, list[Any]]:
    """Return operation, object and arguments of a request.

    Raises:
        ArgumentTypeError: It is no request.
    """
    if not isinstance(content, list) or [type(part) for part in content[:2]] != [int, int]:
        raise ArgumentTypeError(
            "the client sent what is no request",
            expected="a list that begins with an operation and an object",
            received=describe(content),
        )
    operation, number, *arguments = content
    return operation, number, arguments


def client_gone(what: str) -> InstanceUnavailableError:
    """Return the error for a request to a client that has ended."""
    return InstanceUnavailableError(f"{what} cannot be called: the client has ended")


def cancelled() -> InterruptedError:
    """Return the error for work that the client does not wait for any more."""
    return InterruptedError("the caller does not wait any more")


def overdue(what: str) -> DeadlineExceededError:
    """Return the error for what was not done before the deadline of its call."""
    return DeadlineExceededError(
        f"{what} did not finish before its deadline",
        remedy="allow more time with the option deadline",
    )


def too_deep(depth: int) -> CallDepthError:
    """Return the error for calls and callbacks that are nested too deeply."""
    return CallDepthError(
        "calls of the client and callbacks into it are nested too deeply",
        expected=f"at most {_host.DEPTH_MAX} within each other",
        received=str(depth),
    )


def too_large(size: int) -> InputLimitError:
    """Return the error for a message that exceeds the limit."""
    return InputLimitError(
        "a message between client and host is too large",
        expected=f"at most {FRAME_BYTES_MAX} bytes",
        received=f"{size} bytes",
        remedy="send less at once",
    )


def loop_stands_still() -> DeadlockError:
    """Return the error for a coroutine that the event loop can never run."""
    return DeadlockError(
        "a coroutine function is called within a callback that the event loop waits for",
        expected="a callback that does not block the loop",
        remedy="in the coroutine, write `await callback.aio(...)` in place of `callback(...)`",
    )


def reader_asks(what: str) -> WorkerBlockedError:
    """Return the error for a callback on the thread that would have to read its answer."""
    return WorkerBlockedError(
        f"{what} cannot be called while a message is read",
        expected="a call on another thread",
        received="a call from a finalizer or a signal handler",
    )


def forked(what: str) -> ForkedProcessError:
    """Return the error for the use of the client in the child of a fork."""
    return ForkedProcessError(
        f"{what} belongs to the process that this one was forked from",
        remedy="call it in the parent process",
    )


def unreadable(what: str, error: BaseException) -> ForeignError:
    """Return the error for an answer that this process cannot hold."""
    return ForeignError(f"the result of {what} has no form in Python: {error}")


def thrown(what: str, value: Any) -> BaseException:
    """Return what to raise for the content of an ERROR."""
    if isinstance(value, BaseException):
        return value
    return ForeignError(f"{what} failed and did not say how")


class _Client:
    trusted = True


def remote_error(*fields: Any) -> RemoteCallError:
    """Return the exception for an error of the client; see ``workers.remote_errors``.

    Args:
        fields: Language, type, message, frames, cause, extra, as the wire format has them.
    """
    source: Any = _Client()  # of a link, only this is looked at
    return remote_errors.remote_error(source, fields)
