"""Reads what is left of a header into declarations."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from pycparser import c_ast  # type: ignore[import-untyped]
from pycparser.c_parser import CParser  # type: ignore[import-untyped]

from noodle.bridges.native.c_names import OPAQUE_TYPEDEFS, OTHER_TYPEDEFS, STANDARD_TYPEDEFS
from noodle.bridges.native.c_types import CTypes, Unfit
from noodle.bridges.native.contents import Contents
from noodle.bridges.native.declarations import Declaration, Declarations, Variable
from noodle.bridges.native.further_arguments import FurtherArguments
from noodle.bridges.native.headers.scanning import Chunk

__all__ = ["GIVEN_TYPES", "HeaderDeclarations", "read_chunks", "read_further"]

GIVEN_TYPES = frozenset((*STANDARD_TYPEDEFS, *OPAQUE_TYPEDEFS, *OTHER_TYPEDEFS))
"""Types that every text knows without a declaration of its own."""

_FURTHER = "variadic"
"""The file of the types of further arguments."""

_GIVEN = "".join(f"typedef int {name}; " for name in sorted(GIVEN_TYPES))


@dataclass(slots=True)
class HeaderDeclarations:
    """What a header declares of a library.

    Args:
        declarations: What can be used.
        unbound: The other exported functions and variables, with the reasons.
        members: The names of the members of enumerations.
    """

    declarations: Declarations
    unbound: dict[str, str] = field(default_factory=dict)
    members: tuple[str, ...] = ()


def read_chunks(
    chunks: Sequence[Chunk],
    exports: Mapping[str, bool],
    variadic: Sequence[tuple[str, str]] = (),
) -> HeaderDeclarations:
    """Return what the declarations come to.

    Args:
        chunks: The declarations that are needed, in their order.
        exports: What the library exports; the value says whether a name is a function.
        variadic: The types of further arguments, by the function's name or ``NAME as ALIAS``.

    Raises:
        PrototypeError: The types of further arguments cannot be read, or belong to no function
            that takes such.
    """
    further = FurtherArguments(variadic)
    types = [Chunk(_FURTHER, line, (), True) for line in further.lines()]
    tree, unreadable = _parsed([*chunks, *types])
    nonnull = {c.declared: c.nonnull for c in chunks if c.function and c.nonnull is not None}
    reader = _Reader(exports, further, nonnull)
    for chunk, reason in unreadable:
        if chunk.file == _FURTHER:
            raise further.unreadable(types.index(chunk), reason)
        reader.unreadable(chunk, reason)
    return reader.read(tree)


def read_further(function: Declaration, types: str, contents: Contents) -> Declaration:
    """Return a function with parameters for its further arguments.

    Args:
        function: The function, as C declares it.
        types: The types of its further arguments, separated by commas.
        contents: What its library is known to have: types of its headers may be named.

    Raises:
        PrototypeError: The types cannot be read.
    """
    further = FurtherArguments([(function.exported, types)])
    further.add(replace(function, name=function.exported))
    (line,) = further.lines()
    written = Chunk(_FURTHER, line, (), True)
    tree, unreadable = _parsed([*_definitions(written.words, contents), written])
    reader = _Reader({}, further, {})
    for chunk, reason in unreadable:
        if chunk.file == _FURTHER:
            raise further.unreadable(0, reason)
    (declared,) = reader.read(tree).declarations.functions
    return replace(declared, name=function.name, symbol=function.symbol, late=True)


def _definitions(words: Set[str], contents: Contents) -> list[Chunk]:
    """Return the definitions of the types that are named, and of those that they refer to."""
    found: dict[int, Chunk] = {}
    known, waiting = set[str](), set(words)
    while waiting:
        word = waiting.pop()
        known.add(word)
        definition = contents.definition(word)
        if definition and definition[0] not in found:
            chunk = found[definition[0]] = Chunk("header", definition[1], (word,), False)
            waiting |= chunk.words - known
    return [found[place] for place in sorted(found)]


def _parsed(chunks: Sequence[Chunk]) -> tuple[Any, list[tuple[Chunk, str]]]:
    try:
        return _parse(_GIVEN, chunks), []
    except Exception as error:
        _require_parse_error(error)
    unreadable = []
    kept = []
    for chunk in chunks:
        reason = _why_unreadable(chunk, chunks)
        if reason is None:
            kept.append(chunk)
        else:
            unreadable.append((chunk, reason))
    return _parse(_GIVEN, kept), unreadable


def _why_unreadable(chunk: Chunk, chunks: Sequence[Chunk]) -> str | None:
    """Return what the parser says of one declaration when all types that it uses are known."""
    words = chunk.words
    known = {n for other in chunks if other is not chunk for n in other.names} & words
    types = "".join(f"typedef int {name}; " for name in known - set(chunk.names) - GIVEN_TYPES)
    try:
        _parse(_GIVEN + types, [chunk])
    except Exception as error:
        _require_parse_error(error)
        return str(error).rpartition(": ")[2]
    return None


def _parse(given: str, chunks: Sequence[Chunk]) -> Any:
    text = "\n".join(chunk.text for chunk in chunks)
    with _without_collection():
        return CParser().parse(f'{given}\n# 1 "header"\n{text}\n', "given types")


@contextmanager
def _without_collection() -> Iterator[None]:
    """Keep the garbage collector from walking through a growing tree: it takes a third more."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _require_parse_error(error: Exception) -> None:
    if not type(error).__name__.endswith("ParseError"):
        raise error


