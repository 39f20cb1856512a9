"""Runs a compiler's preprocessor over headers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from noodle.bridges.native.compilers import Compiler
from noodle.bridges.native.headers.nearest import nearest_header
from noodle.bridges.native.headers.packages import header_remedy
from noodle.errors import CompilationError, MissingLibraryError

__all__ = ["HeaderRequest", "Piece", "Preprocessed", "preprocess", "preprocess_lines"]

_SOURCE = "noodle_headers.c"
_MARKER = re.compile(r'# (\d+) "((?:\\.|[^"\\])*)"')
_DEFINITION = re.compile(r"#\s*define\s+(\w+)(\(?)\s*(.*)")
_OF_A_PATH = "a relative path begins beside the program, or in the folder where Python was started"
_OF_A_NAME = "install it, or name its directory: include_paths=[…]"
"""What to type for a header that is nowhere, and of which no more is known."""
_MISSING = re.compile(r"fatal error: '?([^\s':]+)'?:? (?:No such file|file not found)")


@dataclass(frozen=True, slots=True)
class HeaderRequest:
    """Which headers are read, and how.

    Args:
        headers: As the user wrote them: ``zlib.h``, ``openssl/evp.h``, ``./own.h``.
        directory: Where the path of one that begins with a dot or slash begins.
        flags: Include paths and macro definitions, as the compiler takes them.
        location: The library, as the user wrote it, for messages.
    """

    headers: tuple[str, ...]
    directory: Path
    flags: tuple[str, ...]
    location: str

    @property
    def text(self) -> str:
        """The C text that includes the headers."""
        return "".join(f"#include {self._included(header)}\n" for header in self.headers)

    def is_path(self, header: str, path: str) -> bool:
        """Return whether a path, as a compiler names it, is that of a header as it was written."""
        return self._included(header)[1:-1] == path

    def _included(self, header: str) -> str:
        if header.startswith((".", "/")):
            return f'"{os.path.normpath(self.directory / header)}"'
        return f"<{header}>"


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines of one file, as the preprocessor gave them out.

    Args:
        file: The file.
        text: The lines.
    """

    file: str
    text: str


@dataclass(frozen=True, slots=True)
class Preprocessed:
    """What the preprocessor made of headers.

    Args:
        pieces: The text by file, in order.
        macros: The macros without parameters that are defined at the end, with their files.
        parametric: Those with parameters, with their files and what they expand to.
        functional: The names of all macros, those with parameters too.
        files: All files that were read.
    """

    pieces: tuple[Piece, ...]
    macros: Mapping[str, str]
    parametric: Mapping[str, tuple[str, str]]
    functional: frozenset[str]
    files: tuple[str, ...]


def preprocess(request: HeaderRequest, compiler: Compiler, private: Path) -> Preprocessed:
    """Return what the headers and all that they include come to.

    Args:
        request: The headers.
        compiler: Whose preprocessor it is.
        private: A folder for scratch files.

    Raises:
        MissingLibraryError: A header is nowhere.
        CompilationError: The preprocessor rejected them; its words are in the message.
    """
    return _read(_run(request, request.text, ("-dD",), compiler, private))


def preprocess_lines(
    request: HeaderRequest, lines: Sequence[str], compiler: Compiler, private: Path
) -> list[str]:
    """Return lines with all macros of the headers replaced.

    Args:
        request: The headers.
        lines: The lines; each must stay one.
        compiler: Whose preprocessor it is.
        private: A folder for scratch files.
    """
    marked = "".join(f"noodle_line {line} noodle_end\n" for line in lines)
    output = _run(request, f"{request.text}{marked}", ("-P",), compiler, private)
    _, *parts = output.replace("\n", " ").split("noodle_line ")
    return [part.partition("noodle_end")[0].strip() for part in parts]


def _run(
    request: HeaderRequest, text: str, flags: Sequence[str], compiler: Compiler, private: Path
) -> str:
    source = private / _SOURCE
    source.write_text(text, encoding="utf-8", errors="surrogateescape")
    arguments = ["-E", *flags, *request.flags, "-w", source.name]
    try:
        output = compiler.run(arguments, source.name, private, private)
    except CompilationError as error:
        missing = _MISSING.search(str(error))
        if missing is None:
            raise
        raise _missing_header(request, missing[1], compiler, private) from None
    return output.decode("utf-8", "surrogateescape")


