"""Reads C prototypes as they stand in a manual: ``double cos(double x);``.

The text is declarations only: typedefs, structures, enumerations and functions; no preprocessor
lines and no bodies. The parser is pycparser (C99 and most of C11).
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pycparser import c_ast  # type: ignore[import-untyped]
from pycparser.c_parser import CParser  # type: ignore[import-untyped]

from noodle.bridges.native.declarations import (
    Declaration,
    DeclaredParameter,
    NativeType,
    refuse_all,
    without_repeats,
)
from noodle.errors import PrototypeError
from noodle.values import VOID, ValueType

__all__ = ["parse_c"]

_WORD = 64  # bits of long and of pointers: Noodle runs on LP64 systems
_CHAR_IS_SIGNED = platform.machine() in ("x86_64", "i686", "i386", "AMD64")

_WORDS_TO_TYPE = {
    "signed char": "i8",
    "unsigned char": "u8",
    "char": "i8" if _CHAR_IS_SIGNED else "u8",
    "short": "i16",
    "unsigned short": "u16",
    "int": "i32",
    "unsigned int": "u32",
    "long": "i64",
    "unsigned long": "u64",
    "long long": "i64",
    "unsigned long long": "u64",
    "float": "f32",
    "double": "f64",
    "_Bool": "bool",
    "void": "void",
}
_STANDARD_TYPEDEFS = {
    "bool": "bool",
    "size_t": "u64",
    "ssize_t": "i64",
    "ptrdiff_t": "i64",
    "intptr_t": "i64",
    "uintptr_t": "u64",
    "intmax_t": "i64",
    "uintmax_t": "u64",
    "off_t": "i64",
    "time_t": "i64",
    "clock_t": "i64",
    "pid_t": "i32",
    "uid_t": "u32",
    "gid_t": "u32",
    "mode_t": "u32",
    "uint": "u32",
    "ulong": "u64",
    **{f"{'u' * (s == 'u')}int{b}_t": f"{s}{b}" for b in (8, 16, 32, 64) for s in "iu"},
}
_OPAQUE_TYPEDEFS = ("FILE", "DIR")
_PLACE = re.compile(r"^(?:prototypes)?:?(\d+):(\d+):? ?(.*)", re.DOTALL)


class _Unfit(Exception):
    """A type that cannot cross the boundary; the text says why."""


def parse_c(text: str) -> tuple[Declaration, ...]:
    """Return the functions that a C text declares.

    Args:
        text: Declarations in C.

    Raises:
        PrototypeError: The text is not C, with line and column; or some functions cannot be
            called, all of them listed with the reason.
    """
    blanked = _blank_comments(text)
    _refuse_directives(blanked, text)
    typedefs = "".join(f"typedef int {name}; " for name in (*_STANDARD_TYPEDEFS, *_OPAQUE_TYPEDEFS))
    try:
        tree = CParser().parse(f'{typedefs}\n# 1 "prototypes"\n{blanked}\n', "standard typedefs")
        return _Reader().read(tree)
    except RecursionError as error:
        raise PrototypeError("the prototypes are nested too deep to be read") from error
    except Exception as error:
        if not type(error).__name__.endswith("ParseError"):
            raise
        raise _parse_error(str(error), text) from error


def _blank_comments(text: str) -> str:
    """Replace comments by spaces, so that lines and columns stay."""
    comment = r"/\*.*?\*/|//[^\n]*"
    return re.sub(
        rf"({comment})|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'",
        lambda m: re.sub(r"[^\n]", " ", m[0]) if m[1] else m[0],
        text,
        flags=re.DOTALL,
    )


def _refuse_directives(blanked: str, text: str) -> None:
    for number, line in enumerate(blanked.splitlines(), 1):
        if line.lstrip().startswith("#"):
            raise PrototypeError(
                "prototypes have no preprocessor lines",
                expected="declarations such as double cos(double x);",
                received=line.strip(),
                where=f"prototypes:{number}:{len(line) - len(line.lstrip()) + 1}",
                remedy="paste the declarations themselves",
            )


def _parse_error(message: str, text: str) -> PrototypeError:
    match = _PLACE.match(message)
    line, column, reason = (int(match[1]), int(match[2]), match[3]) if match else (0, 0, message)
    lines = text.splitlines()
    shown = lines[line - 1].strip() if 0 < line <= len(lines) else text.strip()[-80:]
    remedy = "end each prototype with ';'" if not text.rstrip().endswith((";", "}")) else None
    unknown = re.match(r"before: \w|Invalid function definition", reason)
    if unknown and remedy is None:
        remedy = "if an unknown type stands there, declare it first: typedef struct thing thing;"
    return PrototypeError(
        f"the prototypes are not C: {_reason(reason)}",
        expected="declarations such as double cos(double x);",
        received=shown[:160] or "nothing",
        where=f"prototypes:{line}:{column}" if line else f"prototypes:{max(1, len(lines))}",
        remedy=remedy,
    )


def _reason(reason: str) -> str:
    text = reason.strip().removeprefix("prototypes: ")
    text = text.replace("At end of input", "it ends too early")
    text = text.replace("Invalid function definition", "unexpected name before a function")
    return re.sub(r"^before: (.*)", r"unexpected \1", text) or "it ends too early"


class _Reader:
    """Turns a syntax tree into declarations; knows the typedefs seen so far."""

    def __init__(self) -> None:
        self._typedefs: dict[str, Any] = {}
        self._enums: dict[str, Any] = {}
        self._problems: list[tuple[str, str]] = []

    def read(self, tree: Any) -> tuple[Declaration, ...]:
        found = [declared for node in tree.ext if (declared := self._external(node))]
        if self._problems:
            raise refuse_all(self._problems)
        return without_repeats(found)

    def _external(self, node: Any) -> Declaration | None:
        if isinstance(node, c_ast.Typedef):
            if node.coord.file == "prototypes":
                self._typedefs[node.name] = node.type
            return None
        if isinstance(getattr(node, "type", None), c_ast.Enum) and node.type.values:
            self._enums[node.type.name] = node.type
        elif isinstance(node, c_ast.FuncDef):
            self._refuse(node.decl, node.decl.name, "it has a body, and only declarations are read")
        elif isinstance(node, c_ast.Decl) and node.name:
            if isinstance(node.type, c_ast.FuncDecl):
                return self._function(node)
            through_typedef = isinstance(self._expand(node.type), c_ast.FuncDecl)
            reason = "it is a variable, not a function"
            self._refuse(node, node.name, "write its parameters" if through_typedef else reason)
        return None

    def _refuse(self, node: Any, name: str, reason: str) -> None:
        where = f"prototypes:{node.coord.line}:{node.coord.column}" if node.coord else "prototypes"
        self._problems.append((where, f"{name}: {reason}"))

    def _function(self, node: Any) -> Declaration | None:
        try:
            result = self._type(node.type.type)
            return Declaration(node.name, tuple(self._parameters(node.type)), result)
        except _Unfit as unfit:
            self._refuse(node, node.name, str(unfit))
            return None

    def _parameters(self, function: Any) -> Iterator[DeclaredParameter]:
        listed = function.args.params if function.args else []
        names = [p.name for p in listed if getattr(p, "name", None)]
        if len(names) != len(set(names)):
            raise _Unfit("two of its parameters have one name")
        for index, parameter in enumerate(listed, 1):
            if isinstance(parameter, c_ast.EllipsisParam):
                raise _Unfit("it takes further arguments of unknown types (...)")
            if isinstance(parameter, c_ast.ID):
                raise _Unfit(f"{parameter.name} is no known type")
            shown = parameter.name or f"argument {index}"
            try:
                native = self._type(parameter.type)
            except _Unfit as unfit:
                raise _Unfit(f"{shown} {unfit}") from unfit
            if native.type == VOID:
                if len(listed) == 1 and not parameter.name:
                    return
                raise _Unfit(f"{shown} is void")
            if native.type.name == "str" and native.writes:
                native = replace(native, type=ValueType("ptr", ValueType("u8")))
            yield DeclaredParameter(parameter.name or "", native)

    def _type(self, node: Any) -> NativeType:
        shape = self._expand(node)
        spelled = _spelling(node)
        if isinstance(shape, (c_ast.PtrDecl, c_ast.ArrayDecl)):
            return self._pointer(shape, spelled)
        if isinstance(shape, c_ast.FuncDecl):
            raise _Unfit("is a function; callbacks cannot be passed from prototypes")
        return NativeType(ValueType(self._scalar(shape)), spelled, from_c=True)

    def _pointer(self, shape: Any, spelled: str) -> NativeType:
        target = self._expand(shape.type)
        if isinstance(target, c_ast.FuncDecl):
            raise _Unfit("is a function pointer; callbacks cannot be passed from prototypes")
        if isinstance(target, c_ast.ArrayDecl):
            return self._pointer(target, spelled)
        if isinstance(target, c_ast.PtrDecl):
            inner = self._pointer(target, "")
            item = ValueType("ptr", inner.type.item or ValueType("void"))
            return NativeType(ValueType("ptr", item), spelled, not self._const(shape.type), True)
        writes = not self._const(shape.type)
        if isinstance(target.type, (c_ast.Struct, c_ast.Union)):
            kind = "union" if isinstance(target.type, c_ast.Union) else "struct"
            name = target.type.name or _base_name(shape.type)
            item = ValueType("ptr", ValueType("void"))
            return NativeType(item, spelled, writes, True, f"{kind} {name}")
        words = self._words(target)
        if words in _OPAQUE_TYPEDEFS:
            return NativeType(ValueType("ptr", VOID), spelled, writes, True, words)
        if words == "char":
            return NativeType(ValueType("str"), spelled, writes, True)
        item = ValueType(self._scalar(target))
        return NativeType(ValueType("ptr", item), spelled, writes, True)

    def _scalar(self, shape: Any) -> str:
        if isinstance(shape.type, (c_ast.Struct, c_ast.Union)):
            raise _Unfit("is a structure by value; only pointers to structures can be passed")
        if isinstance(shape.type, c_ast.Enum):
            return "i32" if _has_negative(self._enums.get(shape.type.name, shape.type)) else "u32"
        words = self._words(shape)
        known = _WORDS_TO_TYPE.get(words) or _STANDARD_TYPEDEFS.get(words)
        if known is None:
            raise _Unfit(f"is {words}, which cannot be passed")
        return known

    @staticmethod
    def _words(shape: Any) -> str:
        if not isinstance(shape.type, c_ast.IdentifierType):
            return ""
        words = list(shape.type.names)
        if words == ["char"] or words[0] in (*_STANDARD_TYPEDEFS, *_OPAQUE_TYPEDEFS):
            return str(words[0])
        unsigned = "unsigned" in words
        kept = [w for w in words if w not in ("signed", "unsigned")]
        if "char" in kept:
            return " ".join(sorted({"unsigned" if unsigned else "signed"})) + " char"
        if kept not in (["int"], []):
            kept = [w for w in kept if w != "int"]
        return ("unsigned " if unsigned else "") + " ".join(kept or ["int"])

    def _expand(self, node: Any) -> Any:
        """Follow typedefs to the declarator or base type that they stand for."""
        for _ in range(100):
            names = getattr(getattr(node, "type", None), "names", None)
            if not isinstance(node, c_ast.TypeDecl) or not names or len(names) > 1:
                return node
            if names[0] not in self._typedefs:
                return node
            node = self._typedefs[names[0]]
        raise _Unfit("has a typedef that refers to itself")

    def _const(self, node: Any) -> bool:
        """Return whether the thing that is pointed to is const, also through typedefs."""
        while "const" not in (getattr(node, "quals", None) or []):
            names = getattr(getattr(node, "type", None), "names", None)
            if not isinstance(node, c_ast.TypeDecl) or not names or names[0] not in self._typedefs:
                return False
            node = self._typedefs[names[0]]
        return True


def _has_negative(enum: Any) -> bool:
    listed = enum.values.enumerators if enum.values else []
    return any(isinstance(e.value, c_ast.UnaryOp) and e.value.op == "-" for e in listed)


def _base_name(node: Any) -> str:
    names = getattr(getattr(node, "type", None), "names", None)
    return names[0] if names else "unnamed"


def _spelling(node: Any) -> str:
    """Return the type as C text, without the name that it declares."""
    from copy import deepcopy

    from pycparser.c_generator import CGenerator  # type: ignore[import-untyped]

    bare = deepcopy(node)
    inner = bare
    if isinstance(bare, c_ast.ArrayDecl):
        bare = inner = c_ast.PtrDecl([], bare.type)
    while not isinstance(inner, c_ast.TypeDecl):
        inner = inner.type
    inner.declname = None
    if isinstance(inner.type, (c_ast.Struct, c_ast.Union)):
        inner.type.decls = None
    if isinstance(inner.type, c_ast.Enum):
        inner.type.values = None
    return " ".join(CGenerator().visit(c_ast.Typename(None, [], None, bare)).split())
