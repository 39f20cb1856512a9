"""``noodle host``: serves the program that started it."""

from __future__ import annotations

from pathlib import Path

from noodle.cli.exit_codes import OK
from noodle.cli.process import guarded

__all__ = ["host"]

DESCRIPTOR = 3
"""Where clients put the socket: the first descriptor behind the standard streams."""


def host(
    *, directory: str | None = None, config: str | Path | None = None, threads: int | None = None
) -> int:
    """Serve the client at descriptor 3 until it goes, and return the exit code.

    Args:
        directory: Where the client's program is; the working directory by default.
        config: The configuration file; None for the nearest one above ``directory``.
        threads: How many calls may run at a time.
    """
    return guarded(lambda: _host(directory or ".", config, threads))


def _host(directory: str, config: str | Path | None, threads: int | None) -> int:
    from noodle.client_host import CALLS_MOST, serve

    serve(
        DESCRIPTOR,
        directory=Path(directory).absolute(),
        config=config,
        threads=threads or CALLS_MOST,
    )
    return OK
