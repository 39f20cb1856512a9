"""Imports of Noodle files: which file one means, and what can be wrong with it.

This module is part of every start, so it imports almost nothing.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from noodle.errors import SourceError

__all__ = ["ModuleImport", "refuse_circle", "unreadable_import"]


class ModuleImport:
    """A Noodle file that is wanted, and the import that asks for it, if one does.

    Args:
        request: The file, as the import writes it.
        importer: The file of the import; ``""`` for a program that a person names.
        source: The importer's text.
        line: The import's line, from 1.
        column: Its column, from 1.

    ``path`` is the file as errors show it, ``key`` is the same for every way to write it.
    """

    __slots__ = ("column", "importer", "key", "line", "path", "request", "source")

    def __init__(
        self, request: str, importer: str = "", source: str = "", line: int = 0, column: int = 0
    ) -> None:
        self.request = request
        self.importer = importer
        self.source = source
        self.line = line
        self.column = column
        self.path = request
        if importer:
            self.path = os.path.normpath(os.path.join(os.path.dirname(importer), request))
        self.key = os.path.realpath(self.path)


def refuse_circle(around: Sequence[ModuleImport], wanted: ModuleImport) -> None:
    """Refuse an import of a file that is being imported.

    Args:
        around: The imports that led to this one, outermost first.
        wanted: The import.

    Raises:
        ImportCycleError: It closes a circle.
    """
    keys = [request.key for request in around]
    if wanted.key not in keys:
        return
    from noodle.errors import ImportCycleError

    circle = [*around[keys.index(wanted.key) + 1 :], wanted]
    steps = [f"{step.importer}:{step.line} imports {step.path}" for step in circle]
    raise ImportCycleError(
        "Noodle files import each other in a circle",
        expected="files that import each other in one direction",
        received="; ".join(steps),
        remedy="move what both need into a third file",
        **_place(wanted),
    )


def unreadable_import(error: SourceError, wanted: ModuleImport) -> SourceError:
    """Return the error of a file that cannot be read as one of the import that names it."""
    request, remedy = wanted.request, error.remedy
    if all(part.isidentifier() for part in request.split(".")) and not request.endswith(".noodle"):
        remedy = f'{remedy}, or for a library `import ffi "{request}"`'
    return type(error)(
        f"cannot import {request!r}: {error.summary}",
        expected=f"{error.expected}; a path starts at the importing file",
        received=wanted.path,
        remedy=remedy,
        **_place(wanted),
    )


def _place(wanted: ModuleImport) -> dict[str, Any]:
    """Return where an import stands, as the arguments of an error."""
    from noodle.language.source_text import SourceText

    return {
        "path": wanted.importer,
        "line": wanted.line,
        "column": wanted.column,
        "length": len("import"),
        "source_line": SourceText(wanted.source, wanted.importer).lines[wanted.line - 1],
    }
