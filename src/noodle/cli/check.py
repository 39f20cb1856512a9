"""``noodle check``: every mistake that can be found without running a program."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from noodle.cli.exit_codes import NOT_COMPILED, OK
from noodle.cli.failures import print_language_error
from noodle.cli.terminal import error_console, output_console, visible
from noodle.errors import LanguageError, SourceError
from noodle.language import check_source
from noodle.runtime.host import EngineHost

__all__ = ["check"]


def check(files: Sequence[str | Path]) -> int:
    """Print the errors of programs and a line for each program that has none.

    Args:
        files: The programs.

    Returns:
        The exit code: 3 when there is an error.
    """
    output, errors = output_console(), error_console()
    code = OK
    for file in files:
        found = _errors_of(str(file))
        for error in found:
            print_language_error(errors, error)
        if found:
            count = "1 error" if len(found) == 1 else f"{len(found)} errors"
            errors.print(Text(f"{visible(str(file))}: {count}", "place"))
            code = NOT_COMPILED
        else:
            output.print(Text.assemble(f"{visible(str(file))}: ", ("no errors", "ok")))
    return code


def _errors_of(file: str) -> tuple[LanguageError, ...]:
    host = EngineHost(os.path.dirname(os.path.abspath(file)))
    try:
        source = host.read_source(file)
    except SourceError as error:
        return (error,)
    return check_source(source, file)
