"""The types of C that a declaration is made of, beside what dispatch knows of them.

Structures and enumerations are named here and described once, in the tables of ``Declarations``: so
a structure may point to itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from noodle.values import FLOAT_TYPES, INTEGER_RANGES, VOID, ValueType, parse_type

__all__ = ["CallbackType", "Enumeration", "Field", "NativeType", "Structure", "item_size"]

C_NUMBERS = {
    **{name: f"{'u' if name[0] == 'u' else ''}int{name[1:]}_t" for name in INTEGER_RANGES},
    "f32": "float",
    "f64": "double",
    "bool": "_Bool",
}
"""The numbers that cross, as C has them."""


@dataclass(frozen=True, slots=True)
class CallbackType:
    """What a function pointer points to.

    Args:
        parameters: The types of its parameters.
        result: The type of its result.
        names: The parameters' names, ``""`` where the declaration has none.
    """

    parameters: tuple[NativeType, ...]
    result: NativeType
    names: tuple[str, ...] = ()

    def pack(self) -> list[Any]:
        """Return the same as plain lists."""
        return [self.result.pack(), [p.pack() for p in self.parameters], list(self.names)]

    @classmethod
    def unpack(cls, packed: Sequence[Any]) -> CallbackType:
        """Return the callback that ``pack`` made into lists."""
        result, parameters, names = packed
        listed = tuple(map(NativeType.unpack, parameters))
        return cls(listed, NativeType.unpack(result), tuple(names))


@dataclass(frozen=True, slots=True)
class NativeType:
    """A type of a parameter, result, field or variable, with what C says beyond its name.

    Args:
        type: The type in prototypes, messages and dispatch; ``struct.NAME`` or ``union.NAME`` for
            a structure by value.
        c: As the declaration spells it in C.
        writes: Whether the function may write to the memory that is handed over.
        from_c: Whether the declaration is C: then text may also be null or bytes.
        structure: ``struct NAME`` when it is one or points to one; such memory is not a buffer of
            numbers.
        enumeration: ``enum NAME`` when it is one.
        callback: What a function pointer points to.
        target: What a pointer to a pointer points to.
    """

    type: ValueType
    c: str
    writes: bool = False
    from_c: bool = False
    structure: str = ""
    enumeration: str = ""
    callback: CallbackType | None = None
    target: NativeType | None = None

    @property
    def by_value(self) -> bool:
        """Whether it is a structure itself, not a pointer to one."""
        return bool(self.structure) and self.type.name != "ptr"

    @property
    def pointee(self) -> str:
        """What a pointer of this type points to: pointers of the same pointee fit one another."""
        if self.callback:
            return "function"
        if self.structure:
            return self.structure
        return str(self.type.item) if self.type.item else "u8"

    @property
    def binary(self) -> str:
        """The type at the machine's level, in C: all pointers but those to text are ``void *``."""
        if self.type == VOID:
            return "void"
        if self.type.name in ("str", "bytes"):
            return "char *"
        return C_NUMBERS.get(self.type.name, "void *")

    def spelled(self, name: str) -> str:
        """Return the C declaration of a parameter or function of this type."""
        pointer = re.match(r"(.*?\(\*[a-z ]*)(\).*)", self.c)
        if pointer:
            return f"{pointer[1]}{' ' if pointer[1][-1].isalpha() else ''}{name}{pointer[2]}"
        return self.c + ("" if self.c.endswith("*") or not name else " ") + name

    def pack(self) -> list[Any]:
        """Return the same as plain lists; what is not said is left out at the end."""
        packed = [
            str(self.type),
            self.c,
            self.writes,
            self.from_c,
            self.structure,
            self.enumeration,
            self.callback and self.callback.pack(),
            self.target and self.target.pack(),
        ]
        while not packed[-1]:
            packed.pop()
        return packed

    @classmethod
    def unpack(cls, packed: Sequence[Any]) -> NativeType:
        """Return the type that ``pack`` made into lists."""
        written, *rest = packed
        if len(rest) > 5 and rest[5]:
            rest[5] = CallbackType.unpack(rest[5])
        if len(rest) > 6 and rest[6]:
            rest[6] = cls.unpack(rest[6])
        return cls(_parsed(written), *rest)


