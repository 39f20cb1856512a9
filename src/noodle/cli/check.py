"""``noodle check``: every mistake that can be found without running a program."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.text import Text

from noodle import targets
from noodle.cli.call_flow import needs_of
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
        found, needs = _checked(file, config)
        for error in found:
            print_language_error(errors, error)
        if found:
            count = "1 error" if len(found) == 1 else f"{len(found)} errors"
            errors.print(Text(f"{visible(file)}: {count}", "place"))
            code = NOT_COMPILED
        else:
            output.print(Text.assemble(f"{visible(file)}: ", ("no errors", "ok")))
            for line in needs:
                output.print(Text(f"  {visible(line)}", "gutter"))
    return code


def _checked(file: str, config: Path | None) -> tuple[Sequence[LanguageError], Sequence[str]]:
    """Return the errors of a program; where it has none, the environments that it needs."""
    host = EngineHost(os.path.dirname(os.path.abspath(file)), config=config)
    try:
        checked = check_files(host, file, host.describe_foreign)
    except SourceError as error:
        return [error], ()
    errors = [e for part in checked for e in part.errors or _target_errors(host, part)]
    return errors, () if errors else [line for part in checked for line in _needs(host, part)]


def _needs(host: EngineHost, file: CheckedFile) -> Iterator[str]:
    """Yield a line for each import that needs an environment; nothing is installed."""
    for request in file.foreign_imports:
        needs = needs_of(host, request)
        if needs:
            yield f"{file.path}:{request.line}: {request.target}: {needs}"


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
