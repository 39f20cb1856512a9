"""Amounts of memory as people write them: ``512MB``, ``2 GiB``."""

from __future__ import annotations

import os
import re

__all__ = ["EXAMPLES", "format_size", "machine_memory", "parse_size"]

EXAMPLES = "a number of bytes, or a text such as '512MB' or '2GiB'"

_SIZE = re.compile(r"\s*([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_size(value: object) -> int | None:
    """Return an amount in bytes, or None where it cannot be read.

    Args:
        value: Bytes as a whole number, or a text: a number with ``kB``, ``MB``, ``GB`` or ``TB``
            (powers of 1000), or with ``KiB``, ``MiB``, ``GiB`` or ``TiB`` (powers of 1024).
    """
    if type(value) is int:
        return value if value > 0 else None
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    number, prefix, binary = found.groups()
    if binary and not prefix:
        return None
    base = 1024 if binary else 1000
    size = round(float(number) * base ** _POWERS[prefix.lower()])
    return size if size > 0 else None


def machine_memory() -> int:
    """Return how much memory this machine has, in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def format_size(size: int) -> str:
    """Return an amount of bytes as a short text: 512000000 is ``512 MB``."""
    for unit, base in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= base:
            return f"{size / base:.4g} {unit}"
    return f"{size} bytes"
