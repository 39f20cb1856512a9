"""What a native library declares, as data for stubs, completion and checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import Parameter

from noodle.bridges.native.contents import Contents
from noodle.bridges.native.declarations import Declaration, Variable
from noodle.bridges.native.native_types import NativeType
from noodle.prototypes import Prototype
from noodle.stubs.model import (
    StubConstant,
    StubFunction,
    StubMember,
    StubModule,
    StubParameter,
    StubSignature,
)
from noodle.values import FLOAT_TYPES, INTEGER_RANGES, VOID

__all__ = ["native_stub"]

Prototypes = Callable[[Declaration], Prototype]


def native_stub(
    name: str,
    contents: Contents,
    *,
    source: str,
    comments: Mapping[str, str],
    prototype: Prototypes = Declaration.prototype,
    unusable: Mapping[str, str],
) -> StubModule:
    """Return what a library declares.

    Args:
        name: The library, as the target names it.
        contents: What it is known to have.
        source: What that was read from, for people.
        comments: What its authors say of names.
        prototype: What a function takes when it is called, where annotations change that.
        unusable: Why further names that it has cannot be used.
    """
    functions = (contents.function(name) for name in sorted(contents.functions))
    variables = (contents.variable(name) for name in sorted(contents.variables))
    members: list[StubMember] = [
        *(
            _constant(name, contents.constant(name), comments)
            for name in sorted(contents.constants)
        ),
        *(_variable(variable, comments) for variable in variables if variable),
        *(_function(d, prototype(d), comments) for d in functions if d),
    ]
    return StubModule(name, members, source=source, complete=True, unusable=unusable)


def _constant(name: str, value: object, comments: Mapping[str, str]) -> StubConstant:
    text = repr(value) if isinstance(value, (int, str, bytes)) else ""
    annotation = "" if text else type(value).__name__
    return StubConstant(name, annotation, text, final=True, documentation=comments.get(name, ""))


def _variable(variable: Variable, comments: Mapping[str, str]) -> StubConstant:
    annotation = "" if variable.dimensions else result_annotation(variable.type)
    return StubConstant(
        variable.name,
        annotation,
        final=not variable.writable,
        documentation=comments.get(variable.name, ""),
    )


def _function(
    declaration: Declaration, prototype: Prototype, comments: Mapping[str, str]
) -> StubFunction:
    told = comments.get(declaration.name) or comments.get(declaration.exported, "")
    signature = StubSignature(
        tuple(_parameters(declaration, prototype)), result_annotation(declaration.result)
    )
    return StubFunction(declaration.name, (signature,), told, declared=declaration.c_text)


def _parameters(declaration: Declaration, prototype: Prototype) -> Iterator[StubParameter]:
    declared = {p.name: p.type for p in declaration.parameters if p.name}
    places: Sequence[NativeType] = [p.type for p in declaration.parameters]
    for index, parameter in enumerate(prototype.parameters):
        native = declared.get(parameter.name) or places[index]
        kind = Parameter.POSITIONAL_OR_KEYWORD if parameter.keyword else Parameter.POSITIONAL_ONLY
        yield StubParameter(
            parameter.name,
            parameter_annotation(native),
            kind if parameter.positional else Parameter.KEYWORD_ONLY,
            "..." if parameter.optional else None,
            parameter.type,
        )


def parameter_annotation(native: NativeType) -> str:
    """Return what a parameter takes, as Python writes it."""
    name = native.type.name
    if native.callback:
        return f"{callback_annotation(native)} | Pointer | None"
    if name in _NUMBERS:
        return _NUMBERS[name]
    if name == "str":
        return "CText" if native.from_c else "str"
    if native.by_value:
        return ""
    return "Memory" if name in ("bytes", "array") else "Memory | None"


def result_annotation(native: NativeType) -> str:
    """Return what a result or a variable is, as Python writes it."""
    name = native.type.name
    if native.type == VOID:
        return "None"
    if name in _NUMBERS:
        return _NUMBERS[name]
    if native.by_value:
        return ""
    return f"{name} | None" if name in ("str", "bytes") else "Pointer | None"


def callback_annotation(native: NativeType) -> str:
    """Return the type of the functions that a function pointer may point to."""
    callback = native.callback
    assert callback is not None
    given = ", ".join(result_annotation(p) or "Any" for p in callback.parameters)
    return f"Callable[[{given}], {result_annotation(callback.result) or 'Any'}]"


_NUMBERS = {
    **dict.fromkeys(INTEGER_RANGES, "int"),
    **dict.fromkeys(FLOAT_TYPES, "float"),
    "bool": "bool",
}
