"""C and C++ sources."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from noodle.bridges.native.compilers import Compiler
from noodle.bridges.native.sources.builds import Language, Source
from noodle.bridges.native.sources.interfaces import Interface

__all__ = ["CLanguage", "CplusplusLanguage"]

_LINE_MARKER = re.compile(rb'^# \d+ "((?:\\.|[^"\\])*)"([ \d]*)$', re.MULTILINE)
_MAY_THROW = (
    'an exception that leaves an extern "C" function ends the process: catch it there, '
    'or load with placement="isolated"'
)


class CLanguage(Language):
    """C sources.

    Args:
        compiler: The compiler.
        optimization: The compiler level, such as ``O2``.
    """

    def __init__(self, compiler: Compiler, optimization: str) -> None:
        self._compiler = compiler
        self._optimization = optimization

    @property
    def identity(self) -> str:
        """The compiler's, with the level."""
        return f"{self._compiler.identity} {self._optimization}"

    def files(self, source: Source, private: Path) -> Sequence[str]:
        """Return the source and the headers that it includes, but those of the system."""
        text = self._preprocessed(source, private)
        found: dict[str, None] = {_named(source): None}
        for marker in _LINE_MARKER.finditer(text):
            file = re.sub(rb"\\(.)", rb"\1", marker[1]).decode("utf-8", "surrogateescape")
            if b"3" not in marker[2].split() and os.path.isfile(source.directory / file):
                found[file] = None
        return list(found)

    def compile(self, source: Source, output: Path) -> None:
        """Write the shared library; the C library's mathematics is linked."""
        self._compiler.shared_library(
            [_named(source)],
            output,
            directory=source.directory,
            flags=[f"-{self._optimization}", "-Wall"],
            libraries=["-lm", "-Wl,-z,defs"],
        )

    def interface(self, source: Source, private: Path, exports: Mapping[str, bool]) -> Interface:
        """Return what the definitions of the source say."""
        from noodle.bridges.native.sources.c_definitions import read_c

        return read_c(self._text(source, private), exports)

    def notes(self, source: Source, exports: Collection[str]) -> Sequence[str]:
        """Return the compiler and its level."""
        return [f"compiled from {source.location} with {self._compiler.name} -{self._optimization}"]

    def _text(self, source: Source, private: Path) -> str:
        return self._preprocessed(source, private).decode("utf-8", "replace")

    def _preprocessed(self, source: Source, private: Path) -> bytes:
        named = _named(source)
        return self._compiler.run(["-E", named], named, private, source.directory)


class CplusplusLanguage(CLanguage):
    """C++ sources, of which functions with C's linkage are called."""

    def interface(self, source: Source, private: Path, exports: Mapping[str, bool]) -> Interface:
        """Return what the definitions of the source say that are ``extern "C"``."""
        from noodle.bridges.native.sources.c_definitions import read_cplusplus

        return read_cplusplus(self._text(source, private), exports)

    def notes(self, source: Source, exports: Collection[str]) -> Sequence[str]:
        """Return the compiler and its level, and what exceptions do."""
        return [*super().notes(source, exports), _MAY_THROW]


def _named(source: Source) -> str:
    """Return the file as compilers are given it: no option, and no list of options."""
    location = source.location
    return f"./{location}" if location.startswith(("-", "@")) else location
