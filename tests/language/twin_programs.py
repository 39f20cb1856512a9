"""Random programs, each in Noodle and, with its variables spelled out as cells, in Python.

The Python twin shares nothing with the compiler: each of its expressions is in parentheses, each
block makes a new cell for every variable that it declares, and each function is handed the cells
that there are where it is made.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import NamedTuple

PRELUDE = """
class Cell:
    pass

def filled(value):
    cell = Cell()
    cell.v = value
    return cell

def with_default(function, default):
    return lambda argument=default: function(argument)

def text(value):
    if type(value) is bool:
        return "true" if value else "false"
    return "[" + ", ".join(map(text, value)) + "]" if type(value) is list else str(value)
"""

# How tightly operators bind, from loose to tight, as the documentation has it.
OR, AND, NOT, COMPARE, RANGE, PIPE, CARET, AMPERSAND, SHIFT, SUM, PRODUCT, UNARY, POWER, POSTFIX = (
    range(14)
)
SIGNS = {"+": SUM, "-": SUM, "*": PRODUCT, "|": PIPE, "^": CARET, "&": AMPERSAND}

# Several of the names are words of Python; `sum` is one of Noodle's builtin functions.
NAMES = ("x", "y", "z", "def", "is", "sum")
LIMIT = 1009
MAX_COST = 1000


class Expr(NamedTuple):
    """An expression: its text in Noodle, how tightly that binds, and its text in Python."""

    noodle: str
    level: int
    python: str


@dataclass
class Variable:
    """A declared name, the cell of its Python twin, and for a function what a call costs."""

    name: str
    type: str
    cell: str
    fixed: bool = False
    cost: int = 0
    optional: bool = False


@dataclass
class Block:
    """A block in the making.

    Args:
        taken: Names that it cannot declare: those that it has declared, and those of outer blocks
            that stand in it, because a declaration holds in its whole block.
        hidden: Names that mean no variable of an outer block.
        variables: What may be used by name.
        cells: The cells that its twin makes on entry.
        noodle: Its lines.
        python: The lines of its twin.
    """

    taken: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    variables: dict[str, Variable] = field(default_factory=dict)
    cells: list[str] = field(default_factory=list)
    noodle: list[str] = field(default_factory=list)
    python: list[str] = field(default_factory=list)


def indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


class TwinPrograms:
    """Writes a program and its twin.

    Args:
        chance: Makes every choice.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.blocks: list[Block] = []
        self.hoisted: list[str] = []
        self.count = 0
        self.turns = 1
        self.cost = 0
        self.loops = 0
        self.functions = 0

    def programs(self) -> tuple[str, str]:
        """Return the program in Noodle and in Python."""
        noodle, python = self.block(size=self.chance.randint(4, 10))
        call = "print(kept(1))"
        noodle = ["let stored = []", *noodle, f"for kept in stored[:30] {{ {call} }}"]
        python = ["stored = []", *python, "for kept in stored[:30]:", f"    {call}"]
        return "\n".join(noodle) + "\n", PRELUDE + "\n".join(python) + "\n"

    # --- names --------------------------------------------------------------------------------

    def fresh(self, stem: str) -> str:
        self.count += 1
        return f"{stem}_{self.count}"

    def visible(self, kind: str) -> list[Variable]:
        found: dict[str, Variable] = {}
        for block in self.blocks:
            found = {name: v for name, v in found.items() if name not in block.hidden}
            found |= block.variables
        return [v for v in found.values() if v.type == kind]

    def use(self, variable: Variable) -> str:
        """Return the name of a visible variable, which the blocks inside its own now contain."""
        for block in reversed(self.blocks):
            if block.variables.get(variable.name) is variable:
                break
            block.taken.add(variable.name)
        return variable.name

    def captures(self) -> str:
        cells = [cell for block in self.blocks for cell in block.cells]
        return "".join(f", {cell}={cell}" for cell in cells)

    def reserve(self, kind: str, **facts: bool | int) -> Variable:
        """Declare a name that is new in the block and often hides one of an outer block."""
        block = self.blocks[-1]
        name = self.chance.choice(NAMES)
        if name in block.taken:
            name = self.fresh(name)
        variable = Variable(name, kind, self.fresh("cell"), **facts)  # type: ignore[arg-type]
        block.taken.add(name)
        block.hidden.add(name)
        block.cells.append(variable.cell)
        return variable

    def admit(self, *variables: Variable) -> None:
        self.blocks[-1].variables |= {v.name: v for v in variables}

    def declare(self, kind: str, **facts: bool | int) -> Variable:
        variable = self.reserve(kind, **facts)
        self.admit(variable)
        return variable

    # --- expressions --------------------------------------------------------------------------

    def expression(self, kind: str, depth: int = 3) -> Expr:
        known = self.visible(kind)
        if known and (depth <= 0 or self.chance.random() < 0.35):
            variable = self.chance.choice(known)
            return Expr(self.use(variable), POSTFIX, f"{variable.cell}.v")
        makers = {
            "int": [self.number, self.arithmetic, self.arithmetic, self.call, self.called_at_once],
            "float": [self.fraction, self.quotient],
            "bool": [self.truth, self.comparison, self.logical, self.negation],
            "str": [self.word, self.joined, self.interpolated, self.cut],
            "list": [self.items, self.cut, self.mapped],
        }[kind]
        maker = makers[0] if depth <= 0 else self.chance.choice(makers)
        return maker(kind, depth - 1)

    def wrapped(self, operand: Expr, level: int) -> str:
        """Return an operand's text in Noodle, in parentheses where it needs them."""
        return f"({operand.noodle})" if operand.level < level else operand.noodle

    def binary(self, sign: str, level: int, left: Expr, right: Expr, python: str = "") -> Expr:
        gap = self.chance.choice([" ", " ", " ", " /* a */ ", "\n", " // goes on\n"])
        noodle = f"{self.wrapped(left, level)} {sign}{gap}{self.wrapped(right, level + 1)}"
        return Expr(noodle, level, f"({left.python} {python or sign} {right.python})")

    def constant(self, low: int, high: int) -> Expr:
        value = self.chance.randint(low, high)
        written = self.chance.choice([str(value), hex(value), f"0b{value:b}"])
        return Expr(written, POSTFIX, str(value))

    def number(self, kind: str, depth: int) -> Expr:
        return self.constant(0, 20)

    def fraction(self, kind: str, depth: int) -> Expr:
        written = self.chance.choice(["0.5", "2.0", "1e-07", "1e+22"])
        return Expr(written, POSTFIX, written)

    def quotient(self, kind: str, depth: int) -> Expr:
        dividend = self.expression(self.chance.choice(["int", "float"]), depth)
        return self.binary("/", PRODUCT, dividend, self.constant(1, 9))

    def arithmetic(self, kind: str, depth: int) -> Expr:
        left, few = self.expression("int", depth), self.constant(1, 6)
        choice = self.chance.randint(0, 7)
        if choice == 0:
            sign, operand = self.chance.choice("-+~"), self.wrapped(left, UNARY)
            gap = " " if operand.startswith(sign) else ""
            return Expr(f"{sign}{gap}{operand}", UNARY, f"({sign}{left.python})")
        if choice == 1:
            base = self.reduced(left)
            noodle = f"{self.wrapped(base, POSTFIX)} ** {few.noodle}"
            return Expr(noodle, POWER, f"({base.python} ** {few.python})")
        if choice == 2:
            noodle = f"div({left.noodle}, {few.noodle})"
            return Expr(noodle, POSTFIX, f"({left.python} // {few.python})")
        if choice == 3:
            return self.binary("%", PRODUCT, left, few)
        if choice == 4:
            return self.binary(self.chance.choice(["<<", ">>"]), SHIFT, left, few)
        sign = self.chance.choice(list(SIGNS))
        return self.binary(sign, SIGNS[sign], left, self.expression("int", depth))

    def reduced(self, value: Expr) -> Expr:
        """Keep a number small, however often a loop multiplies it."""
        return self.binary("%", PRODUCT, value, Expr(str(LIMIT), POSTFIX, str(LIMIT)))

    def truth(self, kind: str, depth: int) -> Expr:
        value = self.chance.choice([True, False])
        return Expr(str(value).lower(), POSTFIX, str(value))

    def comparison(self, kind: str, depth: int) -> Expr:
        sign = self.chance.choice(["==", "!=", "<", "<=", ">", ">=", "in", "not in"])
        left = self.expression("int", depth)
        right = self.expression(
            "list" if "in" in sign else self.chance.choice(["int", "float"]), depth
        )
        noodle = f"{self.wrapped(left, RANGE)} {sign} {self.wrapped(right, RANGE)}"
        return Expr(noodle, COMPARE, f"({left.python} {sign} {right.python})")

    def logical(self, kind: str, depth: int) -> Expr:
        left, right = self.expression("bool", depth), self.expression("bool", depth)
        if self.chance.random() < 0.5:
            return self.binary(self.chance.choice(["||", "or"]), OR, left, right, "or")
        return self.binary(self.chance.choice(["&&", "and"]), AND, left, right, "and")

    def negation(self, kind: str, depth: int) -> Expr:
        operand = self.expression("bool", depth)
        sign = self.chance.choice(["!", "not "])
        return Expr(f"{sign}{self.wrapped(operand, NOT)}", NOT, f"(not {operand.python})")

    def word(self, kind: str, depth: int) -> Expr:
        word = self.chance.choice(["", "a", "bc", "é$", "${x}"])
        return Expr('"' + word.replace("${", "\\${") + '"', POSTFIX, repr(word))

    def joined(self, kind: str, depth: int) -> Expr:
        return self.binary("+", SUM, self.expression("str", depth), self.expression("str", depth))

    def interpolated(self, kind: str, depth: int) -> Expr:
        value = self.expression(self.chance.choice(["int", "float", "bool", "str", "list"]), depth)
        if "\n" in value.noodle:
            return self.word(kind, depth)
        return Expr(f'"<${{{value.noodle}}}>"', POSTFIX, f"('<' + text({value.python}) + '>')")

    def cut(self, kind: str, depth: int) -> Expr:
        whole = self.expression(kind, depth)
        bounds = [self.chance.choice(["", "1", "-2", "3"]) for _ in range(2)]
        index = f"[{':'.join(bounds)}{self.chance.choice(['', ':', ':2', ':-1'])}]"
        return Expr(f"{self.wrapped(whole, POSTFIX)}{index}", POSTFIX, f"{whole.python}{index}")

    def items(self, kind: str, depth: int) -> Expr:
        items = [self.expression("int", depth) for _ in range(self.chance.randint(0, 3))]
        comma = self.chance.choice([", ", ",\n"])
        return Expr(
            f"[{comma.join(item.noodle for item in items)}]",
            POSTFIX,
            f"[{', '.join(item.python for item in items)}]",
        )

    def mapped(self, kind: str, depth: int) -> Expr:
        items = self.cut("list", depth)
        turns, self.turns = self.turns, self.turns * 3
        function, _ = self.function()
        self.turns = turns
        noodle = f"map({function.noodle}, {self.wrapped(items, POSTFIX)}[:3])"
        return Expr(noodle, POSTFIX, f"list(map({function.python}, {items.python}[:3]))")

    def call(self, kind: str, depth: int) -> Expr:
        known = [f for f in self.visible("function") if self.affordable(f.cost)]
        if not known:
            return self.number(kind, depth)
        function = self.chance.choice(known)
        self.cost += self.turns * function.cost
        argument = self.expression("int", depth)
        if function.optional and self.chance.random() < 0.5:
            argument = Expr("", POSTFIX, "")
        callee = f"{function.cell}.v"
        return Expr(
            f"{self.use(function)}({argument.noodle})", POSTFIX, f"{callee}({argument.python})"
        )

    def called_at_once(self, kind: str, depth: int) -> Expr:
        function, optional = self.function()
        argument = Expr("", POSTFIX, "") if optional else self.expression("int", depth)
        return Expr(
            f"({function.noodle})({argument.noodle})",
            POSTFIX,
            f"{function.python}({argument.python})",
        )

    def affordable(self, cost: int) -> bool:
        return self.cost + self.turns * cost < MAX_COST

    # --- functions ----------------------------------------------------------------------------

    def function(self, name: str = "", *, defaults: bool = True) -> tuple[Expr, bool]:
        """Return a function of one number, and whether its parameter has a default.

        Args:
            name: The name of a ``fn``; for a lambda ``""``.
            defaults: Whether its parameter may have one.
        """
        has_default = defaults and self.chance.random() < 0.3
        default = self.expression("int", 1) if has_default else None
        made = self.fresh("function")
        head = f"def {made}(argument{self.captures()}):"
        self.blocks.append(Block())
        parameter = self.declare("int")
        self.blocks[-1].cells = [parameter.cell]
        short = not name and self.chance.random() < 0.4
        self.functions += 1
        if short:
            body, lines = self.short_body()
        else:
            body, lines = self.long_body()
        self.functions -= 1
        self.blocks.pop()
        self.hoisted += [head, *indented([f"{parameter.cell} = filled(argument)", *lines])]
        given = f"{parameter.name} = {default.noodle}" if default else parameter.name
        noodle = f"fn {name}({given}) {body}" if name else f"({given}) => {body}"
        python = f"with_default({made}, {default.python})" if default else made
        return Expr(noodle, OR - 1, python), default is not None

    def short_body(self) -> tuple[str, list[str]]:
        outer, self.hoisted = self.hoisted, []
        value = self.expression("int", 2)
        lines = [*self.hoisted, f"return {value.python}"]
        self.hoisted = outer
        return value.noodle, lines

    def long_body(self) -> tuple[str, list[str]]:
        loops, self.loops = self.loops, 0
        noodle, python = self.block(size=self.chance.randint(0, 3), returns=True)
        self.loops = loops
        return "\n".join(["{", *indented(noodle), "}"]), python

    # --- statements ---------------------------------------------------------------------------

    def block(self, size: int, *, returns: bool = False) -> tuple[list[str], list[str]]:
        """Return the lines of a block in both languages.

        Args:
            size: How many statements it has.
            returns: Whether it is the body of a function, and ends by giving a number.
        """
        outer, self.hoisted = self.hoisted, []
        block = Block()
        self.blocks.append(block)
        for _ in range(size):
            self.statement()
        if returns:
            self.give_back()
        self.blocks.pop()
        self.hoisted = outer
        cells = [f"{cell} = Cell()" for cell in block.cells]
        return block.noodle, [*cells, *block.python] or ["pass"]

    def add(self, noodle: list[str] | str, *python: str) -> None:
        """Add a statement, in Python behind the functions that it needs."""
        block = self.blocks[-1]
        block.noodle += [noodle] if isinstance(noodle, str) else noodle
        block.python += [*self.hoisted, *python]
        self.hoisted = []

    def statement(self) -> None:
        self.cost += self.turns
        simple = [self.let, self.assign, self.show, self.append, self.store]
        compound = [self.let_function, self.two_functions, self.choose, self.count_up, self.repeat]
        nested = len(self.blocks) < 6 and self.affordable(20)
        self.chance.choice([*simple, *compound, self.inner] if nested else simple)()

    def let(self) -> None:
        kind = self.chance.choice(["int", "int", "str", "bool", "list", "float"])
        variable = self.reserve(kind, fixed=self.chance.random() < 0.2)
        value = self.small(kind)
        word = "const" if variable.fixed else "let"
        self.add(f"{word} {variable.name} = {value.noodle}", f"{variable.cell}.v = {value.python}")
        self.admit(variable)

    def small(self, kind: str) -> Expr:
        """Return a value for a variable; it stays small when a loop assigns it repeatedly."""
        value = self.expression(kind)
        if kind == "int":
            return self.reduced(value)
        if kind in ("str", "list"):
            return Expr(f"{self.wrapped(value, POSTFIX)}[:9]", POSTFIX, f"{value.python}[:9]")
        return value

    def assign(self) -> None:
        kind = self.chance.choice(["int", "int", "int", "str", "bool", "list"])
        known = [v for v in self.visible(kind) if not v.fixed]
        if not known:
            return self.show()
        variable = self.chance.choice(known)
        value, sign = self.small(kind), "="
        if kind == "int":
            sign = self.chance.choice(["=", "=", "+=", "-=", "^=", "|="])
        self.add(
            f"{self.use(variable)} {sign} {value.noodle}",
            f"{variable.cell}.v {sign} {value.python}",
        )

    def show(self) -> None:
        value = self.expression(self.chance.choice(["int", "float", "bool", "str", "list"]))
        self.add(f"print({value.noodle})", f"print(text({value.python}))")

    def append(self) -> None:
        known = self.visible("list")
        if not known:
            return self.show()
        items, value = self.chance.choice(known), self.small("int")
        gap = self.chance.choice(["", "\n    "])
        self.add(
            f"{self.use(items)}{gap}.append({value.noodle})",
            f"{items.cell}.v.append({value.python})",
        )

    def store(self) -> None:
        """Keep a function that is called when the program has done everything else."""
        turns, cost = self.turns, self.cost
        self.turns, self.cost = 1, 0
        function, _ = self.function()
        self.turns, self.cost = turns, cost
        self.add(f"stored.append({function.noodle})", f"stored.append({function.python})")

    def let_function(self) -> None:
        declared = self.chance.random() < 0.6
        variable = self.reserve("function", fixed=True)
        self.define(variable, declared=declared)
        self.admit(variable)

    def define(self, variable: Variable, *, declared: bool, defaults: bool = True) -> None:
        turns, cost = self.turns, self.cost
        self.turns, self.cost = 1, 0
        name = variable.name if declared else ""
        function, variable.optional = self.function(name, defaults=defaults)
        variable.cost = 1 + self.cost
        self.turns, self.cost = turns, cost
        noodle = function.noodle if declared else f"let {variable.name} = {function.noodle}"
        self.add(noodle, f"{variable.cell}.v = {function.python}")

    def two_functions(self) -> None:
        """Declare a function that uses a variable which is declared behind it."""
        later, function = self.reserve("int"), self.reserve("function", fixed=True)
        self.admit(later)
        self.define(function, declared=True, defaults=False)
        del self.blocks[-1].variables[later.name]
        value = self.small("int")
        self.add(f"let {later.name} = {value.noodle}", f"{later.cell}.v = {value.python}")
        self.admit(later, function)

    def inner(self) -> None:
        noodle, python = self.block(size=self.chance.randint(1, 3))
        self.add(["{", *indented(noodle), "}"], *python)

    def choose(self) -> None:
        noodle, python = [], []
        for turn in range(self.chance.randint(1, 3)):
            condition = self.expression("bool")
            body = self.body()
            noodle += [f"{'} else ' if turn else ''}if {condition.noodle} {{", *indented(body[0])]
            python += [f"{'elif' if turn else 'if'} {condition.python}:", *indented(body[1])]
        if self.chance.random() < 0.5:
            body = self.body()
            noodle += ["} else {", *indented(body[0])]
            python += ["else:", *indented(body[1])]
        self.add([*noodle, "}"], *python)

    def body(self) -> tuple[list[str], list[str]]:
        """Return a branch, which may leave the loop or the function around it."""
        noodle, python = self.block(size=self.chance.randint(0, 2))
        if self.loops and self.chance.random() < 0.4:
            jump = self.chance.choice(["break", "continue"])
            return [*noodle, jump], [*python, jump]
        if self.functions and self.chance.random() < 0.2:
            value = self.constant(0, 9)
            return [*noodle, f"return {value.noodle}"], [*python, f"return {value.python}"]
        return noodle, python

    def count_up(self) -> None:
        if self.chance.random() < 0.3:
            items = self.expression("list")
            over = Expr(f"{self.wrapped(items, POSTFIX)}[:3]", POSTFIX, f"{items.python}[:3]")
        else:
            end, sign = self.constant(0, 3), self.chance.choice(["..", "..="])
            first = self.constant(0, 1)
            behind = f"{end.python} + 1" if sign == "..=" else end.python
            over = Expr(
                f"{first.noodle}{sign}{end.noodle}", RANGE, f"range({first.python}, {behind})"
            )
        self.blocks.append(Block())
        variable = self.declare("int")
        noodle, python = self.turn()
        self.blocks.pop()
        self.add(
            [f"for {variable.name} in {over.noodle} {{", *indented(noodle), "}"],
            f"for item in {over.python}:",
            *indented([f"{variable.cell} = filled(item)", *python]),
        )

    def repeat(self) -> None:
        counter, limit = self.reserve("int", fixed=True), self.constant(1, 3)
        self.add(f"let {counter.name} = 0", f"{counter.cell}.v = 0")
        self.admit(counter)
        condition = self.expression("bool")
        noodle, python = self.turn()
        more = self.wrapped(condition, AND + 1)
        # The name may be hidden in the body, so a block around that counts.
        self.add(
            [
                f"while {counter.name} < {limit.noodle} && {more} {{",
                *indented([f"{counter.name} += 1", "{", *indented(noodle), "}"]),
                "}",
            ],
            f"while {counter.cell}.v < {limit.python} and {condition.python}:",
            *indented([f"{counter.cell}.v += 1", *python]),
        )

    def turn(self) -> tuple[list[str], list[str]]:
        """Return the body of a loop of at most four turns."""
        turns, self.turns = self.turns, self.turns * 4
        self.loops += 1
        result = self.block(size=self.chance.randint(1, 4))
        self.loops -= 1
        self.turns = turns
        return result

    def give_back(self) -> None:
        value = self.reduced(self.expression("int"))
        self.add(f"return {value.noodle}", f"return {value.python}")
