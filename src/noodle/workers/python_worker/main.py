"""The start of a worker: its threads, its streams, and what the native half calls back."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import BuiltinFunctionType, CoroutineType, FunctionType, MethodType

from . import core, tasks
from .arrays import make_array
from .errors import Cancelled, Overdue, describe, make_error, note_call
from .members import serve
from .references import TYPES

__all__ = ["run"]


def run() -> None:
    """Serve the host until it says stop."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    signal.signal(signal.SIGURG, core.interrupted)
    core.start(
        {
            "serve": serve,
            "describe": describe,
            "note_call": note_call,
            "make_error": make_error,
            "make_array": make_array,
            "proxy_types": TYPES,
            "start_lane": start_lane,
            "start_helper": start_helper,
            "await_result": tasks.await_result,
            "cancel": tasks.cancel,
            "settle": tasks.settle,
            "current": tasks.current,
            "cancelled": Cancelled,
            "overdue": Overdue,
            "end_fork": end_fork,
            "coroutine": CoroutineType,
            "function_types": (FunctionType, MethodType, BuiltinFunctionType),
        }
    )
    threading.excepthook, told = tell_uncaught, threading.excepthook
    _told.append(told)
    _start("noodle", core.keep)
    core.serve_main()


def _start(name: str, function, *arguments) -> None:  # type: ignore[no-untyped-def]
    threading.Thread(target=function, args=arguments, name=name, daemon=True).start()


def start_lane(index: int) -> None:
    """Start the thread of a channel."""
    _start(f"noodle {index}", core.serve_lane, index)


def start_helper() -> None:
    """Start a thread for calls whose lane is busy."""
    _start("noodle helper", core.help)


_told: list = []  # type: ignore[type-arg]


def tell_uncaught(details) -> None:  # type: ignore[no-untyped-def]
    """Tell the host of an exception that ended a thread."""
    if details.exc_value is not None and details.exc_type is not SystemExit:
        core.uncaught(details.exc_value)


def end_fork() -> None:
    """End a child of ``fork()`` that has come back from the call in which it was made.

    It is a copy of the worker, whose host waits for one answer and not for two.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(0)
