"""A compiled program: all that running it needs, and nothing of its tree.

This module is part of every start, so it imports almost nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

    from noodle.language.foreign_imports import ForeignImport, Plain

__all__ = ["CompiledProgram", "SourceKeeper", "belongs_to_program"]


def belongs_to_program(namespace: dict[str, Any]) -> bool:
    """Return whether globals are those of a Noodle program, and not of Python code."""
    return "'foreign" in namespace


class CompiledProgram:
    """A program ready to run.

    Args:
        path: Its file, as errors and tracebacks show it.
        source: Its text.
        code: Its bytecode.
        exports: The names of its top level, each with its name in the bytecode.
        plain_imports: Its foreign imports as plain values.
    """

    __slots__ = ("code", "exports", "path", "plain_imports", "source")

    def __init__(
        self,
        path: str,
        source: str,
        code: CodeType,
        exports: dict[str, str],
        plain_imports: tuple[Plain, ...],
    ) -> None:
        self.path = path
        self.source = source
        self.code = code
        self.exports = exports
        self.plain_imports = plain_imports

    @property
    def foreign_imports(self) -> tuple[ForeignImport, ...]:
        """The foreign imports, in source order."""
        from noodle.language.foreign_imports import from_plain

        return tuple(from_plain(plain, self.path) for plain in self.plain_imports)

    def execute(self, namespace: dict[str, Any]) -> None:
        """Run the program.

        Args:
            namespace: Its globals; ``__builtins__`` in it is what ``make_prelude`` made.
        """
        namespace["__loader__"] = SourceKeeper(self.source)
        exec(self.code, namespace)


class SourceKeeper:
    """Lets Python's tracebacks show the lines of a program that is in no file.

    Args:
        source: The program's text.
    """

    __slots__ = ("_source",)

    def __init__(self, source: str) -> None:
        self._source = source

    def get_source(self, name: str) -> str:
        """Return the text; called by ``linecache``."""
        return self._source
