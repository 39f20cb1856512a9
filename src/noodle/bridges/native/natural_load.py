"""What a load adds for natural calls: the annotations, and how functions reach one another."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from noodle.bridges.native.annotation_tables import LibraryAnnotations, read_file
from noodle.bridges.native.declarations import Declaration
from noodle.bridges.native.functions import NativeFunctions
from noodle.bridges.native.options import NativeOptions

__all__ = [
    "LibraryCompanions",
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
        name = f"{_stem(location)}.toml"
        if (directory / name).is_file():
            layers.append((name, read_file(directory / name, name)))
    return LibraryAnnotations(tuple(layers))


def _stem(location: str) -> str:
    """Return the name of a library without what its file adds: ``z`` for ``libz.so.1``."""
    match = _NAME.fullmatch(Path(location.removeprefix("c:")).name)
    return match[1] if match else location


class LibraryCompanions:
    """How the natural functions of a library reach one another.

    Args:
        declarations: All functions of the library.
        release: Gives a destructor that takes a raw address.
        constants: The library's names for numbers.
        ready: Whether a destructor can be called now.
    """

    def __init__(
        self,
        declarations: Sequence[Declaration],
        release: Callable[[Declaration], Callable[[Any], Any]],
        constants: Mapping[int, str],
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self.functions = NativeFunctions()
        self.ready = ready
        self._declarations = {d.name: d for d in declarations}
        self._release = release
        self._constants = constants

    def declaration(self, name: str) -> Declaration:
        """Return the declaration of a function."""
        return self._declarations[name]

    def function(self, name: str) -> Callable[..., Any]:
        """Return a function as the program calls it."""
        found = self.functions.get(name)
        assert found is not None, name
        return found.raw

    def release(self, name: str) -> Callable[[Any], Any]:
        """Return a destructor that takes a raw address."""
        return self._release(self._declarations[name])

    def constant(self, code: int) -> str | None:
        """Return the library's name for a number, or None."""
        return self._constants.get(code)
