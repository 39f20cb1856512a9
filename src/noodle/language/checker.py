"""What is certainly wrong with a program whose syntax and names are in order."""

from __future__ import annotations

from collections.abc import Sequence

from noodle.errors import (
    LanguageError,
    NoodleNameError,
    NoodleSyntaxError,
    NoodleTypeError,
    did_you_mean,
)
from noodle.language import tree
from noodle.language.call_checks import CallChecks
from noodle.language.declared import UnknownName
from noodle.language.source_text import SourceText
from noodle.language.types import Types, combine, simple

__all__ = ["check"]

_NO_ITEMS = {
    "int": "`for i in 0..n` counts",
    "float": "make a list or a range",
    "bool": "`while` repeats while a condition holds",
    "null": "make a list or a range",
}


def check(
    source: SourceText, program: tree.Program, types: Types, *, shows_result: bool = False
) -> list[LanguageError]:
    """Return the errors that the tree and the known types show, in no order.

    Args:
        source: The program's text.
        program: Its tree.
        types: What is known of its types; ``read_imports`` has been called.
        shows_result: Whether the value of the last statement is used, as in a session.
    """
    checker = _Checker(source, types)
    shown = program.statements[-1] if shows_result and program.statements else None
    for node, _ in tree.walk(program):
        if node is not shown:
            checker.node(node)
    return [*types.errors, *checker.errors]


