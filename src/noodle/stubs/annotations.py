"""What an annotation says of the values that fit, as far as it is certain."""

from __future__ import annotations

import ast

__all__ = ["kinds_of"]

_PLAIN = {
    "int": ("int", "bool"),
    "float": ("float", "int", "bool"),
    "complex": ("float", "int", "bool"),
    "bool": ("bool",),
    "str": ("str",),
    "bytes": ("bytes",),
    "list": ("list",),
    "dict": ("map",),
    "None": ("null",),
    "SupportsFloat": ("float", "int", "bool"),
    "SupportsIndex": ("int", "bool"),
    "tuple": (),
    "CText": ("str", "bytes", "null"),
}
"""What fits a type: a whole number fits ``float`` (PEP 484), and ``bool`` is an ``int``."""

_GENERIC = {
    "list": ("list",),
    "dict": ("map",),
    "tuple": (),
    "Mapping": ("map",),
    "Sequence": ("list", "range", "str"),
    "Iterable": ("list", "range", "str", "map"),
    "Collection": ("list", "range", "str", "map"),
    "Callable": ("function",),
}


def kinds_of(annotation: str) -> frozenset[str] | None:
    """Return the types of values that may fit, as ``type(value)`` names them in a Noodle program.

    Args:
        annotation: As Python writes it.

    Returns:
        The names; None where any value may fit.
    """
    try:
        found = _kinds(ast.parse(annotation, mode="eval").body) if annotation else None
    except (SyntaxError, ValueError, RecursionError):
        return None
    return None if found is None else frozenset(found)


def _kinds(node: ast.expr) -> list[str] | None:
    """Return the names of the types; None for anything."""
    if isinstance(node, ast.Constant):
        return ["null"] if node.value is None else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        left, right = _kinds(node.left), _kinds(node.right)
        return None if left is None or right is None else left + right
    if isinstance(node, ast.Name):
        return list(_PLAIN[node.id]) if node.id in _PLAIN else None
    return _subscripted(node) if isinstance(node, ast.Subscript) else None


def _subscripted(node: ast.Subscript) -> list[str] | None:
    name = node.value.id if isinstance(node.value, ast.Name) else ""
    if isinstance(node.value, ast.Attribute):
        name = node.value.attr
    if name in _GENERIC:
        return list(_GENERIC[name])
    items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if name == "Optional":
        found = _kinds(items[0])
        return None if found is None else [*found, "null"]
    if name == "Union":
        parts = [_kinds(item) for item in items]
        return None if None in parts else [one for part in parts for one in part or ()]
    if name == "Literal":
        return _literals(items)
    return None


def _literals(items: list[ast.expr]) -> list[str] | None:
    kinds = {str: "str", int: "int", bool: "bool", bytes: "bytes", type(None): "null"}
    found = []
    for item in items:
        value = item.operand if isinstance(item, ast.UnaryOp) else item
        if not isinstance(value, ast.Constant) or type(value.value) not in kinds:
            return None
        found.append(kinds[type(value.value)])
    return found
