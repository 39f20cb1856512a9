"""Python distributions whose name differs from the name by which they are imported."""

from __future__ import annotations

import re

__all__ = ["DISTRIBUTION_NAMES", "distribution_name", "normalized_name"]

DISTRIBUTION_NAMES = {
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}
"""The distribution of each import name, where the two differ."""


def distribution_name(location: str) -> str:
    """Return the name of the distribution that a target's location means.

    A dotted name of identifiers is an import name, and its first part is what is installed. It is
    never taken for a distribution: a stranger may publish ``scipy-linalg``, which is the same
    name to a package index as ``scipy.linalg``.

    Args:
        location: An import name (``scipy.linalg``, ``sklearn``) or a distribution's name
            (``scikit-learn``).
    """
    parts = location.split(".")
    top = parts[0] if all(part.isidentifier() for part in parts) else location
    return DISTRIBUTION_NAMES.get(top, top)


def normalized_name(name: str) -> str:
    """Return a distribution's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
