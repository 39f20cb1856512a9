"""What is known of the names of a program: its variables, and how each is stored."""

from __future__ import annotations

from dataclasses import dataclass, field

from noodle.errors import LanguageError
from noodle.language import tree

__all__ = ["Earlier", "FunctionScope", "Names", "Variable"]


@dataclass(eq=False)
class Variable:
    """One declared name.

    Args:
        name: As the program spells it.
        kind: ``let const fn parameter loop foreign module prelude``.
        function: The function that it belongs to; None for a name of the prelude.
        declaration: Where it is declared; None for the prelude and earlier snippets of a session.
        python_name: Its name in the generated code; no two variables of a function share one.
        in_loop: Whether it is declared inside a loop of its function.
        ready: Whether the resolver has passed its declaration.
        captured: Whether a closure uses it.
        captured_early: Whether a closure that uses it can be made before it has its value.
        assigned: Whether anything but its declaration assigns to it.
        value: The expression that it is declared with, where there is exactly one.
        statement: The statement that declares it.
    """

    name: str
    kind: str
    function: FunctionScope | None = None
    declaration: tree.Node | None = None
    python_name: str = ""
    in_loop: bool = False
    ready: bool = False
    captured: bool = False
    captured_early: bool = False
    assigned: bool = False
    value: tree.Expression | None = None
    statement: tree.Node | None = None

    @property
    def per_turn(self) -> bool:
        """Whether closures must get the variable of one turn of a loop."""
        return self.in_loop and self.captured

    @property
    def boxed(self) -> bool:
        """Whether it lives in a box, because a turn and its closures share a changing value."""
        return self.per_turn and (self.assigned or self.captured_early)


@dataclass(eq=False)
class FunctionScope:
    """One function, or the top level of a program.

    Args:
        parent: The function around it; None for the top level.
        turn_captures: Variables of ``parent`` that it captures for one turn of a loop.
        rebinds: Variables of functions around it that it assigns to.
    """

    parent: FunctionScope | None = None
    turn_captures: list[Variable] = field(default_factory=list)
    rebinds: list[Variable] = field(default_factory=list)


@dataclass(eq=False)
class Names:
    """The result of resolving a program.

    Args:
        uses: The variable that each name node means; an undeclared one is missing.
        declared: The variables that each declaring statement or parameter declares.
        functions: The scope of each ``fn`` and lambda.
        in_block: The variables that each block declares.
        top_level: The variables of the top level by name.
        errors: What is wrong with names and with the place of statements.
    """

    uses: dict[tree.Node, Variable] = field(default_factory=dict)
    declared: dict[tree.Node, list[Variable]] = field(default_factory=dict)
    functions: dict[tree.Node, FunctionScope] = field(default_factory=dict)
    in_block: dict[tree.Node, list[Variable]] = field(default_factory=dict)
    top_level: dict[str, Variable] = field(default_factory=dict)
    errors: list[LanguageError] = field(default_factory=list)


@dataclass(eq=False)
class Earlier:
    """What earlier snippets of a session have left; a later one adds to it.

    Args:
        variables: The variables of the top level by name; they may be declared again.
        used: How often each name has been declared anywhere.
    """

    variables: dict[str, Variable] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
