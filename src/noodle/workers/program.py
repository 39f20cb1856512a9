"""What to run in a worker."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from noodle.sizes import machine_memory

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
        memory_bytes: The most memory that it may have, the segments that it was given included; a
            worker that exceeds it is ended. None for no limit.
        reserved_bytes: What its runtime maps as data without using it: ``RLIMIT_DATA`` is so much
            more than ``memory_bytes``.
        shared_bytes: The most bytes of segments that it may have at once; None for
            ``memory_bytes``, else half of the machine's memory.
        shared_segments: The most segments; None for three quarters of the arena's, which
            has a quarter of the descriptors.
        map_read_only: Whether it sees read-only arrays as they are; writing to one kills it.
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
    memory_bytes: int | None = None
    reserved_bytes: int = 0
    shared_bytes: int | None = None
    shared_segments: int | None = None
    map_read_only: bool = False
    channels: int = 64
    ring_bytes: int = 1 << 16
    start_seconds: float = 30.0
    grace_seconds: float = 0.5
    dedicated: bool = False
    spin_seconds: float = 15e-6

    def most_shared_bytes(self) -> int:
        """Return the most bytes of segments that its worker may have at once."""
        if self.shared_bytes is not None:
            return self.shared_bytes
        if self.memory_bytes is not None:
            return self.memory_bytes
        return machine_memory() // 2

    def most_shared_segments(self) -> int:
        """Return the most segments that its worker may have at once."""
        if self.shared_segments is not None:
            return self.shared_segments
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return max(1, descriptors // 4 * 3 // 4)
