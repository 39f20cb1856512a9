"""The tree of a program: what the parser builds and every later stage reads.

Every node knows where it stands: ``start`` is the offset of its first character, ``end`` the offset
behind its last. Nodes compare by identity, so they can be keys of a table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

Statements = list["Statement"]


@dataclass(slots=True, eq=False)
class Node:
    """Anything that stands somewhere in the text."""

    start: int
    end: int

    def children(self) -> Iterator[Node]:
        """Yield the nodes directly below this one, in source order."""
        for name in _FIELDS.get(type(self)) or _learn_fields(type(self)):
            value = getattr(self, name)
            if isinstance(value, Node):
                yield value
            elif isinstance(value, list):
                yield from (item for item in value if isinstance(item, Node))


_FIELDS: dict[type[Node], tuple[str, ...]] = {}
"""The fields of each kind of node, because ``dataclasses.fields`` takes longer than the rest."""


def _learn_fields(kind: type[Node]) -> tuple[str, ...]:
    return _FIELDS.setdefault(kind, tuple(field.name for field in fields(kind)))


@dataclass(slots=True, eq=False)
class Expression(Node):
    """A node that has a value."""


@dataclass(slots=True, eq=False)
class Statement(Node):
    """A node that does something."""


@dataclass(slots=True, eq=False)
class Identifier(Node):
    """A name where it is declared, or that selects a member or a parameter; never looked up."""

    text: str


# --- expressions ------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class Literal(Expression):
    """A number, a string, ``true``, ``false`` or ``null``."""

    value: int | float | str | bool | None


@dataclass(slots=True, eq=False)
class Interpolation(Expression):
    """A string with ``${…}`` in it; the parts are strings as literals, and expressions."""

    parts: list[Expression]


@dataclass(slots=True, eq=False)
class Name(Expression):
    """A use of a declared name."""

    text: str


@dataclass(slots=True, eq=False)
class ListLiteral(Expression):
    """``[a, b]``."""

    items: list[Expression]


@dataclass(slots=True, eq=False)
class Entry(Node):
    """``key: value`` of a map."""

    key: str
    value: Expression


@dataclass(slots=True, eq=False)
class MapLiteral(Expression):
    """``{a: 1, "b c": 2}``."""

    entries: list[Entry]


@dataclass(slots=True, eq=False)
class Parameter(Node):
    """A parameter of a function or a prototype."""

    name: Identifier
    annotation: str | None
    default: Expression | None


@dataclass(slots=True, eq=False)
class Lambda(Expression):
    """``(x, y) => …``; the body is an expression or a block."""

    parameters: list[Parameter]
    body: Expression | Block


@dataclass(slots=True, eq=False)
class Argument(Node):
    """An argument of a call; ``name`` is None for a positional one."""

    name: Identifier | None
    value: Expression


@dataclass(slots=True, eq=False)
class Call(Expression):
    """``callee(arguments)``."""

    callee: Expression
    arguments: list[Argument]


@dataclass(slots=True, eq=False)
class Attribute(Expression):
    """``value.name``."""

    value: Expression
    name: Identifier


@dataclass(slots=True, eq=False)
class Slice(Expression):
    """``lower:upper:step`` inside an index."""

    lower: Expression | None
    upper: Expression | None
    step: Expression | None


@dataclass(slots=True, eq=False)
class Index(Expression):
    """``value[subscripts]``; ``tuple_index`` when there was a comma."""

    value: Expression
    subscripts: list[Expression]
    tuple_index: bool


@dataclass(slots=True, eq=False)
class Group(Expression):
    """An expression in parentheses."""

    value: Expression


@dataclass(slots=True, eq=False)
class Unary(Expression):
    """An operator before its operand: ``-``, ``+``, ``~``, ``!`` or ``await``."""

    operator: str
    operand: Expression


@dataclass(slots=True, eq=False)
class Chain(Expression):
    """Operands joined by operators of one level; flat, so its length is no depth."""

    operands: list[Expression]
    operators: list[str]


@dataclass(slots=True, eq=False)
class Power(Expression):
    """``base ** exponent``."""

    base: Expression
    exponent: Expression


@dataclass(slots=True, eq=False)
class Range(Expression):
    """``lower..upper``, or ``lower..=upper`` when inclusive."""

    lower: Expression
    upper: Expression
    inclusive: bool


@dataclass(slots=True, eq=False)
class Comparison(Expression):
    """Operands joined by comparisons; with more than one the checker reports an error."""

    operands: list[Expression]
    operators: list[str]


@dataclass(slots=True, eq=False)
class Logical(Expression):
    """Operands joined by ``and`` or ``or``."""

    operator: str
    operands: list[Expression]


# --- statements -------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class Block(Statement):
    """Statements that share a scope."""

    statements: Statements


@dataclass(slots=True, eq=False)
class Let(Statement):
    """``let x = …``, ``const x = …``, ``let a, b = …``."""

    names: list[Identifier]
    constant: bool
    annotation: str | None
    value: Expression


@dataclass(slots=True, eq=False)
class Assignment(Statement):
    """``target = value``; ``operator`` is ``+`` for ``+=``, and None for a plain assignment."""

    target: Expression
    operator: str | None
    value: Expression


@dataclass(slots=True, eq=False)
class ExpressionStatement(Statement):
    """An expression for its effect."""

    value: Expression


@dataclass(slots=True, eq=False)
class Function(Statement):
    """``fn name(parameters) { … }``."""

    name: Identifier
    parameters: list[Parameter]
    returns: str | None
    body: Block


@dataclass(slots=True, eq=False)
class Branch(Node):
    """A condition and the block that runs when it holds."""

    condition: Expression
    body: Block


@dataclass(slots=True, eq=False)
class If(Statement):
    """``if … else if … else …``; flat, so its length is no depth."""

    branches: list[Branch]
    otherwise: Block | None


@dataclass(slots=True, eq=False)
class While(Statement):
    """``while condition { … }``."""

    condition: Expression
    body: Block


@dataclass(slots=True, eq=False)
class For(Statement):
    """``for names in iterable { … }``."""

    names: list[Identifier]
    iterable: Expression
    body: Block


@dataclass(slots=True, eq=False)
class Break(Statement):
    """``break``."""


@dataclass(slots=True, eq=False)
class Continue(Statement):
    """``continue``."""


@dataclass(slots=True, eq=False)
class Return(Statement):
    """``return`` with or without a value."""

    value: Expression | None


@dataclass(slots=True, eq=False)
class PrototypeDeclaration(Node):
    """``fn cos(x: f64): f64`` in an import."""

    name: Identifier
    parameters: list[Parameter]
    returns: str | None


@dataclass(slots=True, eq=False)
class ForeignImportStatement(Statement):
    """``import ffi "target" as name { prototypes } with { options }``."""

    target: Literal
    name: Identifier | None
    prototypes: list[PrototypeDeclaration]
    options: MapLiteral | None


@dataclass(slots=True, eq=False)
class ModuleImportStatement(Statement):
    """``import "./other.noodle" as name``."""

    request: Literal
    name: Identifier


@dataclass(slots=True, eq=False)
class Program(Node):
    """A whole file."""

    statements: Statements


def walk(root: Node) -> Iterator[tuple[Node, int]]:
    """Yield every node with its depth, without recursion, so that any tree can be measured."""
    pending = [(root, 1)]
    while pending:
        node, depth = pending.pop()
        yield node, depth
        pending.extend((child, depth + 1) for child in reversed(list(node.children())))
