"""Every exception that Noodle raises, in one tree with three roots below the trunk.

::

    NoodleError
    ├── UsageError                 the caller can put it right
    │   ├── TargetError            a target that cannot be read
    │   │   └── AmbiguousTargetError
    │   ├── SettingsError          a setting that is unknown or has a wrong value
    │   ├── UnknownBridgeError     no bridge, library or operation of that name
    │   ├── MissingError           something that must be installed first
    │   │   ├── MissingPackageError
    │   │   ├── MissingLibraryError
    │   │   └── MissingToolError
    │   ├── VersionError           what is installed does not satisfy the pin
    │   ├── NameNotFoundError      the library has no such name
    │   │   └── MissingSymbolError
    │   ├── PrototypeError         a prototype that cannot be read
    │   ├── ArgumentError          a call that the function does not accept
    │   │   ├── ArityError
    │   │   ├── ArgumentTypeError
    │   │   ├── ArgumentRangeError
    │   │   ├── ShapeError
    │   │   └── NoMatchingSignatureError
    │   ├── PlacementError         a placement that this target cannot have
    │   ├── PermissionDeniedError  the principal may not do this
    │   ├── InputLimitError        an input that exceeds the limits
    │   ├── ForkedProcessError     a call on something that belongs to the parent process
    │   ├── DeadlockError          a cycle of calls that wait for each other
    │   ├── WorkerBlockedError     a worker busy in another chain's callback
    │   ├── CallDepthError         calls and callbacks nested too deeply
    │   ├── ReferenceReleasedError a use of a worker's object that was let go
    │   ├── MemoryInUseError       a release of memory that an array or view still shows
    │   ├── CallbackResultError    a callback that returned what C does not take
    │   ├── CallbackReleasedError  a callback that C called after it was let go
    │   └── LanguageError          a Noodle program that cannot be compiled
    │       ├── NoodleSyntaxError
    │       ├── NoodleNameError
    │       ├── NoodleTypeError
    │       ├── SourceError        a source file that cannot be read
    │       └── ImportCycleError
    ├── ForeignError               a foreign library or its runtime failed
    │   ├── LibraryLoadError       found, but it does not load
    │   │   └── InstallationError  a package that cannot be downloaded or installed
    │   ├── CompilationError       a compiler rejected the source
    │   ├── InstanceUnavailableError
    │   ├── WorkerCrashedError
    │   │   └── MemoryLimitError   the worker had more memory than it may have
    │   ├── RemoteCallError        a foreign exception that has no type here
    │   ├── FunctionFailedError    a native function says by its result that it failed
    │   │   └── FunctionErrnoError ... and errno says why
    │   └── DeadlineExceededError
    └── InternalError              a defect in Noodle

A class also derives from the builtin that a caller would catch (``TypeError``, ``ImportError``,
``AttributeError``, …), so code that never heard of Noodle handles these errors sensibly.
Exceptions raised by a foreign function that runs in process keep their own type.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

__all__ = [
    "AmbiguousTargetError",
    "ArgumentError",
    "ArgumentRangeError",
    "ArgumentTypeError",
    "ArityError",
    "CallDepthError",
    "CallbackReleasedError",
    "CallbackResultError",
    "CompilationError",
    "DeadlineExceededError",
    "DeadlockError",
    "ForeignError",
    "ForkedProcessError",
    "FunctionErrnoError",
    "FunctionFailedError",
    "ImportCycleError",
    "InputLimitError",
    "InstallationError",
    "InstanceUnavailableError",
    "InternalError",
    "LanguageError",
    "LibraryLoadError",
    "MemoryInUseError",
    "MemoryLimitError",
    "MissingError",
    "MissingLibraryError",
    "MissingPackageError",
    "MissingSymbolError",
    "MissingToolError",
    "NameNotFoundError",
    "NoMatchingSignatureError",
    "NoodleError",
    "NoodleNameError",
    "NoodleSyntaxError",
    "NoodleTypeError",
    "PermissionDeniedError",
    "PlacementError",
    "PrototypeError",
    "ReferenceReleasedError",
    "RemoteCallError",
    "SettingsError",
    "ShapeError",
    "SourceError",
    "TargetError",
    "UnknownBridgeError",
    "UsageError",
    "VersionError",
    "WorkerBlockedError",
    "WorkerCrashedError",
    "did_you_mean",
]


SHOWN_COLUMNS = 120
"""Chosen: how much of a source line an error shows; generated lines can be megabytes long."""


class NoodleError(Exception):
    """The trunk: every error that Noodle itself raises.

    Args:
        summary: One line that says what is wrong, without a full stop.
        expected: What would have been accepted.
        received: What came instead.
        where: The place: ``file:line:column``, an argument, a setting's key.
        remedy: What to type or change.

    The parts stay available as attributes; the text is put together only when it is shown.
    """

    def __init__(
        self,
        summary: str,
        *,
        expected: str | None = None,
        received: str | None = None,
        where: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(summary)
        self.summary = summary
        self.expected = expected
        self.received = received
        self.where = where
        self.remedy = remedy

    def details(self) -> list[tuple[str, str]]:
        """Return the labelled lines below the summary, in the order in which they are shown."""
        labelled = [
            ("expected", self.expected),
            ("received", self.received),
            ("where", self.where),
            ("try", self.remedy),
        ]
        return [(label, text) for label, text in labelled if text]

    def __str__(self) -> str:
        return "\n".join(
            [self.summary, *(_labelled_line(label, text) for label, text in self.details())]
        )


def _labelled_line(label: str, text: str) -> str:
    continued = text.replace("\n", "\n" + " " * 12)
    return f"  {label + ':':<10}{continued}"


class UsageError(NoodleError):
    """The caller can put it right: a wrong name, type, value, version or setting."""


class TargetError(UsageError, ValueError):
    """A target text cannot be read. Write it as one of the forms that the message lists."""


class AmbiguousTargetError(TargetError):
    """A target fits several bridges or files; the message lists them. Name one of them in full."""


class SettingsError(UsageError, ValueError):
    """A setting is unknown or has a wrong value; the message names the key and the nearest one."""


class UnknownBridgeError(UsageError, LookupError):
    """No bridge, library or operation has that name; the message lists those that there are."""


class MissingError(UsageError, ImportError):
    """Something that the target needs is not installed; the message has the command to type."""


class MissingPackageError(MissingError):
    """A Python or npm package is not installed."""


class MissingLibraryError(MissingError):
    """A shared library was found nowhere; the message lists where it was looked for."""


class MissingToolError(MissingError):
    """A compiler, interpreter or other program is not installed."""


class VersionError(UsageError, ImportError):
    """The installed version does not satisfy the one asked for, and no other can be used."""


class NameNotFoundError(UsageError, AttributeError):
    """A library has no member of that name; the message has the nearest existing ones."""


class MissingSymbolError(NameNotFoundError):
    """A prototype names a symbol that the shared library does not export."""


class PrototypeError(UsageError, ValueError):
    """A prototype cannot be read, or uses a type that cannot cross the boundary."""


class ArgumentError(UsageError, TypeError):
    """A call does not fit the function's prototype; nothing was called."""


