"""The ``noodle`` command.

``noodle run`` with its plain options goes straight to the program, so that a warm start loads no
command-line library; every other command line goes to the Typer application in ``cli.app``.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code (``docs/commands.md`` lists them).

    Args:
        arguments: What follows the command's name; by default that of this process.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) == 2 and arguments[0] == "run" and arguments[1][:1] not in ("", "-"):
        from noodle.cli.run import run

        return run(arguments[1])
    from noodle.cli.app import run_app

    return run_app(arguments)
