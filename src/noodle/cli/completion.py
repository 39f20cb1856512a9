"""Completion by Tab in the REPL: Noodle's words, declared names, and what libraries offer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

__all__ = ["NameCompleter", "candidates"]

_CHAIN = re.compile(r"(?P<path>(?:[^\W\d]\w*\s*\.\s*)*)(?P<beginning>\w*)\Z")
_TEXT_OR_COMMENT = re.compile(r'"(?:\\.|[^"\\])*("|\Z)|//.*\Z')


class NameCompleter(Completer):
    """Offers names for what stands before the cursor.

    Args:
        names: Returns the declared names with their values.
        words: Keywords and builtin functions.
    """

    def __init__(self, names: Callable[[], Mapping[str, Any]], words: Iterable[str]) -> None:
        self._names = names
        self._words = tuple(words)

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        """Yield the completions at the cursor."""
        beginning, found = candidates(
            document.current_line_before_cursor, self._names(), self._words
        )
        for name in found:
            yield Completion(name, start_position=-len(beginning))


def candidates(
    line: str, names: Mapping[str, Any], words: Iterable[str] = ()
) -> tuple[str, list[str]]:
    """Return the name that is being typed, and the names that it may become.

    Args:
        line: The line up to the cursor.
        names: The declared names with their values.
        words: Further names that can stand alone.
    """
    chain = _CHAIN.search(line)
    if chain is None or _in_text_or_comment(line):
        return "", []
    path = [part.strip() for part in chain["path"].split(".")[:-1]]
    beginning = chain["beginning"]
    if not path:
        # After a number's point or a closing bracket nothing is known; after nothing, all would be.
        offered = {*names, *words} if beginning and line[chain.start() - 1 : chain.start()] != "." else ()
    else:
        offered = set(_members(path, names))
    if not beginning.startswith("_"):
        offered = [name for name in offered if not name.startswith("_")]
    return beginning, sorted(name for name in offered if name.startswith(beginning))


def _in_text_or_comment(line: str) -> bool:
    last = None
    for last in _TEXT_OR_COMMENT.finditer(line):
        continue
    return last is not None and last.end() == len(line) and last[1] != '"'


def _members(path: list[str], names: Mapping[str, Any]) -> list[str]:
    if path[0] not in names:
        return []
    value = names[path[0]]
    try:
        for part in path[1:]:
            value = getattr(value, part)
        return dir(value)
    except Exception:  # reading a member runs code of the library, which may raise anything
        return []
