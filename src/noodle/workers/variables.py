"""What a worker gets of the environment of its host; secrets are not among it."""

from __future__ import annotations

import os
from collections.abc import Iterable

__all__ = ["kept_variables", "working_directory"]

_KEPT = (
    "HOME",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "NO_COLOR",
    "NO_PROXY",
    "PATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
    "http_proxy",
    "https_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "no_proxy",
)


def kept_variables(others: Iterable[str] = ()) -> dict[str, str]:
    """Return the variables of this process that any worker gets, among them ``LC_…``.

    A worker that loads libraries itself installs nothing: nobody sees it.

    Args:
        others: Names of further ones, which a runtime needs.
    """
    names = {*_KEPT, *others}
    kept = {
        name: value for name, value in os.environ.items() if name in names or name.startswith("LC_")
    }
    return {**kept, "NOODLE_INSTALL": "never"}


def working_directory() -> str:
    """Return this process's working directory, or the root where it has been removed."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return "/"
