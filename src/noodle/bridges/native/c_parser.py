"""Reads C prototypes as they stand in a manual: ``double cos(double x);``.

The text is declarations only: typedefs, structures, enumerations, functions and variables; no
preprocessor lines and no bodies. The parser is pycparser (C99 and most of C11).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pycparser import c_ast  # type: ignore[import-untyped]
from pycparser.c_parser import CParser  # type: ignore[import-untyped]

from noodle.bridges.native.c_layouts import laid_out
from noodle.bridges.native.c_names import OPAQUE_TYPEDEFS, STANDARD_TYPEDEFS
from noodle.bridges.native.c_types import CTypes, Unfit
from noodle.bridges.native.declarations import (
    Declaration,
    Declarations,
    Problem,
    Variable,
    further_remedy,
    refuse_all,
    without_repeats,
)
from noodle.bridges.native.further_arguments import FurtherArguments
from noodle.errors import PrototypeError

__all__ = ["parse_c", "uncallable"]

_PLACE = re.compile(r"^(?:prototypes)?:?(\d+):(\d+):? ?(.*)", re.DOTALL)


def parse_c(text: str, variadic: Sequence[tuple[str, str]] = ()) -> Declarations:
    """Return what a C text declares.

    Args:
        text: Declarations in C.
        variadic: The types of further arguments, by the function's name or ``NAME as ALIAS``.

    Raises:
        PrototypeError: The text is not C, with line and column; or some functions cannot be
            called, all of them listed with the reason; or the types of further arguments cannot be
            read, or belong to no function that takes such.
    """
    blanked = _blank_comments(text)
    _refuse_directives(blanked, text)
    further = FurtherArguments(variadic)
    try:
        return _Reader(further).read(_parse(blanked, further))
    except RecursionError as error:
        raise PrototypeError("the prototypes are nested too deep to be read") from error


def _parse(text: str, further: FurtherArguments) -> Any:
    """Return the syntax tree of a text and of the types of further arguments behind it."""
    lines = further.lines()
    found = _tree(text, lines)
    if not isinstance(found, Exception):
        return found
    alone = _tree(text, [])
    if isinstance(alone, Exception):
        raise _parse_error(str(alone), text) from alone
    wrong = (
        index
        for index in range(len(lines))
        if isinstance(_tree(text, lines[index : index + 1]), Exception)
    )
    reason = str(found).removeprefix("variadic:").rpartition(": ")[2]
    raise further.unreadable(next(wrong, 0), reason.strip()) from found


def _tree(text: str, further: Sequence[str]) -> Any:
    """Return a syntax tree, or the parser's error."""
    typedefs = "".join(f"typedef int {name}; " for name in (*STANDARD_TYPEDEFS, *OPAQUE_TYPEDEFS))
    variadic = ['# 1 "variadic"', *further] if further else []
    full = "\n".join([typedefs, '# 1 "prototypes"', text, *variadic, ""])
    try:
        return CParser().parse(full, "standard typedefs")
    except Exception as error:
        if not type(error).__name__.endswith("ParseError"):
            raise
        return error


def _blank_comments(text: str) -> str:
    """Replace comments by spaces, so that lines and columns stay."""
    comment = r"/\*.*?\*/|//[^\n]*"
    return re.sub(
        rf"({comment})|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'",
        lambda m: re.sub(r"[^\n]", " ", m[0]) if m[1] else m[0],
        text,
        flags=re.DOTALL,
    )


def _refuse_directives(blanked: str, text: str) -> None:
    for number, line in enumerate(blanked.splitlines(), 1):
        if line.lstrip().startswith("#"):
            raise PrototypeError(
                "prototypes have no preprocessor lines",
                expected="declarations such as double cos(double x);",
                received=line.strip(),
                where=f"prototypes:{number}:{len(line) - len(line.lstrip()) + 1}",
                remedy="paste the declarations themselves",
            )


