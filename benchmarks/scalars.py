"""What the benchmarks call in another Python; every library that is compared gets this file."""

from __future__ import annotations

import os
from typing import Any


def add(a: float, b: float) -> float:
    return a + b


def process_id() -> int:
    return os.getpid()


def first(values: Any) -> float:
    """Return the first item of an array."""
    return float(values[0])
