"""What a compiled extension knows of its library, and the items that it is written from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from noodle.bridges.native.contents import Address
from noodle.bridges.native.declarations import Declaration, Declarations, Variable
from noodle.bridges.native.extension_source import Item, Shape, shape_of
from noodle.bridges.native.native_types import Enumeration, Field, Structure

__all__ = ["CompiledContents", "items_of"]

_HEADERS = "h headers"
_ASSIGNABLE = "w variables"
_CALLBACKS = "c callbacks"
"""Keys of facts about the whole; those of everything else are kinds and names."""

_DISAGREES = "the compiler has another type for it than was read from the header"


def items_of(
    declarations: Declarations, *, headers: str = "", checked: bool
) -> tuple[list[Item], list[Shape]]:
    """Return what an extension keeps of declarations, and the shapes of the functions.

    Args:
        declarations: What there is.
        headers: The headers that it was read from.
        checked: Whether the compiler is asked about functions and layouts, in this order.
    """
    shapes: dict[Shape, int] = {}
    items = []
    for index, function in enumerate(declarations.functions):
        number = -1
        if not function.variadic:
            number = shapes.setdefault(shape_of(function), len(shapes))
        check = index if checked else None
        items.append(Item(f"f {function.name}", _text(function), number, check))
    items += [Item(f"v {variable.name}", _text(variable)) for variable in declarations.variables]
    place = 0
    for structure in declarations.structures.values():
        measured = checked and bool(structure.c) and structure.fields is not None
        items.append(Item(f"s {structure.name}", _text(structure), place if measured else -1))
        place += 2 + 3 * len(structure.fields or ()) if measured else 0
    items += [Item(f"e {e.name}", _text(e)) for e in declarations.enumerations.values() if e.name]
    items += [Item(_CALLBACKS)] * declarations.calls_back
    items += [Item(_HEADERS, headers)] if headers else []
    items += [Item(_ASSIGNABLE)] if any(v.writable for v in declarations.variables) else []
    return items, list(shapes)


def _text(declared: Declaration | Variable | Structure | Enumeration) -> str:
    return json.dumps(declared.pack(), separators=(",", ":"))


class CompiledContents:
    """What an extension knows; see ``Contents``.

    Args:
        module: The extension's module.
    """

    def __init__(self, module: Any) -> None:
        self._module = module

    @cached_property
    def _keys(self) -> Mapping[str, list[str]]:
        names: dict[str, list[str]] = {}
        for key in self._module.keys(True):
            names.setdefault(key[0], []).append(key[2:])
        return names

    @property
    def calls_back(self) -> bool:
        """Whether C code may call functions that it was given, as arguments or in structures."""
        return self._module.find(_CALLBACKS) is not None

    @property
    def headers(self) -> str:
        """The headers that it was read from, or ``""``."""
        found = self._module.find(_HEADERS)
        return found[1] if found else ""

    @property
    def assignable(self) -> bool:
        """Whether there are variables that may be changed."""
        return self._module.find(_ASSIGNABLE) is not None

    @property
    def functions(self) -> Sequence[str]:
        """The names of the functions."""
        return self._keys.get("f", ())

    @property
    def variables(self) -> Sequence[str]:
        """The names of the variables."""
        return self._keys.get("v", ())

    @property
    def structures(self) -> Sequence[str]:
        """The names of the structures and unions."""
        return self._keys.get("s", ())

    @property
    def constants(self) -> Sequence[str]:
        """The names of the constants."""
        return [name for kind in "idta" for name in self._keys.get(kind, ())]

    @property
    def unbound(self) -> Mapping[str, str]:
        """The exported names that are declared and cannot be used, with the reasons."""
        refused = {key[2:]: _DISAGREES for key in self._module.keys(False)}
        return refused | {
            name: self._module.find(f"u {name}")[1] for name in self._keys.get("u", ())
        }

    def function(self, name: str) -> Declaration | None:
        """Return the function of that name, or None."""
        packed = self._packed("f", name)
        return packed and Declaration.unpack(packed)

    def variable(self, name: str) -> Variable | None:
        """Return the variable of that name, or None."""
        packed = self._packed("v", name)
        return packed and Variable.unpack(packed)

    def enumeration(self, name: str) -> Enumeration | None:
        """Return the enumeration of that name, or None."""
        packed = self._packed("e", name)
        return packed and Enumeration.unpack(packed)

    def lacks(self, name: str) -> bool:
        """Return whether the headers declare a function of that name that is not exported."""
        return self._module.find(f"m {name}") is not None

    def macro(self, name: str) -> str | None:
        """Return what a macro with parameters calls, ``""`` for no function; None for no macro."""
        found = self._module.find(f"p {name}")
        return found[1] if found else None

    def definition(self, name: str) -> tuple[int, str] | None:
        """Return the C text that defines a type, and its place among the others; None for none."""
        found: tuple[int, str] | None = self._module.find(f"y {name}")
        return found

    def structure(self, name: str) -> Structure | None:
        """Return the structure of that name with the compiler's layout, or None."""
        found = self._module.find(f"s {name}")
        if found is None:
            return None
        structure = Structure.unpack(json.loads(found[1]))
        return structure if found[0] < 0 else self._measured(structure, found[0])

    def constant(self, name: str) -> Any:
        """Return the value of a constant, an ``Address`` or None where there is none."""
        address = self._module.find(f"a {name}")
        if address:
            return Address(int(address[1]))
        for kind in "idt":
            found = self._module.find(f"{kind} {name}")
            if found:
                value = self._module.constant(kind, found[0])
                return _text_of(value) if kind == "t" else value
        return None

    def _packed(self, kind: str, name: str) -> Any:
        found = self._module.find(f"{kind} {name}")
        return None if found is None else json.loads(found[1])

    def _measured(self, structure: Structure, start: int) -> Structure:
        fields = structure.fields or ()
        size, alignment, *places = self._module.layout(start, 2 + 3 * len(fields))
        located = [
            replace(field, offset=offset, shift=shift)
            for field, offset, shift, own in zip(
                fields, places[::3], places[1::3], places[2::3], strict=True
            )
            if _fits(field, own)
        ]
        return replace(structure, fields=tuple(located), size=size, alignment=alignment)


def _fits(field: Field, size: int) -> bool:
    """Return whether the compiler's size of a number is the one that was read."""
    name = field.type.type.name
    expected = int(name[1:]) // 8 if name[1:].isdigit() else {"bool": 1}.get(name, size)
    return bool(field.bits) or size == expected


def _text_of(content: bytes) -> str | bytes:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content
