"""The file of a library that is loaded: found, or compiled from a source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from noodle.bridges.native.compilers import Compiler
from noodle.bridges.native.dependencies import check_dependencies, find_with_dependencies
from noodle.bridges.native.options import NativeOptions
from noodle.bridges.native.sources import (
    Choices,
    CompiledSource,
    Interface,
    Source,
    SourceFiles,
    compile_source,
    is_source,
    language_of,
    refuse_other_language,
)
from noodle.bridges.native.vectorized_loops import LoopSource
from noodle.build_cache import BuildCache
from noodle.calls import LoadRequest
from noodle.errors import CompilationError, NoodleError

__all__ = ["LibraryFile", "not_written"]


class LibraryFile:
    """Where a library lies. A source is compiled, and read for what it declares.

    Args:
        request: What was asked for.
        options: Its options.
        library_paths: The bridge's own directories to search, after those of the options.
        compiler: The C compiler, or None.
        cache: Where compiled files are kept.
        directory: Where the program is.
    """

    def __init__(
        self,
        request: LoadRequest,
        options: NativeOptions,
        library_paths: Sequence[str],
        compiler: Compiler | None,
        cache: BuildCache,
        directory: Path,
    ) -> None:
        self._request = request
        self._options = options
        self._library_paths = (*options.library_paths, *library_paths)
        self._compiler = compiler
        self._cache = cache
        self._directory = directory
        self.notes: list[str] = []
        self.prototypes: Any = request.prototypes
        self.interface: Interface | None = None
        self.sources: SourceFiles | None = None
        self.path = self._find()

    def loop_source(self) -> LoopSource | None:
        """Return the source for loops over its functions; None where it is none of C."""
        location = self._request.location
        if not location.endswith(".c"):
            return None

        def unchanged() -> bool:
            return self._compiled_source(location, reads_interface=False)[0].path == self.path

        return LoopSource(self._directory / location, self.path.name, unchanged)

    def _find(self) -> Path:
        location = self._request.location.removeprefix("c:")
        refuse_other_language(location)
        needed = (location, self._directory, self._library_paths, self._options.dependencies)
        if is_source(location, self._directory):
            check_dependencies(*needed)
            return self._compile(location)
        path = find_with_dependencies(*needed)
        self.notes.append(f"library file {path}")
        return path

    def _compile(self, location: str) -> Path:
        reads = self.prototypes is None and not self._options.header
        compiled, example = self._compiled_source(location, reads_interface=reads)
        self.notes += compiled.notes
        self.sources = compiled.files
        if reads:
            self._use(compiled.interface, location, example)
        return compiled.path

    def _compiled_source(
        self, location: str, *, reads_interface: bool
    ) -> tuple[CompiledSource, str]:
        """Return what a source compiles to, and an example of a function in its language."""
        options = self._options
        stated = "optimization" in self._request.options
        kept = self._cache.path("crates")
        choices = Choices(self._compiler, options.optimization, stated, kept)
        kind, language = language_of(location, self._directory, choices)
        try:
            source = Source(location, self._directory)
            compiled = compile_source(
                language, source, self._cache, reads_interface=reads_interface
            )
        except OSError as error:
            if isinstance(error, NoodleError):
                raise
            raise CompilationError(not_written(error), where=location) from error
        return compiled, kind.example

    def _use(self, interface: Interface, location: str, example: str) -> None:
        """Take the prototypes from what a source says of its functions and variables."""
        interface.refuse_empty(location, example)
        self.interface = interface
        self.prototypes = interface.prototypes
        self.notes += [f"cannot be used: {one}" for one in interface.left_out]


def not_written(error: OSError) -> str:
    """Return why nothing was compiled."""
    return f"what is compiled cannot be written: {error.strerror}"
