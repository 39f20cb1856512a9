"""Calls whose function is known before the program runs: its arity, keywords and types."""

from __future__ import annotations

from noodle.errors import LanguageError, NoodleSyntaxError, NoodleTypeError
from noodle.language import tree
from noodle.language.declared import callable_of
from noodle.language.declared_calls import DeclaredCall
from noodle.language.foreign_imports import has_length
from noodle.language.source_text import SourceText
from noodle.language.types import NOT_CALLABLE, Types
from noodle.prototypes import Parameter, Prototype
from noodle.values import FLOAT_TYPES, INTEGER_RANGES, ValueType

__all__ = ["CallChecks"]


class CallChecks:
    """Checks calls.

    Args:
        source: The program's text.
        types: What is known of its types.
        errors: Where errors go.
    """

    def __init__(self, source: SourceText, types: Types, errors: list[LanguageError]) -> None:
        self.source = source
        self.types = types
        self.errors = errors

    def check(self, node: tree.Call) -> None:
        """Check one call."""
        known = self.types.of(node.callee)
        if known in NOT_CALLABLE:
            self._not_callable(node, known or "")
        elif self._arguments_in_order(node):
            prototype = self._prototype(node.callee)
            if prototype:
                self._against(prototype, node)
            else:
                self._against_library(node)

    def _error(
        self, kind: type[LanguageError], summary: str, node: tree.Node, **details: str
    ) -> None:
        self.errors.append(self.source.error(kind, summary, node.start, node.end, **details))

    def _not_callable(self, node: tree.Call, known: str) -> None:
        text = self.source.text[node.callee.start : node.callee.end][:40]
        self._error(
            NoodleTypeError,
            f"{known} cannot be called",
            node.callee,
            expected="a function",
            received=f"`{text}`, {known}",
            remedy="put an operator between the two, or remove the parentheses",
        )

    def _arguments_in_order(self, node: tree.Call) -> bool:
        seen: set[str] = set()
        for argument in node.arguments:
            if argument.name is None and seen:
                self._error(
                    NoodleSyntaxError,
                    "an argument without a name stands behind one with a name",
                    argument,
                    expected="`name=value`, as before",
                    received="a value alone",
                    remedy="move it to the front, or name it",
                )
                return False
            if argument.name and argument.name.text in seen:
                self._error(
                    NoodleSyntaxError,
                    f"the argument `{argument.name.text}` stands twice",
                    argument,
                    expected="each name once",
                    received=f"`{argument.name.text}=` again",
                    remedy="remove one of them",
                )
                return False
            if argument.name:
                seen.add(argument.name.text)
        return True

    def _prototype(self, callee: tree.Expression) -> Prototype | None:
        function = self.types.function(callee)
        if function is None:
            return self.types.prototype(callee)
        variable = self.types.variable(callee)
        parameters = tuple(
            Parameter(
                p.name.text, self.types.annotation(p, p.annotation), optional=p.default is not None
            )
            for p in function.parameters
        )
        return Prototype(variable.name if variable else "", parameters)

    def _against(self, prototype: Prototype, node: tree.Call) -> None:
        positional = [a.value for a in node.arguments if a.name is None]
        named = {a.name.text: a.value for a in node.arguments if a.name}
        bound = prototype.bind(positional, named)
        if isinstance(bound, str):
            if has_length(prototype) and len(node.arguments) < len(prototype.parameters):
                return
            parameters = ", ".join(map(str, prototype.parameters))
            expected, _, received = bound.removeprefix("expected ").partition(", got ")
            self._error(
                NoodleTypeError,
                f"{_named(prototype)} does not take these arguments",
                node,
                expected=expected,
                received=received,
                remedy=f"call it as `{prototype.name or 'f'}({parameters})`",
            )
            return
        for parameter in prototype.parameters:
            if parameter.name in bound:
                self._type(prototype, parameter, bound[parameter.name])

    def _against_library(self, node: tree.Call) -> None:
        declared = callable_of(self.types.declared(node.callee))
        if declared:
            self.errors += DeclaredCall(self.source, self.types, declared, node).errors()

    def _type(self, prototype: Prototype, parameter: Parameter, argument: tree.Expression) -> None:
        why = self.types.refusal(parameter.type, argument)
        if why:
            expected, _, received = why.removeprefix("expected ").partition(", got ")
            self._error(
                NoodleTypeError,
                f"{_named(prototype)} does not take this as `{parameter.name}`",
                argument,
                expected=expected,
                received=received,
                remedy=_remedy(parameter.type, received),
            )


def _remedy(wanted: ValueType, received: str) -> str:
    """Return how to get a value of the wanted type from one of the received type."""
    kind = received.partition(" ")[0]
    if wanted.name in ("ptr", "array") and wanted.item and wanted.item.name[1:].isdigit():
        words = {"i": "int", "u": "uint", "f": "float"}
        dtype = words[wanted.item.name[0]] + wanted.item.name[1:]
        return f"pass an array: `np.array(…, dtype=np.{dtype})`"
    if wanted.name in INTEGER_RANGES and kind == "int":
        return "pass a number in this range, or declare a wider type"
    if wanted.name in INTEGER_RANGES and kind in ("float", "str"):
        return "convert it with `int(…)`"
    if wanted.name in FLOAT_TYPES and kind == "str":
        return "convert it with `float(…)`"
    if wanted.name == "str" and kind in ("int", "float", "bool"):
        return "convert it with `str(…)`"
    return f"pass {wanted}"


def _named(prototype: Prototype) -> str:
    return f"`{prototype.name}`" if prototype.name else "the function"
