"""``noodle run``: a program from start to end."""

from __future__ import annotations

import os

from noodle.cli.process import guarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["run"]


def run(file: str, *, config: Path | None = None, debug: bool = False, frozen: bool = False) -> int:
    """Run a program and return the exit code.

    Args:
        file: The program.
        config: The configuration file; None for the nearest one above the program.
        debug: Whether an error is shown with its Python traceback.
        frozen: Whether packages that are missing are an error; usually they are installed.
    """
    return guarded(lambda: _run(file, config, frozen), debug=debug)


def _run(file: str, config: Path | None, frozen: bool) -> int:
    from noodle.language.loader import ProgramLoader
    from noodle.runtime.host import EngineHost

    directory = os.path.dirname(os.path.abspath(file))
    host = EngineHost(directory, config=config, install="always")
    try:
        if frozen:
            from noodle.runtime.engine import pin

            pin(install="never")
        ProgramLoader(host).run(file)
    except ImportError as error:
        from noodle.cli.remedies import name_program

        name_program(error, file)
        raise
    return 0
