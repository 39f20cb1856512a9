"""Type nodes of a C syntax tree as C text."""

from __future__ import annotations

from typing import Any

from pycparser import c_ast  # type: ignore[import-untyped]

__all__ = ["spelling"]

_KINDS = ((c_ast.Enum, "enum"), (c_ast.Union, "union"), (c_ast.Struct, "struct"))


def spelling(node: Any, name: str = "") -> str:
    """Return a type as C text.

    Args:
        node: The declarator.
        name: What it declares; ``""`` for the type alone.
    """
    declarator, outer = name, True
    while not isinstance(node, c_ast.TypeDecl):
        if isinstance(node, c_ast.PtrDecl) or (outer and isinstance(node, c_ast.ArrayDecl)):
            declarator = _pointing(node, declarator)
        elif isinstance(node, c_ast.ArrayDecl):
            declarator += f"[{_expression(node.dim)}]"
        else:
            declarator += f"({_parameter_list(node)})"
        node, outer = node.type, False
    words = [*(q for q in node.quals if q), *_base_words(node.type)]
    return " ".join([*words, declarator]) if declarator else " ".join(words)


def _pointing(node: Any, declarator: str) -> str:
    quals = node.quals if isinstance(node, c_ast.PtrDecl) else ()
    between = " " if quals and declarator else ""
    text = "*" + " ".join(quals) + between + declarator
    return f"({text})" if isinstance(node.type, (c_ast.FuncDecl, c_ast.ArrayDecl)) else text


def _base_words(base: Any) -> list[str]:
    if isinstance(base, c_ast.IdentifierType):
        return list(base.names)
    kind = next(word for node, word in _KINDS if isinstance(base, node))
    return [kind, base.name] if base.name else [kind]


def _expression(node: Any) -> str:
    from pycparser.c_generator import CGenerator  # type: ignore[import-untyped]

    return "" if node is None else str(CGenerator().visit(node))


def _parameter_list(function: Any) -> str:
    listed = [
        "..." if isinstance(p, c_ast.EllipsisParam) else spelling(p.type, p.name or "")
        for p in (function.args.params if function.args else ())
        if not isinstance(p, c_ast.ID)
    ]
    return ", ".join(listed)
