"""Which language a source is written in, and what compiles that."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from noodle.bridges.native.compilers import (
    COMPILER_REMEDY,
    Compiler,
    find_cplusplus_compiler,
    find_ziglang,
)
from noodle.bridges.native.sources.builds import Language
from noodle.errors import MissingToolError, TargetError

__all__ = [
    "Choices",
    "SourceKind",
    "is_source",
    "language_of",
    "refuse_other_language",
]

_CPLUSPLUS_REMEDY = "apt install g++, or pip install ziglang"

_OTHER_LANGUAGES = {".f90": "Fortran", ".go": "Go", ".zig": "Zig", ".s": "assembler"}


@dataclass(frozen=True, slots=True)
class Choices:
    """What decides how a source is compiled.

    Args:
        compiler: The C compiler, or None.
        optimization: The compiler level.
        is_stated: Whether the user has stated the level.
        kept: A folder for what builds keep for the next ones.
    """

    compiler: Compiler | None
    optimization: str
    is_stated: bool
    kept: Path


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A kind of source.

    Args:
        example: A function that can be called, as it would be written there.
        make: Makes the language for a location.
    """

    example: str
    make: Callable[[str, Choices], Language]


def _c(location: str, choices: Choices) -> Language:
    from noodle.bridges.native.sources.c_languages import CLanguage

    if choices.compiler is None:
        raise _missing("a C compiler", location, COMPILER_REMEDY)
    return CLanguage(choices.compiler, choices.optimization)


def _cplusplus(location: str, choices: Choices) -> Language:
    from noodle.bridges.native.sources.c_languages import CplusplusLanguage

    by_zig = choices.compiler is not None and choices.compiler.is_zig
    compiler = find_ziglang("c++") if by_zig else find_cplusplus_compiler()
    if compiler is None:
        raise _missing("a C++ compiler", location, _CPLUSPLUS_REMEDY)
    return CplusplusLanguage(compiler, choices.optimization)


def _missing(tool: str, location: str, remedy: str) -> MissingToolError:
    return MissingToolError(
        f"{tool} is needed for {location!r}",
        expected=f"{tool} on PATH, or the package ziglang",
        received="neither",
        where=location,
        remedy=remedy,
    )


def _rust(location: str, choices: Choices) -> Language:
    from noodle.bridges.native.sources.rust_compilers import find_rust_tool
    from noodle.bridges.native.sources.rust_sources import RustLanguage

    return RustLanguage(find_rust_tool("rustc", location), choices.optimization)


def _crate(location: str, choices: Choices) -> Language:
    from noodle.bridges.native.sources.rust_compilers import find_rust_tool
    from noodle.bridges.native.sources.rust_crates import CrateLanguage

    level = choices.optimization if choices.is_stated else None
    return CrateLanguage(find_rust_tool("cargo", location), level, choices.kept)


_C = SourceKind("double kernel(double x) { … }, not static", _c)
_CPLUSPLUS = SourceKind('extern "C" double kernel(double x) { … }', _cplusplus)
_RUST_EXAMPLE = '#[no_mangle] pub extern "C" fn kernel(x: f64) -> f64 { … }'
_RUST = SourceKind(_RUST_EXAMPLE, _rust)
_CRATE = SourceKind(_RUST_EXAMPLE, _crate)
_KINDS = {
    ".c": _C,
    **dict.fromkeys((".cc", ".cpp", ".cxx"), _CPLUSPLUS),
    ".rs": _RUST,
}


def _kind_of(location: str, directory: Path) -> SourceKind | None:
    """Return the kind of a source file or folder, or None for what is no source.

    Args:
        location: As the user wrote it.
        directory: Where a relative path begins.
    """
    if os.path.isfile(directory / location / "Cargo.toml"):
        return _CRATE
    return _KINDS.get(os.path.splitext(location)[1])


def is_source(location: str, directory: Path) -> bool:
    """Return whether a location names a source that is compiled here."""
    return _kind_of(location, directory) is not None


def language_of(location: str, directory: Path, choices: Choices) -> tuple[SourceKind, Language]:
    """Return the kind and the language of a source.

    Args:
        location: A source, as the user wrote it.
        directory: Where a relative path begins.
        choices: What decides how it is compiled.

    Raises:
        MissingToolError: There is no compiler for it.
    """
    kind = _kind_of(location, directory)
    assert kind is not None, location
    return kind, kind.make(location, choices)


def refuse_other_language(location: str) -> None:
    """Refuse a source file of a language that is not compiled here.

    Args:
        location: As the user wrote it.

    Raises:
        TargetError: It is one.
    """
    language = _OTHER_LANGUAGES.get(os.path.splitext(location)[1].lower())
    if language:
        raise TargetError(
            f"{location!r} is a {language} source, and only C, C++ and Rust sources are compiled",
            expected="a source (.c .cc .cpp .cxx .rs), a crate, or a shared library (.so)",
            received=location,
            where=location,
            remedy="compile it to a shared library with functions of C's calling convention, and "
            "load that with their prototypes",
        )
