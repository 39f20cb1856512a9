"""Where a service listens, and how it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from noodle.ffi_service import limits

__all__ = ["ServiceOptions"]


@dataclass(frozen=True)
class ServiceOptions:
    """Where a service listens, and how it runs.

    Args:
        host: The loopback address to listen on, or its name.
        port: The port; 0 for one that is free.
        threads: How many calls may run at a time.
        seconds: How long a request may wait and run; None for no limit.
        config: The configuration file; None for the nearest one above the program.
    """

    host: str = "127.0.0.1"
    port: int = limits.PORT
    threads: int = limits.THREADS_MOST
    seconds: float | None = None
    config: Path | None = None
