"""Checking a program together with the Noodle files that it imports, without running any."""

from __future__ import annotations

from dataclasses import dataclass

from noodle.errors import LanguageError, SourceError
from noodle.language import tree
from noodle.language.compiler import Analysis, analyse, errors_of
from noodle.language.declared import Describe
from noodle.language.foreign_imports import ForeignImport
from noodle.language.host import Host
from noodle.language.module_imports import ModuleImport, refuse_circle, unreadable_import

__all__ = ["CheckedFile", "check_files"]


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file that was checked.

    Args:
        path: The file, as errors show it.
        source: Its text.
        foreign_imports: Its foreign imports, in source order.
        errors: What is wrong with it, and with its imports of Noodle files.
    """

    path: str
    source: str
    foreign_imports: tuple[ForeignImport, ...]
    errors: list[LanguageError]


def check_files(host: Host, path: str, describe: Describe | None = None) -> list[CheckedFile]:
    """Check a program and every file that it imports, each once; the program comes first.

    Args:
        host: Reads files.
        path: The program.
        describe: Says what the libraries of foreign imports declare.

    Raises:
        SourceError: The program itself cannot be read.
    """
    graph = _ImportGraph(host, describe)
    graph.visit(ModuleImport(path))
    return list(graph.files.values())


class _ImportGraph:
    def __init__(self, host: Host, describe: Describe | None) -> None:
        self.host = host
        self.describe = describe
        self.files: dict[str, CheckedFile] = {}
        self.around: list[ModuleImport] = []

    def visit(self, wanted: ModuleImport) -> None:
        """Check a file, unless that was done.

        Raises:
            LanguageError: The import itself is wrong.
        """
        refuse_circle(self.around, wanted)
        if wanted.key in self.files:
            return
        analysis = analyse(self._source(wanted), wanted.path, describe=self.describe)
        errors = list(errors_of(analysis))
        imports = tuple(analysis.types.imports)
        self.files[wanted.key] = CheckedFile(wanted.path, analysis.source.original, imports, errors)
        self.around.append(wanted)
        for further in [] if errors else _module_imports(analysis):
            try:
                self.visit(further)
            except LanguageError as error:
                errors.append(error)
        self.around.pop()

    def _source(self, wanted: ModuleImport) -> str:
        try:
            return self.host.read_source(wanted.path)
        except SourceError as error:
            # Bytes that are no text have a place of their own.
            if not wanted.importer or error.line:
                raise
            raise unreadable_import(error, wanted) from None


def _module_imports(analysis: Analysis) -> list[ModuleImport]:
    source = analysis.source
    return [
        ModuleImport(
            str(statement.request.value),
            source.path,
            source.original,
            *source.place(statement.start),
        )
        for statement in analysis.program.statements
        if isinstance(statement, tree.ModuleImportStatement)
    ]
