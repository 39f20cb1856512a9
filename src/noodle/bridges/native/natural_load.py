"""What a load adds for natural calls: the annotations, and how functions reach one another."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from noodle.bridges.native.annotation_files import LibraryAnnotations, read_file
from noodle.bridges.native.contents import Contents
from noodle.bridges.native.declarations import Declaration
from noodle.bridges.native.functions import NativeFunctions
from noodle.bridges.native.native_types import NativeType
from noodle.bridges.native.options import NativeOptions

__all__ = [
    "LibraryCompanions",
    "Names",
    "annotations_of",
]

_NAME = re.compile(r"(?:lib)?(.+?)(?:\.so(?:\.[\d.]+)?|\.\w+)?")


def annotations_of(options: NativeOptions, location: str, directory: Path) -> LibraryAnnotations:
    """Return all that is said of a library's functions.

    Args:
        options: The options of the load.
        location: What is loaded.
        directory: Where the program is.

    Raises:
        SettingsError: The file cannot be read.
    """
    layers: list[tuple[str, Mapping[str, Any]]] = [("the options of the load", options.said())]
    stated = options.annotations
    if isinstance(stated, str):
        layers.append((stated, read_file(directory / stated, stated)))
    elif stated is None:
        found = next(filter(Path.is_file, _beside(options, location, directory)), None)
        if found:
            layers.append((found.name, read_file(found, found.name)))
    return LibraryAnnotations(tuple(layers))


def _beside(options: NativeOptions, location: str, directory: Path) -> list[Path]:
    """Return the files of annotations that may lie beside a header or the program."""
    folders = ["", *options.include_paths]
    headers = [directory / folder / header for header in options.header for folder in folders]
    return [
        *(header.with_suffix(".toml") for header in headers),
        *(directory / f"{header.stem}.toml" for header in headers),
        directory / f"{_stem(location)}.toml",
    ]


def _stem(location: str) -> str:
    """Return the name of a library without what its file adds: ``z`` for ``libz.so.1``."""
    match = _NAME.fullmatch(Path(location.removeprefix("c:")).name)
    return match[1] if match else location


class Names(Protocol):
    """A library's names for numbers."""

    def constant(self, code: int, result: NativeType) -> str | None:
        """Return the name of a number that a function of such a result returned, or None."""


class LibraryCompanions:
    """How the natural functions of a library reach one another.

    Args:
        contents: What the library is known to have.
        release: Gives a destructor that takes a raw address.
        names: The library's names for numbers.
        ready: Whether a destructor can be called now.
    """

    def __init__(
        self,
        contents: Contents,
        release: Callable[[Declaration], Callable[[Any], Any]],
        names: Names,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self.functions = NativeFunctions(contents)
        self.ready = ready
        self.constant = names.constant
        self._contents = contents
        self._release = release

    def declaration(self, name: str) -> Declaration:
        """Return the declaration of a function."""
        found = self._contents.function(name)
        assert found is not None, name
        return found

    def function(self, name: str) -> Callable[..., Any]:
        """Return a function as the program calls it."""
        found = self.functions.get(name)
        assert found is not None, name
        return found.raw

    def release(self, name: str) -> Callable[[Any], Any]:
        """Return a destructor that takes a raw address."""
        return self._release(self.declaration(name))
