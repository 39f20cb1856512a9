"""What the language asks of whoever runs a program: files, libraries, a place to print."""

from __future__ import annotations

from typing import Any, Protocol

from noodle.language.foreign_imports import ForeignImport

__all__ = ["Host"]


class Host(Protocol):
    """The engine, as a running program sees it."""

    def load_foreign(self, spec: ForeignImport) -> Any:
        """Return what an ``import ffi`` gives.

        Args:
            spec: What to load; its types are valid.
        """

    def read_source(self, path: str) -> str:
        """Return the text of a Noodle file; ``source_files.read_source_file`` reads one from disk.

        Args:
            path: The file, absolute or relative to the working directory.

        Raises:
            SourceError: It cannot be read.
        """

    def write(self, text: str) -> Any:
        """Take what ``print`` makes."""
