"""From the tree to Python's ``ast``: statements and functions.

Generated code is what a Python programmer would write by hand, so CPython runs it at its own speed.
The few names that it adds contain a quote, which no name of a program can.
"""

from __future__ import annotations

import ast

from noodle.language import tree
from noodle.language.lowering_expressions import ExpressionLowering, constant_none
from noodle.language.source_text import SourceText
from noodle.language.types import Types
from noodle.language.variables import Names, Variable

__all__ = ["RESULT_NAME", "lower"]

RESULT_NAME = "'result"
"""The global that holds the value of a snippet's last expression."""

BRANCHES_IN_A_ROW = 50
"""Longest ``elif`` ladder that is generated; a step is a level for CPython's compiler."""


def lower(
    source: SourceText,
    program: tree.Program,
    names: Names,
    types: Types,
    *,
    keep_result: bool = False,
) -> ast.Module:
    """Return the Python module of a program without errors.

    Args:
        source: The program's text, for line and column numbers.
        program: Its tree.
        names: What its names mean.
        types: What is known of its types; every statement has been checked.
        keep_result: Whether the value of a last expression is left in ``RESULT_NAME``.
    """
    lowering = _StatementLowering(source, names, types)
    statements = list(program.statements)
    if keep_result and statements and isinstance(statements[-1], tree.ExpressionStatement):
        last = statements[-1]
        lowering.kept = last
    body = lowering.statements(statements)
    return ast.Module(body=body, type_ignores=[])


