"""What the files of a Python module declare, as data for stubs, completion and checks."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import partial
from inspect import Parameter

from noodle.bridges.python_declarations.annotations import Annotations
from noodle.bridges.python_declarations.sources import Binding, PythonSource, PythonSources
from noodle.stubs.model import (
    StubAlias,
    StubClass,
    StubConstant,
    StubFunction,
    StubMember,
    StubModule,
    StubParameter,
    StubSignature,
)

__all__ = ["PythonReader"]

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DECORATORS = ("staticmethod", "classmethod", "property")


class PythonReader:
    """Reads modules.

    Args:
        sources: Finds their files.
        own: The module whose classes are described, and not named; ``""`` for none.
    """

    def __init__(self, sources: PythonSources, own: str = "") -> None:
        self._sources = sources
        self._annotations = Annotations(sources, own)
        self._own = own

    def module(self, name: str) -> StubModule | None:
        """Return what a module's files declare; None where none can be read."""
        source = self._sources.module(name)
        if source is None:
            return None
        modules: dict[str, Callable[[], StubModule]] = {}
        members: list[StubMember] = []
        every = {*self._sources.names(name)}
        inner = {*self._sources.submodules(name)}
        for one in sorted(every):
            member = self.member(name, one) if self._is_public(name, one) else None
            if isinstance(member, StubAlias) and not member.original:
                inner.discard(one)
                members += self._inner(one, member.module, source, modules)
            elif member is not None:
                members.append(member)
        for one in sorted(inner - every):
            members += self._inner(one, f"{name}.{one}", source, modules)
        return StubModule(
            name,
            members,
            source.documentation,
            source.shown,
            complete=self._sources.complete(name),
            further=frozenset(every | inner | self._sources.names_of_code(name)),
            modules=modules,
        )

    def _is_public(self, module: str, name: str) -> bool:
        source = self._sources.module(module)
        if name.startswith("_") or source is None:
            return False
        binding = source.bindings.get(name)
        if source.exported is not None and name in source.exported:
            return True
        if binding is None or (source.path.suffix == ".pyi" and source.exported is not None):
            return binding is None and source.exported is None
        return binding.public

    def _inner(
        self,
        name: str,
        module: str,
        source: PythonSource,
        modules: dict[str, Callable[[], StubModule]],
    ) -> list[StubMember]:
        """Add a module within a module, unless type checkers know the outer one alone."""
        found = self._sources.module(module)
        if found is None or (source.typed and not found.typed):
            return []
        modules[name] = partial(self._module_or_nothing, module)
        return [StubAlias(name, module)] if found.typed else []

    def _module_or_nothing(self, name: str) -> StubModule:
        return self.module(name) or StubModule(name)

    def member(self, module: str, name: str) -> StubMember | None:
        """Return what a name of a module is; an alias without a name there for a module."""
        found = self._sources.lookup(module, name)
        if found is None:
            return None
        source, binding = found
        if binding.kind == "import":
            inner = f"{binding.module}.{binding.original}".rstrip(".")
            is_module = not binding.original or self._sources.module(inner)
            return StubAlias(name, inner) if is_module else StubConstant(name)
        if binding.kind == "function":
            return self._function(name, source, binding.nodes, in_class=False)
        if binding.kind == "class":
            return self._class(name, source, binding)
        return self._value(name, source, binding)

    def _class(self, name: str, source: PythonSource, binding: Binding) -> StubMember:
        node = binding.nodes[0]
        assert isinstance(node, ast.ClassDef)
        if source.typed and source.name != self._own:
            return StubAlias(name, source.name, node.name)
        bases = [self._annotations.text(base, source) for base in node.bases]
        members = tuple(self._class_members(node, source))
        documentation = ast.get_docstring(node) or ""
        known = tuple(base for base in bases if base and base != "Any")
        return StubClass(name, members, known, documentation)

    def _class_members(
        self, node: ast.ClassDef, source: PythonSource
    ) -> Iterator[StubFunction | StubConstant]:
        methods: dict[str, list[ast.stmt]] = {}
        fields: dict[str, StubConstant] = {}
        for part in node.body:
            if isinstance(part, _FUNCTIONS) and (
                not part.name.startswith("_") or part.name == "__init__"
            ):
                methods.setdefault(part.name, []).append(part)
            elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                annotation = self._annotations.text(part.annotation, source)
                fields[part.target.id] = StubConstant(part.target.id, annotation)
            elif isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Name):
                name = part.targets[0].id
                fields[name] = StubConstant(name, _type_of_literal(part.value))
        yield from (field for name, field in fields.items() if not name.startswith("_"))
        for name, nodes in methods.items():
            yield self._function(name, source, nodes, in_class=True)

    def _value(self, name: str, source: PythonSource, binding: Binding) -> StubConstant:
        node = binding.nodes[0] if binding.nodes else None
        if isinstance(node, ast.AnnAssign):
            return self._annotated(name, source, node.annotation)
        value = node.value if isinstance(node, ast.Assign) else None
        return StubConstant(name, _type_of_literal(value))

    def _annotated(self, name: str, source: PythonSource, annotation: ast.expr) -> StubConstant:
        word = ast.unparse(annotation).rpartition(".")[2]
        self._annotations.lost = word == "TypeAlias"
        plain = word in ("Final", "TypeAlias")
        text = "" if plain else self._annotations.text(annotation, source)
        module = source.name if source.typed and self._annotations.lost else ""
        return StubConstant(name, text, final=word.startswith("Final"), module=module)

    def _function(
        self, name: str, source: PythonSource, nodes: list[ast.stmt], *, in_class: bool
    ) -> StubFunction:
        functions = [node for node in nodes if isinstance(node, _FUNCTIONS)]
        marks = [[ast.unparse(d) for d in node.decorator_list] for node in functions]
        overloads = [n for n, m in zip(functions, marks, strict=True) if _has(m, "overload")]
        setters = any(mark.endswith((".setter", ".deleter")) for mark in marks[-1])
        chosen = overloads or (functions[:1] if setters else functions[-1:])
        decorated = set(marks[functions.index(chosen[0])]) - {"overload", "typing.overload"}
        known = next((d for d in _DECORATORS if d in decorated), "")
        if decorated - {*_DECORATORS, *_HARMLESS} and not overloads:
            return StubFunction(name, (), _doc(functions), decorator=known if in_class else "")
        self._annotations.lost = len(chosen) > 1
        signatures = tuple(self._signature(node, source) for node in chosen)
        more = source.typed and self._annotations.lost and not in_class
        return StubFunction(
            name,
            signatures,
            _doc(functions),
            isinstance(chosen[0], ast.AsyncFunctionDef),
            known if in_class else "",
            source.name if more else "",
        )

    def _signature(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef, source: PythonSource
    ) -> StubSignature:
        parameters = list(self._parameters(node.args, source))
        return StubSignature(tuple(parameters), self._annotations.text(node.returns, source))

    def _parameters(
        self, arguments: ast.arguments, source: PythonSource
    ) -> Iterator[StubParameter]:
        def made(argument: ast.arg, kind: object, default: ast.expr | None = None) -> StubParameter:
            annotation = self._annotations.text(argument.annotation, source)
            text = None if default is None else _short(ast.unparse(default))
            return StubParameter(argument.arg, annotation, kind, text)  # type: ignore[arg-type]

        positional = [*arguments.posonlyargs, *arguments.args]
        missing = len(positional) - len(arguments.defaults)
        for index, argument in enumerate(positional):
            only = index < len(arguments.posonlyargs) or _is_private(argument.arg)
            kind = Parameter.POSITIONAL_ONLY if only else Parameter.POSITIONAL_OR_KEYWORD
            yield made(
                argument, kind, arguments.defaults[index - missing] if index >= missing else None
            )
        if arguments.vararg:
            yield made(arguments.vararg, Parameter.VAR_POSITIONAL)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            yield made(argument, Parameter.KEYWORD_ONLY, default)
        if arguments.kwarg:
            yield made(arguments.kwarg, Parameter.VAR_KEYWORD)


_HARMLESS = frozenset(
    {"cache", "functools.cache", "abstractmethod", "abc.abstractmethod", "final", "typing.final"}
)
"""Decorators that leave the parameters as they are."""


def _has(marks: list[str], name: str) -> bool:
    return any(mark.rpartition(".")[2] == name for mark in marks)


def _doc(functions: list[ast.FunctionDef | ast.AsyncFunctionDef]) -> str:
    return next(filter(None, map(ast.get_docstring, functions)), "")


def _is_private(name: str) -> bool:
    return name.startswith("__") and not name.endswith("__")


def _short(text: str) -> str:
    return text if len(text) < 40 and "\n" not in text else "..."


def _type_of_literal(node: ast.expr | None) -> str:
    try:
        value = ast.literal_eval(node) if node is not None else None
    except (ValueError, TypeError, MemoryError, RecursionError):
        return ""
    return type(value).__name__ if isinstance(value, (int, float, str, bytes)) else ""
