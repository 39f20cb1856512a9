"""What ``noodle --version`` says."""

from __future__ import annotations

import platform

from noodle import __version__

__all__ = ["LANGUAGE_VERSION", "version_text"]

LANGUAGE_VERSION = "0.1"
"""Which programs are understood: the second number grows with what the language can express."""


def version_text() -> str:
    """Return the versions of Noodle, of the language, and of the Python that runs them."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"noodle {__version__} (language {LANGUAGE_VERSION}, {python})"
