"""Which header was meant by a name that no folder has."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from noodle.errors import did_you_mean

__all__ = ["nearest_header"]


def nearest_header(name: str, folders: Sequence[str]) -> str | None:
    """Return the headers that there are and whose names are nearest, or None when none is near.

    Args:
        name: The name as it stands in an ``#include``: ``zlib.h``, ``openssl/evp.h``.
        folders: The folders in which headers are looked for.
    """
    group, _, last = name.rpartition("/")
    near = _nearest(group, last, folders)
    if near or not group:
        return near
    groups = (did_you_mean(group, _entries(folders, os.path.isdir)) or "").split(" or ")
    fitting = (found for other in groups if other and (found := _nearest(other, last, folders)))
    return next(fitting, None)


def _nearest(group: str, last: str, folders: Sequence[str]) -> str | None:
    """Return the nearest headers of a folder within the folders."""
    within = [os.path.join(folder, group) for folder in folders]
    known = [entry for entry in _entries(within, os.path.isfile) if entry.endswith((".h", ".hpp"))]
    near = did_you_mean(last, known)
    return near and " or ".join(os.path.join(group, one) for one in near.split(" or "))


def _entries(folders: Sequence[str], fits: Callable[[str], bool]) -> list[str]:
    found: dict[str, None] = {}
    for folder in folders:
        try:
            listed = os.listdir(folder)
        except OSError:
            continue
        found.update((name, None) for name in listed if fits(os.path.join(folder, name)))
    return list(found)
