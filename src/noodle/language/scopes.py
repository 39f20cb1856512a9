"""Which declaration each name means, and how its variable is stored.

A block's declarations are known in the whole block, so the functions in it may call each other; a
use in the same function that comes before the declaration is an error. A variable that is declared
inside a loop and captured by a closure belongs to one turn of the loop: each closure gets that
turn's variable, by value while nobody assigns to it, else in a box that the turn shares.
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass, field

from noodle.errors import NoodleNameError, did_you_mean
from noodle.language import tree
from noodle.language.foreign_imports import derived_name
from noodle.language.mistakes import FOREIGN_NAMES
from noodle.language.placement import Placement
from noodle.language.prelude import PRELUDE_NAMES
from noodle.language.source_text import SourceText
from noodle.language.variables import Earlier, FunctionScope, Names, Variable

__all__ = ["resolve"]

_UNUSABLE = {"None": "null", "True": "true", "False": "false", "__debug__": "debug"}
_FIXED_KINDS = {
    "const": "a `const`",
    "fn": "a function",
    "foreign": "an import",
    "module": "an import",
    "prelude": "a builtin function",
}
_Closure = tree.Function | tree.Lambda


@dataclass(eq=False)
class _Block:
    parent: _Block | None
    function: FunctionScope
    loop_depth: int = 0
    names: dict[str, Variable] = field(default_factory=dict)
    redeclares: bool = False


def resolve(source: SourceText, program: tree.Program, earlier: Earlier | None = None) -> Names:
    """Find the variable of every name.

    Args:
        source: The program's text, for the errors.
        program: Its tree.
        earlier: What earlier snippets of a session have left.
    """
    return _Resolver(source, earlier).run(program)


class _Resolver:
    def __init__(self, source: SourceText, earlier: Earlier | None) -> None:
        self.source = source
        self.names = Names()
        self.placement = Placement(source, self.names.errors)
        top = FunctionScope()
        prelude = {n: Variable(n, "prelude", python_name=n, ready=True) for n in PRELUDE_NAMES}
        outermost = _Block(None, top, names=prelude)
        self.known = earlier.variables if earlier else {}
        for variable in self.known.values():
            variable.function = top
        if earlier:
            outermost = _Block(outermost, top, names=dict(self.known))
        self.block = self.top = _Block(outermost, top, redeclares=earlier is not None)
        self.used = earlier.used if earlier else {}

    def run(self, program: tree.Program) -> Names:
        self._declare_all(program.statements, program)
        self._statements(program.statements)
        self.names.top_level = self.block.names
        return self.names

    def _error(self, summary: str, node: tree.Node, **details: str | None) -> None:
        error = self.source.error(NoodleNameError, summary, node.start, node.end, **details)
        self.names.errors.append(error)

    # --- declaring ----------------------------------------------------------------------------

    def _declare_all(self, statements: tree.Statements, block: tree.Node) -> None:
        for statement in statements:
            if isinstance(statement, tree.Let):
                kind = "const" if statement.constant else "let"
                for name in statement.names:
                    self._declare(name, kind, statement)
            elif isinstance(statement, tree.Function):
                self._declare(statement.name, "fn", statement)
            elif isinstance(statement, tree.ForeignImportStatement):
                self._declare_foreign(statement)
            elif isinstance(statement, tree.ModuleImportStatement):
                self._declare(statement.name, "module", statement)
        self.names.in_block[block] = list(self.block.names.values())

    def _declare_foreign(self, statement: tree.ForeignImportStatement) -> None:
        if statement.name is None:
            target = statement.target
            derived = derived_name(str(target.value))
            if derived is None:
                self._error(
                    "an import needs a name",
                    target,
                    expected="`as name` behind the target",
                    received=f"{target.value!r}, from which no name can be taken",
                    remedy=f'write `import ffi "{target.value}" as name`',
                )
                return
            statement.name = tree.Identifier(target.start, target.end, derived)
        self._declare(statement.name, "foreign", statement)

    def _declare(self, name: tree.Identifier, kind: str, statement: tree.Node) -> Variable:
        self._check_name(name)
        earlier = self.block.names.get(name.text)
        if earlier and kind == "parameter":
            self._error(
                f"there are two parameters `{name.text}`",
                name,
                expected="a name for each parameter",
                received=f"`{name.text}` again",
                remedy="rename one of them",
            )
        elif earlier and earlier.declaration and not self.block.redeclares:
            line, _ = self.source.place(earlier.declaration.start)
            self._error(
                f"`{name.text}` is already declared in this block",
                name,
                expected="a name that is new in the block",
                received=f"`{name.text}`, declared on line {line}",
                remedy=f"assign without `let`: `{name.text} = …`, or choose another name",
            )
        variable = Variable(
            name.text,
            kind,
            self.block.function,
            name,
            self._python_name(name.text, kind),
            in_loop=self.block.loop_depth > 0,
            statement=statement,
        )
        self.block.names[name.text] = variable
        self.names.declared.setdefault(statement, []).append(variable)
        return variable

    def _check_name(self, name: tree.Identifier) -> None:
        if name.text in _UNUSABLE:
            self._error(
                f"`{name.text}` cannot be declared",
                name,
                expected="another name",
                received=f"`{name.text}`",
                remedy=f"write `{_UNUSABLE[name.text]}`",
            )

    def _python_name(self, name: str, kind: str) -> str:
        """Return a name that no other variable has; no program can spell one with a quote.

        A parameter keeps its own, for calls that name it; the variables of its function then do not
        get that one.
        """
        if kind == "parameter":
            self.used.setdefault(name, 1)
            return name
        top = self.block.redeclares and name in self.known
        if top:
            return self.known[name].python_name
        count = self.used[name] = self.used.get(name, name in PRELUDE_NAMES) + 1
        hidden = name.startswith("__") and self.block.function.parent is None
        return f"{name}'{count}" if count > 1 or hidden else name

    def _nested(self, function: FunctionScope | None = None, *, loop: bool = False) -> _Block:
        if function:
            return _Block(self.block, function)
        return _Block(self.block, self.block.function, self.block.loop_depth + loop)

    # --- statements ---------------------------------------------------------------------------

    def _statements(self, statements: tree.Statements) -> None:
        for statement in statements:
            self._visit(statement)

    def _visit(self, node: tree.Node) -> None:
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method:
            method(node)
        else:
            for child in node.children():
                self._visit(child)

    def _block(self, node: tree.Block, *, loop: bool = False) -> None:
        outer, self.block = self.block, self._nested(loop=loop)
        self._body(node)
        self.block = outer

    def _body(self, node: tree.Block) -> None:
        self._declare_all(node.statements, node)
        self._statements(node.statements)

    def _let(self, node: tree.Let) -> None:
        self._visit(node.value)
        self._make_ready(node)
        variables = self.names.declared.get(node, [])
        if len(variables) == 1:
            variables[0].value = node.value

    def _make_ready(self, node: tree.Node) -> None:
        for variable in self.names.declared.get(node, []):
            variable.ready = True

    def _foreignimportstatement(self, node: tree.ForeignImportStatement) -> None:
        self._import(node)

    def _moduleimportstatement(self, node: tree.ModuleImportStatement) -> None:
        self._import(node)

    def _import(self, node: tree.Node) -> None:
        self._make_ready(node)
        self.placement.check_import(node, at_top=self.block is self.top)

    def _assignment(self, node: tree.Assignment) -> None:
        self._visit(node.value)
        target = node.target
        if not isinstance(target, tree.Name):
            self._visit(target)
            return
        variable = self._lookup(target)
        if variable is None:
            return
        if variable.kind in _FIXED_KINDS:
            self._error(
                f"`{target.text}` cannot be assigned to",
                target,
                expected="a variable declared with `let`",
                received=f"`{target.text}`, {_FIXED_KINDS[variable.kind]}",
                remedy="declare it with `let`"
                if variable.kind == "const"
                else "choose another name",
            )
        variable.assigned = True
        if variable.function is not self.block.function:
            self.block.function.rebinds.append(variable)

    def _function(self, node: tree.Function) -> None:
        self._closure(node)
        self._make_ready(node)

    def _lambda(self, node: tree.Lambda) -> None:
        self._closure(node)

    def _closure(self, node: _Closure) -> None:
        for parameter in node.parameters:
            if parameter.default:
                self._visit(parameter.default)
        outer = self.block
        scope = FunctionScope(outer.function)
        self.names.functions[node] = scope
        self.block = self._nested(scope)
        for parameter in node.parameters:
            self._declare(parameter.name, "parameter", parameter).ready = True
        if isinstance(node.body, tree.Block):
            self.block = self._nested()
            self._body(node.body)
        else:
            self._visit(node.body)
        self.block = outer

    def _while(self, node: tree.While) -> None:
        self._visit(node.condition)
        self.placement.check_loop(node, self.block.loop_depth)
        self._block(node.body, loop=True)

    def _for(self, node: tree.For) -> None:
        self._visit(node.iterable)
        self.placement.check_loop(node, self.block.loop_depth)
        outer, self.block = self.block, self._nested(loop=True)
        for name in node.names:
            self._declare(name, "loop", node).ready = True
        self._block(node.body)
        self.block = outer

    def _break(self, node: tree.Break) -> None:
        self.placement.check_jump("break", node, self.block.loop_depth)

    def _continue(self, node: tree.Continue) -> None:
        self.placement.check_jump("continue", node, self.block.loop_depth)

    def _return(self, node: tree.Return) -> None:
        self.placement.check_return(node, in_function=self.block.function.parent is not None)
        if node.value:
            self._visit(node.value)

    # --- uses ---------------------------------------------------------------------------------

    def _name(self, node: tree.Name) -> None:
        self._lookup(node)

    def _lookup(self, node: tree.Name) -> Variable | None:
        block: _Block | None = self.block
        while block:
            variable = block.names.get(node.text)
            if variable and not (
                block.redeclares
                and not variable.ready
                and node.text in self.known
                and variable.function is self.block.function
            ):
                self._use(node, variable)
                return variable
            block = block.parent
        self._undeclared(node)
        return None

    def _use(self, node: tree.Name, variable: Variable) -> None:
        self.names.uses[node] = variable
        here = self.block.function
        if variable.function is None:
            return
        if variable.function is here:
            if not variable.ready:
                self._used_too_early(node, variable)
            return
        if not variable.captured_early:
            variable.captured_early = not variable.ready
        variable.captured = True
        if variable.in_loop:
            while here.parent is not variable.function and here.parent:
                here = here.parent
            if variable not in here.turn_captures:
                here.turn_captures.append(variable)

    def _used_too_early(self, node: tree.Name, variable: Variable) -> None:
        assert variable.declaration is not None  # only the prelude has none, and it is always ready
        line, _ = self.source.place(variable.declaration.start)
        self._error(
            f"`{node.text}` is used before its declaration",
            node,
            expected=f"a use behind line {line}, where `{node.text}` is declared",
            received="a use before it",
            remedy=f"move the declaration of `{node.text}` up, or give one of them another name",
        )

    def _undeclared(self, node: tree.Name) -> None:
        self._error(
            f"`{node.text}` is not declared",
            node,
            expected="a declared name",
            received=f"`{node.text}`",
            remedy=self._remedy_for_undeclared(node.text),
        )

    def _remedy_for_undeclared(self, name: str) -> str:
        meant = FOREIGN_NAMES.get(name)
        if not meant and name.islower() and hasattr(builtins, name):
            return f'write `import ffi "builtins" as python`, then `python.{name}`'
        meant = meant or did_you_mean(name, self._visible())
        return f"write `{meant}`" if meant else f"declare it: `let {name} = …`"

    def _visible(self) -> list[str]:
        found: list[str] = []
        block: _Block | None = self.block
        while block:
            found += block.names
            block = block.parent
        return found
