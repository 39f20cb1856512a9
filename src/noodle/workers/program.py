"""What to run in a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Program"]


@dataclass(frozen=True, slots=True)
class Program:
    """How a worker is started, and how much it is trusted.

    Args:
        name: What people call it: the name in messages, crash reports and metrics.
        command: The absolute path of the executable, then its arguments.
        environment: All environment variables that it gets.
        directory: Its working directory.
        trusted: Whether its results may share memory with this process; False copies them.
        data_bytes: The limit on its private memory (``RLIMIT_DATA``); None for no limit.
        channels: How many threads can call it at once, 1 to 64.
        ring_bytes: Bytes of each ring of a channel, a power of two; larger messages take a segment.
        start_seconds: How long it may take until it is ready.
        grace_seconds: How long a call may go on after its deadline before its worker is killed.
        dedicated: Whether the worker has a thread for each thread that calls it.
        spin_seconds: How long a caller spins, without the GIL, before it sleeps.
    """

    name: str
    command: tuple[str | Path, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: str | Path = "/"
    trusted: bool = True
    data_bytes: int | None = None
    channels: int = 64
    ring_bytes: int = 1 << 16
    start_seconds: float = 30.0
    grace_seconds: float = 0.5
    dedicated: bool = False
    spin_seconds: float = 15e-6
