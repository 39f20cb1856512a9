"""A host for tests: files on disk, output in a list, foreign libraries from Python modules."""

from __future__ import annotations

import importlib
from typing import Any

from noodle.language import ForeignImport, read_source_file


class CollectingHost:
    """Keeps what a program prints and imports."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.imported: list[ForeignImport] = []
        self.read: list[str] = []

    def load_foreign(self, spec: ForeignImport) -> Any:
        self.imported.append(spec)
        return importlib.import_module(spec.target)

    def read_source(self, path: str) -> str:
        self.read.append(path)
        return read_source_file(path)

    def write(self, text: str) -> None:
        self.written.append(text)

    @property
    def output(self) -> str:
        return "".join(self.written)
