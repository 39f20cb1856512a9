"""The calls of a program, found without running it."""

from __future__ import annotations

from dataclasses import dataclass

from noodle.language import tree
from noodle.language.foreign_imports import ForeignImport
from noodle.language.source_text import SourceText
from noodle.language.types import Types

__all__ = ["CallSite", "find_call_sites"]


@dataclass(frozen=True, slots=True)
class CallSite:
    """One call in the text of a program.

    Args:
        line: Its line, from 1.
        column: Its column, from 1.
        callee: The text of what is called.
        argument_types: The types of the positional arguments; None where one is not known.
        keyword_types: The names and types of the keyword arguments.
        foreign_import: The import that the function belongs to; None for Noodle's own functions.
        member: The dotted name in that import (``linalg.solve``), or ``""``.
        prototype: The prototype that the program declares for it, as text, or None.
    """

    line: int
    column: int
    callee: str
    argument_types: tuple[str | None, ...]
    keyword_types: tuple[tuple[str, str | None], ...]
    foreign_import: ForeignImport | None
    member: str
    prototype: str | None


def find_call_sites(
    source: SourceText, program: tree.Program, types: Types
) -> tuple[CallSite, ...]:
    """Return every call, in the order in which they begin in the text.

    Args:
        source: The program's text.
        program: Its tree.
        types: What is known of its types, after the checker has run.
    """
    calls = [node for node, _ in tree.walk(program) if isinstance(node, tree.Call)]
    calls.sort(key=lambda call: (call.callee.end, call.start))
    return tuple(_call_site(source, call, types) for call in calls)


def _call_site(source: SourceText, call: tree.Call, types: Types) -> CallSite:
    line, column = source.place(call.start)
    request, member = types.imported(call.callee) or (None, "")
    prototype = types.prototype(call.callee)
    return CallSite(
        line,
        column,
        " ".join(source.text[call.callee.start : call.callee.end].split()),
        tuple(types.of(a.value) for a in call.arguments if a.name is None),
        tuple((a.name.text, types.of(a.value)) for a in call.arguments if a.name),
        request,
        member,
        str(prototype) if prototype else None,
    )