def _parse_error(message: str, text: str) -> PrototypeError:
    match = _PLACE.match(message)
    line, column, reason = (int(match[1]), int(match[2]), match[3]) if match else (0, 0, message)
    lines = text.splitlines()
    shown = lines[line - 1].strip() if 0 < line <= len(lines) else text.strip()[-80:]
    remedy = "end each prototype with ';'" if not text.rstrip().endswith((";", "}")) else None
    unknown = re.match(r"before: \w|Invalid function definition", reason)
    if unknown and remedy is None:
        remedy = "if an unknown type stands there, declare it first: typedef struct thing thing;"
    return PrototypeError(
        f"the prototypes are not C: {_reason(reason)}",
        expected="declarations such as double cos(double x);",
        received=shown[:160] or "nothing",
        where=f"prototypes:{line}:{column}" if line else f"prototypes:{max(1, len(lines))}",
        remedy=remedy,
    )


def _reason(reason: str) -> str:
    text = reason.strip().removeprefix("prototypes: ")
    text = text.replace("At end of input", "it ends too early")
    text = text.replace("Invalid function definition", "unexpected name before a function")
    return re.sub(r"^before: (.*)", r"unexpected \1", text) or "it ends too early"


class _Reader:
    """Turns a syntax tree into declarations."""

    def __init__(self, further: FurtherArguments) -> None:
        self._types = CTypes()
        self._further = further
        self._functions: list[Declaration] = []
        self._variables: list[Variable] = []
        self._problems: list[Problem] = []

    def read(self, tree: Any) -> Declarations:
        for node in tree.ext:
            self._external(node)
        if self._problems:
            raise refuse_all(self._problems)
        functions = without_repeats([*self._functions, *self._further.declarations()])
        variables = without_repeats(self._variables)
        return Declarations(functions, laid_out(self._types), self._types.enumerations(), variables)

    def _external(self, node: Any) -> None:
        if isinstance(node, c_ast.Typedef):
            if node.coord.file == "prototypes":
                self._types.add_typedef(node)
        elif isinstance(node, c_ast.FuncDef):
            self._refuse(node.decl, node.decl.name, "it has a body, and only declarations are read")
        elif isinstance(node, c_ast.Decl):
            self._types.learn(getattr(node.type, "type", node.type) if node.name else node.type)
            if self._further.is_one(node):
                self._further.learn(node, self._types)
            elif node.name:
                self._named(node)

    def _named(self, node: Any) -> None:
        known = self._functions if isinstance(node.type, c_ast.FuncDecl) else self._variables
        others = self._variables if known is self._functions else self._functions
        if any(node.name == other.name for other in others):
            self._refuse(node, node.name, "it is declared as a function and as a variable")
        elif isinstance(node.type, c_ast.FuncDecl):
            self._function(node)
        elif isinstance(self._types.expand(node.type), c_ast.FuncDecl):
            self._refuse(node, node.name, "write its parameters")
        elif node.init is not None:
            self._refuse(node, node.name, "it has a value, and only declarations are read")
        else:
            self._variable(node)

    def _variable(self, node: Any) -> None:
        try:
            self._variables.append(self._types.variable(node))
        except Unfit as unfit:
            self._refuse(node, node.name, f"it {unfit}")

    def _refuse(self, node: Any, name: str, reason: str, remedy: str | None = None) -> None:
        where = f"prototypes:{node.coord.line}:{node.coord.column}" if node.coord else "prototypes"
        self._problems.append((where, f"{name}: {reason}", remedy))

    def _function(self, node: Any) -> None:
        try:
            declaration = self._types.function(node.name, node.type)
        except Unfit as unfit:
            self._refuse(node, node.name, str(unfit))
            return
        reason = uncallable(declaration)
        if reason is None:
            self._functions.append(declaration)
            return
        self._further.add(declaration)
        if node.name not in self._further.symbols:
            self._refuse(node, node.name, reason, further_remedy(node.name))


def uncallable(declaration: Declaration) -> str | None:
    """Return why a function cannot be called, or None where it can."""
    if declaration.variadic:
        return "it takes further arguments of unknown types (...)"
    return None
