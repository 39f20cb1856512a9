"""Where statements may stand: imports at the top level, ``break`` inside loops, and so on."""

from __future__ import annotations

from noodle.errors import LanguageError, NoodleSyntaxError
from noodle.language import tree
from noodle.language.limits import MAX_LOOP_DEPTH
from noodle.language.source_text import SourceText

__all__ = ["Placement"]


class Placement:
    """Reports statements that stand in the wrong place.

    Args:
        source: The program's text.
        errors: Where errors go.
    """

    def __init__(self, source: SourceText, errors: list[LanguageError]) -> None:
        self.source = source
        self.errors = errors

    def _report(self, summary: str, node: tree.Node, length: int, **details: str) -> None:
        end = node.start + length
        error = self.source.error(NoodleSyntaxError, summary, node.start, end, **details)
        self.errors.append(error)

    def check_import(self, node: tree.Node, *, at_top: bool) -> None:
        """Report an import inside a block."""
        if not at_top:
            self._report(
                "an import stands at the top level of a file",
                node,
                len("import"),
                expected="an import outside of any block",
                received="an import inside one",
                remedy="move it to the top of the file",
            )

    def check_loop(self, node: tree.Node, depth: int) -> None:
        """Report a loop inside too many others of its function."""
        if depth >= MAX_LOOP_DEPTH:
            self._report(
                f"loops are nested too deeply (limit {MAX_LOOP_DEPTH})",
                node,
                1,
                expected=f"at most {MAX_LOOP_DEPTH} loops inside each other in one function",
                received="one more",
                remedy="put the inner loops into a `fn`",
            )

    def check_jump(self, word: str, node: tree.Node, depth: int) -> None:
        """Report a ``break`` or ``continue`` outside of any loop."""
        if not depth:
            self._report(
                f"`{word}` stands outside of a loop",
                node,
                len(word),
                expected=f"`{word}` inside `while` or `for`",
                received="no loop around it",
                remedy="leave a function with `return`",
            )

    def check_return(self, node: tree.Node, *, in_function: bool) -> None:
        """Report a ``return`` at the top level."""
        if not in_function:
            self._report(
                "`return` stands outside of a function",
                node,
                len("return"),
                expected="`return` inside `fn` or `=>`",
                received="no function around it",
                remedy="use `print(value)` to show a value",
            )