class _StatementLowering(ExpressionLowering):
    kept: tree.ExpressionStatement | None = None

    def statements(self, statements: tree.Statements) -> list[ast.stmt]:
        result: list[ast.stmt] = []
        for statement in statements:
            result += self.statement(statement)
        return result

    def statement(self, node: tree.Statement) -> list[ast.stmt]:
        """Lower a statement, with the functions that it needs defined in front of it."""
        outer, self.hoisted = self.hoisted, []
        lowered: list[ast.stmt] = getattr(self, f"_{type(node).__name__.lower()}")(node)
        lowered = [*self.hoisted, *lowered]
        self.hoisted = outer
        return lowered

    def body(self, block: tree.Block, *first: ast.stmt) -> list[ast.stmt]:
        """Lower a block: the boxes that its closures may need early, then its statements."""
        boxes = [
            self.assign_name(variable.python_name, self.new_box(block), block)
            for variable in self.names.in_block.get(block, [])
            if variable.boxed and variable.captured_early
        ]
        lowered = [*first, *boxes, *self.statements(block.statements)]
        return lowered or [self.at(block, ast.Pass())]

    def _block(self, node: tree.Block) -> list[ast.stmt]:
        return self.body(node)

    # --- declarations -------------------------------------------------------------------------

    def store(self, variable: Variable, value: ast.expr, node: tree.Node) -> ast.stmt:
        """Return the statement that gives a declared variable its value."""
        if variable.boxed and not variable.captured_early:
            return self.assign_name(variable.python_name, self.new_box(node, value), node)
        target = self.variable(variable, node, ast.Store())
        return self.at(node, ast.Assign(targets=[target], value=value))

    def _let(self, node: tree.Let) -> list[ast.stmt]:
        variables = self.names.declared[node]
        if len(variables) > 1:
            return self._unpack(variables, self.expression(node.value), node)
        variable = variables[0]
        if isinstance(node.value, tree.Lambda):
            return self._define(variable, node.value, node)
        return [self.store(variable, self.expression(node.value), node)]

    def _unpack(
        self, variables: list[Variable], value: ast.expr, node: tree.Node
    ) -> list[ast.stmt]:
        targets, boxes = self._targets(variables, node)
        target = self.at(node, ast.Tuple(elts=targets, ctx=ast.Store()))
        return [self.at(node, ast.Assign(targets=[target], value=value)), *boxes]

    def _targets(
        self, variables: list[Variable], node: tree.Node
    ) -> tuple[list[ast.expr], list[ast.stmt]]:
        """Return what to assign to for several variables, and what then fills those in boxes."""
        targets: list[ast.expr] = []
        boxes: list[ast.stmt] = []
        for variable in variables:
            if variable.boxed:
                plain = self.temporary("turn")
                targets.append(self.name(plain, node, ast.Store()))
                boxes.append(self.store(variable, self.name(plain, node), node))
            else:
                targets.append(self.variable(variable, node, ast.Store()))
        return targets, boxes

    def _function(self, node: tree.Function) -> list[ast.stmt]:
        return self._define(self.names.declared[node][0], node, node)

    def _define(
        self, variable: Variable, function: tree.Function | tree.Lambda, node: tree.Node
    ) -> list[ast.stmt]:
        captures = self.names.functions[function].turn_captures
        if variable.boxed or captures:
            value = self.made_function(function, variable.name)
            return [self.store(variable, value, node)]
        return [self.define(function, variable.python_name)]

    def _foreignimportstatement(self, node: tree.ForeignImportStatement) -> list[ast.stmt]:
        return self._import(node, "'foreign", self.foreign_count)

    def _moduleimportstatement(self, node: tree.ModuleImportStatement) -> list[ast.stmt]:
        return self._import(
            node, "'module", str(node.request.value), *self.source.place(node.start)
        )

    def _import(self, node: tree.Statement, loader: str, *constants: str | int) -> list[ast.stmt]:
        if isinstance(node, tree.ForeignImportStatement):
            self.foreign_count += 1
        arguments: list[ast.expr] = [self.at(node, ast.Constant(value)) for value in constants]
        call = self.at(node, ast.Call(func=self.name(loader, node), args=arguments, keywords=[]))
        return [self.store(self.names.declared[node][0], call, node)]

    foreign_count = 0

    # --- control flow -------------------------------------------------------------------------

    def _expressionstatement(self, node: tree.ExpressionStatement) -> list[ast.stmt]:
        value = self.expression(node.value)
        if node is self.kept:
            return [self.assign_name(RESULT_NAME, value, node)]
        return [self.at(node, ast.Expr(value))]

    def _assignment(self, node: tree.Assignment) -> list[ast.stmt]:
        value = self.expression(node.value)
        target = self.target(node.target)
        if node.operator:
            operator = self.operator(node.operator)
            augmented = ast.AugAssign(target=target, op=operator, value=value)
            return [self.at(node, augmented)]
        return [self.at(node, ast.Assign(targets=[target], value=value))]

    def _if(self, node: tree.If) -> list[ast.stmt]:
        """Lower a ladder in pieces, so that its length is no depth of the generated code."""
        pieces = [
            node.branches[start : start + BRANCHES_IN_A_ROW]
            for start in range(0, len(node.branches), BRANCHES_IN_A_ROW)
        ]
        otherwise = self.body(node.otherwise) if node.otherwise else []
        if len(pieces) == 1:
            return [self._ladder(pieces[0], otherwise)]
        flag = self.temporary("none")
        result: list[ast.stmt] = [self._set_flag(flag, True, node)]
        for piece in pieces:
            taken = [self._set_flag(flag, False, node)]
            ladder = self._ladder(piece, [self._set_flag(flag, True, node)])
            test = self.name(flag, node)
            result.append(self.at(node, ast.If(test=test, body=[*taken, ladder], orelse=[])))
        if otherwise:
            result.append(
                self.at(node, ast.If(test=self.name(flag, node), body=otherwise, orelse=[]))
            )
        return result

    def _set_flag(self, flag: str, value: bool, node: tree.Node) -> ast.stmt:
        return self.assign_name(flag, self.at(node, ast.Constant(value)), node)

    def _ladder(self, branches: list[tree.Branch], otherwise: list[ast.stmt]) -> ast.If:
        lowered = [(self.expression(b.condition), self.body(b.body), b) for b in branches]
        for test, body, branch in reversed(lowered):
            otherwise = [self.at(branch, ast.If(test=test, body=body, orelse=otherwise))]
        ladder = otherwise[0]
        assert isinstance(ladder, ast.If)  # there is at least one branch
        return ladder

    def _while(self, node: tree.While) -> list[ast.stmt]:
        test = self.expression(node.condition)
        return [self.at(node, ast.While(test=test, body=self.body(node.body), orelse=[]))]

    def _for(self, node: tree.For) -> list[ast.stmt]:
        iterable = self.expression(node.iterable)
        targets, boxes = self._targets(self.names.declared[node], node.names[0])
        target = targets[0]
        if len(targets) > 1:
            target = self.at(node.names[0], ast.Tuple(elts=targets, ctx=ast.Store()))
        body = self.body(node.body, *boxes)
        return [self.at(node, ast.For(target=target, iter=iterable, body=body, orelse=[]))]

    def _break(self, node: tree.Break) -> list[ast.stmt]:
        return [self.at(node, ast.Break())]

    def _continue(self, node: tree.Continue) -> list[ast.stmt]:
        return [self.at(node, ast.Continue())]

    def _return(self, node: tree.Return) -> list[ast.stmt]:
        value = self.expression(node.value) if node.value else constant_none(self, node)
        return [self.at(node, ast.Return(value))]
