"""Turns type nodes of a C syntax tree into native types."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pycparser import c_ast  # type: ignore[import-untyped]

from noodle.bridges.native.c_names import OPAQUE_TYPEDEFS, STANDARD_TYPEDEFS, WORDS_TO_TYPE
from noodle.bridges.native.c_spelling import spelling
from noodle.bridges.native.declarations import Declaration, DeclaredParameter, Variable
from noodle.bridges.native.native_types import (
    CallbackType,
    Enumeration,
    Field,
    NativeType,
    Structure,
)
from noodle.values import VOID, ValueType

__all__ = ["CTypes", "Unfit", "is_variadic"]

_MOST_TYPEDEFS = 100
"""Chosen: how many typedefs may stand for one another; a longer chain refers to itself."""


class Unfit(Exception):
    """A type that cannot cross the boundary; the text says why."""


class CTypes:
    """The types of one text."""

    def __init__(self) -> None:
        self._typedefs: dict[str, Any] = {}
        self._enums: dict[str, Any] = {}
        self._structures: dict[str, Any] = {}
        self._names: dict[int, str] = {}
        self._members: dict[str, tuple[str, ...]] = {}
        self._members_of: dict[str, tuple[str, Any]] = {}

    def add_typedef(self, node: Any) -> None:
        """Learn a typedef."""
        self._typedefs[node.name] = node.type
        if isinstance(node.type, c_ast.TypeDecl):
            self.learn(node.type.type, node.name)

    def learn(self, node: Any, name: str = "") -> None:
        """Learn the structures and enumerations that a base type defines.

        Args:
            node: The base type of a declaration.
            name: What one without a name of its own is called.
        """
        if isinstance(node, c_ast.Enum):
            self._learn_enumeration(node, node.name or name)
        elif isinstance(node, (c_ast.Struct, c_ast.Union)):
            self._learn_structure(node, node.name or name)

    def _learn_enumeration(self, node: Any, name: str) -> None:
        if node.values and id(node) not in self._names:
            self._names[id(node)] = f"enum {name}" if name else ""
            self._enums[f"enum {name}"] = node
            self._members[f"enum {name}"] = tuple(e.name for e in node.values.enumerators)

    def _learn_structure(self, node: Any, name: str) -> str:
        shown = self._names.setdefault(id(node), f"{_kind(node)} {name or 'unnamed'}")
        if node.decls is not None or shown not in self._structures:
            self._structures[shown] = node
        self._learn_members(node.decls or (), shown)
        return shown

    def _learn_members(self, listed: Any, owner: str) -> None:
        for declared in listed:
            base = _base(declared)
            if not isinstance(base, (c_ast.Struct, c_ast.Union)):
                self.learn(base)
            elif not declared.name:
                self._learn_members(base.decls or (), owner)
            else:
                outer = owner.partition(" ")[2]
                shown = self._learn_structure(base, base.name or f"{outer}.{declared.name}")
                if not base.name:
                    self._members_of[shown] = (owner, declared)

    def enumerations(self) -> dict[str, Enumeration]:
        """Return the enumerations by name."""
        return {name: Enumeration(name, members) for name, members in self._members.items()}

    def structures(self) -> dict[str, Structure]:
        """Return the structures by name, without what the compiler knows of them."""
        found = {}
        for name, node in list(self._structures.items()):
            fields = None if node.decls is None else tuple(self._fields(node.decls))
            found[name] = Structure(name, self._c_name(name, node), fields)
        return found

    def _c_name(self, name: str, node: Any) -> str:
        if node.name:
            return f"{_kind(node)} {node.name}"
        if name in self._members_of:
            return self._member_type(*self._members_of[name])
        own = name.partition(" ")[2]
        return own if own in self._typedefs else ""

    def _member_type(self, owner: str, declared: Any) -> str:
        """Return the type of a member without a name of its own, by way of the field."""
        outer = self._c_name(owner, self._structures[owner])
        place, node = f"(({outer} *)0)->{declared.name}", declared.type
        while isinstance(node, (c_ast.ArrayDecl, c_ast.PtrDecl)):
            place, node = f"*({place})", node.type
        return f"__typeof__({place})" if outer else ""

    def _fields(self, listed: Any) -> Iterator[Field]:
        for declared in listed:
            base = _base(declared)
            if base is None:
                continue
            if not declared.name:
                if isinstance(base, (c_ast.Struct, c_ast.Union)) and not declared.bitsize:
                    yield from self._fields(base.decls or ())
                continue
            try:
                yield self.field(declared)
            except Unfit:
                continue  # it keeps its place: the compiler says where the others are

    @property
    def structure_nodes(self) -> dict[str, Any]:
        """The nodes of the structures and unions, by name."""
        return self._structures

    def name_of(self, node: Any) -> str:
        """Return the name of a structure or union."""
        return self._structure_name(node)

    def field(self, declared: Any) -> Field:
        """Return a field, without its place.

        Raises:
            Unfit: Its type cannot cross.
        """
        native, dimensions = self._item(declared.type)
        bits = self.integer(declared.bitsize) if declared.bitsize else 0
        return Field(declared.name, native, dimensions, bits)

    def _item(self, kept: Any) -> tuple[NativeType, tuple[int, ...]]:
        """Return the type of an array's items and its lengths; of no array, its own and none."""
        dimensions = []
        node = self.expand(kept)
        while isinstance(node, c_ast.ArrayDecl):
            dimensions.append(0 if node.dim is None else self.integer(node.dim))
            kept, node = node.type, self.expand(node.type)
        return self.type(kept), tuple(dimensions)

    def integer(self, node: Any) -> int:
        """Return the value of a constant expression.

        Raises:
            Unfit: It is not as plain as the length of an array.
        """
        if isinstance(node, c_ast.Constant) and node.type.endswith("int"):
            return int(node.value.rstrip("uUlL"), 0)
        if isinstance(node, c_ast.BinaryOp) and node.op in _OPERATORS:
            return int(_OPERATORS[node.op](self.integer(node.left), self.integer(node.right)))
        if isinstance(node, c_ast.UnaryOp) and node.op == "sizeof":
            return self._size(node.expr)
        raise Unfit("has a length that is no plain number")

    def _size(self, node: Any) -> int:
        kind = self.type(node.type).type.name if isinstance(node, c_ast.Typename) else ""
        sizes = {"bool": 1, "str": 8, "ptr": 8}
        if kind not in sizes and not kind[1:].isdigit():
            raise Unfit("has a length that is no plain number")
        return sizes.get(kind) or int(kind[1:]) // 8

    def type(self, node: Any) -> NativeType:
        """Return the type of a declarator.

        Raises:
            Unfit: It cannot cross.
        """
        shape = self.expand(node)
        spelled = spelling(node)
        if isinstance(shape, (c_ast.PtrDecl, c_ast.ArrayDecl)):
            return self._pointer(shape, spelled)
        if isinstance(shape, c_ast.FuncDecl):
            return self._callback(shape, spelled)
        if isinstance(shape.type, (c_ast.Struct, c_ast.Union)):
            name = self._structure_name(shape.type)
            written = name.replace(" ", ".", 1)
            return NativeType(ValueType(written), spelled, from_c=True, structure=name)
        enumeration = self._enumeration_name(shape)
        scalar = ValueType(self._scalar(shape))
        return NativeType(scalar, spelled, from_c=True, enumeration=enumeration)

    def function(self, name: str, function: Any) -> Declaration:
        """Return a function.

        Args:
            name: Its name.
            function: The node of its type.

        Raises:
            Unfit: A type of it cannot cross.
        """
        result = self.type(function.type)
        pairs = zip(self.parameters(function), _listed(function), strict=False)
        parameters = tuple(DeclaredParameter(*p, nonnull=_has_items(node)) for p, node in pairs)
        return Declaration(name, parameters, result, is_variadic(function))

    def variable(self, node: Any) -> Variable:
        """Return the variable that a node declares.

        Raises:
            Unfit: Its type cannot cross.
        """
        native, dimensions = self._item(node.type)
        if native.type == VOID:
            raise Unfit("is void")
        inner = node.type
        while isinstance(inner, c_ast.ArrayDecl):
            inner = inner.type
        return Variable(node.name, native, dimensions, not self._const(inner))

    def parameters(self, function: Any) -> Iterator[tuple[str, NativeType]]:
        """Yield name and type of each parameter of a function.

        Raises:
            Unfit: One of them cannot cross; the text begins with its name.
        """
        listed = [p for p in _listed(function) if not isinstance(p, c_ast.EllipsisParam)]
        names = [p.name for p in listed if getattr(p, "name", None)]
        if len(names) != len(set(names)):
            raise Unfit("two of its parameters have one name")
        for index, parameter in enumerate(listed, 1):
            if isinstance(parameter, c_ast.ID):
                raise Unfit(f"{parameter.name} is no known type")
            native = self._parameter(parameter, index)
            if native.type == VOID:
                if len(listed) == 1 and not parameter.name:
                    return
                raise Unfit(f"{parameter.name or f'argument {index}'} is void")
            yield parameter.name or "", native

    def _parameter(self, parameter: Any, index: int) -> NativeType:
        try:
            native = self.type(parameter.type)
        except Unfit as unfit:
            raise Unfit(f"{parameter.name or f'argument {index}'} {unfit}") from unfit
        if native.type.name == "str" and native.writes:
            return replace(native, type=ValueType("ptr", ValueType("u8")))
        return native

    def _callback(self, function: Any, spelled: str) -> NativeType:
        if is_variadic(function):
            raise Unfit("is a function pointer that takes further arguments (...)")
        named = list(self.parameters(function))
        types = tuple(native for _, native in named)
        callback = CallbackType(types, self.type(function.type), tuple(name for name, _ in named))
        return NativeType(ValueType("ptr", VOID), spelled, from_c=True, callback=callback)

    def _pointer(self, shape: Any, spelled: str) -> NativeType:
        target = self.expand(shape.type)
        if isinstance(target, c_ast.FuncDecl):
            return self._callback(target, spelled)
        if isinstance(target, c_ast.ArrayDecl):
            return self._pointer(target, spelled)
        writes = not self._const(shape.type)
        if isinstance(target, c_ast.PtrDecl):
            inner = self.type(shape.type)
            item = ValueType("ptr", inner.type.item or VOID)
            return NativeType(ValueType("ptr", item), spelled, writes, True, target=inner)
        if isinstance(target.type, (c_ast.Struct, c_ast.Union)):
            name = self._structure_name(target.type)
            return NativeType(ValueType("ptr", VOID), spelled, writes, True, name)
        words = self._words(target)
        if words in OPAQUE_TYPEDEFS and words not in self._typedefs:
            return NativeType(ValueType("ptr", VOID), spelled, writes, True, words)
        if words == "char":
            return NativeType(ValueType("str"), spelled, writes, True)
        item = ValueType(self._scalar(target))
        enumeration = self._enumeration_name(target)
        return NativeType(ValueType("ptr", item), spelled, writes, True, enumeration=enumeration)

    def _structure_name(self, node: Any) -> str:
        known = self._names.get(id(node))
        return known or self._learn_structure(node, node.name or "")

    def _enumeration_name(self, shape: Any) -> str:
        if not isinstance(shape.type, c_ast.Enum):
            return ""
        self.learn(shape.type)
        own = f"enum {shape.type.name}" if shape.type.name else ""
        return self._names.get(id(shape.type), own)

    def _scalar(self, shape: Any) -> str:
        if isinstance(shape.type, c_ast.Enum):
            known = self._enums.get(f"enum {shape.type.name}", shape.type)
            return "i32" if _has_negative(known) else "u32"
        words = self._words(shape)
        known = WORDS_TO_TYPE.get(words) or STANDARD_TYPEDEFS.get(words)
        if known is None:
            raise Unfit(f"is {words}, which cannot be passed")
        return known

    @staticmethod
    def _words(shape: Any) -> str:
        if not isinstance(shape.type, c_ast.IdentifierType):
            return ""
        words = list(shape.type.names)
        if words == ["char"] or words[0] in (*STANDARD_TYPEDEFS, *OPAQUE_TYPEDEFS):
            return str(words[0])
        unsigned = "unsigned" in words
        kept = [w for w in words if w not in ("signed", "unsigned")]
        if "char" in kept:
            return " ".join(sorted({"unsigned" if unsigned else "signed"})) + " char"
        if kept not in (["int"], []):
            kept = [w for w in kept if w != "int"]
        return ("unsigned " if unsigned else "") + " ".join(kept or ["int"])

    def expand(self, node: Any) -> Any:
        """Follow typedefs to the declarator or base type that they stand for."""
        for _ in range(_MOST_TYPEDEFS):
            name = _typedef_name(node)
            if name is None or name not in self._typedefs:
                return node
            node = self._typedefs[name]
        raise Unfit("has a typedef that refers to itself")

    def _const(self, node: Any) -> bool:
        """Return whether the thing that is pointed to is const, also through typedefs."""
        for _ in range(_MOST_TYPEDEFS):
            if "const" in (getattr(node, "quals", None) or []):
                return True
            name = _typedef_name(node)
            if name is None or name not in self._typedefs:
                return False
            node = self._typedefs[name]
        return False


