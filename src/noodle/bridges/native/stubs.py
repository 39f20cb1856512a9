"""What a native library declares, as data for stubs, completion and checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from inspect import Parameter

from noodle.bridges.native.annotations import BYTES
from noodle.bridges.native.contents import Address, Contents
from noodle.bridges.native.declarations import Declaration, Variable
from noodle.bridges.native.native_types import C_NUMBERS, NativeType
from noodle.bridges.native.natural_plans import NaturalPlan, Out
from noodle.bridges.native.structure_stubs import StructureStubs
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

__all__ = ["NativeStubs"]

Plans = Callable[[Declaration], NaturalPlan | None]

_FIELDS = "dict[str, Any]"
"""What may be given for a structure: a dict of its fields."""

_NUMBERS = {
    **dict.fromkeys(INTEGER_RANGES, "int"),
    **dict.fromkeys(FLOAT_TYPES, "float"),
    "bool": "bool",
}


class NativeStubs:
    """Describes one library.

    Args:
        contents: What it is known to have.
        comments: What its authors say of names.
        plan: Gives what is done around the calls of a function that is annotated.
    """

    def __init__(self, contents: Contents, comments: Mapping[str, str], plan: Plans) -> None:
        self._contents = contents
        self._comments = comments
        self._plan = plan
        self._structures = StructureStubs(contents, self._result)

    def module(self, name: str, source: str, unusable: Mapping[str, str]) -> StubModule:
        """Return what the library declares.

        Args:
            name: The library, as the target names it.
            source: What its declarations were read from, for people.
            unusable: Why further names that it has cannot be used.
        """
        contents = self._contents
        functions = (contents.function(one) for one in sorted(contents.functions))
        variables = (contents.variable(one) for one in sorted(contents.variables))
        members: list[StubMember] = [
            *(self._constant(one, contents.constant(one)) for one in sorted(contents.constants)),
            *(self._variable(variable) for variable in variables if variable),
            *(self._function(declaration) for declaration in functions if declaration),
        ]
        known = {member.name for member in members}
        members += [one for one in self._structures.accessors() if one.name not in known]
        return StubModule(
            name,
            members,
            source=source,
            complete=True,
            further=frozenset({"struct", "union"}),
            types=tuple(self._structures.classes(self._comments)),
            unusable=unusable,
        )

    def _constant(self, name: str, value: object) -> StubConstant:
        text = repr(value) if isinstance(value, (int, str, bytes)) else ""
        annotation = "" if text else type(value).__name__
        if isinstance(value, Address):
            annotation = "Pointer" if value.number else "None"
        told = self._comments.get(name, "")
        return StubConstant(name, annotation, text, final=True, documentation=told)

    def _variable(self, variable: Variable) -> StubConstant:
        annotation = "" if variable.dimensions else self._result(variable.type)
        told = self._comments.get(variable.name, "")
        return StubConstant(
            variable.name, annotation, final=not variable.writable, documentation=told
        )

    def _function(self, declaration: Declaration) -> StubFunction:
        comments, plan = self._comments, self._plan(declaration)
        told = comments.get(declaration.name) or comments.get(declaration.exported, "")
        parameters = self._parameters(declaration, declaration.prototype(), natural=False)
        signatures = [StubSignature(tuple(parameters), self._result(declaration.result))]
        if plan:
            parameters = self._parameters(declaration, plan.prototype(), natural=True)
            natural = StubSignature(tuple(parameters), self._results(plan))
            signatures = [natural, *signatures] if plan.omitted else [natural]
        return StubFunction(
            declaration.name,
            tuple(signatures),
            told,
            declared=declaration.c_text,
            undeclared="the types of its further arguments (...)" if declaration.variadic else "",
        )

    def _parameters(
        self, declaration: Declaration, prototype: Prototype, *, natural: bool
    ) -> Iterator[StubParameter]:
        pairs = zip(prototype.parameters, declaration.parameters, strict=True)
        for parameter, declared in pairs:
            if natural and parameter.optional:
                continue
            named = parameter.keyword
            kind = Parameter.POSITIONAL_OR_KEYWORD if named else Parameter.POSITIONAL_ONLY
            number = _NUMBERS.get(parameter.type.name)
            annotation = number or self._parameter(declared.type)
            # Text of C may be more than the type of dispatch says, which the annotation tells.
            known = None if annotation == "CText" else parameter.type
            yield StubParameter(parameter.name, annotation, kind, type=known)
        if declaration.variadic:
            yield StubParameter(declaration.further_name, "Any", Parameter.VAR_POSITIONAL)

    def _results(self, plan: NaturalPlan) -> str:
        """Return what a call gives that leaves out what it may."""
        parts = [self._result(plan.declaration.result) or "Any"] * plan.keeps_result
        parts += [_out(out) for out in plan.outs]
        parts += ["int"] * bool(plan.annotations.errno)
        if len(parts) > 1:
            return f"tuple[{', '.join(parts)}]"
        return (*parts, "None")[0]

    def _parameter(self, native: NativeType) -> str:
        """Return what a parameter takes, as Python writes it."""
        name = native.type.name
        structure = self._structures.class_of(native)
        if native.callback:
            return f"{self._callback(native)} | Pointer | None"
        if name in _NUMBERS:
            return _NUMBERS[name]
        if name == "str":
            return "CText" if native.from_c else "str"
        if native.by_value:
            return f"{structure} | {_FIELDS}" if structure else structure
        memory = "Memory" if name in ("bytes", "array") else "Memory | None"
        return f"{structure} | {_FIELDS} | {memory}" if structure else memory

    def _result(self, native: NativeType) -> str:
        """Return what a result, a variable or a field is, as Python writes it."""
        name = native.type.name
        structure = self._structures.class_of(native)
        if native.type == VOID:
            return "None"
        if name in _NUMBERS:
            return _NUMBERS[name]
        if native.by_value:
            return structure
        if native.callback:
            return f"{self._callback(native)} | None"
        if name in ("str", "bytes"):
            return f"{name} | None"
        return f"{structure} | None" if structure else "Pointer | None"

    def _callback(self, native: NativeType) -> str:
        """Return the type of the functions that a function pointer may point to."""
        callback = native.callback
        assert callback is not None
        given = ", ".join(self._result(p) or "Any" for p in callback.parameters)
        return f"Callable[[{given}], {self._result(callback.result) or 'Any'}]"


def _out(out: Out) -> str:
    if out.kind == "text" or (out.kind == "buffer" and out.c in ("char", "uint8_t")):
        kind = "bytes" if out.encoding == BYTES else "str"
        return f"{kind} | None" if out.kind == "text" else kind
    if out.kind == "pointer":
        return "Pointer | None"
    numbers = {c: _NUMBERS[name] for name, c in C_NUMBERS.items()}
    return "Any" if out.kind == "buffer" else numbers.get(out.c, "Any")
