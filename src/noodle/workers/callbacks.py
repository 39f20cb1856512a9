"""Functions of this process that a worker calls: what they take, and what is told of failures."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from noodle import _host
from noodle.values import describe

__all__ = ["most_arguments", "note_callback"]

_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def most_arguments(callback: Callable[..., Any]) -> int | None:
    """Return how many arguments a callable takes by position.

    Args:
        callback: A callable that is no Python function, such as a method of a list or a partial.

    Returns:
        The number, or None where any number is taken, or its signature cannot be read.
    """
    try:
        parameters = inspect.signature(callback).parameters.values()
    except Exception:  # signatures that a program makes may raise anything
        return None
    if any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters):
        return None
    return sum(parameter.kind in _BY_POSITION for parameter in parameters)


def note_callback(
    link: _host.Link, callback: object, arguments: Sequence[object], error: BaseException
) -> None:
    """Add to an error which callback raised it, and what that was given.

    Args:
        link: The worker that called.
        callback: What was called.
        arguments: All arguments that it was called with.
        error: What was raised.
    """
    given = ", ".join(map(describe, arguments)) or "no arguments"
    note = f"in the callback {_shown(callback)}, which {link.name} called with {given}"
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)


def _shown(callback: object) -> str:
    """Return the name and module of a callable, or those of its class."""
    named = callback if isinstance(getattr(callback, "__qualname__", None), str) else type(callback)
    name = str(getattr(named, "__qualname__", "callable"))
    module = getattr(named, "__module__", None)
    return f"{name} of {module}" if isinstance(module, str) else name
