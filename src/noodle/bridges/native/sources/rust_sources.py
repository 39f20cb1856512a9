"""Rust sources of one file and its modules, compiled by rustc."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from noodle.bridges.native.sources.builds import Language, Source
from noodle.bridges.native.sources.interfaces import Interface
from noodle.bridges.native.sources.rust_compilers import RUST_LEVELS, RustTool
from noodle.bridges.native.sources.rust_guards import (
    PANICS_ABORT,
    attempts,
    is_guarded,
    write_guarded,
)
from noodle.bridges.native.sources.rust_interfaces import rust_interface
from noodle.bridges.native.sources.rust_program import RustFunction, RustProgram, RustStatic
from noodle.bridges.native.sources.rust_signatures import read_rust

__all__ = ["RustLanguage", "unguarded_notes"]

_EDITION = "2021"


class RustLanguage(Language):
    """Rust sources.

    Args:
        rustc: The compiler.
        optimization: The compiler level, such as ``O2``.
    """

    def __init__(self, rustc: RustTool, optimization: str) -> None:
        self._rustc = rustc
        self._level = RUST_LEVELS[optimization]
        self._program: RustProgram | None = None

    @property
    def identity(self) -> str:
        """The compiler's, with the level."""
        return f"{self._rustc.identity} {self._level} {_EDITION}"

    def files(self, source: Source, private: Path) -> Sequence[str]:
        """Return the source, its modules, and what it includes, as the compiler finds them."""
        listed = private / "files.d"
        arguments = [*self._flags(source), f"--emit=dep-info={listed}", source.location]
        done = self._rustc.run(arguments, source.location, private, source.directory)
        if done.returncode:
            raise self._rustc.refused(done.stderr, source.location, private)
        names = re.findall(r"^((?:\\.|[^:\n\\])+):$", listed.read_text("utf-8"), re.MULTILINE)
        return [re.sub(r"\\(.)", r"\1", name) for name in names]

    def compile(self, source: Source, output: Path) -> None:
        """Write the shared library, with guards around as many functions as can have them."""
        program = self._read(source)
        for attempt in attempts(program):
            if self._compiled_with_guards(source, output, attempt):
                return
        arguments = [*self._flags(source), "-o", str(output), source.location]
        done = self._rustc.run(arguments, source.location, output.parent, source.directory)
        if done.returncode:
            raise self._rustc.refused(done.stderr, source.location, output.parent)

    def interface(self, source: Source, private: Path, exports: Mapping[str, bool]) -> Interface:
        """Return what the signatures of exported functions say."""
        program = self._read(source)
        return rust_interface(
            program, exports, is_guarded(program, exports), lambda f: _place(source, f)
        )

    def notes(self, source: Source, exports: Collection[str]) -> Sequence[str]:
        """Return the compiler and its level, and which functions have no guard."""
        level = f"opt-level {self._level}"
        compiled = f"compiled from {source.location} with {self._rustc.name}, {level}"
        return [compiled, *unguarded_notes(self._read(source), exports)]

    def _flags(self, source: Source) -> list[str]:
        name = re.sub(r"\W", "_", source.path.stem, flags=re.ASCII)
        return [
            *("--crate-type", "cdylib", "--crate-name", f"noodle_{name}", "--edition", _EDITION),
            *("-C", f"opt-level={self._level}", "-C", "link-arg=-Wl,--build-id=sha1"),
            "--color=never",
        ]

    def _read(self, source: Source) -> RustProgram:
        if self._program is None:
            self._program = read_rust(source.path)
        return self._program

    def _compiled_with_guards(self, source: Source, output: Path, attempt: Any) -> bool:
        folder = output.parent / "guarded"
        program, sources = self._read(source), source.path.parent
        if not write_guarded(program, sources, folder, attempt, edition=_EDITION):
            return False
        shown = os.path.dirname(source.location) or "."
        arguments = [*self._flags(source), f"--remap-path-prefix={folder}={shown}"]
        arguments += ["--cap-lints=allow", "-o", str(output), str(folder / source.path.name)]
        done = self._rustc.run(arguments, source.location, output.parent, source.directory)
        return not done.returncode


def unguarded_notes(program: RustProgram, exports: Container[str]) -> list[str]:
    """Return which exported functions have no guard, and what that means.

    Args:
        program: What the source declares.
        exports: The names that its library exports.
    """
    if PANICS_ABORT in exports:
        return ['a panic ends the process, as the profile of the crate has panic = "abort"']
    guarded = is_guarded(program, exports)
    bare = [f.name for f in program.functions if f.symbol in exports and not guarded(f)]
    return [f"a panic in {name} ends the process: no guard can be put around it" for name in bare]


def _place(source: Source, function: RustFunction | RustStatic) -> str:
    folder = os.path.dirname(source.location)
    return f"{os.path.join(folder, function.file.name)}:{function.file.line(function.start)}"