class _Reader:
    def __init__(
        self,
        exports: Mapping[str, bool],
        further: FurtherArguments,
        nonnull: Mapping[str, tuple[int, ...]],
    ) -> None:
        self._exports = exports
        self._nonnull = nonnull
        self._further = further
        self._types = CTypes()
        self._functions: dict[str, Declaration] = {}
        self._variables: dict[str, Variable] = {}
        self._unbound: dict[str, str] = {}

    def unreadable(self, chunk: Chunk, reason: str) -> None:
        """Note the exported names of a declaration that the parser cannot read."""
        for name in chunk.words & self._exports.keys() if chunk.function else ():
            self._unbound[name] = f"its declaration cannot be read ({reason}): {_short(chunk.text)}"

    def read(self, tree: Any) -> HeaderDeclarations:
        for node in tree.ext:
            self._external(node)
        self._functions.update((d.name, d) for d in self._further.declarations())
        types = self._types
        declarations = Declarations(
            tuple(self._functions.values()),
            types.structures(),
            types.enumerations(),
            tuple(self._variables.values()),
        )
        bound = {*self._functions, *self._variables}
        unbound = {name: why for name, why in self._unbound.items() if name not in bound}
        members = [m for e in declarations.enumerations.values() for m in e.members]
        return HeaderDeclarations(declarations, unbound, tuple(members))

    def _external(self, node: Any) -> None:
        if isinstance(node, c_ast.Typedef):
            if node.coord.file == "header":
                self._types.add_typedef(node)
        elif isinstance(node, c_ast.Decl):
            self._types.learn(getattr(node.type, "type", node.type) if node.name else node.type)
            if self._further.is_one(node):
                self._further.learn(node, self._types)
            elif node.name and node.name in self._exports and not node.name.startswith("__"):
                self._named(node)

    def _named(self, node: Any) -> None:
        try:
            shape = self._types.expand(node.type)
            if isinstance(shape, c_ast.FuncDecl):
                self._function(node, shape)
            elif not self._exports[node.name]:
                self._variables[node.name] = self._types.variable(node)
            else:
                self._unbound[node.name] = "the header declares a variable, the library a function"
        except Unfit as unfit:
            self._unbound[node.name] = str(unfit)

    def _function(self, node: Any, shape: Any) -> None:
        declaration = self._types.function(node.name, shape)
        if node.name in self._nonnull:
            declaration = declaration.without_null(self._nonnull[node.name])
        if declaration.variadic:
            self._further.add(declaration)
        if self._exports[node.name]:
            self._functions.setdefault(node.name, declaration)
        else:
            self._unbound[node.name] = "the header declares a function, the library a variable"


def _short(text: str) -> str:
    shown = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(shown.split())[:80]
