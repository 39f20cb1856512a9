"""Writes what a library declares as the text of a ``.pyi`` file."""

from __future__ import annotations

import keyword
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from inspect import Parameter

from noodle.stubs.model import (
    STARS,
    StubAlias,
    StubClass,
    StubConstant,
    StubFunction,
    StubMember,
    StubModule,
    StubParameter,
    StubSignature,
)
from noodle.stubs.names import Names

__all__ = ["stub_text"]

WIDTH = 100

_INDENT = "    "

_OWNER = "self"
"""Stands for the type of what a method belongs to, which is not written."""

_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def stub_text(module: StubModule, *, deepest: int = 3) -> str:
    """Return the text of a ``.pyi`` file, which is valid Python whatever the library declares.

    Args:
        module: What to write.
        deepest: How deep namespaces within namespaces are written.
    """
    return _Writer(module, deepest).text()


class _Tree:
    """A module with the namespaces within it.

    Args:
        module: The module.
        deepest: How deep they go.
    """

    def __init__(self, module: StubModule, deepest: int) -> None:
        self.module = module
        named = {member.name for member in module.members}
        wanted = [name for name in module.modules if name not in named] if deepest else []
        made = {name: module.modules[name]() for name in wanted}
        self.nested = {name: _Tree(own, deepest - 1) for name, own in made.items()}

    def names(self) -> set[str]:
        """Return every name that is declared anywhere."""
        found = set(self.module.names)
        for member in (*self.module.members, *self.module.types):
            found |= _names_in(member)
        for tree in self.nested.values():
            found |= tree.names()
        return found


def _names_in(member: StubMember) -> set[str]:
    if not isinstance(member, StubClass):
        return set()
    inner = (_names_in(own) for own in member.members)
    return {own.name for own in member.members}.union(*inner)


class _Writer:
    def __init__(self, module: StubModule, deepest: int) -> None:
        self._module = module
        self._tree = _Tree(module, deepest)
        types = [declared.name for declared in module.types]
        self._names = Names([*module.names, *types], {*self._tree.names(), *types})
        self._left_out: list[str] = []

    def text(self) -> str:
        body = [line for declared in self._module.types for line in self._class(declared, "")]
        body += self._namespace(self._tree, "")
        heading = _docstring(self._heading(), "")
        imports = self._names.imports()
        notes = [f"# {_line(name)} is left out: Python has no such name" for name in self._left_out]
        parts = [[*heading], imports, body, notes]
        return "\n\n".join("\n".join(part) for part in parts if part) + "\n"

    def _heading(self) -> str:
        module = self._module
        told = [f"{module.name}, as {module.source} declares it." if module.source else module.name]
        if module.documentation:
            told += ["", module.documentation]
        told += ["", *module.notes] if module.notes else []
        return "\n".join(told)

    def _namespace(self, tree: _Tree, indent: str) -> Iterator[str]:
        yield from self._members(tree.module.members, indent, in_class=bool(indent))
        for name, nested in tree.nested.items():
            if self._is_name(name):
                yield f"{indent}class {name}:"
                inner = indent + _INDENT
                yield from _docstring(nested.module.documentation, inner)
                yield from list(self._namespace(nested, inner)) or [f"{inner}..."]

    def _members(
        self, members: Iterable[StubMember], indent: str, *, in_class: bool
    ) -> Iterator[str]:
        for member in members:
            if not self._is_name(member.name):
                continue
            if isinstance(member, (StubFunction, StubConstant)) and member.module and not indent:
                alias = StubAlias(member.name, member.module, member.name)
                yield from self._alias(alias, indent)
            elif isinstance(member, StubFunction):
                static = "staticmethod" if in_class and not member.decorator else ""
                yield from self._function(member, indent, static)
            else:
                yield from self._other(member, indent)

    def _other(self, member: StubAlias | StubClass | StubConstant, indent: str) -> Iterator[str]:
        if isinstance(member, StubAlias):
            yield from self._alias(member, indent)
        elif isinstance(member, StubClass):
            yield from self._class(member, indent)
        else:
            yield from self._constant(member, indent)

    def _is_name(self, name: str) -> bool:
        fine = _is_name(name)
        if not fine:
            self._left_out.append(name)
        return fine

    def _alias(self, member: StubAlias, indent: str) -> Iterator[str]:
        if indent and member.original:
            whole = self._names.attribute(f"{member.module}.{member.original}")
            yield f"{indent}{member.name} = {whole}"
        elif indent:
            return
        elif member.original:
            yield f"{indent}from {member.module} import {member.original} as {member.name}"
        elif "." in member.module:
            package, _, last = member.module.rpartition(".")
            yield f"{indent}from {package} import {last} as {member.name}"
        else:
            yield f"{indent}import {member.module} as {member.name}"

    def _constant(self, member: StubConstant, indent: str) -> Iterator[str]:
        annotation = self._names.annotation(member.annotation)
        value = f" = {member.value}" if member.value else ""
        if member.final:
            final = self._names.typing("Final")
            annotation = final if value and not member.annotation else f"{final}[{annotation}]"
        yield f"{indent}{member.name}: {annotation}{value}"
        yield from _docstring(member.documentation, indent)

    def _class(self, member: StubClass, indent: str) -> Iterator[str]:
        bases = ", ".join(self._names.annotation(base) for base in member.bases)
        yield f"{indent}class {member.name}{f'({bases})' if bases else ''}:"
        inner = indent + _INDENT
        body = list(_docstring(member.documentation, inner))
        for own in member.members:
            if not self._is_name(own.name):
                continue
            if isinstance(own, StubFunction):
                body += self._function(_bound(own), inner, "")
            else:
                body += self._other(own, inner)
        yield from body or [f"{inner}..."]

    def _function(self, function: StubFunction, indent: str, static: str) -> Iterator[str]:
        signatures = function.signatures or (_ANYTHING,)
        told = "\n\n".join(filter(None, (function.declared, function.documentation)))
        documentation = list(_docstring(told, indent + _INDENT))
        for index, signature in enumerate(signatures):
            if len(signatures) > 1:
                yield f"{indent}@{self._names.typing('overload')}"
            decorator = function.decorator or static
            if decorator:
                yield f"{indent}@{self._names.builtin(decorator)}"
            last = index == len(signatures) - 1
            yield from self._signature(function, signature, indent, documentation * last)

    def _signature(
        self, function: StubFunction, signature: StubSignature, indent: str, body: Sequence[str]
    ) -> Iterator[str]:
        word = "async def" if function.awaited else "def"
        parameters = self._parameters(signature.parameters)
        made = function.name == "__init__"
        result = "None" if made else self._names.annotation(signature.result)
        ending = ":" if body else ": ..."
        line = f"{indent}{word} {function.name}({', '.join(parameters)}) -> {result}{ending}"
        if len(line) <= WIDTH or not parameters:
            yield line
        else:
            yield f"{indent}{word} {function.name}("
            yield from (f"{indent}{_INDENT}{parameter}," for parameter in parameters)
            yield f"{indent}) -> {result}{ending}"
        yield from body

    def _parameters(self, parameters: Sequence[StubParameter]) -> list[str]:
        only = _positional_only(parameters)
        names = _parameter_names(parameters)
        texts = []
        starred = False
        required = _last_required(parameters)
        for index, (name, parameter) in enumerate(zip(names, parameters, strict=True)):
            kind = parameter.kind
            if kind == Parameter.KEYWORD_ONLY and not starred:
                texts.append("*")
            starred = starred or kind in (Parameter.KEYWORD_ONLY, Parameter.VAR_POSITIONAL)
            texts.append(self._parameter(name, parameter, optional=index > required))
            texts += ["/"] * (index + 1 == only)
        return texts

    def _parameter(self, name: str, parameter: StubParameter, *, optional: bool) -> str:
        if parameter.annotation == _OWNER:
            return name
        annotation = self._names.annotation(parameter.annotation)
        star = STARS.get(parameter.kind, "")
        given = parameter.default is not None and not star
        by_name = parameter.kind == Parameter.KEYWORD_ONLY
        return f"{star}{name}: {annotation}" + (" = ..." if given and (optional or by_name) else "")


