"""``noodle repl``: a session that is typed, or piped in."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from noodle.cli.exit_codes import INTERRUPTED, OK
from noodle.cli.failures import report
from noodle.language import Session, format_value
from noodle.runtime.host import EngineHost

__all__ = ["Repl", "repl"]

_LEAVING_WORDS = ("exit", "quit", "exit()", "quit()")


def repl(*, config: Path | None = None, debug: bool = False) -> int:
    """Read, run and answer snippets until the input ends.

    Args:
        config: The configuration file; None for the nearest one above the working directory.
        debug: Whether an error is shown with its Python traceback.

    Returns:
        The exit code: 0 on a terminal; else that of the first snippet that failed.
    """
    host = EngineHost(os.getcwd(), config=config)
    session = Session(host, directory="", describe=host.describe_foreign)
    loop = Repl(session, debug=debug)
    if sys.stdin is None:
        return OK
    if sys.stdin.isatty() and sys.stdout.isatty():
        from noodle.cli.prompt import Prompt

        return loop.converse(Prompt(session).read)
    sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    return loop.work_off(sys.stdin)


class Repl:
    """The loop around a session.

    Args:
        session: What runs the snippets.
        debug: Whether an error is shown with its Python traceback.
    """

    def __init__(self, session: Session, *, debug: bool = False) -> None:
        self._session = session
        self._debug = debug

    def converse(self, read: Callable[[], str]) -> int:
        """Answer a person until they leave.

        Args:
            read: Returns a complete snippet; raises KeyboardInterrupt for a line that is given up,
                and EOFError at the end.
        """
        while True:
            try:
                snippet = read()
            except KeyboardInterrupt:
                continue
            except EOFError:
                return OK
            if self._means_leaving(snippet):
                return OK
            self.answer(snippet)

    def _means_leaving(self, snippet: str) -> bool:
        word = snippet.strip()
        return word in _LEAVING_WORDS and word.rstrip("()") not in self._session.namespace

    def work_off(self, lines: Iterable[str]) -> int:
        """Answer lines that were prepared; an error does not stop those behind it."""
        first_failure = OK
        snippet = ""
        for line in lines:
            snippet += line
            if self._session.incomplete(snippet):
                continue
            code = self.answer(snippet)
            snippet = ""
            if code == INTERRUPTED:
                return code
            first_failure = first_failure or code
        if snippet.strip():
            code = self.answer(snippet)
            first_failure = first_failure or code
        return first_failure

    def answer(self, snippet: str) -> int:
        """Run a snippet, print what its last expression gives, and return the exit code of that."""
        try:
            value = self._session.run(snippet)
            if value is not None:
                print(format_value(value))
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except (Exception, KeyboardInterrupt) as error:
            return report(error, debug=self._debug)
        return OK