class ArityError(ArgumentError):
    """Too few or too many arguments, or a keyword that the function does not have."""


class ArgumentTypeError(ArgumentError):
    """An argument has a type, dtype or memory layout that the parameter does not take."""


class ArgumentRangeError(ArgumentError, OverflowError):
    """A number does not fit the parameter's type without loss."""


class ShapeError(ArgumentError, ValueError):
    """The shapes of arrays do not fit each other."""


class NoMatchingSignatureError(ArgumentError):
    """No function registered under a name accepts the arguments; each refusal is listed."""


class PlacementError(UsageError):
    """The placement asked for cannot be had for this target; the message says why and what can."""


class PermissionDeniedError(UsageError, PermissionError):
    """The principal's role does not allow the library, or the target lacks a capability."""


class InputLimitError(UsageError, ValueError):
    """An input is malformed, or larger or deeper than the limits allow."""


class ForkedProcessError(UsageError, RuntimeError):
    """Something of the parent process was used after a fork. Load it again in the child."""


class DeadlockError(UsageError, RuntimeError):
    """Calls wait for each other in a cycle; the message names both ends."""


class WorkerBlockedError(UsageError, RuntimeError):
    """A worker is blocked in another chain's callback, so that this call cannot start."""


class CallDepthError(UsageError, RecursionError):
    """Calls into workers and callbacks from them are nested too deeply; most likely without end."""


class ReferenceReleasedError(UsageError, ReferenceError):
    """An object of a worker was released, or its worker has ended. Ask for it again."""


class MemoryInUseError(UsageError, BufferError):
    """Memory cannot be released while arrays or views show it. Let go of them before."""


class CallbackResultError(UsageError, TypeError):
    """A function that C called returned what its declaration does not have; C got the fallback."""


class CallbackReleasedError(UsageError, ReferenceError):
    """C called a function that was released. Keep it with ``noodle.callback`` for as long."""


