"""What the ``noodle`` command's exit codes mean, and which one an exception gets."""

from __future__ import annotations

from noodle import errors

__all__ = [
    "DEFECT",
    "INTERRUPTED",
    "NOT_COMPILED",
    "NOT_LOADED",
    "OK",
    "PIPE_CLOSED",
    "PROGRAM_RAISED",
    "WRONG_COMMAND_LINE",
    "exit_code",
]

OK = 0
PROGRAM_RAISED = 1
WRONG_COMMAND_LINE = 2
NOT_COMPILED = 3
NOT_LOADED = 4
DEFECT = 70
"""EX_SOFTWARE of ``sysexits.h``."""
INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""
PIPE_CLOSED = 141
"""128 + SIGPIPE, as shells report a writer whose reader has left."""

_NOT_LOADED = (
    errors.CompilationError,
    errors.LibraryLoadError,
    errors.MissingError,
    errors.MissingSymbolError,
    errors.PlacementError,
    errors.PrototypeError,
    errors.SettingsError,
    errors.TargetError,
    errors.UnknownBridgeError,
    errors.VersionError,
)


def exit_code(error: BaseException) -> int:
    """Return the exit code of a command that ended with an exception of a program's run."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, errors.LanguageError):
        return NOT_COMPILED
    if isinstance(error, errors.InternalError):
        return DEFECT
    return NOT_LOADED if isinstance(error, _NOT_LOADED) else PROGRAM_RAISED
