"""The start and the end of a service: the program is loaded, callers are served, calls finish."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any

from noodle.deadlines import deadline
from noodle.errors import MissingPackageError, SettingsError
from noodle.language.loader import ProgramLoader
from noodle.runtime.host import EngineHost

if TYPE_CHECKING:
    import uvicorn

    from noodle.ffi_service.application import Service

__all__ = ["PORT", "THREADS_MOST", "serve"]

PORT = 8080
THREADS_MOST = 32
"""Chosen: calls that run at a time; many of them wait for workers, files or networks."""

QUEUED_MOST = 256
"""Chosen: further calls that wait for a thread; what comes then is refused."""

CONNECTIONS_MOST = 1024
"""Chosen: connections and requests at a time."""

FINISHING_SECONDS = 20
"""Chosen: how long calls may go on when the service is told to end."""

HEADER_BYTES_MAX = 16 << 10
"""Chosen: what the line and the headers of a request may take."""

_PACKAGES = ("msgspec", "starlette", "uvicorn")


def serve(
    file: str,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    threads: int = THREADS_MOST,
    seconds: float | None = None,
    config: str | Path | None = None,
    report: Callable[[int, str, BaseException], None],
    announce: Callable[[str], None],
) -> None:
    """Run a program, and serve its functions until SIGTERM or SIGINT.

    Nothing is installed, whatever the setting ``install`` says.

    Args:
        file: The program.
        host: The loopback address to listen on, or its name.
        port: The port; 0 for one that is free.
        threads: How many calls may run at a time.
        seconds: How long a request may wait and run; None for no limit.
        config: The configuration file; None for the nearest one above the program.
        report: Told of every call that raises, on some thread.
        announce: Told what is served and where, once callers can connect.

    Raises:
        MissingError: A package that serving needs is not installed, or one that the program needs.
        SettingsError: It cannot listen there, or there is a security configuration.
        LanguageError: The program cannot be compiled, or has nothing to serve.
        KeyboardInterrupt: SIGINT ended it.
    """
    _require_packages()
    if seconds is not None:
        deadline(seconds)  # refuses what is no duration before anything is run
    if sys.stdout is not None:
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with _listening(host, port) as listener:
        program = _run(file, config)
        service, count = _service(program, threads, host, report, seconds)
        server = _server(service)
        _end_on_sigterm(server)
        where = f"http://{_in_url(host)}:{listener.getsockname()[1]}"
        announce(f"serving {count} function{'s' if count != 1 else ''} of {file} at {where}")
        server.run(sockets=[listener])


def _require_packages() -> None:
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise MissingPackageError(
            "serving needs packages that are not installed",
            expected=", ".join(_PACKAGES),
            received=f"no {', no '.join(missing)}",
            remedy='python -m pip install "noodle-ffi[service]"',
        )


def _run(file: str, config: str | Path | None) -> ModuleType:
    directory = os.path.dirname(os.path.abspath(file))
    host = EngineHost(directory, config=config, arguments={"install": "never"})
    if host.engine.settings.security is not None:
        raise SettingsError(
            "a service does not know its callers, so that no roles can be applied",
            expected="no table [security]",
            received="one with roles and permissions",
            where="security",
            remedy="serve with a configuration of its own: noodle serve --config FILE",
        )
    return ProgramLoader(host).run(file)


def _service(
    program: ModuleType,
    threads: int,
    host: str,
    report: Callable[[int, str, BaseException], None],
    seconds: float | None,
) -> tuple[Service, int]:
    from noodle.ffi_service.application import Service
    from noodle.ffi_service.call_threads import CallThreads
    from noodle.ffi_service.functions import ProgramFunctions

    functions = ProgramFunctions(program)
    service = Service(
        functions,
        CallThreads(threads, QUEUED_MOST),
        hosts={host, "localhost", "127.0.0.1", "::1"},
        report=report,
        seconds=seconds,
    )
    return service, len(functions)


def _server(service: Service) -> uvicorn.Server:
    import uvicorn

    return uvicorn.Server(
        uvicorn.Config(
            service.application,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS_MOST,
            h11_max_incomplete_event_size=HEADER_BYTES_MAX,
            timeout_graceful_shutdown=FINISHING_SECONDS,
        )
    )


def _end_on_sigterm(server: uvicorn.Server) -> None:
    """Take SIGTERM for the wish to end in order, also where uvicorn raises it anew at its end."""

    def end(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    signal.signal(signal.SIGTERM, end)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family, address = _loopback(host, port)
    try:
        listener = socket.create_server(address[:2], family=family, backlog=CONNECTIONS_MOST)
    except OSError as error:
        raise SettingsError(
            f"port {port} of {host} cannot be listened on: {os.strerror(error.errno or 0)}",
            expected="a free port",
            received=str(port),
            where="--port",
            remedy="--port 0 takes one that is free",
        ) from None
    with listener:
        yield listener


def _loopback(host: str, port: int) -> tuple[Any, Any]:
    """Return the family and address of a loopback host.

    Raises:
        SettingsError: It is none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        found = []
    for family, _, _, _, address in found:
        if ipaddress.ip_address(address[0]).is_loopback:
            return family, address
    raise SettingsError(
        f"{host} is no loopback address, and a service does not know its callers",
        expected="127.0.0.1, ::1 or localhost",
        received=host,
        where="--host",
        remedy="let a proxy that knows its callers stand in front of a loopback address",
    )


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
