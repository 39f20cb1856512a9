"""The host of a client: a program in another language that calls libraries through Noodle.

The client starts this process and holds the other end of the socket that it was given.

========================  =======================================================================
:mod:`~.connection`       takes calls, answers them
:mod:`~.frames`           what goes over the socket
:mod:`~.values`           how values are written into it
:mod:`~.references`       objects that cross by number
:mod:`~.client_objects`   what stands for the client's functions and objects here
:mod:`~.operations`       what calls ask for
:mod:`~.functions`        the handles that they go through
:mod:`~.members`          paths to members of objects
:mod:`~.iterations`       iterators that the client reads
:mod:`~.threads`          threads that read and run calls
:mod:`~.waits`            threads that wait for the client
:mod:`~.event_loop`       where coroutines run
:mod:`~.exceptions`       exceptions on their way to the client
:mod:`~.failures`         errors of the connection itself
:mod:`~.lifetime`         the end of the process
========================  =======================================================================
"""

from __future__ import annotations

import os
import socket
import stat
import sys
import threading
from pathlib import Path

from noodle import __version__, _wire
from noodle.client_host.connection import Connection
from noodle.client_host.frames import FRAME_BYTES_MAX
from noodle.client_host.lifetime import die_with_client, end_soon
from noodle.client_host.operations import Operations
from noodle.client_host.references import Exports
from noodle.errors import MissingError
from noodle.runtime.engine import Engine
from noodle.runtime.host import make_engine

__all__ = ["CALLS_MOST", "serve"]

CALLS_MOST = 64
"""Chosen: calls that run at a time; many of them wait for files, networks or workers."""

FRAMES_MOST = 5000
"""Chosen: Python's frames within each other on one thread. Nested calls take about ten each."""


def serve(
    descriptor: int,
    *,
    directory: str | Path,
    config: str | Path | None = None,
    threads: int = CALLS_MOST,
) -> None:
    """Serve a client until it goes.

    Args:
        descriptor: The socket to the client.
        directory: Where the configuration is looked for, and what relative targets start from.
        config: The configuration file, in place of the nearest one.
        threads: How many calls may run at a time.

    Raises:
        MissingError: The descriptor is no socket.
    """
    stream = _socket(descriptor)
    die_with_client()
    sys.setrecursionlimit(max(sys.getrecursionlimit(), FRAMES_MOST))
    if sys.stdout is not None:
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    incarnation = int.from_bytes(os.urandom(8)) >> 1
    exports = Exports(incarnation)
    operations = Operations(
        _EngineOnce(directory, config).get, exports, str(directory), lambda: connection.statistics()
    )
    connection = Connection(stream, exports, operations.perform, threads=threads)
    connection.serve(
        [
            _wire.VERSION,
            __version__,
            sys.version.split()[0],
            sys.executable,
            incarnation,
            FRAME_BYTES_MAX,
        ]
    )
    end_soon()


class _EngineOnce:
    """Makes the engine when the first library is loaded: its errors then reach the client."""

    def __init__(self, directory: str | Path, config: str | Path | None) -> None:
        self._directory = directory
        self._config = config
        self._lock = threading.Lock()
        self._engine: Engine | None = None

    def get(self) -> Engine:
        with self._lock:
            if self._engine is None:
                self._engine = make_engine(self._directory, self._config)
            return self._engine


def _socket(descriptor: int) -> socket.socket:
    try:
        is_socket = stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:
        is_socket = False
    if not is_socket:
        raise MissingError(
            "a host is started by its client, which gives it a socket",
            expected=f"a socket at descriptor {descriptor}",
            received="none",
            remedy="call Noodle from the program: npm install noodle-ffi",
        )
    os.set_inheritable(descriptor, False)
    stream = socket.socket(fileno=descriptor)
    stream.setblocking(True)
    return stream
