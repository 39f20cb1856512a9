"""The start and the end of a service: the program is loaded, callers are served, calls finish."""

from __future__ import annotations

import ipaddress
import logging
import os
import signal
import socket
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from types import FrameType, ModuleType
from typing import TYPE_CHECKING

from noodle.deadlines import deadline
from noodle.errors import MissingPackageError, SettingsError
from noodle.ffi_service import limits
from noodle.ffi_service.functions import ProgramFunctions
from noodle.ffi_service.options import ServiceOptions
from noodle.ffi_service.service_log import ServiceLog
from noodle.language.loader import ProgramLoader
from noodle.runtime.engine import pin
from noodle.runtime.host import EngineHost

if TYPE_CHECKING:
    import uvicorn

    from noodle.ffi_service.application import Service
    from noodle.ffi_service.service_log import Report, Tell

__all__ = ["bind_loopback", "serve"]

_PACKAGES = ("msgspec", "starlette", "uvicorn")


def serve(file: str, options: ServiceOptions, *, report: Report, tell: Tell) -> None:
    """Run a program, and serve its functions until SIGTERM or SIGINT.

    Nothing is installed, whatever the setting ``install`` says. A process serves once: this pins
    settings of it, and ends it a few seconds after it has returned if threads go on.

    Args:
        file: The program.
        options: Where it listens, and how it runs.
        report: Told of every call that raises, on a thread of its own.
        tell: Told what is served and where, once callers can connect, and whatever else happens.

    Raises:
        MissingError: A package that serving needs is not installed, or one that the program needs.
        SettingsError: It cannot listen there, or there is a security configuration.
        LanguageError: The program cannot be compiled, or has nothing to serve.
        KeyboardInterrupt: SIGINT ended it.
    """
    _require_packages()
    if options.seconds is not None:
        deadline(options.seconds)  # refuses what is no duration before anything is run
    _use_standard_streams()
    pin(install="never")
    with bind_loopback(options.host, options.port) as listener:
        program = _run(file, options.config, tell)
        functions = ProgramFunctions(program)
        log = ServiceLog(report, tell)
        _listen(listener)
        address, number, *_ = listener.getsockname()
        hosts = {_bare(options.host), address, "localhost", "127.0.0.1", "::1"}
        server = _server(_service(functions, options, log, hosts), log)
        where = f"http://{_in_url(address)}:{number}"
        plural = "s" if len(functions) != 1 else ""
        log.say(f"serving {len(functions)} function{plural} of {file} at {where}")
        _serve(server, listener, log)


def _require_packages() -> None:
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise MissingPackageError(
            "serving needs packages that are not installed",
            expected=", ".join(_PACKAGES),
            received=f"no {', no '.join(missing)}",
            remedy='python -m pip install "noodle-ffi[service]"',
        )


def _use_standard_streams() -> None:
    """Have lines written at once, and no socket in the place of a stream that is closed."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest descriptor that is free
    if sys.stdout is not None:
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _run(file: str, config: Path | None, tell: Tell) -> ModuleType:
    directory = os.path.dirname(os.path.abspath(file))
    host = EngineHost(directory, config=config)
    if host.engine.settings.security is not None:
        raise SettingsError(
            "a service does not know its callers, so that no roles can be applied",
            expected="no table [security]",
            received="one with roles and permissions",
            where="security",
            remedy="serve with a configuration of its own: noodle serve --config FILE",
        )
    try:
        return ProgramLoader(host).run(file)
    except SystemExit:
        tell(f"{file} has ended by itself, and is not served")
        raise


def _service(
    functions: ProgramFunctions,
    options: ServiceOptions,
    log: ServiceLog,
    hosts: set[str],
) -> Service:
    from noodle.ffi_service.application import Service
    from noodle.ffi_service.call_threads import CallThreads

    return Service(
        functions,
        CallThreads(options.threads, limits.QUEUED_MOST),
        log,
        hosts=hosts,
        seconds=options.seconds,
    )


def _server(service: Service, log: ServiceLog) -> uvicorn.Server:
    import uvicorn

    from noodle.ffi_service.http_protocol import HttpProtocol

    config = uvicorn.Config(
        service.application,
        http=HttpProtocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        workers=1,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=limits.BACKLOG,
        h11_max_incomplete_event_size=limits.HEAD_BYTES_MAX,
        timeout_graceful_shutdown=limits.FINISHING_SECONDS,
    )
    for name in ("uvicorn.error", "asyncio"):
        logger = logging.getLogger(name)
        logger.addHandler(log)
        logger.propagate = False
    return uvicorn.Server(config)


def _serve(server: uvicorn.Server, listener: socket.socket, log: ServiceLog) -> None:
    def end(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    # uvicorn raises the signal that has ended it anew, for the handler that was there before.
    signal.signal(signal.SIGTERM, end)
    code = 1
    try:
        server.run(sockets=[listener])
        code = 0
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
        raise
    finally:
        _leave_in_time(code)
        log.finish(1.0)


def _leave_in_time(code: int) -> None:
    """End this process in a few seconds, whatever threads of libraries and standard error do."""
    leave = threading.Timer(limits.LEAVING_SECONDS, os._exit, [code])
    leave.daemon = True
    leave.start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def bind_loopback(host: str, port: int) -> socket.socket:
    """Return a socket that has an address, on which nobody listens yet.

    Args:
        host: The loopback address, or its name.
        port: The port; 0 for one that is free.

    Raises:
        SettingsError: It is no loopback address, or the port cannot be had.
    """
    family, address = _loopback(host, port)
    # With the protocol stated asyncio sends answers without waiting for more (TCP_NODELAY).
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise _cannot_listen(port, error) from None
    return bound


def _listen(bound: socket.socket) -> None:
    try:
        bound.listen(limits.BACKLOG)
    except OSError as error:  # somebody else listens there since it was bound
        raise _cannot_listen(bound.getsockname()[1], error) from None


def _cannot_listen(port: int, error: OSError) -> SettingsError:
    return SettingsError(
        f"port {port} cannot be listened on: {os.strerror(error.errno or 0)}",
        expected="a free port",
        received=str(port),
        where="--port",
        remedy="--port 0 takes one that is free",
    )


def _loopback(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    """Return the family and address of a loopback host.

    Raises:
        SettingsError: It is none.
    """
    try:
        found = socket.getaddrinfo(_bare(host), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        found = []
    for family, _, _, _, (address, *_) in found:
        if _is_loopback(str(address)):
            return family, (str(address), port)
    raise SettingsError(
        f"{host!r} is no loopback address, and a service does not know its callers",
        expected="127.0.0.1, ::1 or localhost",
        received=repr(host),
        where="--host",
        remedy="let a proxy that knows its callers stand in front of a loopback address",
    )


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _bare(host: str) -> str:
    """Return a host without the brackets that an address of IPv6 has in a URL."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address