class _Checker:
    def __init__(self, source: SourceText, types: Types) -> None:
        self.source = source
        self.types = types
        self.errors: list[LanguageError] = []
        self.calls = CallChecks(source, types, self.errors)
        self._assigned: set[tree.Node] = set()

    def node(self, node: tree.Node) -> None:
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method:
            method(node)

    def _error(
        self,
        summary: str,
        node: tree.Node,
        *,
        kind: type[LanguageError] = NoodleTypeError,
        **details: str,
    ) -> None:
        self.errors.append(self.source.error(kind, summary, node.start, node.end, **details))

    def _text(self, node: tree.Node) -> str:
        text = self.source.text[node.start : node.end]
        return text if len(text) <= 40 and "\n" not in text else f"{text.split(chr(10))[0][:36]}…"

    # --- declarations -------------------------------------------------------------------------

    def _let(self, node: tree.Let) -> None:
        declared = self.types.annotation(node, node.annotation)
        why = self.types.refusal(declared, node.value)
        if why:
            self._error(
                f"`{node.names[0].text}` is declared as {declared}",
                node.value,
                expected=str(declared),
                received=why.partition(", got ")[2] or why,
                remedy="change the value or the declared type",
            )
        known = simple(declared) or self.types.of(node.value)
        variables = self.types.names.declared.get(node, [])
        if len(variables) == 1:
            self.types.learn(variables[0], known, self.types.certainly(node.value))

    def _function(self, node: tree.Function) -> None:
        self.types.annotation(node, node.returns)
        self._parameters(node.parameters)

    def _lambda(self, node: tree.Lambda) -> None:
        self._parameters(node.parameters)

    def _parameters(self, parameters: list[tree.Parameter]) -> None:
        optional: str | None = None
        for parameter in parameters:
            declared = self.types.annotation(parameter, parameter.annotation)
            for variable in self.types.names.declared.get(parameter, []):
                self.types.learn(variable, simple(declared))
            if parameter.default:
                optional = parameter.name.text
                self._default(declared, parameter)
            elif optional:
                self._error(
                    f"parameter `{parameter.name.text}` needs a default",
                    parameter,
                    kind=NoodleSyntaxError,
                    expected=f"a default, as `{optional}` before it has one",
                    received=f"`{self._text(parameter)}`",
                    remedy=f"write `{parameter.name.text} = value`, or move it to the front",
                )

    def _default(self, declared: object, parameter: tree.Parameter) -> None:
        assert parameter.default is not None  # the caller has looked
        why = self.types.refusal(
            self.types.annotation(parameter, parameter.annotation), parameter.default
        )
        if why:
            self._error(
                f"the default of `{parameter.name.text}` is not {declared}",
                parameter.default,
                expected=str(declared),
                received=why.partition(", got ")[2] or why,
                remedy="change the default or the declared type",
            )

    def _mapliteral(self, node: tree.MapLiteral) -> None:
        seen: set[str] = set()
        for entry in node.entries:
            if entry.key in seen:
                self._error(
                    f"the key `{entry.key}` stands twice in a map",
                    entry,
                    kind=NoodleSyntaxError,
                    expected="each key once",
                    received=f"`{entry.key}` again",
                    remedy="remove one of them",
                )
            seen.add(entry.key)

    # --- statements ---------------------------------------------------------------------------

    def _expressionstatement(self, node: tree.ExpressionStatement) -> None:
        sign = self.source.text[node.start]
        if sign in "+-":
            self._error(
                "this line computes a value that nothing uses",
                node,
                kind=NoodleSyntaxError,
                expected="a statement, or the rest of the line before",
                received=f"`{self._text(node)}`",
                remedy=f"put `{sign}` at the end of the line before; a result needs `return`",
            )

    def _assignment(self, node: tree.Assignment) -> None:
        target = node.target
        if isinstance(target, tree.Attribute):
            self._assigned.add(target)
            variable = self.types.variable(target.value)
            if variable and variable.kind == "module":
                self._error(
                    f"`{self._text(target)}` belongs to another file",
                    target,
                    expected="a name of this file",
                    received=f"`{self._text(target)}`",
                    remedy="export a function from that file that changes it",
                )
        elif not isinstance(target, (tree.Name, tree.Index)):
            self._error(
                f"cannot assign to {_kind(target)}",
                target,
                kind=NoodleSyntaxError,
                expected="a name, `x.member` or `x[index]` left of `=`",
                received=f"`{self._text(target)}`",
                remedy="compare with `==`" if not node.operator else "assign to a variable",
            )

    def _for(self, node: tree.For) -> None:
        known = self.types.of(node.iterable)
        if known in _NO_ITEMS:
            self._error(
                f"{known} has no items to loop over",
                node.iterable,
                expected="a list, a range, a string, a map or another collection",
                received=f"`{self._text(node.iterable)}`, {known}",
                remedy=_NO_ITEMS[known],
            )
        variables = self.types.names.declared.get(node, [])
        if len(variables) == 1 and self.types.certainly(node.iterable) == "range":
            self.types.learn(variables[0], "int", "int")

    # --- expressions --------------------------------------------------------------------------

    def _comparison(self, node: tree.Comparison) -> None:
        if len(node.operators) > 1:
            a, b, c = (self._text(operand) for operand in node.operands[:3])
            first, second = node.operators[:2]
            self._error(
                "comparisons do not chain",
                node,
                kind=NoodleSyntaxError,
                expected="one comparison between `&&`",
                received=f"`{self._text(node)}`",
                remedy=f"write `{a} {first} {b} && {b} {second} {c}`",
            )
            return
        left, right = node.operands
        self._operation(
            node.operators[0], self.types.of(left), right, tree.Node(node.start, node.end)
        )

    def _chain(self, node: tree.Chain) -> None:
        known = self.types.of(node.operands[0])
        for sign, operand in zip(node.operators, node.operands[1:], strict=True):
            place = tree.Node(node.start, operand.end)
            if not self._operation(sign, known, operand, place):
                return
            known, _ = combine(sign, known, self.types.of(operand))

    def _power(self, node: tree.Power) -> None:
        self._operation("**", self.types.of(node.base), node.exponent, node)

    def _operation(
        self, sign: str, left: str | None, operand: tree.Expression, place: tree.Node
    ) -> bool:
        right = self.types.of(operand)
        _, possible = combine(sign, left, right)
        if not possible:
            text = sign == "+" and "str" in (left, right)
            self._error(
                f"`{sign}` does not work on {left} and {right}",
                place,
                expected=f"values that `{sign}` can join",
                received=f"{left} {sign} {right}",
                remedy='put values into text as `"… ${value}"`, or use `str(value)`'
                if text
                else "convert one of them",
            )
        return possible

    def _unary(self, node: tree.Unary) -> None:
        known = self.types.of(node.operand)
        if node.operator not in ("!", "await") and known in ("str", "list", "map", "null", "range"):
            self._error(
                f"`{node.operator}` does not work on {known}",
                node,
                expected="a number",
                received=known,
                remedy="convert it with `int(…)` or `float(…)`",
            )

    def _attribute(self, node: tree.Attribute) -> None:
        known = self.types.of(node.value)
        name = node.name.text
        if known == "map" and not hasattr(dict, name):
            owner = self._text(node.value)
            self._error(
                f"a map has no member `{name}`",
                node.name,
                expected="a key in brackets",
                received=f"`.{name}`",
                remedy=f'write `{owner}["{name}"]`',
            )
        elif known == "null":
            self._error(
                f"null has no member `{name}`",
                node.name,
                expected="a value",
                received="null",
                remedy="test it before: `if x != null { … }`",
            )
        elif node not in self._assigned:
            declared = self.types.declared(node)
            if isinstance(declared, UnknownName):
                self._unknown_name(node, declared)

    def _unknown_name(self, node: tree.Attribute, unknown: UnknownName) -> None:
        near = did_you_mean(unknown.name, unknown.names)
        reason = unknown.reason
        self._error(
            f"`{unknown.library}.{unknown.name}` cannot be used: {reason}"
            if reason
            else f"`{unknown.library}` has no `{unknown.name}`",
            node.name,
            kind=NoodleNameError,
            expected=_one_of(unknown.names),
            received=f"`{unknown.name}`",
            remedy=f"write `{near.replace(' or ', '` or `')}`"
            if near
            else "noodle bridges TARGET lists what there is",
        )

    def _index(self, node: tree.Index) -> None:
        known = self.types.of(node.value)
        if known in ("int", "float", "bool", "null", "function"):
            self._error(
                f"{known} has no items",
                node,
                expected="a list, a map, a string or an array",
                received=f"`{self._text(node.value)}`, {known}",
                remedy="index the list itself",
            )

    def _call(self, node: tree.Call) -> None:
        self.calls.check(node)


def _one_of(names: Sequence[str]) -> str:
    if not names:
        return "a name that the import declares; it declares none"
    return f"one of {', '.join(names)}" if len(names) <= 5 else f"one of its {len(names)} names"


_KINDS: dict[type[tree.Node], str] = {
    tree.Call: "a call",
    tree.Literal: "a constant",
    tree.Interpolation: "a string",
    tree.ListLiteral: "a list",
    tree.MapLiteral: "a map",
    tree.Lambda: "a function",
    tree.Comparison: "a comparison",
    tree.Group: "something in parentheses",
}


def _kind(node: tree.Node) -> str:
    return _KINDS.get(type(node), "the result of an operator")
