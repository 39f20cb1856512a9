"""The adapter for shared libraries and C sources, in this process or in workers.

Importing this module loads neither cffi nor a parser; the first load does.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from noodle.calls import LoadRequest, Preparation

if TYPE_CHECKING:
    from noodle.bridges.native.compilers import Compiler
    from noodle.bridges.native.libraries import NativeLibrary
    from noodle.bridges.native.load import Load
    from noodle.stubs.model import StubModule

_AnyLoad = TypeVar("_AnyLoad", bound="Load")

__all__ = ["SECTION", "NativeBridge"]

SECTION = "native"
"""The lock file's section."""


class NativeBridge:
    """Loads shared libraries and C sources, and calls their functions here or in workers.

    It may be used from several threads at once.

    Args:
        library_paths: Directories to search before all others, for every load.
        compiler: The C compiler; None takes the first that there is.
        cache_directory: Where compiled files are kept; None takes the user's cache.
    """

    def __init__(
        self,
        library_paths: Sequence[str] = (),
        *,
        compiler: Compiler | None = None,
        cache_directory: Path | None = None,
    ) -> None:
        self._library_paths = tuple(library_paths)
        self._compiler = compiler
        self._cache_directory = cache_directory

    placements = ("inprocess", "isolated")

    @property
    def name(self) -> str:
        """``native``."""
        return "native"

    @property
    def option_names(self) -> frozenset[str]:
        """The load options that this bridge understands."""
        from noodle.bridges.native.options import NativeOptions

        return NativeOptions.names()

    def missing(self) -> str | None:
        """Say what this bridge needs and lacks, with the command to type, or return None."""
        from importlib.util import find_spec

        if not sys.platform.startswith("linux"):
            return f"native libraries are loaded on Linux, not on {sys.platform}"
        return None if find_spec("_cffi_backend") else "cffi is not installed: pip install cffi"

    def prepare(self, request: LoadRequest) -> Preparation | None:
        """Find a shared library of the system and say which build it is.

        A file beside the program, or a source, belongs to the program itself.

        Raises:
            MissingLibraryError: There is no such library, or a dependency is missing.
            LibraryLoadError: It is no library for this process.
            SettingsError: An option is unknown or has a wrong value.
        """
        from noodle.bridges.native.dependencies import find_with_dependencies
        from noodle.bridges.native.elf import read_library
        from noodle.bridges.native.options import NativeOptions

        if request.kind != "library":
            return None
        options = NativeOptions.read(request.options)
        path = find_with_dependencies(
            request.location,
            Path(request.directory).absolute(),
            (*options.library_paths, *self._library_paths),
            options.dependencies,
        )
        build = read_library(path, request.location).identity()
        summary = f"build {build[:12]}"
        return Preparation(summary, path, SECTION, request.location, {"build": build})

    def lock(self, request: LoadRequest) -> Preparation | None:
        """Do as ``prepare``, which installs nothing."""
        return self.prepare(request)

    def load(self, request: LoadRequest) -> NativeLibrary:
        """Load a shared library, or a C source that is compiled first.

        Args:
            request: ``location`` is a path with a slash, a file name (``libm.so.6``), a bare name
                (``z``), or a path to a ``.c`` file.

        Raises:
            MissingLibraryError: There is no such library or file, or a dependency is missing.
            MissingSymbolError: A prototype names a function that the library lacks.
            PrototypeError: A prototype cannot be read or used; all such are listed.
            VersionError: The library is older than was asked for.
            LibraryLoadError: It is no library for this process, or the loader refused it.
            CompilationError: The compiler rejected the source.
            SettingsError: An option is unknown, has a wrong value, or is one of workers only.
            WorkerCrashedError: Its worker ended while it was opened.
        """
        return self._load(_load_class(request), request).library()

    def describe(self, request: LoadRequest, *, run: bool = False) -> StubModule:
        """Return what a library declares; it is not opened.

        Args:
            request: As of ``load``.
            run: Whether its code may run, of which there is no need.

        Raises:
            UsageError, ForeignError: As ``load``.
        """
        from noodle.bridges.native.describing import DescribingLoad

        return self._load(DescribingLoad, request).stub()

    def _load(self, kind: type[_AnyLoad], request: LoadRequest) -> _AnyLoad:
        from noodle.bridges.native.compilers import find_compiler
        from noodle.build_cache import user_cache_directory

        return kind(
            request,
            library_paths=self._library_paths,
            compiler=self._compiler or find_compiler(),
            cache_directory=self._cache_directory or user_cache_directory() / "native",
        )


def _load_class(request: LoadRequest) -> type[Load]:
    if request.placement == "isolated":
        from noodle.bridges.native.isolated.load import IsolatedLoad

        return IsolatedLoad
    from noodle.bridges.native.load import Load
    from noodle.bridges.native.options import WORKER_OPTIONS
    from noodle.bridges.remote.options import refuse_worker_options

    refuse_worker_options(request, WORKER_OPTIONS)
    return Load
