"""What ``noodle run`` tells on standard error when a package is installed for the first time."""

from __future__ import annotations

import re

_NOTICE = re.compile("noodle: (resolving|installing|waiting for another process that installs) ")


def without_notices(errors: str) -> str:
    """Return a text of standard error without the lines about installations."""
    lines = errors.splitlines(keepends=True)
    return "".join(line for line in lines if not _NOTICE.match(line))
