"""From the parser's reductions to the tree: one method for each rule of ``grammar.lark``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from lark import Transformer

from noodle.language import tree
from noodle.language.tokens import Token

__all__ = ["TreeBuilder"]

Child = Any
"""A token, a node, or a ``Part``; each has ``start`` and ``end``."""


class Part(NamedTuple):
    """What a rule yields that is no node of the tree.

    Args:
        start: Offset of its first character.
        end: Offset behind its last one.
        value: Text or nodes.
    """

    start: int
    end: int
    value: Any


def _is(child: Child, *kinds: str) -> bool:
    return isinstance(child, Token) and child.type in kinds


def _nodes(children: Sequence[Child], kind: type = tree.Node) -> list[Any]:
    return [child for child in children if isinstance(child, kind)]


def _after(children: Sequence[Child], *kinds: str) -> Any:
    """Return what follows the first token of these kinds, or None where there is no such token."""
    for index, child in enumerate(children):
        if _is(child, *kinds):
            return children[index + 1]
    return None


def _text(part: Part | None) -> str | None:
    return part.value if part else None


def _identifier(token: Token) -> tree.Identifier:
    return tree.Identifier(token.start, token.end, token.text)


class TreeBuilder(Transformer[Any, Any]):
    """The callbacks of the parser; every method takes the children of one reduction."""

    def start(self, c: list[Child]) -> tree.Program:
        return tree.Program(0, 0, c[0].value)

    def statements(self, c: list[Child]) -> Part:
        return Part(0, 0, _nodes(c))

    def block(self, c: list[Child]) -> tree.Block:
        return tree.Block(c[0].start, c[-1].end, c[1].value)

    # --- declarations -------------------------------------------------------------------------

    def names(self, c: list[Child]) -> Part:
        names = [_identifier(token) for token in c if _is(token, "NAME")]
        return Part(c[0].start, c[-1].end, names)

    def let(self, c: list[Child]) -> tree.Let:
        annotation = _text(_after(c, "COLON"))
        return tree.Let(c[0].start, c[-1].end, c[1].value, c[0].type == "CONST", annotation, c[-1])

    def fn(self, c: list[Child]) -> tree.Function:
        parameters = self._parameters(c)
        return tree.Function(
            c[0].start, c[-1].end, _identifier(c[1]), parameters, _text(_after(c, "COLON")), c[-1]
        )

    def _parameters(self, c: list[Child]) -> list[tree.Parameter]:
        found = _after(c, "LPAREN", "LAMBDA_OPEN")
        return found.value if isinstance(found, Part) else []

    def parameters(self, c: list[Child]) -> Part:
        return Part(c[0].start, c[-1].end, _nodes(c))

    def parameter(self, c: list[Child]) -> tree.Parameter:
        return tree.Parameter(
            c[0].start, c[-1].end, _identifier(c[0]), _text(_after(c, "COLON")), _after(c, "ASSIGN")
        )

    def type_text(self, c: list[Child]) -> Part:
        return Part(c[0].start, c[-1].end, "".join(self._pieces(c)))

    type_argument = type_text

    def _pieces(self, c: list[Child]) -> list[str]:
        return [child.text if isinstance(child, Token) else child.value for child in c]

    def foreign_import(self, c: list[Child]) -> tree.ForeignImportStatement:
        name = _after(c, "AS")
        declared = [part.value for part in c if isinstance(part, Part)]
        return tree.ForeignImportStatement(
            c[0].start,
            c[-1].end,
            self.string([c[2]]),
            _identifier(name) if name else None,
            declared[0] if declared else [],
            _after(c, "WITH"),
        )

    def prototypes(self, c: list[Child]) -> Part:
        return Part(c[0].start, c[-1].end, _nodes(c))

    def prototype(self, c: list[Child]) -> tree.PrototypeDeclaration:
        return tree.PrototypeDeclaration(
            c[0].start, c[-1].end, _identifier(c[1]), self._parameters(c), _text(_after(c, "COLON"))
        )

    def module_import(self, c: list[Child]) -> tree.ModuleImportStatement:
        return tree.ModuleImportStatement(
            c[0].start, c[-1].end, self.string([c[1]]), _identifier(c[3])
        )

    # --- control flow -------------------------------------------------------------------------

    def if_statement(self, c: list[Child]) -> tree.If:
        parts = [child for child in c if not isinstance(child, Token)]
        pairs = zip(parts[0::2], parts[1::2], strict=False)
        branches = [tree.Branch(test.start, body.end, test, body) for test, body in pairs]
        return tree.If(c[0].start, c[-1].end, branches, parts[-1] if len(parts) % 2 else None)

    def while_statement(self, c: list[Child]) -> tree.While:
        return tree.While(c[0].start, c[-1].end, c[1], c[2])

    def for_statement(self, c: list[Child]) -> tree.For:
        return tree.For(c[0].start, c[-1].end, c[1].value, c[3], c[4])

    def break_statement(self, c: list[Child]) -> tree.Break:
        return tree.Break(c[0].start, c[0].end)

    def continue_statement(self, c: list[Child]) -> tree.Continue:
        return tree.Continue(c[0].start, c[0].end)

    def return_statement(self, c: list[Child]) -> tree.Return:
        return tree.Return(c[0].start, c[-1].end, c[1] if len(c) > 1 else None)

    def assignment(self, c: list[Child]) -> tree.Statement:
        if len(c) == 1:
            return tree.ExpressionStatement(c[0].start, c[0].end, c[0])
        return tree.Assignment(c[0].start, c[2].end, c[0], c[1].text[:-1] or None, c[2])

    # --- expressions --------------------------------------------------------------------------

    def lambda_function(self, c: list[Child]) -> tree.Lambda:
        parameters = self._parameters(c)
        if _is(c[0], "LAMBDA_NAME"):
            name = _identifier(c[0])
            parameters = [tree.Parameter(name.start, name.end, name, None, None)]
        return tree.Lambda(c[0].start, c[-1].end, parameters, c[-1])

    def _logical(self, c: list[Child]) -> tree.Logical:
        return tree.Logical(c[0].start, c[-1].end, "or" if c[1].type == "OR" else "and", c[0::2])

    disjunction = conjunction = _logical

    def unary(self, c: list[Child]) -> tree.Unary:
        operator = "!" if c[0].text == "not" else c[0].text
        return tree.Unary(c[0].start, c[1].end, operator, c[1])

    def comparison(self, c: list[Child]) -> tree.Comparison:
        operators = [part.value for part in c[1::2]]
        return tree.Comparison(c[0].start, c[-1].end, c[0::2], operators)

    def comparison_operator(self, c: list[Child]) -> Part:
        return Part(c[0].start, c[-1].end, " ".join(token.text for token in c))

    def range(self, c: list[Child]) -> tree.Range:
        return tree.Range(c[0].start, c[2].end, c[0], c[2], c[1].type == "RANGE_INCLUSIVE")

    def chain(self, c: list[Child]) -> tree.Chain:
        return tree.Chain(c[0].start, c[-1].end, c[0::2], [token.text for token in c[1::2]])

    def power(self, c: list[Child]) -> tree.Power:
        return tree.Power(c[0].start, c[2].end, c[0], c[2])

    def attribute(self, c: list[Child]) -> tree.Attribute:
        return tree.Attribute(c[0].start, c[2].end, c[0], _identifier(c[2]))

    def call(self, c: list[Child]) -> tree.Call:
        arguments = c[2].value if isinstance(c[2], Part) else []
        return tree.Call(c[0].start, c[-1].end, c[0], arguments)

    def arguments(self, c: list[Child]) -> Part:
        return Part(c[0].start, c[-1].end, _nodes(c))

    def argument(self, c: list[Child]) -> tree.Argument:
        name = _identifier(c[0]) if len(c) == 3 else None
        return tree.Argument(c[0].start, c[-1].end, name, c[-1])

    def index(self, c: list[Child]) -> tree.Index:
        items = c[2].value
        has_comma = any(_is(child, "COMMA") for child in items)
        return tree.Index(c[0].start, c[-1].end, c[0], _nodes(items), has_comma)

    def subscripts(self, c: list[Child]) -> Part:
        return Part(c[0].start, c[-1].end, c)

    def slice(self, c: list[Child]) -> tree.Slice:
        bounds: list[tree.Expression | None] = [None]
        for child in c:
            if _is(child, "COLON"):
                bounds.append(None)
            else:
                bounds[-1] = child
        lower, upper, step = [*bounds, None][:3]
        return tree.Slice(c[0].start, c[-1].end, lower, upper, step)

    def name(self, c: list[Child]) -> tree.Name:
        return tree.Name(c[0].start, c[0].end, c[0].text)

    def _literal(self, c: list[Child]) -> tree.Literal:
        return tree.Literal(c[0].start, c[0].end, c[0].value)

    number = string = _literal

    def literal(self, c: list[Child]) -> tree.Literal:
        value = {"true": True, "false": False, "null": None}[c[0].text]
        return tree.Literal(c[0].start, c[0].end, value)

    def group(self, c: list[Child]) -> tree.Group:
        return tree.Group(c[0].start, c[2].end, c[1])

    def interpolation(self, c: list[Child]) -> tree.Interpolation:
        parts = [
            self._literal([child]) if isinstance(child, Token) else child
            for child in c
            if not _is(child, "STRING_START", "STRING_END", "EMBED_OPEN", "EMBED_CLOSE")
        ]
        return tree.Interpolation(c[0].start, c[-1].end, parts)

    def list_literal(self, c: list[Child]) -> tree.ListLiteral:
        return tree.ListLiteral(c[0].start, c[-1].end, _nodes(c, tree.Expression))

    def map_literal(self, c: list[Child]) -> tree.MapLiteral:
        return tree.MapLiteral(c[0].start, c[-1].end, _nodes(c, tree.Entry))

    def entry(self, c: list[Child]) -> tree.Entry:
        key = c[0].value if c[0].type == "STRING" else c[0].text
        return tree.Entry(c[0].start, c[2].end, key, c[2])
