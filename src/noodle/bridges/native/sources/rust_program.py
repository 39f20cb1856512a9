"""What a Rust source declares: functions with their signatures, exported statics, and types."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from noodle.bridges.native.sources.rust_tokens import rust_tokens
from noodle.bridges.native.sources.rust_types import RustType

__all__ = [
    "RustFile",
    "RustFunction",
    "RustProgram",
    "RustStatic",
    "RustStructure",
    "Span",
    "has_type_parameters",
]

Span = tuple[int, int]
"""Where something begins and ends in its file's text."""

_C_ABIS = ("C", "C-unwind", "system", "system-unwind")
_TYPE_PARAMETER = re.compile(r"(?:^<|,)\s*(?!')\w")


@dataclass(slots=True)
class RustFile:
    """A file of a program.

    Args:
        name: Its path from the root file's folder, or an absolute one.
        text: Its text.
        includes: The texts of ``include!``, ``include_str!`` and ``include_bytes!``, with quotes.
    """

    name: str
    text: str
    includes: list[Span] = field(default_factory=list)

    def line(self, offset: int) -> int:
        """Return the line of an offset, from 1."""
        return self.text.count("\n", 0, offset) + 1


@dataclass(frozen=True, slots=True)
class RustFunction:
    """A function.

    Args:
        name: Its name in Rust.
        symbol: The name that it is exported under; None where it is not.
        abi: Its calling convention: ``C``, ``Rust``, ….
        parameters: Names and types; ``""`` where a pattern is no name.
        result: The type of the result.
        generics: ``<…>`` as written.
        where_clause: ``where …`` as written.
        is_method: Whether it stands in an ``impl`` or ``trait``.
        conditions: Its ``#[cfg(…)]`` attributes.
        file: Where it stands.
        start: Where its name is in the file's text.
        end: Where its body ends.
        exporting: The attributes that export it.
        abi_span: Where ``extern "C"`` stands.
    """

    name: str
    symbol: str | None
    abi: str
    parameters: tuple[tuple[str, RustType], ...]
    result: RustType
    generics: str
    where_clause: str
    is_method: bool
    conditions: tuple[str, ...]
    file: RustFile
    start: int
    end: int
    exporting: tuple[Span, ...]
    abi_span: Span

    @property
    def has_c_abi(self) -> bool:
        """Whether it is called as a C function is."""
        return self.abi in _C_ABIS

    @property
    def is_generic(self) -> bool:
        """Whether it has parameters of types or constants, beside lifetimes."""
        return has_type_parameters(self.generics)


@dataclass(frozen=True, slots=True)
class RustStatic:
    """An exported ``static``.

    Args:
        symbol: The name that it is exported under.
        type: Its type.
        mutable: Whether it is ``static mut``.
        file: Where it stands.
        start: Where its name is in the file's text.
    """

    symbol: str
    type: RustType
    mutable: bool
    file: RustFile
    start: int


@dataclass(frozen=True, slots=True)
class RustStructure:
    """A structure, union or enumeration.

    Args:
        kind: ``struct``, ``union`` or ``enum``.
        name: Its name.
        layout: What ``#[repr(…)]`` says.
        fields: Names and types of the fields; None where they are unknown here.
        variants: The names of the variants of an enumeration without data, else None.
        conditional: Whether a condition decides on it, on its layout or on one of its fields.
    """

    kind: str
    name: str
    layout: tuple[str, ...]
    fields: tuple[tuple[str, RustType], ...] | None = None
    variants: tuple[str, ...] | None = None
    conditional: bool = False

    @property
    def has_c_layout(self) -> bool:
        """Whether its fields lie where C puts them: not packed, nor aligned otherwise."""
        return self.layout == ("C",) and not self.conditional


@dataclass(slots=True)
class RustProgram:
    """What a source and its modules declare.

    Args:
        functions: Its functions, in order.
        statics: Its exported statics, in order.
        structures: Its types by name.
        aliases: What its type aliases stand for.
        files: Its files, the root first.
    """

    functions: list[RustFunction] = field(default_factory=list)
    statics: list[RustStatic] = field(default_factory=list)
    structures: dict[str, RustStructure] = field(default_factory=dict)
    aliases: dict[str, RustType] = field(default_factory=dict)
    files: list[RustFile] = field(default_factory=list)

    def values(self) -> set[str]:
        """Return the words that stand somewhere as more than the name of what is called."""
        found = set()
        for file in self.files:
            tokens = rust_tokens(file.text)
            for before, token, behind in zip(tokens, tokens[1:], tokens[2:], strict=False):
                if token.kind == "word" and behind.text != "(" and before.text != "fn":
                    found.add(token.text)
        return found


def has_type_parameters(generics: str) -> bool:
    """Return whether ``<…>`` lists anything beside lifetimes."""
    return bool(_TYPE_PARAMETER.search(generics))