@cache
def _parsed(written: str) -> ValueType:
    by_value = written.startswith(("struct.", "union."))
    return ValueType(written) if by_value else parse_type(written)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a structure. Those of an unnamed member stand among the structure's own.

    Args:
        name: Its name.
        type: Its type; that of an item where it is an array.
        dimensions: The lengths of an array, the outermost first; 0 for an array without a length.
        bits: The width of a bit-field; 0 for any other.
        offset: Where it begins, in bytes; None until the compiler has told.
        shift: How many bits of the byte at ``offset`` lie below a bit-field.
    """

    name: str
    type: NativeType
    dimensions: tuple[int, ...] = ()
    bits: int = 0
    offset: int | None = None
    shift: int = 0

    def pack(self) -> list[Any]:
        """Return the same as plain lists."""
        dimensions = list(self.dimensions)
        return [self.name, self.type.pack(), dimensions, self.bits, self.offset, self.shift]

    @classmethod
    def unpack(cls, packed: Sequence[Any]) -> Field:
        """Return the field that ``pack`` made into lists."""
        name, native, dimensions, *rest = packed
        return cls(name, NativeType.unpack(native), tuple(dimensions), *rest)


@dataclass(frozen=True, slots=True)
class Structure:
    """A structure or union.

    Args:
        name: ``struct NAME`` or ``union NAME``; of one without a name, that of its typedef, or
            that of the structure and field which it belongs to (``struct outer.field``).
        c: How C code names it, if need be by way of a field; ``""`` where it cannot.
        fields: Its fields in order; None where only its name is declared.
        size: Its size in bytes; None until the compiler has told.
        alignment: Its alignment in bytes; None until the compiler has told.
    """

    name: str
    c: str
    fields: tuple[Field, ...] | None = None
    size: int | None = None
    alignment: int | None = None

    @property
    def kind(self) -> str:
        """``struct`` or ``union``."""
        return self.name.partition(" ")[0]

    def pack(self) -> list[Any]:
        """Return the same as plain lists."""
        fields = None if self.fields is None else [field.pack() for field in self.fields]
        return [self.name, self.c, fields, self.size, self.alignment]

    @classmethod
    def unpack(cls, packed: Sequence[Any]) -> Structure:
        """Return the structure that ``pack`` made into lists."""
        name, c, fields, *rest = packed
        listed = None if fields is None else tuple(map(Field.unpack, fields))
        return cls(name, c, listed, *rest)


@dataclass(frozen=True, slots=True)
class Enumeration:
    """An enumeration.

    Args:
        name: ``enum NAME``; of one without a name, that of its typedef, or ``""``.
        members: The names of its members; their values are among the constants.
    """

    name: str
    members: tuple[str, ...] = ()

    def pack(self) -> list[Any]:
        """Return the same as plain lists."""
        return [self.name, list(self.members)]

    @classmethod
    def unpack(cls, packed: Sequence[Any]) -> Enumeration:
        """Return the enumeration that ``pack`` made into lists."""
        return cls(packed[0], tuple(packed[1]))


def item_size(native: NativeType) -> int:
    """Return the size of the items of an array parameter, in bytes; 1 where it has none."""
    item = native.type.item.name if native.type.item else ""
    if item[1:].isdigit():
        return int(item[1:]) // 8
    return 8 if item == "ptr" else 1


PYTHON_TYPES: dict[str, type] = {
    **dict.fromkeys(INTEGER_RANGES, int),
    **dict.fromkeys(FLOAT_TYPES, float),
    "bool": bool,
    "str": str,
    "bytes": bytes,
}
"""The Python types that the values of a type have."""
