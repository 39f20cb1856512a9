"""Which names a stub needs from elsewhere, and how it writes them beside its own."""

from __future__ import annotations

import ast
import builtins
import typing
from collections.abc import Collection

__all__ = ["Names"]

_BUILTIN = frozenset(dir(builtins))
_TYPING = frozenset(typing.__all__)
_NATIVE = dict.fromkeys(("CText", "Memory", "Pointer"), "noodle.bridges.native.memory_types")
"""Names that annotations of native libraries use, and where they come from."""


class Names:
    """The names that one stub uses.

    Args:
        own: The names that it declares at its top.
        hidden: All names that it declares anywhere: what else has such a name is written in full.
    """

    def __init__(self, own: Collection[str], hidden: Collection[str]) -> None:
        self._own = frozenset(own)
        self._hidden = frozenset(hidden)
        self._from: dict[str, set[str]] = {}
        self._modules: set[str] = set()

    def imports(self) -> list[str]:
        """Return the lines that bring in what was used."""
        plain = [f"import {module}" for module in sorted(self._modules)]
        return plain + [
            f"from {module} import {', '.join(sorted(names))}"
            for module, names in sorted(self._from.items(), key=_typing_first)
        ]

    def annotation(self, text: str) -> str:
        """Return a type as the stub writes it; ``Any`` for one that is not known or not valid."""
        try:
            tree = ast.parse(text, mode="eval") if text else None
        except (SyntaxError, ValueError, RecursionError):
            tree = None
        if tree is None:
            return self.typing("Any")
        return ast.unparse(_Rewriting(self).visit(tree))

    def typing(self, name: str) -> str:
        """Return a name of ``typing``."""
        return self._name("typing", name)

    def builtin(self, name: str) -> str:
        """Return a name of Python's own."""
        return self._qualified("builtins", name) if name in self._hidden else name

    def resolved(self, name: str) -> str:
        """Return a plain name that an annotation uses; ``Any`` for one that nobody declares."""
        if name in self._own and name not in _BUILTIN | _TYPING:
            return name
        return self._foreign(name) or self.typing("Any")

    def _foreign(self, name: str) -> str:
        if name in _BUILTIN:
            return self.builtin(name)
        if name in _TYPING:
            return self.typing(name)
        return self._name(_NATIVE[name], name) if name in _NATIVE else ""

    def attribute(self, dotted: str) -> str:
        """Return a dotted name, whose module the stub imports."""
        module, _, name = dotted.rpartition(".")
        if dotted.partition(".")[0] in self._own:
            return dotted
        return self._qualified(module, name)

    def _name(self, module: str, name: str) -> str:
        if name in self._hidden:
            return self._qualified(module, name)
        self._from.setdefault(module, set()).add(name)
        return name

    def _qualified(self, module: str, name: str) -> str:
        self._modules.add(module)
        return f"{module}.{name}"


def _typing_first(pair: tuple[str, set[str]]) -> tuple[bool, str]:
    return pair[0] != "typing", pair[0]


class _Rewriting(ast.NodeTransformer):
    """Writes the names of an annotation as the stub has them."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.parse(self._names.resolved(node.id), mode="eval").body

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return ast.parse(self._names.attribute(ast.unparse(node)), mode="eval").body

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        if _is_literal(node.value):
            value = self.visit(node.value)
            return ast.Subscript(value, node.slice, ast.Load())
        return self.generic_visit(node)  # type: ignore[return-value]


def _is_literal(node: ast.expr) -> bool:
    return ast.unparse(node).rpartition(".")[2] == "Literal"
