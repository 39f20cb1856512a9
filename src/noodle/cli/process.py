"""How a command ends: output flushed, errors reported, everything told by the exit code."""

from __future__ import annotations

import faulthandler
import os
import sys
import warnings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["guarded"]

_format_as_python_does = warnings.formatwarning


def guarded(action: Callable[[], int], *, debug: bool = False) -> int:
    """Run a command's work and return its exit code, whatever happens in it.

    Args:
        action: The work; returns the exit code.
        debug: Whether an error is shown with its Python traceback.

    Raises:
        SystemExit: The program, or foreign code in it, asked for it.
    """
    # A crash inside a library then shows the line of the program that called it.
    if sys.__stderr__ is not None:
        faulthandler.enable(sys.__stderr__)
    warnings.formatwarning = _format_warning
    debug = debug or os.environ.get("NOODLE_DEBUG", "0") not in ("", "0", "false")
    try:
        code = action()
    except SystemExit:
        if _flushed():
            raise
        return _output_lost()
    except BrokenPipeError as error:
        return _output_lost() if _reader_has_left() else _failed(error, debug)
    except BaseException as error:
        return _failed(error, debug)
    return code if _flushed() else _output_lost()


def _format_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """Return the text of a warning; Noodle's own need no place in its code."""
    if category.__module__.startswith("noodle."):
        return f"noodle: {message}\n"
    return _format_as_python_does(message, category, filename, lineno, line)


def _failed(error: BaseException, debug: bool) -> int:
    if not _flushed():
        if isinstance(error, OSError):
            return _output_lost()
        _drop_output()
    from noodle.cli.failures import report

    try:
        return report(error, debug=debug)
    except Exception as trouble:  # a foreign exception's own code runs while it is shown
        from noodle.cli.exit_codes import exit_code

        kinds = f"{type(error).__name__}; showing it raised {type(trouble).__name__}"
        sys.stderr.write(f"noodle: the program raised {kinds}\n")
        return exit_code(error)


def _flushed() -> bool:
    """Write out what is buffered, and return whether that was possible."""
    stream = sys.stdout
    if stream is None or stream.closed:
        return True
    try:
        stream.flush()
    except OSError:
        return False
    return True


def _output_lost() -> int:
    """Return the exit code for output that nobody receives; only a reader that left is no error."""
    from noodle.cli.exit_codes import PIPE_CLOSED, PROGRAM_RAISED

    reader_has_left = _reader_has_left()
    _drop_output()
    if reader_has_left:
        return PIPE_CLOSED
    sys.stderr.write("noodle: standard output cannot be written\n")
    return PROGRAM_RAISED


def _reader_has_left() -> bool:
    """Return whether standard output is a pipe without a reader; a program has pipes of its own."""
    import select

    poll = select.poll()
    poll.register(1, select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _drop_output() -> None:
    """Lead standard output to nowhere, so that the interpreter's own flush at exit says nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
