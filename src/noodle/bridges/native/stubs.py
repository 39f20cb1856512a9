"""What a native library declares, as data for stubs, completion and checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from inspect import Parameter

from noodle.bridges.native.annotations import BYTES
from noodle.bridges.native.contents import Contents
from noodle.bridges.native.declarations import Declaration, Variable
from noodle.bridges.native.native_types import C_NUMBERS, NativeType
from noodle.bridges.native.natural_plans import NaturalPlan, Out
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

Plans = Callable[[Declaration], NaturalPlan | None]


def native_stub(
    name: str,
    contents: Contents,
    *,
    source: str,
    comments: Mapping[str, str],
    plan: Plans,
    unusable: Mapping[str, str],
) -> StubModule:
    """Return what a library declares.

    Args:
        name: The library, as the target names it.
        contents: What it is known to have.
        source: What that was read from, for people.
        comments: What its authors say of names.
        plan: Gives what is done around the calls of a function that is annotated.
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
        *(_function(d, plan(d), comments) for d in functions if d),
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
    declaration: Declaration, plan: NaturalPlan | None, comments: Mapping[str, str]
) -> StubFunction:
    told = comments.get(declaration.name) or comments.get(declaration.exported, "")
    signatures = [_signature(declaration, declaration.prototype())]
    if plan:
        natural = StubSignature(
            tuple(_parameters(declaration, plan.prototype(), natural=True)), _results(plan)
        )
        signatures = [natural, *signatures] if plan.omitted else [natural]
    return StubFunction(declaration.name, tuple(signatures), told, declared=declaration.c_text)


def _signature(declaration: Declaration, prototype: Prototype) -> StubSignature:
    parameters = tuple(_parameters(declaration, prototype, natural=False))
    return StubSignature(parameters, result_annotation(declaration.result))


def _parameters(
    declaration: Declaration, prototype: Prototype, *, natural: bool
) -> Iterator[StubParameter]:
    pairs = zip(prototype.parameters, declaration.parameters, strict=True)
    for parameter, declared in pairs:
        if natural and parameter.optional:
            continue
        named = parameter.keyword
        kind = Parameter.POSITIONAL_OR_KEYWORD if named else Parameter.POSITIONAL_ONLY
        number = _NUMBERS.get(parameter.type.name)
        annotation = number or parameter_annotation(declared.type)
        yield StubParameter(parameter.name, annotation, kind, type=parameter.type)


def _results(plan: NaturalPlan) -> str:
    """Return what a call gives that leaves out what it may."""
    parts = [result_annotation(plan.declaration.result) or "Any"] * plan.keeps_result
    parts += [_out_annotation(out) for out in plan.outs]
    parts += ["int"] * bool(plan.annotations.errno)
    if len(parts) > 1:
        return f"tuple[{', '.join(parts)}]"
    return (*parts, "None")[0]


def _out_annotation(out: Out) -> str:
    if out.kind == "text" or (out.kind == "buffer" and out.c in ("char", "uint8_t")):
        kind = "bytes" if out.encoding == BYTES else "str"
        return f"{kind} | None" if out.kind == "text" else kind
    if out.kind == "pointer":
        return "Pointer | None"
    numbers = {c: _NUMBERS[name] for name, c in C_NUMBERS.items()}
    return "Any" if out.kind == "buffer" else numbers.get(out.c, "Any")


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
