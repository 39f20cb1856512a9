"""Completion by Tab in the REPL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

__all__ = ["NameCompleter"]

_TEXT_OR_COMMENT = re.compile(r'"(?:\\.|[^"\\])*(?P<end>"|\Z)|//.*\Z')
_LAST_NAME = re.compile(r"\w*\Z")


class NameCompleter(Completer):
    """Offers names for what stands before the cursor.

    Args:
        names: Returns what may stand where the last word of a line stands.
        meaning: Returns in one line what a name of a line's completions is, or ``""``.
    """

    def __init__(
        self,
        names: Callable[[str], Sequence[str]],
        meaning: Callable[[str, str], str] | None = None,
    ) -> None:
        self._names = names
        self._meaning = meaning

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        """Yield the completions at the cursor; none inside of texts and comments."""
        line = document.current_line_before_cursor
        if not line.strip() or _ends_in_text_or_comment(line):
            return
        match = _LAST_NAME.search(line)
        beginning = match.group() if match else ""
        for name in self._found(line):
            shown = self._meaning(line, name) if self._meaning else ""
            yield Completion(name, start_position=-len(beginning), display_meta=shown)

    def _found(self, line: str) -> Sequence[str]:
        try:
            return self._names(line)
        except Exception:  # looking for a member runs code of the library, which may raise anything
            return ()


def _ends_in_text_or_comment(line: str) -> bool:
    return any(
        match.end() == len(line) and match["end"] != '"'
        for match in _TEXT_OR_COMMENT.finditer(line)
    )
