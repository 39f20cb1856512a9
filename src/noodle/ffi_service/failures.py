"""Errors as what is answered: a status, and a body that tells a caller what is the caller's.

Where in the program something went wrong, the frames around it and Noodle's advice to the program's
author are for the log. A message of the function itself is part of its answer, as in a local call.
"""

from __future__ import annotations

from typing import Any

from noodle.errors import (
    DeadlineExceededError,
    InputLimitError,
    InstanceUnavailableError,
    InternalError,
    NameNotFoundError,
    NoodleError,
    PermissionDeniedError,
    WorkerCrashedError,
)
from noodle.ffi_service import limits
from noodle.language import describe_failure

__all__ = ["Refusal", "call_failure", "defect", "request_failure"]

_STATUS_OF_CALLS = (
    (DeadlineExceededError, 504),
    (InstanceUnavailableError, 503),
    (WorkerCrashedError, 502),
    (PermissionDeniedError, 403),
)
_STATUS_OF_REQUESTS = (
    (InternalError, 500),
    (InstanceUnavailableError, 503),
    (InputLimitError, 413),
    (NameNotFoundError, 404),
)
_UNTOLD = "a defect in Noodle; the log of the service has it"


class Refusal(Exception):
    """A request that gets a certain status, whatever the class of its error.

    Args:
        status: The status (RFC 9110).
        error: What is wrong with it.
    """

    def __init__(self, status: int, error: NoodleError) -> None:
        super().__init__(status, error)
        self.status = status
        self.error = error


def request_failure(error: Refusal | NoodleError) -> tuple[int, dict[str, Any]]:
    """Return status and body for a request that cannot be carried out; nothing was called.

    Args:
        error: Why.
    """
    if isinstance(error, Refusal):
        return error.status, {"error": _described(error.error)}
    status = next((code for kind, code in _STATUS_OF_REQUESTS if isinstance(error, kind)), 400)
    return status, {"error": _described(error)}


def call_failure(error: BaseException, number: int) -> tuple[int, dict[str, Any]]:
    """Return status and body for a call that raised.

    Args:
        error: What it raised.
        number: The number of the call, under which the log has the rest.
    """
    status = next((code for kind, code in _STATUS_OF_CALLS if isinstance(error, kind)), 500)
    kind, message = _shown(error)
    return status, {"error": {"type": kind, "message": _told(message), "call": number}}


def _shown(error: BaseException) -> tuple[str, str]:
    """Return the class and the message of what a call raised."""
    if isinstance(error, InternalError):
        return type(error).__name__, _UNTOLD
    try:
        failure = describe_failure(error)
        return failure.kind, failure.summary.removeprefix(f"{failure.kind}: ")
    except BaseException:  # its own code runs while it is shown
        return type(error).__name__, "it cannot be shown"


def defect() -> tuple[int, dict[str, Any]]:
    """Return status and body where the service itself failed."""
    return 500, {"error": {"type": InternalError.__name__, "message": _UNTOLD}}


def _described(error: NoodleError) -> dict[str, Any]:
    details = {label: _told(text) for label, text in error.details() if label != "where"}
    return {"type": type(error).__name__, "message": _told(error.summary), **details}


def _told(text: str) -> str:
    """Return a text that can be written, and is not too long."""
    if len(text) > limits.MESSAGE_CHARACTERS_MAX:
        text = text[: limits.MESSAGE_CHARACTERS_MAX] + "…"
    return text.encode("utf-8", "replace").decode()
