"""What a person types who has a program, where an error knows only the package."""

from __future__ import annotations

import shlex

from noodle.errors import MissingPackageError

__all__ = ["name_program"]

_SYNC = "noodle sync"


def name_program(error: BaseException | None, program: str) -> None:
    """Let the remedy for packages that are not installed name the program that needs them.

    The lock file lies where the program is, so that ``noodle sync`` with the target alone would
    look for another one where it is typed elsewhere.

    Args:
        error: What ended the program, or kept an import from being loaded.
        program: The program's file.
    """
    if isinstance(error, MissingPackageError) and (error.remedy or "").startswith(_SYNC):
        error.remedy = f"{_SYNC} {shlex.quote(program)}"