class LanguageError(UsageError):
    """A Noodle program cannot be compiled; carries the place, and the source line to show.

    Args:
        summary: What is wrong, in one line.
        path: The program's file name as the user wrote it, or ``<input>``.
        line: Line of the first offending character, from 1; 0 when the place is the whole file.
        column: Column of that character, from 1, in characters.
        length: How many characters the caret underlines, at least 1.
        source_line: The text of that line, without its newline.
        expected: What would have been accepted there.
        received: What stands there instead.
        remedy: What to write.
        others: Further errors of the same program, in source order.
    """

    def __init__(
        self,
        summary: str,
        *,
        path: str = "<input>",
        line: int = 0,
        column: int = 0,
        length: int = 1,
        source_line: str = "",
        expected: str | None = None,
        received: str | None = None,
        remedy: str | None = None,
        others: Iterable[LanguageError] = (),
    ) -> None:
        where = f"{path}:{line}:{column}" if line else path
        super().__init__(summary, expected=expected, received=received, where=where, remedy=remedy)
        self.path = path
        self.line = line
        self.column = column
        self.length = max(1, length)
        self.source_line = source_line
        self.others = tuple(others)

    def all(self) -> tuple[LanguageError, ...]:
        """Return this error and the further ones of the same program, in source order."""
        return (self, *self.others)

    def excerpt(self) -> list[str]:
        """Return the source line and the caret line below it; empty when there is no line.

        Of a long line only the part around the caret is shown. Control characters, which could
        command the terminal, and tabs are shown as one space each.
        """
        if not self.line or not self.source_line:
            return []
        length = len(self.source_line)
        caret = min(max(self.column, 1) - 1, length)
        start = max(0, caret - SHOWN_COLUMNS // 2) if length > SHOWN_COLUMNS else 0
        end = min(length, start + SHOWN_COLUMNS)
        part = self.source_line[start:end]
        visible = "".join(character if character.isprintable() else " " for character in part)
        before = "…" if start else ""
        after = "…" if end < length else ""
        number = str(self.line)
        gap = " " * (len(before) + caret - start)
        return [
            f"{number} | {before}{visible}{after}",
            f"{' ' * len(number)} | {gap}{'^' * max(1, min(self.length, end - caret))}",
        ]

    def __str__(self) -> str:
        return "\n".join(_language_error_text(error) for error in self.all())


def _language_error_text(error: LanguageError) -> str:
    lines = [f"{error.where}: {error.summary}", *(f"  {line}" for line in error.excerpt())]
    lines += [_labelled_line(label, text) for label, text in error.details() if label != "where"]
    return "\n".join(lines)


class NoodleSyntaxError(LanguageError):
    """The text is not a Noodle program."""


class NoodleNameError(LanguageError):
    """A name is not declared, declared twice in one block, or may not be assigned."""


class NoodleTypeError(LanguageError):
    """An operation or call cannot work with the types that are known before the program runs."""


class SourceError(LanguageError):
    """A source file is missing, unreadable, not UTF-8, or too large."""


class ImportCycleError(LanguageError):
    """Noodle files import each other in a circle; the message shows the circle."""


class ForeignError(NoodleError):
    """A foreign library, its runtime or its build failed; the caller's input may be in order."""


class LibraryLoadError(ForeignError, ImportError):
    """A library or package was found, but raised or was refused while it was loaded."""


class InstallationError(LibraryLoadError):
    """A package could not be downloaded or installed; the message has the installer's own words."""


class CompilationError(ForeignError):
    """A compiler rejected the source; the message has its own diagnostics."""


class InstanceUnavailableError(ForeignError, ConnectionError):
    """The instance that should run the call is gone, and no other could take over."""


class WorkerCrashedError(ForeignError):
    """A worker process died during the call; the message has the signal and the call."""


class MemoryLimitError(WorkerCrashedError, MemoryError):
    """A worker process was ended because it exceeded its memory limit, which the message has."""


class RemoteCallError(ForeignError):
    """A foreign function raised an error; its class also derives from the builtin of that meaning.

    ``language``, ``type_name`` and ``message`` say what was raised; ``frames`` has file, line,
    column and function of each call, the outermost first; ``errors`` the errors that it collected,
    as an ``AggregateError`` does; ``extra`` anything else it carried.
    """

    language: str = ""
    type_name: str = ""
    message: str = ""
    frames: tuple[tuple[str | None, int | None, int | None, str | None], ...] = ()
    errors: tuple[BaseException, ...] = ()
    extra: Mapping[str, object] = MappingProxyType({})


class FunctionFailedError(ForeignError):
    """A native function said by its result, or through ``errno``, that it failed.

    ``code`` is the number that says so, or None; ``constant`` the name that the library has for it,
    or None; ``library`` and ``function`` name what was called.
    """

    code: int | None = None
    constant: str | None = None
    library: str = ""
    function: str = ""


class FunctionErrnoError(FunctionFailedError, OSError):
    """A native function failed for a reason that ``errno`` has.

    What is raised is also the builtin of that meaning, such as ``FileNotFoundError``.
    """


class DeadlineExceededError(ForeignError, TimeoutError):
    """The call did not end before its deadline."""


class InternalError(NoodleError):
    """A defect in Noodle: please report it with the traceback that ``--debug`` shows."""


def did_you_mean(name: str, known: Iterable[str], *, limit: int = 3) -> str | None:
    """Return the known names nearest to a mistyped one as a remedy, or None when none is near.

    Args:
        name: What was written.
        known: The names that exist.
        limit: How many to offer at most.
    """
    from difflib import SequenceMatcher, get_close_matches

    folded = name.casefold()
    by_folded = {candidate.casefold(): candidate for candidate in known}
    near = get_close_matches(folded, by_folded, n=limit, cutoff=0.6)
    scores = [SequenceMatcher(None, candidate, folded).ratio() for candidate in near]
    # Chosen: what is clearly further off than the nearest one would only distract.
    nearest = [
        by_folded[c] for c, score in zip(near, scores, strict=True) if score > scores[0] - 0.1
    ]
    return " or ".join(nearest) or None
