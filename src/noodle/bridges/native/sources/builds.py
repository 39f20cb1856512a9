"""Sources compiled on the spot to shared libraries, once per content, flags and compiler."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from noodle.bridges.native.elf import facts_of, file_digest, read_library
from noodle.bridges.native.sources.interfaces import Interface, LeftOut
from noodle.build_cache import BuildCache, digest
from noodle.errors import CompilationError, MissingLibraryError

__all__ = ["CompiledSource", "Language", "Source", "SourceFiles", "compile_source"]

_FORMAT = "4"
_ABSENT = ""
"""Stands for the digest of a file that is not there."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is to be compiled.

    Args:
        location: The file or folder, as the user wrote it; diagnostics show it so.
        directory: Where a relative path begins.
    """

    location: str
    directory: Path

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.directory / self.location


class SourceFiles:
    """The files that a library was compiled from.

    Args:
        source: The source.
        contents: The digests of its files when it was compiled, by name.
    """

    def __init__(self, source: Source, contents: Mapping[str, str]) -> None:
        self._directory = source.directory
        self._contents = contents
        self._facts: list[tuple[int, ...] | None] = []

    def changed(self) -> bool:
        """Return whether a file has other content by now."""
        facts = [facts_of(self._directory / file) for file in self._contents]
        if facts == self._facts:
            return False
        if not _unchanged(self._contents, self._directory):
            return True
        self._facts = facts
        return False


@dataclass(frozen=True, slots=True)
class CompiledSource:
    """The shared library that a source has become.

    Args:
        path: Its file.
        interface: What the source says of its functions; empty unless it was asked for.
        notes: What ``explain`` should tell.
        files: What it was compiled from.
    """

    path: Path
    interface: Interface
    notes: Sequence[str]
    files: SourceFiles


class Language(ABC):
    """How sources of one language are compiled. An object serves one load."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """What changes when compiler or flags do."""

    @abstractmethod
    def files(self, source: Source, private: Path) -> Sequence[str]:
        """Return the files that the result depends on, but those of the system.

        Args:
            source: The source.
            private: A folder for scratch files.

        Raises:
            CompilationError: The compiler rejected it.
        """

    @abstractmethod
    def compile(self, source: Source, output: Path) -> None:
        """Write the shared library.

        Args:
            source: The source, whose files were asked for before.
            output: The file to write, in a private folder.

        Raises:
            CompilationError: The compiler rejected it.
        """

    @abstractmethod
    def interface(self, source: Source, private: Path, exports: Mapping[str, bool]) -> Interface:
        """Return what the source says of its functions.

        Args:
            source: The source.
            private: A folder for scratch files.
            exports: The names that its library exports; the value says whether it is a function.
        """

    @abstractmethod
    def notes(self, source: Source, exports: Collection[str]) -> Sequence[str]:
        """Return what ``explain`` should tell of the result.

        Args:
            source: The source.
            exports: All names that its library exports.
        """


def compile_source(
    language: Language, source: Source, cache: BuildCache, *, reads_interface: bool
) -> CompiledSource:
    """Return the shared library that a source compiles to.

    What is cached is found again by the content of the source and of every other file of its own
    that went into it; no compiler is started for that.

    Args:
        language: How it is compiled.
        source: The source.
        cache: Where libraries are kept.
        reads_interface: Whether the source's functions are asked for.

    Raises:
        MissingLibraryError: There is no such file.
        CompilationError: The compiler rejected it; its diagnostics are in the message.
    """
    if not os.path.exists(source.path):
        raise MissingLibraryError(
            f"source {source.location!r} was not found",
            received=f"no such file in {source.path.parent}",
            where=source.location,
        )
    build = digest(_FORMAT, str(source.path.resolve()), source.location, language.identity)
    manifest = cache.path(f"source_{digest(build, str(reads_interface))}.json")
    known = _read_manifest(manifest)
    if known is not None and _unchanged(known.files, source.directory):
        library = cache.path(_library_name(build, known.files))
        if os.path.isfile(library):
            files = SourceFiles(source, known.files)
            return CompiledSource(library, known.interface, known.notes, files)
    return _compile(language, source, cache, build, manifest.name, reads_interface)


def _compile(
    language: Language,
    source: Source,
    cache: BuildCache,
    build: str,
    manifest: str,
    reads_interface: bool,
) -> CompiledSource:
    first = _digest_of(source.path)
    with cache.private_folder() as private:
        files = language.files(source, private)
    contents = {file: _digest_of(source.directory / file) for file in files}

    def refuse_changed() -> None:
        if _digest_of(source.path) != first or not _unchanged(contents, source.directory):
            raise CompilationError(
                f"{source.location!r} changed while it was compiled",
                where=source.location,
                remedy="load it again",
            )

    def write(output: Path) -> None:
        language.compile(source, output)
        refuse_changed()

    library = cache.get(_library_name(build, contents), write)
    exports = read_library(library, source.location).exports()
    interface = Interface()
    if reads_interface:
        with cache.private_folder() as private:
            interface = language.interface(source, private, exports)
        refuse_changed()
    notes = tuple(language.notes(source, exports))
    cache.replace(manifest, _Manifest(contents, interface, notes).text())
    return CompiledSource(library, interface, notes, SourceFiles(source, contents))


def _library_name(build: str, contents: Mapping[str, str]) -> str:
    return f"source_{digest(build, *(text for item in contents.items() for text in item))}.so"


@dataclass(frozen=True, slots=True)
class _Manifest:
    files: dict[str, str]
    interface: Interface
    notes: tuple[str, ...]

    def text(self) -> str:
        left_out = [[one.name, one.where, one.reason] for one in self.interface.left_out]
        return json.dumps([self.files, self.interface.prototypes, left_out, self.notes])


def _read_manifest(path: Path) -> _Manifest | None:
    try:
        files, prototypes, left_out, notes = json.loads(path.read_bytes())
        interface = Interface(prototypes, tuple(LeftOut(*one) for one in left_out))
        return _Manifest(dict(files), interface, tuple(notes))
    except (OSError, ValueError, TypeError):
        return None


def _digest_of(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError:
        return _ABSENT


def _unchanged(contents: Mapping[str, str], directory: Path) -> bool:
    return all(_digest_of(directory / file) == known for file, known in contents.items())
