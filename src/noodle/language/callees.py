"""Whose code a failing call runs: functions written in C have no frame that would tell."""

from __future__ import annotations

import re
from types import FrameType, FunctionType, ModuleType, TracebackType
from typing import Any

from noodle.language.program import belongs_to_program

__all__ = ["calls_foreign_code"]

_CALL = re.compile(r"(?P<root>[^\W\d]\w*)(?P<members>(?:\s*\.\s*\w+)*)\(.*\)", re.DOTALL)
_OWN_TYPES = frozenset(
    {type(None), bool, int, float, str, bytes, list, tuple, dict, range, FunctionType}
)
_NOT_HERE = object()


def calls_foreign_code(traceback: TracebackType | None, text: str) -> bool:
    """Return whether the part of a program that failed is a call of a foreign function.

    Args:
        traceback: Of the exception.
        text: The part of the program that failed. Its names are looked up; nothing is run.
    """
    call = _CALL.fullmatch(text)
    frame = _innermost(traceback)
    if call is None or frame is None:
        return False
    root = call["root"]
    for names in (frame.f_locals, frame.f_globals):
        value = names.get(root, _NOT_HERE)
        if value is not _NOT_HERE:
            return _is_foreign_value(value) if call["members"] else _is_foreign_function(value)
    return False


def _innermost(traceback: TracebackType | None) -> FrameType | None:
    """Return the innermost frame that is a Noodle program's."""
    found = None
    while traceback:
        if belongs_to_program(traceback.tb_frame.f_globals):
            found = traceback.tb_frame
        traceback = traceback.tb_next
    return found


def _is_foreign_value(value: Any) -> bool:
    if isinstance(value, ModuleType):
        return not belongs_to_program(vars(value))
    return type(value) not in _OWN_TYPES


def _is_foreign_function(value: Any) -> bool:
    if isinstance(value, FunctionType):
        return not belongs_to_program(value.__globals__)
    return callable(value)
