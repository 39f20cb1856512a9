"""A load that stops before the library is opened: what it declares is all that is wanted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from noodle.bridges.native.contents import Contents, DeclaredContents
from noodle.bridges.native.functions import NativeFunctions
from noodle.bridges.native.headers.comments import comments_of
from noodle.bridges.native.headers.packages import is_own_header
from noodle.bridges.native.isolated.load import IsolatedLoad
from noodle.bridges.native.sources.comments import source_comments
from noodle.bridges.native.stubs import NativeStubs
from noodle.stubs.model import StubModule

__all__ = ["DescribingLoad"]


class DescribingLoad(IsolatedLoad):
    """What is known of a library that is not loaded; see ``Load``."""

    def stub(self) -> StubModule:
        """Return what the library declares.

        Raises:
            UsageError, ForeignError: As a load.
        """
        contents = self._contents()
        names = {*contents.functions, *contents.variables}
        stubs = NativeStubs(contents, self._comments(names), self._annotations(contents).plan)
        unusable = {**contents.unbound, **self._left_out}
        return stubs.module(self._request.location, self._source(), unusable)

    def _contents(self) -> Contents:
        if self._options.header:
            return self._header_functions().contents
        return DeclaredContents(self._declarations() if self._file.prototypes else None)

    def _in_worker(
        self, contents: Contents, declared: Any, extension: list[str] | None
    ) -> NativeFunctions:
        return NativeFunctions(contents)

    def _source(self) -> str:
        if self._options.header:
            return ", ".join(self._options.header)
        if self._file.interface:
            return "its source"
        return "its prototypes" if self._file.prototypes else ""

    def _comments(self, names: Collection[str]) -> Mapping[str, str]:
        if self._file.interface:
            return source_comments(self._directory / self._request.location, names)
        found: dict[str, str] = {}
        for file in self._header_files:
            if is_own_header(file, self._options.header):
                text = Path(file).read_text(encoding="utf-8", errors="replace")
                found = {**comments_of(text, names), **found}
        return found