_ANYTHING = StubSignature(
    (
        StubParameter("args", kind=Parameter.VAR_POSITIONAL),
        StubParameter("kwargs", kind=Parameter.VAR_KEYWORD),
    )
)
"""Of a function whose parameters are not known."""


def _bound(method: StubFunction) -> StubFunction:
    """Return a method whose first parameter says that it is the object or the class."""
    if method.decorator == "staticmethod":
        return method
    owner = StubParameter("cls" if method.decorator == "classmethod" else "self", _OWNER)
    signatures = (
        replace(s, parameters=(replace(owner, name=s.parameters[0].name), *s.parameters[1:]))
        if s.parameters and s.parameters[0].kind in _POSITIONAL
        else s
        for s in method.signatures
    )
    return replace(method, signatures=tuple(signatures))


def _is_name(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name)


def _positional_only(parameters: Sequence[StubParameter]) -> int:
    """Return how many parameters can only be given by position, one without a name included."""
    only = 0
    for index, parameter in enumerate(parameters, 1):
        if parameter.kind == Parameter.POSITIONAL_ONLY or (
            parameter.kind == Parameter.POSITIONAL_OR_KEYWORD and not _is_name(parameter.name)
        ):
            only = index
    return only


def _parameter_names(parameters: Sequence[StubParameter]) -> list[str]:
    """Return names that Python accepts, each once."""
    taken = {p.name for p in parameters if _is_name(p.name)}
    names: list[str] = []
    for index, parameter in enumerate(parameters, 1):
        name = parameter.name
        if not _is_name(name) or name in names:
            stem = f"{name}_" if _is_name(f"{name}_") and name else f"argument_{index}"
            name = next(n for n in (stem, *(f"{stem}{i}" for i in range(9999))) if n not in taken)
            taken.add(name)
        names.append(name)
    return names


def _last_required(parameters: Sequence[StubParameter]) -> int:
    """Return the place of the last positional parameter that a call must give, or -1."""
    return max(
        (i for i, p in enumerate(parameters) if p.kind in _POSITIONAL and p.default is None),
        default=-1,
    )


def _docstring(text: str, indent: str) -> Iterator[str]:
    """Yield the lines of a docstring; none for an empty text."""
    lines = [_line(line) for line in textwrap.dedent(text).strip().splitlines()]
    if not lines:
        return
    if len(lines) == 1 and len(lines[0]) + len(indent) + 6 <= WIDTH and lines[0][-1] not in '"\\':
        yield f'{indent}"""{lines[0]}"""'
        return
    first, *further = lines
    yield f'{indent}"""{first}'
    yield from (f"{indent}{line}".rstrip() for line in further)
    yield f'{indent}"""'


def _line(text: str) -> str:
    """Return a line that may stand within a docstring or a comment."""
    shown = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"').expandtabs().rstrip()
    return re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]", "\ufffd", shown)
