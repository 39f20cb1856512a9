"""What an ``import ffi`` asks for, and how it is read from the tree."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any

from noodle.errors import LanguageError, NoodleSyntaxError, NoodleTypeError, PrototypeError
from noodle.language import tree
from noodle.language.mistakes import FOREIGN_TYPES
from noodle.language.source_text import SourceText
from noodle.prototypes import Parameter, Prototype
from noodle.values import ANY, INTEGER_RANGES, VOID, ValueType, parse_type

__all__ = [
    "ForeignImport",
    "changes_parameters",
    "derived_name",
    "from_plain",
    "has_length",
    "read_import",
    "to_plain",
]

_PARAMETERS = frozenset({"out", "inout", "buffers", "lengths"})
"""The annotations that change what calls of a function take."""

_DERIVABLE = re.compile(
    r"(?:[A-Za-z]\w*:)?(?:.*/)?(?P<name>[^\W\d]\w*)"
    r"(?:\.(?:so(?:\.\d+)*|dylib|dll|c|h|rs|py|js|mjs|cjs|ts))?"
    r"(?:@[\w.^~-]+|\s*[=<>!~]=?.*)?"
)


@dataclass(frozen=True, slots=True)
class ForeignImport:
    """An ``import ffi`` of a program.

    Args:
        target: What to load, as written.
        name: The name that the program gives it.
        prototypes: What its functions declare, where the program says so.
        options: The constants behind ``with``.
        path: The program's file.
        line: Line of the import, from 1.
        column: Column of the import, from 1.
    """

    target: str
    name: str
    prototypes: tuple[Prototype, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    path: str = "<input>"
    line: int = 0
    column: int = 0


def derived_name(target: str) -> str | None:
    """Return the name that an import without ``as`` gives: ``libm`` for ``libm.so.6``, or None."""
    match = _DERIVABLE.fullmatch(target.partition(";")[0].strip())
    return match["name"] if match else None


def read_import(
    source: SourceText, statement: tree.ForeignImportStatement, errors: list[LanguageError]
) -> ForeignImport:
    """Read an import statement; whatever is wrong with its types and options goes to ``errors``."""
    line, column = source.place(statement.start)
    target = str(statement.target.value)
    if not target.strip():
        errors.append(_empty_target(source, statement.target))
    return ForeignImport(
        target,
        statement.name.text if statement.name else "",
        tuple(_prototype(source, declared, errors) for declared in statement.prototypes),
        _options(source, statement.options, errors),
        source.path,
        line,
        column,
    )


def _empty_target(source: SourceText, target: tree.Literal) -> LanguageError:
    return source.error(
        NoodleSyntaxError,
        "an import names nothing to load",
        target.start,
        target.end,
        expected="a package, a library or a file",
        received="an empty text",
        remedy='write `import ffi "numpy" as np`',
    )


def changes_parameters(request: ForeignImport, function: str) -> bool:
    """Return whether options of an import let calls leave parameters of a function out.

    Args:
        request: The import.
        function: The function's name.
    """
    said = request.options.get("functions")
    return isinstance(said, dict) and any(
        fnmatchcase(function, str(name))
        and isinstance(annotations, dict)
        and not _PARAMETERS.isdisjoint(annotations)
        for name, annotations in said.items()
    )


def has_length(prototype: Prototype) -> bool:
    """Return whether a parameter may be the length of the one before it, and be left out.

    Args:
        prototype: What the program declares.
    """
    types = [parameter.type.name for parameter in prototype.parameters]
    return any(
        array in ("bytes", "str") and length in INTEGER_RANGES for array, length in pairwise(types)
    )


def _prototype(
    source: SourceText, declared: tree.PrototypeDeclaration, errors: list[LanguageError]
) -> Prototype:
    parameters = []
    seen: set[str] = set()
    for parameter in declared.parameters:
        name = parameter.name.text
        if name in seen:
            errors.append(_repeated(source, parameter.name))
        seen.add(name)
        parameters.append(
            Parameter(
                name,
                read_type(source, parameter, parameter.annotation, errors),
                optional=parameter.default is not None,
            )
        )
    returns = read_type(source, declared, declared.returns, errors) if declared.returns else VOID
    return Prototype(declared.name.text, tuple(parameters), returns)


def _repeated(source: SourceText, name: tree.Identifier) -> LanguageError:
    return source.error(
        NoodleSyntaxError,
        f"there are two parameters `{name.text}`",
        name.start,
        name.end,
        expected="a name for each parameter",
        received=f"`{name.text}` again",
        remedy="rename one of them",
    )


def read_type(
    source: SourceText, node: tree.Node, text: str | None, errors: list[LanguageError]
) -> ValueType:
    """Return the type that an annotation names; ``any`` for none and for one that is wrong."""
    if text is None:
        return ANY
    try:
        return parse_type(text)
    except PrototypeError as error:
        start = source.text.rfind(text, node.start, node.end)
        place = (start, start + len(text)) if start >= 0 else (node.start, node.end)
        errors.append(
            source.error(
                NoodleTypeError,
                error.summary,
                *place,
                expected=error.expected,
                received=error.received,
                remedy=error.remedy or _type_meant(text),
            )
        )
        return ANY


def _type_meant(text: str) -> str | None:
    meant = FOREIGN_TYPES.get(text)
    return f"write `{meant}`" if meant else None


def _options(
    source: SourceText, options: tree.MapLiteral | None, errors: list[LanguageError]
) -> dict[str, Any]:
    if options is None:
        return {}
    value = _constant(source, options, errors)
    return value if isinstance(value, dict) else {}


def _constant(source: SourceText, node: tree.Expression, errors: list[LanguageError]) -> Any:
    if isinstance(node, tree.Literal):
        return node.value
    if isinstance(node, tree.ListLiteral):
        return [_constant(source, item, errors) for item in node.items]
    if isinstance(node, tree.MapLiteral):
        return {entry.key: _constant(source, entry.value, errors) for entry in node.entries}
    if isinstance(node, tree.Unary) and node.operator == "-":
        value = _constant(source, node.operand, errors)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return -value
    errors.append(
        source.error(
            NoodleSyntaxError,
            "an option of an import is a constant",
            node.start,
            node.end,
            expected="a number, a string, `true`, `false`, `null`, or a list or map of them",
            received=f"`{source.text[node.start : node.end]}`",
            remedy="write the value itself",
        )
    )
    return None


Plain = tuple[Any, ...]
"""An import as nested tuples of plain values, as the bytecode cache keeps it."""


def to_plain(request: ForeignImport) -> Plain:
    """Return an import as plain values."""
    prototypes = tuple(
        (p.name, tuple((q.name, str(q.type), q.optional) for q in p.parameters), str(p.returns))
        for p in request.prototypes
    )
    return (request.target, request.name, prototypes, request.options, request.line, request.column)


def from_plain(plain: Plain, path: str) -> ForeignImport:
    """Return the import that ``to_plain`` took apart."""
    target, name, prototypes, options, line, column = plain
    return ForeignImport(
        target,
        name,
        tuple(
            Prototype(
                function,
                tuple(Parameter(n, parse_type(t), optional=o) for n, t, o in parameters),
                parse_type(returns),
            )
            for function, parameters, returns in prototypes
        ),
        dict(options),
        path,
        line,
        column,
    )
