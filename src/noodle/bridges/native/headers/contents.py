"""What a library's headers come to: its declarations, constants and what cannot be bound."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from noodle.bridges.native.compilers import Compiler
from noodle.bridges.native.declarations import Declarations
from noodle.bridges.native.extension_source import Item
from noodle.bridges.native.headers.constants import Constants, address_of
from noodle.bridges.native.headers.facts import facts_text, refused_constants
from noodle.bridges.native.headers.packages import is_own_header
from noodle.bridges.native.headers.preprocessing import (
    HeaderRequest,
    Preprocessed,
    preprocess_lines,
)
from noodle.bridges.native.headers.reading import GIVEN_TYPES, read_chunks
from noodle.bridges.native.headers.scanning import (
    Chunk,
    chunks_of,
    definitions,
    needed,
    pointer_types,
)
from noodle.errors import PrototypeError

__all__ = ["HeaderContents"]

_CALL = re.compile(r"([A-Za-z_]\w*)\s*\(")

_MOST_EXAMPLES = 5
"""Chosen: names that a message shows of many."""


class HeaderContents:
    """What the headers of one library declare.

    Args:
        request: The headers.
        preprocessed: What the preprocessor made of them.
        exports: What the library exports; the value says whether a name is a function.
        variadic: The types of further arguments, by the function's name or ``NAME as ALIAS``.
    """

    def __init__(
        self,
        request: HeaderRequest,
        preprocessed: Preprocessed,
        exports: Mapping[str, bool],
        variadic: Sequence[tuple[str, str]],
    ) -> None:
        self._request = request
        self._preprocessed = preprocessed
        self._exports = exports
        self._variadic = variadic
        self._constants = Constants()
        self._members: frozenset[str] = frozenset()
        self._pointers: frozenset[str] = frozenset()
        self._parametric: list[str] = []
        self._definitions: dict[str, tuple[int, str]] = {}
        self.declarations = Declarations(())
        self.unbound: dict[str, str] = {}
        self.lacking: list[str] = []

    def read(self, compiler: Compiler, private: Path) -> None:
        """Read the declarations and find the constants.

        Args:
            compiler: Whose preprocessor replaces the macros.
            private: A folder for scratch files.

        Raises:
            PrototypeError: The headers declare nothing that the library exports.
        """
        from concurrent.futures import ThreadPoolExecutor

        headers = self._request.headers
        own = {file for file in self._preprocessed.files if is_own_header(file, headers)}
        macros = self._candidates(own)
        self._parametric = [
            name
            for name, (file, _) in self._preprocessed.parametric.items()
            if file in own and not name.startswith("_") and name not in self._exports
        ]
        with ThreadPoolExecutor(1) as pool:
            replaced = pool.submit(preprocess_lines, self._request, macros, compiler, private)
            self._read_declarations(own)
            for name, expression in zip(macros, replaced.result(), strict=True):
                self._constants.add(name, expression, self._members, self._pointers)

    def _candidates(self, own: set[str]) -> list[str]:
        return [
            name
            for name, file in self._preprocessed.macros.items()
            if file in own and not name.startswith("_") and name not in self._exports
        ]

    def _read_declarations(self, own: set[str]) -> None:
        chunks = chunks_of(self._preprocessed.pieces)
        self._pointers = pointer_types(chunks)
        wanted = needed(chunks, self._exports, own, GIVEN_TYPES)
        found = read_chunks(wanted, self._exports, self._variadic)
        self.lacking = self._not_exported(chunks, own)
        if not found.declarations.functions and not found.declarations.variables:
            raise self._nothing_declared(found.unbound)
        self.declarations, self.unbound = found.declarations, found.unbound
        self._members = frozenset(found.members)
        if any(one.variadic or one.fixed for one in self.declarations.functions):
            self._definitions = definitions(wanted, self._members)
        named = {name for chunk in wanted if chunk.file in own for name in chunk.names}
        for member in found.members:
            if member in named:
                self._constants.integers[member] = member

    def _not_exported(self, chunks: Sequence[Chunk], own: set[str]) -> list[str]:
        """Return the functions of the library's own headers that it does not export."""
        declared = (c.declared for c in chunks if c.function and c.file in own)
        known = {*self._exports, *self._preprocessed.functional}
        names = dict.fromkeys(n for n in declared if n and not n.startswith("_"))
        return [name for name in names if name not in known]

    def drop_refused(self, report: str) -> bool:
        """Leave out the constants that the compiler complained of; return whether there are any."""
        refused = refused_constants(report, self._constants)
        self._constants.remove(refused)
        return bool(refused)

    def _called_by(self, name: str) -> str:
        """Return the exported function that a macro with parameters calls; ``""`` for none."""
        macros = self._preprocessed.parametric
        waiting, seen = [name], set[str]()
        while waiting:
            macro = waiting.pop(0)
            seen.add(macro)
            for called in _called_in(macros[macro][1]):
                if called in self._exports:
                    return called
                if called in macros and called not in seen:
                    waiting.append(called)
        return ""

    def macro_items(self) -> list[Item]:
        """Return what an extension keeps of the macros with parameters."""
        return [Item(f"p {name}", self._called_by(name)) for name in self._parametric]

    def facts(self) -> str:
        """Return the C text that asks the compiler for what it alone knows."""
        return facts_text(
            self._request.text,
            self.declarations.functions,
            self.declarations.structures.values(),
            self._constants,
            self._preprocessed.functional,
        )

    def definition_items(self) -> list[Item]:
        """Return what an extension keeps of the types that further arguments may have."""
        return [Item(f"y {name}", text, at) for name, (at, text) in self._definitions.items()]

    def constant_items(self) -> list[Item]:
        """Return what an extension keeps of the constants."""
        tables = {
            "i": self._constants.integers,
            "d": self._constants.reals,
            "t": self._constants.texts,
        }
        return [
            Item(f"{kind} {name}", number=number)
            for kind, table in tables.items()
            for number, name in enumerate(table)
        ] + [
            Item(f"a {name}", str(address_of(expression)))
            for name, expression in self._constants.addresses.items()
        ]

    def _nothing_declared(self, unbound: Mapping[str, str]) -> PrototypeError:
        shown = ", ".join(self._request.headers)
        reasons = "; ".join(f"{name}: {why}" for name, why in list(unbound.items())[:5])
        exported = _examples([name for name in self._exports if not name.startswith("_")])
        others = _examples(self.lacking)
        return PrototypeError(
            f"{shown} declares nothing that can be used of {self._request.location}",
            expected=f"names that the library exports, of {len(self._exports)}{exported}",
            received=reasons or f"declarations of other names only{others}",
            where=f"header of {self._request.location}",
            remedy="name the header of this library, and the one that includes the others",
        )


def _called_in(text: str) -> list[str]:
    """Return the names in a C text that are called like functions."""
    return _CALL.findall(text)


def _examples(names: Sequence[str]) -> str:
    """Return the first of the names as the end of a sentence."""
    more = ", …" if len(names) > _MOST_EXAMPLES else ""
    return f": {', '.join(names[:_MOST_EXAMPLES])}{more}" if names else ""
