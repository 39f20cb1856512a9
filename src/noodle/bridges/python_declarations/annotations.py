"""Annotations of Python modules, written so that they mean the same in another file."""

from __future__ import annotations

import ast
import builtins
import sys
import typing

from noodle.bridges.python_declarations.sources import Binding, PythonSource, PythonSources

__all__ = ["Annotations"]

_DEEPEST = 6
"""Chosen: how many names of types are followed."""

_TYPING = frozenset(typing.__all__)
_TYPING_MODULES = ("typing", "typing_extensions", "collections.abc")
_BUILTIN = frozenset(dir(builtins))
_ANY = ast.Name("Any", ast.Load())


class Annotations:
    """Writes annotations.

    Args:
        sources: Finds what names mean.
        own: The module whose classes the stub declares itself; ``""`` for none.
    """

    def __init__(self, sources: PythonSources, own: str = "") -> None:
        self.sources = sources
        self.own = own
        self.lost = False
        """Whether something of the annotations since this was set to False cannot be said here."""

    def text(self, node: ast.expr | None, source: PythonSource, depth: int = 0) -> str:
        """Return an annotation; what cannot be said elsewhere is ``Any``.

        Args:
            node: The annotation, or None.
            source: Where it stands.
            depth: How many names were followed to it.
        """
        if node is None or depth > _DEEPEST:
            return ""
        try:
            return ast.unparse(_Writing(self, source, depth).visit(node))
        except (SyntaxError, ValueError, RecursionError):
            self.lost = True
            return ""

    def of_value(self, annotation: object) -> str:
        """Return an annotation that a function has at run time, in place of its source."""
        if annotation in (None, type(None)):
            return "None"
        if isinstance(annotation, type) and not hasattr(annotation, "__origin__"):
            return self._class(annotation)
        text = annotation if isinstance(annotation, str) else repr(annotation)
        try:
            tree = ast.parse(text.replace("NoneType", "None"), mode="eval").body
        except (SyntaxError, ValueError):
            return ""
        return ast.unparse(_Plain(self).visit(tree))

    def _class(self, annotation: type) -> str:
        module, name = annotation.__module__, annotation.__qualname__
        if module == "builtins":
            return name if name in _BUILTIN else ""
        if module == self.own and name.isidentifier():
            return name
        return f"{module}.{name}" if self.is_typed(module, name) else ""

    def is_typed(self, module: str, name: str) -> bool:
        """Return whether type checkers know a class of a module by its name."""
        found = self.sources.lookup(module, name.partition(".")[0])
        if found is None:
            return module in sys.stdlib_module_names and not module.startswith("_")
        return found[0].typed and found[1].kind == "class"


class _Writing(ast.NodeTransformer):
    def __init__(self, annotations: Annotations, source: PythonSource, depth: int) -> None:
        self._annotations = annotations
        self._source = source
        self._depth = depth

    def _any(self) -> ast.expr:
        self._annotations.lost = True
        return ast.Name("Any", ast.Load())

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if isinstance(node.value, str):
            return self.visit(ast.parse(node.value.strip(), mode="eval").body)  # type: ignore[no-any-return]
        return node if node.value in (None, ...) else self._any()

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        value = self.visit(node.value)
        name = ast.unparse(node.value).rpartition(".")[2]
        name = value.id if isinstance(value, ast.Name) and value.id != "Any" else name
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name == "Literal":
            if any(isinstance(part, (ast.Name, ast.Attribute)) for part in ast.walk(node.slice)):
                return self._any()
            return ast.Subscript(ast.Name("Literal", ast.Load()), node.slice, ast.Load())
        if name in ("Annotated", "Required", "NotRequired", "ClassVar", "Final"):
            return self.visit(items[0])  # type: ignore[no-any-return]
        if not isinstance(value, (ast.Name, ast.Attribute)) or _is_any(value):
            return self._any()
        inner = [self.visit(item) for item in items]
        if name == "Callable" and not isinstance(inner[0], ast.List):
            inner[0] = ast.Constant(...)
        slice_ = inner[0] if len(inner) == 1 else ast.Tuple(inner, ast.Load())
        return ast.Subscript(value, slice_, ast.Load())

    def visit_Starred(self, node: ast.Starred) -> ast.expr:
        raise ValueError("a number of types that is not known")

    def visit_Name(self, node: ast.Name) -> ast.expr:
        binding = self._source.bindings.get(node.id)
        if binding is None:
            found = self._annotations.sources.lookup(self._source.name, node.id)
            if found:
                return self._meaning(node.id, *found)
            return node if node.id in _BUILTIN else self._any()
        if binding.kind != "import":
            return self._meaning(node.id, self._source, binding)
        return self._imported(binding.module, binding.original)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        first, *others = ast.unparse(node).split(".")
        binding = self._source.bindings.get(first)
        if binding is None or binding.kind != "import":
            return self._any()
        module = binding.module + (f".{binding.original}" if binding.original else "")
        return self._imported(".".join([module, *others[:-1]]), others[-1])

    def _imported(self, module: str, name: str) -> ast.expr:
        if module in _TYPING_MODULES and name in _TYPING:
            return ast.Name(name, ast.Load())
        found = self._annotations.sources.lookup(module, name) if name else None
        return self._meaning(name, *found) if found else self._any()

    def _meaning(self, name: str, source: PythonSource, binding: Binding) -> ast.expr:
        if source.name in ("typing", "typing_extensions") and name in _TYPING:
            return ast.Name(name, ast.Load())
        if binding.kind == "class":
            node = binding.nodes[0]
            assert isinstance(node, ast.ClassDef)
            if source.name in ("builtins", self._annotations.own):
                return ast.Name(node.name, ast.Load())
            return _parsed(f"{source.name}.{node.name}") if source.typed else self._any()
        return self._alias(source, binding)

    def _alias(self, source: PythonSource, binding: Binding) -> ast.expr:
        node = binding.nodes[0] if binding.nodes else None
        value = node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None
        is_type = isinstance(value, (ast.Subscript, ast.BinOp, ast.Name, ast.Attribute))
        if not is_type or (isinstance(node, ast.AnnAssign) and not _is_alias(node.annotation)):
            return self._any()
        text = self._annotations.text(value, source, self._depth + 1)
        return _parsed(text) if text else self._any()


class _Plain(ast.NodeTransformer):
    """Keeps what type checkers know of an annotation that was printed."""

    def __init__(self, annotations: Annotations) -> None:
        self._annotations = annotations

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return node if node.id in _BUILTIN | _TYPING else _ANY

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        module, _, name = ast.unparse(node).rpartition(".")
        if module in _TYPING_MODULES and name in _TYPING:
            return ast.Name(name, ast.Load())
        if module == self._annotations.own:
            return ast.Name(name, ast.Load())
        return node if self._annotations.is_typed(module, name) else _ANY

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return node if node.value in (None, ...) else _ANY


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _is_any(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "Any"


def _is_alias(annotation: ast.expr) -> bool:
    return ast.unparse(annotation).rpartition(".")[2] == "TypeAlias"
