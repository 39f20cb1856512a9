"""What a command says when something went wrong, and the exit code that it gets."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from itertools import groupby

from rich.console import Console
from rich.text import Text

from noodle.cli.excerpts import excerpt
from noodle.cli.exit_codes import DEFECT, INTERRUPTED, NOT_COMPILED, exit_code
from noodle.cli.terminal import error_console, visible
from noodle.errors import InternalError, LanguageError, NoodleError
from noodle.language import Failure, describe_failure

__all__ = ["print_error", "print_language_error", "report"]

_LONGEST_MESSAGE = 50
"""Lines of a foreign library's message that are shown (chosen)."""


def report(error: BaseException, *, debug: bool = False) -> int:
    """Say on standard error what went wrong, and return the exit code.

    Args:
        error: What ended the command, with its traceback.
        debug: Whether to show the Python traceback first.
    """
    console = error_console()
    if debug:
        console.print(Text(visible_lines("".join(traceback.format_exception(error))).rstrip("\n")))
    if isinstance(error, LanguageError):
        for each in error.all():
            print_language_error(console, each)
        return NOT_COMPILED
    failure = describe_failure(error)
    if isinstance(error, KeyboardInterrupt):
        place = f" at {failure.where}" if failure.where else ""
        console.print(Text(f"interrupted{place}", "error"))
        return INTERRUPTED
    if _is_defect(error, failure):
        _print_defect(console, error, failure, debug)
        return DEFECT
    _print_failure(console, error, failure)
    return exit_code(error)


def visible_lines(text: str) -> str:
    """Return a text of several lines, each as ``visible`` shows it."""
    return "\n".join(visible(line) for line in text.split("\n"))


def _is_defect(error: BaseException, failure: Failure) -> bool:
    """Return whether this is neither the program's failure nor one that Noodle itself describes."""
    if isinstance(error, NoodleError):
        return isinstance(error, InternalError)
    # What the system refuses, such as writing to a full disk, is nobody's defect.
    return failure.place is None and not isinstance(error, OSError)


def print_language_error(console: Console, error: LanguageError) -> None:
    """Print one error of a program with its line, a caret, and what to write."""
    console.print(_headline(error.where or error.path, error.summary))
    if error.line and error.source_line:
        for line in excerpt(
            error.line, error.source_line, error.column, error.length, console.width
        ):
            console.print(line)
    _print_details(console, (item for item in error.details() if item[0] != "where"))


def print_error(console: Console, place: str, error: NoodleError) -> None:
    """Print an error that does not end the command.

    Args:
        console: Where to.
        place: What it concerns, such as a target.
        error: The error.
    """
    console.print(_headline(place, error.summary))
    _print_details(console, (item for item in error.details() if item[1] != place))


def _headline(place: str, summary: str) -> Text:
    first, *further = summary.split("\n")[:_LONGEST_MESSAGE]
    at = f"{place}: " if place else ""
    text = Text.assemble((visible(at), "place"), ("error", "error"), f": {visible(first)}")
    for line in further:
        text.append(f"\n  {visible(line)}")
    return text


def _print_details(console: Console, details: Iterable[tuple[str, str]]) -> None:
    for label, text in details:
        style = "remedy" if label == "try" else ""
        console.print(
            Text.assemble((f"  {label + ':':<10}", "label"), (visible_lines(text), style))
        )


def _print_failure(console: Console, error: BaseException, failure: Failure) -> None:
    console.print(_headline(failure.where, failure.summary))
    place = failure.place
    if place and place.source_line and place.column:
        for line in excerpt(
            place.line, place.source_line, place.column, place.length, console.width
        ):
            console.print(line)
    _print_details(console, _details(error, failure))
    _print_frames(console, failure)


def _details(error: BaseException, failure: Failure) -> list[tuple[str, str]]:
    if not isinstance(error, NoodleError):
        return [("try", failure.remedy)] if failure.remedy else []
    # The place of an import is in the headline already.
    ends = (f", imported at {failure.where}", failure.where) if failure.where else ()
    details = error.details()
    for end in ends:
        details = [(label, text.removesuffix(end)) for label, text in details]
    return [(label, text) for label, text in details if text]


def _print_frames(console: Console, failure: Failure) -> None:
    """Print the chain of calls around the place, innermost first, equal ones in a row as one."""
    for line, equal in groupby(_chain_of_calls(failure)):
        count = len(list(equal))
        times = f", {count} times" if count > 1 else ""
        console.print(Text(visible(f"  {line}{times}"), "gutter"))
    if failure.skipped:
        console.print(Text(f"  and {failure.skipped} more calls between them", "gutter"))


def _chain_of_calls(failure: Failure) -> Iterator[str]:
    inside = True
    for frame in reversed(failure.frames):
        if frame is failure.place:
            inside = False
            continue
        word = "raised in" if inside else "called from"
        name = f" {frame.function}," if frame.function and frame.foreign else ""
        within = f" in {frame.function}" if frame.function and not frame.foreign else ""
        at = f"{frame.path}:{frame.line}"
        at += f":{frame.column}" if frame.column and not frame.foreign else ""
        yield f"{word}{name} {at}{within}"


def _print_defect(console: Console, error: BaseException, failure: Failure, debug: bool) -> None:
    kind = "" if isinstance(error, NoodleError) else f"{type(error).__name__}: "
    summary = error.summary if isinstance(error, NoodleError) else str(error)
    console.print(_headline(failure.where, f"a defect in Noodle: {kind}{summary}"))
    if isinstance(error, NoodleError):
        _print_details(console, error.details())
    how = (
        "report it with the traceback above" if debug else "run it again with --debug and report it"
    )
    console.print(Text.assemble(("  try:      ", "label"), (how, "remedy")))
