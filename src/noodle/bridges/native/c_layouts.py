"""Where the fields of structures lie, for declarations that are a text and no compiled header.

The rules are those of the System V ABI, by which GCC and Clang lay out what has no attributes; a
text has none.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from pycparser import c_ast  # type: ignore[import-untyped]

from noodle.bridges.native.c_types import CTypes, Unfit
from noodle.bridges.native.native_types import Field, Structure

__all__ = ["laid_out"]

_UNNAMED_BITS_ALIGN = platform.machine() in ("aarch64", "arm64")
"""Whether a bit-field without a name counts for the alignment of its structure."""


def laid_out(types: CTypes) -> dict[str, Structure]:
    """Return the structures of a text with sizes and offsets.

    Those that contain what has no known size keep their names alone: one has pointers to them.

    Args:
        types: The types of the text.
    """
    found = types.structures()
    nodes = types.structure_nodes
    for name, structure in found.items():
        if structure.fields is not None:
            try:
                found[name] = _Layout(types, nodes[name]).of(structure)
            except Unfit:
                found[name] = replace(structure, fields=None)
    return found


@dataclass(frozen=True, slots=True)
class _Member:
    """A field where it lies.

    Args:
        field: The field.
        bit: Where it begins, in bits.
    """

    field: Field
    bit: int


class _Layout:
    """The layout of one structure or union.

    Args:
        types: The types of the text.
        node: Its node.
    """

    def __init__(self, types: CTypes, node: Any) -> None:
        self._types = types
        self._is_union = isinstance(node, c_ast.Union)
        self._bits = 0
        self._largest = 0
        self.alignment = 1
        self.members: list[_Member] = []
        for declared in node.decls or ():
            if isinstance(declared, c_ast.Decl):
                self._add(declared)
        whole = 8 * self.alignment
        self.size = -(-max(self._bits, self._largest) // whole) * whole // 8

    def of(self, structure: Structure) -> Structure:
        """Return the structure with its layout."""
        fields = tuple(
            replace(member.field, offset=member.bit // 8, shift=member.bit % 8)
            for member in self.members
        )
        return replace(structure, fields=fields, size=self.size, alignment=self.alignment)

    def _add(self, declared: Any) -> None:
        if declared.bitsize:
            self._add_bits(declared)
            return
        node = (
            declared.type if not isinstance(declared.type, c_ast.TypeDecl) else declared.type.type
        )
        is_structure = isinstance(node, (c_ast.Struct, c_ast.Union))
        if not declared.name and (node.name or not is_structure):
            return  # a type that is declared there, and no member
        size, alignment = self._measure(declared.type)
        self._align(alignment)
        start = self._place(8 * size, 8 * alignment)
        if declared.name:
            self.members.append(_Member(self._types.field(declared), start))
        else:
            self.members += self._unnamed(node, start)

    def _unnamed(self, node: Any, start: int) -> Iterator[_Member]:
        for member in _Layout(self._types, node).members:
            yield _Member(member.field, start + member.bit)

    def _add_bits(self, declared: Any) -> None:
        size, alignment = self._measure(declared.type)
        width = self._types.integer(declared.bitsize)
        if declared.name or _UNNAMED_BITS_ALIGN:
            self._align(alignment)
        begins = 0 if self._is_union else self._bits
        crosses = begins // (8 * size) != (begins + width - 1) // (8 * size)
        start = self._place(width, 8 * alignment if crosses or not width else 1)
        if declared.name:
            self.members.append(_Member(self._types.field(declared), start))

    def _align(self, alignment: int) -> None:
        self.alignment = max(self.alignment, alignment)

    def _place(self, bits: int, alignment: int) -> int:
        start = 0 if self._is_union else -(-self._bits // alignment) * alignment
        self._bits = start + bits
        self._largest = max(self._largest, self._bits)
        return start

    def _measure(self, kept: Any) -> tuple[int, int]:
        """Return size and alignment of a type in bytes."""
        node = self._types.expand(kept)
        if isinstance(node, c_ast.PtrDecl):
            return 8, 8
        if isinstance(node, c_ast.ArrayDecl):
            size, alignment = self._measure(node.type)
            return size * (self._types.integer(node.dim) if node.dim else 0), alignment
        base = (
            node if isinstance(node, (c_ast.Struct, c_ast.Union)) else getattr(node, "type", node)
        )
        if isinstance(base, (c_ast.Struct, c_ast.Union)):
            return self._measure_structure(base)
        name = self._types.type(node).type.name
        size = 1 if name == "bool" else int(name[1:]) // 8 if name[1:].isdigit() else 0
        if not size:
            raise Unfit("has no known size")
        return size, size

    def _measure_structure(self, node: Any) -> tuple[int, int]:
        defined = node if node.decls else self._types.structure_nodes.get(self._types.name_of(node))
        if defined is None or defined.decls is None:
            raise Unfit("is not declared with its fields")
        layout = _Layout(self._types, defined)
        return layout.size, layout.alignment
