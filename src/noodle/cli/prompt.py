"""The prompt of the REPL on a terminal: history, several lines, completion."""

from __future__ import annotations

import os
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.filters import completion_is_selected
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from noodle.cli.completion import NameCompleter
from noodle.cli.version import version_text
from noodle.language import Session

__all__ = ["Prompt", "history_file"]

PROMPT = "noodle> "
CONTINUATION = "   ...> "
INDENT = "    "
_OPENERS = ("{", "(", "[")


def history_file() -> Path:
    """Return where what was typed is kept: in ``XDG_STATE_HOME``, by default ``~/.local/state``."""
    base = os.environ.get("XDG_STATE_HOME", "")
    state = Path(base) if os.path.isabs(base) else Path.home() / ".local" / "state"
    return state / "noodle" / "history"


class Prompt:
    """Asks a person for snippets.

    Args:
        session: Knows which names there are, and whether a snippet is complete.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._prompt: PromptSession[str] = PromptSession(
            history=_history(),
            completer=NameCompleter(session.completions, session.meaning),
            complete_while_typing=False,
            multiline=True,
            prompt_continuation=CONTINUATION,
            key_bindings=self._keys(),
            enable_history_search=True,
        )
        print(version_text())
        print("Tab completes, Ctrl-C gives up a line, Ctrl-D leaves.")

    def read(self) -> str:
        """Return the next snippet.

        Raises:
            KeyboardInterrupt: The person gave it up with Ctrl-C.
            EOFError: They left with Ctrl-D.
        """
        return self._prompt.prompt(PROMPT)

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        @keys.add("enter", filter=~completion_is_selected)
        def _enter(event: KeyPressEvent) -> None:
            buffer = event.current_buffer
            if self._goes_on(buffer.text):
                buffer.insert_text("\n" + _indent_below(buffer.document.current_line_before_cursor))
            else:
                buffer.validate_and_handle()

        @keys.add("enter", filter=completion_is_selected)
        def _take_completion(event: KeyPressEvent) -> None:
            event.current_buffer.complete_state = None

        @keys.add("escape", "enter")
        def _new_line(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        @keys.add("}")
        def _close_block(event: KeyPressEvent) -> None:
            buffer = event.current_buffer
            before = buffer.document.current_line_before_cursor
            if before.endswith(INDENT) and not before.strip():
                buffer.delete_before_cursor(len(INDENT))
            buffer.insert_text("}")

        return keys

    def _goes_on(self, text: str) -> bool:
        """Return whether Enter begins another line; a blank last one ends any snippet."""
        last_line = text.rpartition("\n")[2]
        given_up = "\n" in text and not last_line.strip()
        return not given_up and self._session.incomplete(text)


def _indent_below(line: str) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    return indent + INDENT if line.rstrip().endswith(_OPENERS) else indent


def _history() -> History:
    file = history_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        return FileHistory(str(file))
    except OSError as error:
        print(f"No history is kept: {file} cannot be written ({error.strerror}).")
        return InMemoryHistory()
