"""Declarations of functions whose prototypes stand in a Noodle program."""

from __future__ import annotations

import re
from collections.abc import Iterable

from noodle.bridges.native.declarations import (
    Declaration,
    Declarations,
    DeclaredParameter,
    Problem,
    refuse_all,
    without_repeats,
)
from noodle.bridges.native.native_types import C_NUMBERS, NativeType
from noodle.prototypes import Prototype
from noodle.values import VOID, ValueType

__all__ = ["from_prototypes"]


def from_prototypes(prototypes: Iterable[Prototype]) -> Declarations:
    """Return the declarations of prototypes that were written in a Noodle program.

    ``bytes`` is memory that the function only reads; ``ptr`` and ``array`` it may write to.

    Args:
        prototypes: As the language read them.

    Raises:
        PrototypeError: Some cannot be a native function's; all of them are listed.
    """
    listed = tuple(prototypes)
    problems = [problem for prototype in listed for problem in _problems(prototype)]
    if problems:
        raise refuse_all(problems)
    functions = (
        Declaration(
            prototype.name,
            tuple(DeclaredParameter(p.name, _native(p.type)) for p in prototype.parameters),
            _native(prototype.returns),
        )
        for prototype in listed
    )
    return Declarations(without_repeats(functions))


def _problems(prototype: Prototype) -> list[Problem]:
    problems = []
    if not re.fullmatch(r"[A-Za-z_$][\w$]*", prototype.name, re.ASCII):
        problems.append("its name cannot be a symbol of a shared library")
    if prototype.variadic or prototype.any_keyword:
        problems.append("it takes further arguments of unknown types")
    for index, parameter in enumerate(prototype.parameters, 1):
        shown = parameter.name or f"argument {index}"
        if parameter.optional:
            problems.append(f"{shown} is optional, and C has no defaults")
        if parameter.type == VOID or not _crosses(parameter.type):
            problems.append(f"{shown}: {_unfit(parameter.type)}")
    if prototype.returns.name == "array":
        problems.append("its result is an array of unknown length; write ptr<T>")
    elif not _crosses(prototype.returns):
        problems.append(f"result: {_unfit(prototype.returns)}")
    names = [p.name for p in prototype.parameters if p.name]
    if len(names) != len(set(names)):
        problems.append("two of its parameters have one name")
    return [(f"prototype of {prototype.name}", f"{prototype.name}: {p}", None) for p in problems]


def _crosses(declared: ValueType) -> bool:
    return declared.name in (*C_NUMBERS, "str", "bytes", "void", "ptr", "array")


def _unfit(declared: ValueType) -> str:
    nearest = {"int": "i32 or i64", "float": "f64", "list": "array<T>", "ndarray": "array<T>"}
    remedy = nearest.get(declared.name)
    return f"a native function has no type {declared}" + (f"; write {remedy}" if remedy else "")


def _native(declared: ValueType) -> NativeType:
    return NativeType(declared, _c_spelling(declared), writes=declared.name in ("ptr", "array"))


def _c_spelling(declared: ValueType) -> str:
    if declared.name == "str":
        return "const char *"
    if declared.name == "bytes":
        return "const unsigned char *"
    if declared.item:
        inner = _c_spelling(declared.item)
        return inner + ("*" if inner.endswith("*") else " *")
    return C_NUMBERS.get(declared.name, declared.name)