def _missing_header(
    request: HeaderRequest, name: str, compiler: Compiler, private: Path
) -> MissingLibraryError:
    own = [header for header in request.headers if request.is_path(header, name)]
    if own and os.path.isdir(request.directory / own[0]):
        return _folder(request, own[0])
    shown = own[0] if own else name
    remedy = header_remedy(name, request.location)
    if own and "/" not in shown and os.path.isfile(request.directory / shown):
        remedy = f"write './{shown}' for the file beside the program"
    elif not own and re.fullmatch(r"[a-z_]+", name):
        remedy = "it is a header of C++, and only those of C are read: name one of C, with what "
        remedy += 'stands in extern "C"'
    elif own:
        near = _near(request, shown, compiler, private)
        remedy = "; or ".join(filter(None, (near, remedy))) or None
    is_path = bool(own) and shown.startswith((".", "/"))
    folders = [flag[2:] for flag in request.flags if flag.startswith("-I")]
    return MissingLibraryError(
        f"header {shown!r} was not found"
        + ("" if own else f"; {', '.join(request.headers)} includes it"),
        received="no such file"
        if is_path
        else ", ".join(["no such file in the compiler's include paths", *folders]),
        where=f"header of {request.location}",
        remedy=remedy or (_OF_A_PATH if is_path else _OF_A_NAME),
    )


def _folder(request: HeaderRequest, header: str) -> MissingLibraryError:
    return MissingLibraryError(
        f"header {header!r} is a folder",
        expected="a file",
        received="a folder",
        where=f"header of {request.location}",
        remedy="name a header in it",
    )


def _near(request: HeaderRequest, header: str, compiler: Compiler, private: Path) -> str | None:
    """Return what to write for a header whose name is nearly that of one that there is."""
    if header.startswith((".", "/")):
        group, _, last = header.rpartition("/")
        near = nearest_header(last, [str(request.directory / group)])
        found = near and " or ".join(f"{group}/{one}" for one in near.split(" or "))
    else:
        found = nearest_header(header, compiler.include_paths(request.flags, private))
    return (
        "write " + " or ".join(f"header={one!r}" for one in found.split(" or ")) if found else None
    )


def _read(output: str) -> Preprocessed:
    macros = _Macros()
    files: dict[str, None] = {}
    pieces: list[Piece] = []
    for file, lines in _by_file(output):
        files[file] = None
        kept = []
        for line in lines:
            if line.startswith("#"):
                macros.note(line, file)
            else:
                kept.append(line)
        pieces.append(Piece(file, "\n".join(kept)))
    real = tuple(file for file in files if os.path.isabs(file) and not file.endswith(_SOURCE))
    names = frozenset(macros.names)
    return Preprocessed(tuple(pieces), macros.plain, macros.parametric, names, real)


def _by_file(output: str) -> Iterator[tuple[str, list[str]]]:
    file, lines = "<built-in>", list[str]()
    for line in output.splitlines():
        marker = _MARKER.match(line) if line.startswith("# ") else None
        if marker is None:
            lines.append(line)
            continue
        name = re.sub(r"\\(.)", r"\1", marker[2])
        if name != file:
            yield file, lines
            file, lines = name, []
    yield file, lines


class _Macros:
    """The macros that are defined while the text of the preprocessor is read."""

    def __init__(self) -> None:
        self.plain: dict[str, str] = {}
        self.parametric: dict[str, tuple[str, str]] = {}
        self.names: set[str] = set()

    def note(self, line: str, file: str) -> None:
        """Take a line that defines a macro or ends one."""
        match = _DEFINITION.match(line)
        if match is None:
            words = line.split()
            if words[0] == "#undef" and len(words) > 1:
                self._forget(words[1])
            return
        name, bracket, text = match.groups()
        self._forget(name)
        self.names.add(name)
        if bracket and not file.startswith("<"):
            self.parametric[name] = (file, text.partition(")")[2])
        elif text and not file.startswith("<"):
            self.plain[name] = file

    def _forget(self, name: str) -> None:
        self.plain.pop(name, None)
        self.parametric.pop(name, None)
        self.names.discard(name)
