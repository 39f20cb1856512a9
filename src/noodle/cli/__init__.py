"""The ``noodle`` command.

``noodle run`` with its plain options goes straight to the program, and ``noodle sync`` ends at once
when nothing has changed, so that these load no command-line library. Every other command line goes
to the Typer application in ``cli.app``.
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
    if arguments and arguments[0] == "sync":
        from noodle.cli.sync_stamp import up_to_date

        count = up_to_date(arguments[1:])
        if count is not None:
            print(f"up to date: {count} target{'' if count == 1 else 's'}")
            return 0
    from noodle.cli.app import run_app

    return run_app(arguments)