_OPERATORS: dict[str, Any] = {
    "+": int.__add__,
    "-": int.__sub__,
    "*": int.__mul__,
    "<<": lambda left, right: left << right if right < 64 else 0,
    "/": lambda left, right: left // right if right else 0,
    "|": int.__or__,
}


def is_variadic(function: Any) -> bool:
    """Return whether a function takes further arguments."""
    return any(isinstance(p, c_ast.EllipsisParam) for p in _listed(function))


def _listed(function: Any) -> list[Any]:
    return list(function.args.params) if function.args else []


def _has_items(parameter: Any) -> bool:
    """Return whether a parameter is an array of at least so many items: ``char text[static 1]``."""
    shape = getattr(parameter, "type", None)
    return isinstance(shape, c_ast.ArrayDecl) and "static" in (shape.dim_quals or ())


def _typedef_name(node: Any) -> str | None:
    names = getattr(getattr(node, "type", None), "names", None)
    return names[0] if isinstance(node, c_ast.TypeDecl) and names and len(names) == 1 else None


def _kind(node: Any) -> str:
    return "union" if isinstance(node, c_ast.Union) else "struct"


def _base(declared: Any) -> Any:
    """Return the base type of a declaration, or None for what is none."""
    if not isinstance(declared, (c_ast.Decl, c_ast.Typedef)):
        return None
    node = declared.type
    while hasattr(node, "type") and not isinstance(node, (c_ast.IdentifierType,)):
        if isinstance(node, c_ast.FuncDecl):
            return node
        node = node.type
    return node


def _has_negative(enum: Any) -> bool:
    listed = enum.values.enumerators if enum.values else []
    return any(isinstance(e.value, c_ast.UnaryOp) and e.value.op == "-" for e in listed)
