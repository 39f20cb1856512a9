"""The simple types that are known before a program runs.

A type is the name that ``type(value)`` gives in a program (``int``, ``list``, ``map``, ``null``,
…), or None where nothing is known. Only what certainly holds is inferred: literals, operators on
known types, variables that nothing assigns to, annotated results.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from noodle.errors import LanguageError
from noodle.language import tree
from noodle.language.declared import DeclaredLibraries, UnknownName
from noodle.language.foreign_imports import (
    ForeignImport,
    changes_parameters,
    read_import,
    read_type,
)
from noodle.language.source_text import SourceText
from noodle.language.variables import Names, Variable
from noodle.prototypes import Prototype
from noodle.stubs.model import StubMember, StubModule
from noodle.values import ANY, FLOAT_TYPES, INTEGER_RANGES, ValueType, refusal

__all__ = ["NOT_CALLABLE", "Types", "combine"]

_SAMPLES: dict[str, Any] = {
    "int": 1,
    "float": 1.5,
    "bool": True,
    "str": "a",
    "null": None,
    "list": [],
    "map": {},
    "range": range(1),
}
_NAMES = {type(sample): name for name, sample in _SAMPLES.items()}
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
    "@": operator.matmul,
    "**": operator.pow,
    "|": operator.or_,
    "^": operator.xor,
    "&": operator.and_,
    "<<": operator.lshift,
    ">>": operator.rshift,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
NOT_CALLABLE = frozenset(_SAMPLES)
"""The types whose values cannot be called."""

_RESULTS = {
    "len": "int",
    "str": "str",
    "int": "int",
    "float": "float",
    "bool": "bool",
    "type": "str",
}
_Function = tree.Function | tree.Lambda


def combine(sign: str, left: str | None, right: str | None) -> tuple[str | None, bool]:
    """Return the type that an operator gives, and whether it can work on these types at all."""
    function = _OPERATORS.get(sign)
    if function is None or left not in _SAMPLES or right not in _SAMPLES:
        return None, True
    if sign == "%" and left == "str":
        return "str", True
    try:
        result = function(_SAMPLES[left], _SAMPLES[right])
    except TypeError:
        return None, False
    if sign == "**" and (left, right) == ("int", "int"):
        return None, True  # a negative exponent gives a float
    return _NAMES.get(type(result)), True


class Types:
    """What is known about the types of one program.

    Args:
        source: Its text.
        names: What its names mean.
        declared: What the libraries that it imports declare.
    """

    def __init__(
        self, source: SourceText, names: Names, declared: DeclaredLibraries | None = None
    ) -> None:
        self.source = source
        self.names = names
        self._declared = declared or DeclaredLibraries()
        self.imports: list[ForeignImport] = []
        self.errors: list[LanguageError] = []
        self._imported: dict[Variable, ForeignImport] = {}
        self._known: dict[Variable, str | None] = {}
        self._certain: dict[Variable, str | None] = {}
        self._trust_annotations = True

    def read_imports(self, program: tree.Program) -> None:
        """Read the foreign imports; their errors go to ``errors``."""
        for statement in program.statements:
            if isinstance(statement, tree.ForeignImportStatement):
                request = read_import(self.source, statement, self.errors)
                self.imports.append(request)
                for variable in self.names.declared.get(statement, []):
                    self._imported[variable] = request

    def imported_names(self) -> dict[str, ForeignImport]:
        """Return the foreign imports by the names that the program gives them."""
        return {variable.name: request for variable, request in self._imported.items()}

    def annotation(self, node: tree.Node, text: str | None) -> ValueType:
        """Return the type of an annotation; a wrong one goes to ``errors``."""
        return read_type(self.source, node, text, self.errors)

    def learn(self, variable: Variable, known: str | None, certain: str | None = None) -> None:
        """Take down the type of a variable's first value.

        Args:
            variable: The variable.
            known: Its type, if the program's annotations are right.
            certain: Its type, whatever they say.
        """
        self._known[variable] = known
        self._certain[variable] = certain

    def certainly(self, node: tree.Expression) -> str | None:
        """Return the type of an expression as ``of`` does, believing no annotation.

        A program may pass anything to a parameter, so only this may decide what code is made.
        """
        self._trust_annotations = False
        try:
            return self.of(node)
        finally:
            self._trust_annotations = True

    def variable(self, node: tree.Expression) -> Variable | None:
        """Return the variable that an expression names, or None."""
        while isinstance(node, tree.Group):
            node = node.value
        return self.names.uses.get(node) if isinstance(node, tree.Name) else None

    def imported(self, node: tree.Expression) -> tuple[ForeignImport, str] | None:
        """Return the foreign import and the dotted member that an expression names, or None."""
        members: list[str] = []
        while isinstance(node, tree.Attribute):
            members.append(node.name.text)
            node = node.value
        variable = self.variable(node)
        request = self._imported.get(variable) if variable else None
        return (request, ".".join(reversed(members))) if request else None

    def prototype(self, node: tree.Expression) -> Prototype | None:
        """Return the prototype that the program declares for a callee, or None.

        Nor is there one where options of the import change what the function takes.
        """
        found = self.imported(node)
        if found is None:
            return None
        request, member = found
        if changes_parameters(request, member):
            return None
        return next((p for p in request.prototypes if p.name == member), None)

    def declared(self, node: tree.Expression) -> StubMember | StubModule | UnknownName | None:
        """Return what a name of a foreign library is declared as; None where that is not known."""
        found = self.imported(node)
        if found is None:
            return None
        request, member = found
        return self._declared.find(request, member.split(".") if member else ())

    def function(self, node: tree.Expression) -> _Function | None:
        """Return the function of the program that an expression certainly means, or None."""
        while isinstance(node, tree.Group):
            node = node.value
        if isinstance(node, tree.Lambda):
            return node
        variable = self.variable(node)
        if variable is None or variable.assigned:
            return None
        if isinstance(variable.statement, tree.Function):
            return variable.statement
        return variable.value if isinstance(variable.value, tree.Lambda) else None

    def of(self, node: tree.Expression) -> str | None:
        """Return the type of an expression, or None when it is not known."""
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        return method(node) if method else None

    def refusal(self, declared: ValueType, node: tree.Expression) -> str | None:
        """Say why an expression cannot be of a declared type, or return None."""
        known, value = constant(node)
        if known:
            if declared.name == "float" and type(value) is int:
                return None
            return refusal(declared, value)
        inferred = self.of(node)
        if inferred in (None, "function", "range") or declared == ANY:
            return None
        sample = {"float": 0.0, "int": 0}.get(inferred, _SAMPLES[inferred])
        if declared.name in ("i8", "u8", "float", *FLOAT_TYPES) and inferred == "int":
            return None
        return f"expected {declared}, got {inferred}" if refusal(declared, sample) else None

    # --- by kind of expression ----------------------------------------------------------------

    def _literal(self, node: tree.Literal) -> str | None:
        return _NAMES.get(type(node.value))

    def _interpolation(self, node: tree.Interpolation) -> str:
        return "str"

    def _listliteral(self, node: tree.ListLiteral) -> str:
        return "list"

    def _mapliteral(self, node: tree.MapLiteral) -> str:
        return "map"

    def _range(self, node: tree.Range) -> str:
        return "range"

    def _lambda(self, node: tree.Lambda) -> str:
        return "function"

    def _group(self, node: tree.Group) -> str | None:
        return self.of(node.value)

    def _comparison(self, node: tree.Comparison) -> str | None:
        known = [self.of(operand) for operand in node.operands]
        return "bool" if all(known) or node.operators[0] in ("in", "not in") else None

    def _name(self, node: tree.Name) -> str | None:
        variable = self.names.uses.get(node)
        if variable is None or variable.assigned:
            return None
        if variable.kind == "fn":
            return "function"
        return (self._known if self._trust_annotations else self._certain).get(variable)

    def _unary(self, node: tree.Unary) -> str | None:
        operand = self.of(node.operand)
        if node.operator == "!":
            return "bool"
        if node.operator == "await":
            return None
        return operand if operand in ("int", "float") else None

    def _chain(self, node: tree.Chain) -> str | None:
        known = self.of(node.operands[0])
        for sign, operand in zip(node.operators, node.operands[1:], strict=True):
            known, _ = combine(sign, known, self.of(operand))
            if known is None:
                return None
        return known

    def _power(self, node: tree.Power) -> str | None:
        return combine("**", self.of(node.base), self.of(node.exponent))[0]

    def _call(self, node: tree.Call) -> str | None:
        variable = self.variable(node.callee)
        if variable and variable.kind == "prelude":
            return _RESULTS.get(variable.name)
        function = self.function(node.callee)
        if isinstance(function, tree.Function) and function.returns and self._trust_annotations:
            return simple(read_type(self.source, function, function.returns, []))
        prototype = self.prototype(node.callee)
        return simple(prototype.returns) if prototype else None


def simple(declared: ValueType) -> str | None:
    """Return the type of a value of a declared type, or None where it can be several."""
    name = declared.name
    if name in INTEGER_RANGES:
        return "int"
    if name in FLOAT_TYPES:
        return "float"
    if name == "void":
        return "null"
    return name if name in _SAMPLES else None


def constant(node: tree.Expression) -> tuple[bool, Any]:
    """Return whether an expression is a constant, and its value."""
    if isinstance(node, tree.Group):
        return constant(node.value)
    if isinstance(node, tree.Literal):
        return True, node.value
    if isinstance(node, tree.Unary) and node.operator == "-":
        known, value = constant(node.operand)
        if known and type(value) in (int, float):
            return True, -value
    return False, None
