"""How long a host lives: as long as its client, and a few seconds more at most."""

from __future__ import annotations

import ctypes
import signal
import sys

__all__ = ["SHUTDOWN_SECONDS", "die_with_client", "end_soon"]

SHUTDOWN_SECONDS = int(signal.SIGQUIT)
"""What a host has for finishing once its client has gone; see ``die_with_client``."""

_SET_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of ``prctl(2)``."""


def die_with_client() -> None:
    """Have the kernel end this process a few seconds after the one that started it.

    The end of the stream is what a host usually sees, and it then finishes in order. Neither helps
    when a library computes without letting Python run. Then nothing but a signal handler in C
    can: the handler is the C library's own ``alarm``, which gets the signal's number and takes it
    for seconds. SIGQUIT is number 3. SIGALRM ends the process, unless a library wants it otherwise.
    """
    c_library = ctypes.CDLL(None)
    c_library.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
    c_library.signal.restype = ctypes.c_void_p
    c_library.signal(signal.SIGQUIT, ctypes.cast(c_library.alarm, ctypes.c_void_p))
    c_library.prctl(_SET_PARENT_DEATH_SIGNAL, ctypes.c_ulong(signal.SIGQUIT), 0, 0, 0)


def end_soon() -> None:
    """Give exit handlers and threads of libraries a few seconds, and end this process then."""
    signal.alarm(SHUTDOWN_SECONDS)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()
