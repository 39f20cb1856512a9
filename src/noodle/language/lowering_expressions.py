"""From the tree to Python's ``ast``: expressions, and the functions that stand in them."""

from __future__ import annotations

import ast
from typing import Any, TypeVar

from noodle.language import tree
from noodle.language.source_text import SourceText
from noodle.language.types import Types
from noodle.language.variables import Names, Variable

__all__ = ["ExpressionLowering", "constant_none"]

Located = TypeVar("Located", bound=ast.AST)

OPERANDS_IN_A_ROW = 50
"""Longest chain that is one generated expression; a step is a level for CPython's compiler."""

_BINARY: dict[str, type[ast.operator]] = {
    "+": ast.Add,
    "-": ast.Sub,
    "*": ast.Mult,
    "/": ast.Div,
    "%": ast.Mod,
    "@": ast.MatMult,
    "**": ast.Pow,
    "|": ast.BitOr,
    "^": ast.BitXor,
    "&": ast.BitAnd,
    "<<": ast.LShift,
    ">>": ast.RShift,
}
_UNARY: dict[str, type[ast.unaryop]] = {
    "-": ast.USub,
    "+": ast.UAdd,
    "~": ast.Invert,
    "!": ast.Not,
}
_COMPARE: dict[str, type[ast.cmpop]] = {
    "==": ast.Eq,
    "!=": ast.NotEq,
    "<": ast.Lt,
    "<=": ast.LtE,
    ">": ast.Gt,
    ">=": ast.GtE,
    "in": ast.In,
    "not in": ast.NotIn,
}
_SAME_TEXT = ("int", "str", "float")
"""The types whose text is the same in Noodle and in Python."""


