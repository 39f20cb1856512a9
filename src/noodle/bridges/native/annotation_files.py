"""What a load and a file beside its header or program say of a library, as it was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noodle.bridges.native.annotations import wrong_annotation
from noodle.bridges.native.options import ANNOTATING
from noodle.errors import SettingsError, did_you_mean

__all__ = ["LibraryAnnotations", "read_file"]


@dataclass(frozen=True, slots=True)
class LibraryAnnotations:
    """What is said of a library's functions, as it was written.

    Args:
        layers: The options of the load, then what a file says; of two that say the same thing the
            first one holds.
    """

    layers: tuple[tuple[str, Mapping[str, Any]], ...] = ()

    def first(self, key: str) -> tuple[str, Any] | None:
        """Return the first layer's value for a shorthand, with the place that has it."""
        return next(((where, said[key]) for where, said in self.layers if key in said), None)

    @property
    def infers(self) -> bool:
        """Whether annotations are inferred."""
        found = self.first("infer")
        if found is not None and not isinstance(found[1], bool):
            raise wrong_annotation(found[0], "infer", found[1], "true or false")
        return found is None or bool(found[1])

    def functions(self) -> list[tuple[str, str, Any]]:
        """Return the annotations of functions and patterns: layer, name and what is said.

        The first one holds: within a layer, that is the one that was written last.
        """
        found = []
        for where, said in self.layers:
            written = said.get("functions", {})
            if not isinstance(written, Mapping):
                expected = "a map of functions to annotations"
                raise wrong_annotation(where, "functions", written, expected)
            found += [(where, str(name), value) for name, value in reversed(list(written.items()))]
        return found


def read_file(path: Path, shown: str) -> Mapping[str, Any]:
    """Return what a file of annotations says.

    Args:
        path: The file.
        shown: Its name in messages.

    Raises:
        SettingsError: It cannot be read, is no TOML, or has unknown keys.
    """
    import tomllib

    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SettingsError(
            f"the annotations in {shown!r} cannot be read", received=reason, where=shown
        ) from error
    for key in said:
        if key not in ANNOTATING:
            raise SettingsError(
                f"unknown key {key!r} in {shown!r}",
                expected=f"one of {', '.join(ANNOTATING)}",
                received=key,
                where=shown,
                remedy=did_you_mean(key, ANNOTATING),
            )
    return said
