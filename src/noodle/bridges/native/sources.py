"""C sources: compiled on the spot to a shared library, once per content, flags and compiler."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from noodle.bridges.native.compilers import Compiler
from noodle.bridges.native.elf import file_digest
from noodle.build_cache import BuildCache, digest
from noodle.errors import CompilationError, MissingLibraryError, TargetError

__all__ = ["compile_source", "is_source", "refuse_other_language"]

_FORMAT = "1"
_OTHER_LANGUAGES = {
    ".cc": "C++",
    ".cpp": "C++",
    ".cxx": "C++",
    ".rs": "Rust",
    ".f90": "Fortran",
    ".go": "Go",
}
_LINE_MARKER = re.compile(rb'^# \d+ "((?:\\.|[^"\\])*)"([ \d]*)$', re.MULTILINE)


def is_source(location: str) -> bool:
    """Return whether a location names a C source file."""
    return location.endswith(".c")


def refuse_other_language(location: str, directory: Path) -> None:
    """Refuse a source file or folder of a language that is not compiled here.

    Args:
        location: As the user wrote it.
        directory: Where a relative path begins.

    Raises:
        TargetError: It is one.
    """
    language = _OTHER_LANGUAGES.get(Path(location).suffix)
    if os.path.isfile(directory / location / "Cargo.toml"):
        language = "Rust"
    if language:
        raise TargetError(
            f"{location!r} is a {language} source, and only C sources are compiled",
            expected="a C source (.c) or a shared library (.so)",
            received=location,
            where=location,
            remedy='compile it to a shared library with extern "C" functions, and load that with '
            "their prototypes",
        )


def compile_source(
    location: str, directory: Path, cache: BuildCache, compiler: Compiler, optimization: str
) -> Path:
    """Return the shared library that a C source compiles to.

    What is cached is found again by the content of the source and of every header of its own that
    it includes; no compiler is started for that.

    Args:
        location: The file, as the user wrote it; diagnostics show it so.
        directory: Where a relative path begins.
        cache: Where libraries are kept.
        compiler: The compiler.
        optimization: The compiler level, such as ``O2``.

    Raises:
        MissingLibraryError: There is no such file.
        CompilationError: The compiler rejected it; its diagnostics are in the message.
    """
    source = directory / location
    if not os.path.isfile(source):
        raise MissingLibraryError(
            f"source {location!r} was not found",
            received=f"no such file in {source.parent}",
            where=location,
        )
    if location.startswith(("-", "@")):
        location = f"./{location}"  # else the compiler takes it for an option or a list of options
    build = digest(_FORMAT, str(source.resolve()), location, compiler.identity, optimization)
    manifest = f"source_{build}.json"
    known = _read_manifest(cache.path(manifest))
    name = f"source_{digest(build, *known.values())}.so"
    if known and _unchanged(known, directory) and os.path.isfile(cache.path(name)):
        return cache.path(name)
    with cache.private_folder() as private:
        files = _included_files(location, directory, private, compiler)
    contents = {file: file_digest(directory / file) for file in files}
    name = f"source_{digest(build, *contents.values())}.so"
    flags = [f"-{optimization}", "-Wall"]

    def link(output: Path) -> None:
        libraries = ["-lm", "-Wl,-z,defs"]
        compiler.shared_library(
            [location], output, directory=directory, flags=flags, libraries=libraries
        )
        if not _unchanged(contents, directory):
            raise CompilationError(f"{location!r} changed while it was compiled", where=location)

    library = cache.get(name, link)
    cache.replace(manifest, json.dumps(contents))
    return library


def _read_manifest(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    if isinstance(content, dict) and all(isinstance(text, str) for text in content.values()):
        return content
    return {}


def _unchanged(contents: Mapping[str, str], directory: Path) -> bool:
    try:
        return all(file_digest(directory / file) == known for file, known in contents.items())
    except OSError:
        return False


def _included_files(location: str, directory: Path, private: Path, compiler: Compiler) -> list[str]:
    """Return the source and the headers that it includes, but those of the system."""
    text = compiler.run(["-E", location], location, private, directory)
    found: dict[str, None] = {location: None}
    for marker in _LINE_MARKER.finditer(text):
        file = re.sub(rb"\\(.)", rb"\1", marker[1]).decode("utf-8", "surrogateescape")
        if b"3" not in marker[2].split() and os.path.isfile(directory / file):
            found[file] = None
    return list(found)