class ExpressionLowering:
    """Makes Python expressions.

    Args:
        source: The program's text.
        names: What its names mean.
        types: What is known of its types.
    """

    def __init__(self, source: SourceText, names: Names, types: Types) -> None:
        self.source = source
        self.names = names
        self.types = types
        self.hoisted: list[ast.stmt] = []
        self._temporaries = 0

    # --- building blocks ----------------------------------------------------------------------

    def at(self, node: tree.Node, made: Located) -> Located:
        """Give a Python node the place of a node of the tree."""
        located: Any = made
        located.lineno, located.col_offset = self.source.utf8_place(node.start)
        located.end_lineno, located.end_col_offset = self.source.utf8_place(node.end)
        return made

    def temporary(self, purpose: str) -> str:
        """Return a name that nothing else has."""
        self._temporaries += 1
        return f"'{purpose}{self._temporaries}"

    def name(self, name: str, node: tree.Node, context: ast.expr_context | None = None) -> ast.Name:
        return self.at(node, ast.Name(id=name, ctx=context or ast.Load()))

    def assign_name(self, name: str, value: ast.expr, node: tree.Node) -> ast.stmt:
        return self.at(node, ast.Assign(targets=[self.name(name, node, ast.Store())], value=value))

    def new_box(self, node: tree.Node, *value: ast.expr) -> ast.expr:
        return self.at(node, ast.Call(func=self.name("'Box", node), args=list(value), keywords=[]))

    def variable(
        self, variable: Variable, node: tree.Node, context: ast.expr_context | None = None
    ) -> ast.expr:
        """Return the place where a variable is kept."""
        if not variable.boxed:
            return self.name(variable.python_name, node, context)
        box = self.name(variable.python_name, node)
        return self.at(node, ast.Attribute(value=box, attr="value", ctx=context or ast.Load()))

    def operator(self, sign: str) -> ast.operator:
        return _BINARY[sign]()

    def expression(self, node: tree.Expression) -> ast.expr:
        """Lower an expression; functions that need statements go to ``hoisted``."""
        lowered: ast.expr = getattr(self, f"_{type(node).__name__.lower()}")(node)
        return lowered

    def target(self, node: tree.Expression) -> ast.Name | ast.Attribute | ast.Subscript:
        """Lower what stands left of ``=``; the checker lets nothing else through."""
        lowered = self.expression(node)
        assert isinstance(lowered, (ast.Name, ast.Attribute, ast.Subscript))
        lowered.ctx = ast.Store()
        return lowered

    # --- values -------------------------------------------------------------------------------

    def _literal(self, node: tree.Literal) -> ast.expr:
        return self.at(node, ast.Constant(node.value))

    def _name(self, node: tree.Name) -> ast.expr:
        return self.variable(self.names.uses[node], node)

    def _group(self, node: tree.Group) -> ast.expr:
        return self.expression(node.value)

    def _listliteral(self, node: tree.ListLiteral) -> ast.expr:
        items = [self.expression(item) for item in node.items]
        return self.at(node, ast.List(elts=items, ctx=ast.Load()))

    def _mapliteral(self, node: tree.MapLiteral) -> ast.expr:
        keys: list[ast.expr | None] = [self.at(e, ast.Constant(e.key)) for e in node.entries]
        values = [self.expression(entry.value) for entry in node.entries]
        return self.at(node, ast.Dict(keys=keys, values=values))

    def _interpolation(self, node: tree.Interpolation) -> ast.expr:
        return self.at(node, ast.JoinedStr([self._part(part) for part in node.parts]))

    def _part(self, node: tree.Expression) -> ast.expr:
        value = self.expression(node)
        if isinstance(node, tree.Literal) and type(node.value) is str:
            return value
        if self.types.certainly(node) not in _SAME_TEXT:
            value = self._text(node, value)
        return self.at(node, ast.FormattedValue(value=value, conversion=-1))

    def _text(self, node: tree.Expression, value: ast.expr) -> ast.expr:
        """Return Noodle's text of a value: a call only for values that Python shows otherwise.

        ``v if (k := type(v := value)) is int or k is str or k is float else 'text(v)``
        """

        def kept(name: str, made: ast.expr) -> ast.expr:
            target = self.name(name, node, ast.Store())
            return self.at(node, ast.NamedExpr(target=target, value=made))

        def call(name: str, argument: ast.expr) -> ast.expr:
            return self.at(node, ast.Call(func=self.name(name, node), args=[argument], keywords=[]))

        def is_type(operand: ast.expr, name: str) -> ast.expr:
            comparators: list[ast.expr] = [self.name(f"'{name}", node)]
            return self.at(node, ast.Compare(operand, [ast.Is()], comparators))

        first = kept("'kind", call("'type", kept("'value", value)))
        kinds: list[ast.expr] = [first, *(self.name("'kind", node) for _ in _SAME_TEXT[1:])]
        same = [is_type(kind, name) for kind, name in zip(kinds, _SAME_TEXT, strict=True)]
        return self.at(
            node,
            ast.IfExp(
                test=self.at(node, ast.BoolOp(op=ast.Or(), values=same)),
                body=self.name("'value", node),
                orelse=call("'text", self.name("'value", node)),
            ),
        )

    # --- operators ----------------------------------------------------------------------------

    def _unary(self, node: tree.Unary) -> ast.expr:
        operand = self.expression(node.operand)
        if node.operator == "await":
            waiting = self.name("'await", node)
            return self.at(node, ast.Call(func=waiting, args=[operand], keywords=[]))
        return self.at(node, ast.UnaryOp(op=_UNARY[node.operator](), operand=operand))

    def _power(self, node: tree.Power) -> ast.expr:
        base, exponent = self.expression(node.base), self.expression(node.exponent)
        return self.at(node, ast.BinOp(left=base, op=ast.Pow(), right=exponent))

    def _chain(self, node: tree.Chain) -> ast.expr:
        """Lower a chain, a long one in pieces, so that its length is no depth."""
        result = self.expression(node.operands[0])
        steps: list[ast.expr] = []
        running = self.temporary("chain") if len(node.operands) > OPERANDS_IN_A_ROW else ""
        pairs = zip(node.operators, node.operands[1:], strict=True)
        for count, (sign, operand) in enumerate(pairs, 1):
            place = tree.Node(node.start, operand.end)
            right = self.expression(operand)
            result = self.at(place, ast.BinOp(left=result, op=_BINARY[sign](), right=right))
            if count % OPERANDS_IN_A_ROW == 0:
                target = self.name(running, place, ast.Store())
                steps.append(self.at(place, ast.NamedExpr(target=target, value=result)))
                result = self.name(running, place)
        if not steps:
            return result
        sequence = self.at(node, ast.Tuple(elts=[*steps, result], ctx=ast.Load()))
        last = self.at(node, ast.Constant(-1))
        return self.at(node, ast.Subscript(value=sequence, slice=last, ctx=ast.Load()))

    def _comparison(self, node: tree.Comparison) -> ast.expr:
        left, *rest = [self.expression(operand) for operand in node.operands]
        operators = [_COMPARE[sign]() for sign in node.operators]
        return self.at(node, ast.Compare(left=left, ops=operators, comparators=rest))

    def _logical(self, node: tree.Logical) -> ast.expr:
        operator = ast.Or() if node.operator == "or" else ast.And()
        values = [self.expression(operand) for operand in node.operands]
        return self.at(node, ast.BoolOp(op=operator, values=values))

    def _range(self, node: tree.Range) -> ast.expr:
        lower, upper = self.expression(node.lower), self.expression(node.upper)
        if node.inclusive:
            one = self.at(node.upper, ast.Constant(1))
            upper = self.at(node.upper, ast.BinOp(left=upper, op=ast.Add(), right=one))
        function = self.name("'range", node)
        return self.at(node, ast.Call(func=function, args=[lower, upper], keywords=[]))

    # --- members, calls -----------------------------------------------------------------------

    def _attribute(self, node: tree.Attribute) -> ast.expr:
        value = self.expression(node.value)
        return self.at(node, ast.Attribute(value=value, attr=node.name.text, ctx=ast.Load()))

    def _index(self, node: tree.Index) -> ast.expr:
        value = self.expression(node.value)
        items = [self.expression(item) for item in node.subscripts]
        index = items[0]
        if node.tuple_index:
            index = self.at(node, ast.Tuple(elts=items, ctx=ast.Load()))
        return self.at(node, ast.Subscript(value=value, slice=index, ctx=ast.Load()))

    def _slice(self, node: tree.Slice) -> ast.expr:
        bounds = [self.expression(b) if b else None for b in (node.lower, node.upper, node.step)]
        return self.at(node, ast.Slice(*bounds))

    def _call(self, node: tree.Call) -> ast.expr:
        positional = [a for a in node.arguments if a.name is None]
        if self._is_floor_division(node, positional):
            left, right = (self.expression(argument.value) for argument in positional)
            return self.at(node, ast.BinOp(left=left, op=ast.FloorDiv(), right=right))
        function = self.expression(node.callee)
        arguments = [self.expression(argument.value) for argument in positional]
        keywords = [
            self.at(a, ast.keyword(arg=a.name.text, value=self.expression(a.value)))
            for a in node.arguments
            if a.name
        ]
        return self.at(node, ast.Call(func=function, args=arguments, keywords=keywords))

    def _is_floor_division(self, node: tree.Call, positional: list[tree.Argument]) -> bool:
        callee = node.callee
        if not isinstance(callee, tree.Name) or len(positional) != 2 or len(node.arguments) != 2:
            return False
        return callee.text == "div" and self.names.uses[callee].kind == "prelude"

    # --- functions ----------------------------------------------------------------------------

    def _lambda(self, node: tree.Lambda) -> ast.expr:
        if isinstance(node.body, tree.Block):
            return self.made_function(node, "")
        outer, self.hoisted = self.hoisted, []
        body = self.expression(node.body)
        needs_statements, self.hoisted = bool(self.hoisted), outer
        if needs_statements:
            return self.made_function(node, "")
        function = self.at(node, ast.Lambda(args=self.parameters(node.parameters), body=body))
        captures = self.names.functions[node].turn_captures
        if not captures:
            return function
        maker = self.at(
            node, ast.Lambda(args=self._capture_parameters(captures, node), body=function)
        )
        return self._call_with(maker, captures, node)

    def made_function(self, node: tree.Function | tree.Lambda, name: str) -> ast.expr:
        """Define a function in front of the statement, and return the expression that gives it.

        A function that captures variables of one turn of a loop is made by a call that gets them;
        so is one with defaults, which are computed where the function stands.
        """
        captures = self.names.functions[node].turn_captures
        inner = f"{name}{self.temporary('')}"
        definition = self.define(node, inner)
        if not captures and not any(parameter.default for parameter in node.parameters):
            self.hoisted.append(definition)
            return self.name(inner, node)
        maker = self.temporary("make")
        back = self.at(node, ast.Return(self.name(inner, node)))
        self.hoisted.append(
            self._definition(
                node, maker, self._capture_parameters(captures, node), [definition, back]
            )
        )
        return self._call_with(self.name(maker, node), captures, node)

    def _capture_parameters(self, captures: list[Variable], node: tree.Node) -> ast.arguments:
        return _arguments([self.at(node, ast.arg(arg=v.python_name)) for v in captures], [])

    def _call_with(self, maker: ast.expr, captures: list[Variable], node: tree.Node) -> ast.expr:
        values: list[ast.expr] = [self.name(v.python_name, node) for v in captures]
        return self.at(node, ast.Call(func=maker, args=values, keywords=[]))

    def define(self, node: tree.Function | tree.Lambda, python_name: str) -> ast.stmt:
        """Return the ``def`` of a function."""
        parameters = self.parameters(node.parameters)
        outer, self.hoisted = self.hoisted, []
        if isinstance(node.body, tree.Block):
            body = self.body(node.body)
        else:
            value = self.at(node.body, ast.Return(self.expression(node.body)))
            body = [*self.hoisted, value]
        self.hoisted = outer
        return self._definition(node, python_name, parameters, [*self._rebinding(node), *body])

    def body(self, block: tree.Block, *first: ast.stmt) -> list[ast.stmt]:
        """Lower a block."""
        raise NotImplementedError

    def _definition(
        self, node: tree.Node, name: str, parameters: ast.arguments, body: list[ast.stmt]
    ) -> ast.stmt:
        return self.at(
            node, ast.FunctionDef(name=name, args=parameters, body=body, decorator_list=[])
        )

    def _rebinding(self, node: tree.Function | tree.Lambda) -> list[ast.stmt]:
        """Declare which variables of the functions around it a function assigns to."""
        rebound = {v.python_name: v for v in self.names.functions[node].rebinds if not v.boxed}
        outside = {n for n, v in rebound.items() if v.function and v.function.parent is None}
        statements: list[ast.stmt] = []
        if outside:
            statements.append(self.at(node, ast.Global(sorted(outside))))
        if rebound.keys() - outside:
            statements.append(self.at(node, ast.Nonlocal(sorted(rebound.keys() - outside))))
        return statements

    def parameters(self, parameters: list[tree.Parameter]) -> ast.arguments:
        """Lower a list of parameters with their defaults."""
        made = [self.at(p, ast.arg(arg=p.name.text)) for p in parameters]
        return _arguments(made, [self.expression(p.default) for p in parameters if p.default])


def _arguments(parameters: list[ast.arg], defaults: list[ast.expr]) -> ast.arguments:
    return ast.arguments(
        posonlyargs=[], args=parameters, kwonlyargs=[], kw_defaults=[], defaults=defaults
    )


def constant_none(lowering: ExpressionLowering, node: tree.Node) -> ast.expr:
    """Return the value of a ``return`` without one."""
    return lowering.at(node, ast.Constant(None))
