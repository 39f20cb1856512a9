"""``noodle serve``: a program's functions over HTTP."""

from __future__ import annotations

import sys
from pathlib import Path

from noodle.cli.exit_codes import OK
from noodle.cli.process import guarded

__all__ = ["serve"]


def serve(
    file: str,
    *,
    host: str,
    port: int,
    threads: int,
    seconds: float | None = None,
    config: Path | None = None,
    debug: bool = False,
) -> int:
    """Serve a program until it is told to end, and return the exit code.

    Args:
        file: The program.
        host: The loopback address to listen on.
        port: The port; 0 for one that is free.
        threads: How many calls may run at a time.
        seconds: How long a request may wait and run; None for no limit.
        config: The configuration file; None for the nearest one above the program.
        debug: Whether errors are shown with their Python traceback.
    """

    def report(number: int, function: str, error: BaseException) -> None:
        from noodle.cli.failures import report

        _tell(f"call {number}, of {function}, failed")
        report(error, debug=debug)

    def run() -> int:
        from noodle.ffi_service.server import serve

        try:
            serve(
                file,
                host=host,
                port=port,
                threads=threads,
                seconds=seconds,
                config=config,
                report=report,
                tell=_tell,
            )
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
