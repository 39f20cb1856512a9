"""``noodle serve``: a program's functions over HTTP."""

from __future__ import annotations

import sys

from noodle.cli.exit_codes import OK
from noodle.cli.process import guarded
from noodle.ffi_service.options import ServiceOptions

__all__ = ["serve"]


def serve(file: str, options: ServiceOptions, *, debug: bool = False) -> int:
    """Serve a program until it is told to end, and return the exit code.

    Args:
        file: The program.
        options: Where it is served, and how.
        debug: Whether errors are shown with their Python traceback.
    """

    def report(number: int, function: str, error: BaseException) -> None:
        from noodle.cli.failures import report

        _tell(f"call {number}, of {function}, failed")
        report(error, debug=debug)

    def run() -> int:
        from noodle.ffi_service.server import serve

        try:
            serve(file, options, report=report, tell=_tell)
        except ImportError as error:
            from noodle.cli.remedies import name_program

            name_program(error, file)
            raise
        return OK

    return guarded(run, debug=debug)


def _tell(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"noodle: {text}\n")
        sys.stderr.flush()
