"""What ``noodle --version`` says."""

from __future__ import annotations

import platform

from noodle import __version__
from noodle.language import LANGUAGE_VERSION

__all__ = ["version_text"]


def version_text() -> str:
    """Return the versions of Noodle, of the language, and of the Python that runs them."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"noodle {__version__} (language {LANGUAGE_VERSION}, {python})"
