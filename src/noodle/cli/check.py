"""``noodle check``: every mistake that can be found without running a program."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.text import Text

from noodle import targets
from noodle.cli.exit_codes import NOT_COMPILED, OK
from noodle.cli.failures import print_language_error
from noodle.cli.terminal import error_console, output_console, visible
from noodle.errors import LanguageError, NoodleNameError, SourceError, UsageError
from noodle.language import CheckedFile, check_files
from noodle.language.source_text import SourceText
from noodle.runtime.host import EngineHost

__all__ = ["check"]


def check(files: Sequence[str], *, config: Path | None = None) -> int:
    """Print the errors of programs and a line for each program that has none.

    Args:
        files: The programs.
        config: The configuration file; None for the nearest one above each program.

    Returns:
        The exit code: 3 when there is an error.
    """
    output, errors = output_console(), error_console()
    code = OK
    for file in files:
        found = _errors_of(file, config)
        for error in found:
            print_language_error(errors, error)
        if found:
            count = "1 error" if len(found) == 1 else f"{len(found)} errors"
            errors.print(Text(f"{visible(file)}: {count}", "place"))
            code = NOT_COMPILED
        else:
            output.print(Text.assemble(f"{visible(file)}: ", ("no errors", "ok")))
    return code


def _errors_of(file: str, config: Path | None) -> Sequence[LanguageError]:
    host = EngineHost(os.path.dirname(os.path.abspath(file)), config=config)
    try:
        checked = check_files(host, file)
    except SourceError as error:
        return [error]
    return [e for part in checked for e in part.errors or _target_errors(host, part)]


def _target_errors(host: EngineHost, file: CheckedFile) -> Iterator[LanguageError]:
    """Yield an error for each import whose target is no target, or a file that is not there."""
    lines = SourceText(file.source, file.path).lines
    for request in file.foreign_imports:
        engine = host.engine
        if request.target in engine.settings.ffi.bridges:
            continue
        schemes = engine.registry.names() if ":" in request.target else ()
        try:
            targets.parse(request.target, directory=host.directory_of(file.path), schemes=schemes)
        except UsageError as error:
            line = lines[request.line - 1]
            yield NoodleNameError(
                error.summary,
                path=file.path,
                line=request.line,
                column=request.column,
                length=len(line.rstrip()) - request.column + 1,
                source_line=line,
                expected=error.expected,
                received=error.received,
                remedy=error.remedy,
            )
