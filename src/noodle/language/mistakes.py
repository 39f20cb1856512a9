"""Mistakes that people make, and what to tell them.

``MISTAKES`` holds malformed programs: a program that fails in the same state of the parser and at
the same kind of token gets the advice of the example.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "FOREIGN_NAMES",
    "FOREIGN_SIGNS",
    "FOREIGN_TYPES",
    "FOREIGN_WORDS",
    "MISTAKES",
    "RESERVED_STATEMENTS",
    "Advice",
]


class Advice(NamedTuple):
    """What to say about a mistake.

    Args:
        summary: What is wrong.
        remedy: What to write.
    """

    summary: str
    remedy: str


_DECLARE = Advice("a variable is declared with `let`", "write `let name = value`, or `const`")
_FUNCTION = Advice("a function is declared with `fn`", "write `fn name(parameters) { … }`")
_ELSE_IF = Advice("a further condition is written `else if`", "write `else if condition { … }`")

FOREIGN_WORDS = {
    "var": _DECLARE,
    "val": _DECLARE,
    "auto": _DECLARE,
    "mut": Advice("`let` declares a variable that can change", "write `let name = value`"),
    "def": _FUNCTION,
    "func": _FUNCTION,
    "function": _FUNCTION,
    "fun": _FUNCTION,
    "elif": _ELSE_IF,
    "elseif": _ELSE_IF,
    "elsif": _ELSE_IF,
    "foreach": Advice("a loop over items is written `for`", "write `for item in items { … }`"),
    "loop": Advice("an endless loop is written with `while`", "write `while true { … }`"),
    "until": Advice("Noodle has no `until`", "write `while !condition { … }`"),
    "unless": Advice("Noodle has no `unless`", "write `if !condition { … }`"),
    "do": Advice("Noodle has no `do`", "write `while true { … if done { break } }`"),
    "then": Advice("Noodle has no `then`", "write `if condition { … }`"),
    "is": Advice("Noodle has no `is`", "compare with `==`"),
    "lambda": Advice("a function without a name is written with `=>`", "write `(x) => x + 1`"),
    "require": Advice(
        "a module is loaded with `import`", 'write `import "./other.noodle" as other`'
    ),
    "switch": Advice("Noodle has no `switch`", "write `if … { … } else if … { … }`"),
    "class": Advice("Noodle has no classes", "keep values in a map: `{name: value}`"),
    "struct": Advice("Noodle has no classes", "keep values in a map: `{name: value}`"),
    "from": Advice(
        "names are not imported one by one", 'write `import ffi "numpy" as np`, then `np.array`'
    ),
}
"""Words of other languages, with the advice for a program that fails next to one."""

FOREIGN_NAMES = {
    "True": "true",
    "False": "false",
    "None": "null",
    "nil": "null",
    "undefined": "null",
    "NULL": "null",
    "nullptr": "null",
    "console": "print(value)",
    "println": "print",
    "echo": "print",
    "printf": "print",
    "dict": "map",
    "this": "the value itself, as a parameter",
    "self": "the value itself, as a parameter",
    "elif": "else if",
    "puts": "print",
    "range": "a..b",
}
"""Names of other languages that are not declared here, with what to write instead."""

FOREIGN_TYPES = {
    **dict.fromkeys(("number", "double", "Float", "Double"), "f64"),
    **dict.fromkeys(("integer", "Int", "long", "size_t", "isize"), "i64"),
    "usize": "u64",
    "short": "i16",
    "byte": "u8",
    "boolean": "bool",
    "Bool": "bool",
    **dict.fromkeys(("string", "String", "text"), "str"),
    **dict.fromkeys(("null", "None", "unit"), "void"),
    **dict.fromkeys(("dict", "object"), "map"),
    "pointer": "ptr<void>",
}
"""Names that types have in other languages, with their name here."""

RESERVED_STATEMENTS = {
    "match": "write `if … { … } else if … { … }`",
    "try": "test beforehand what may fail: `if … { … }`",
    "throw": "stop the program with `expect(false, message)`",
    "async": "write the function without it",
    "parallel": "write the statements without it",
}
"""What to write in place of the statements that reserved words begin in later versions."""

FOREIGN_SIGNS = {
    "===": Advice("equality is written `==`", "write `==`"),
    "!==": Advice("inequality is written `!=`", "write `!=`"),
    "<>": Advice("inequality is written `!=`", "write `!=`"),
    "++": Advice("Noodle has no `++`", "write `x += 1`"),
    "--": Advice("Noodle has no `--`", "write `x -= 1`; a double minus sign needs a space: `- -x`"),
    "|>": Advice("`|>` is reserved for a later version", "call the function: `f(x)`"),
    "->": Advice(
        "`->` has no meaning",
        "write a lambda as `x => x + 1`, the type of a result as `fn f(): f64`",
    ),
    ":=": Advice("assignment is written `=`", "write `let x = 1` to declare, `x = 1` to assign"),
    "?.": Advice("Noodle has no `?.`", "write `if x != null { … }`"),
    "??": Advice("Noodle has no `??`", "write `a || b`"),
    "...": Advice(
        "`...` has no meaning",
        "write a range as `a..b`, all of a dimension as `a[:, 0]`, and pass a list as a whole",
    ),
}
"""Operators of other languages."""

_COMPARE = Advice("`=` assigns, `==` compares", "write `==`")
_NEEDS_BLOCK = Advice("the body of a statement stands in braces", "put `{ … }` around the body")
_CONDITION_MISSING = Advice("a condition is missing", "write `if condition { … }`")
_LOOP_FORM = Advice("a loop over items has no parentheses", "write `for item in items { … }`")
_OPERAND_MISSING = Advice("an operator has no right side", "write a value behind the operator")
_ONE_STATEMENT = Advice(
    "a statement ends before this",
    "begin a new line, or put an operator, `,` or `;` between the two",
)
_OPERATOR_FIRST = Advice(
    "a line begins with an operator", "put the operator at the end of the line before"
)
_COMMA_MISSING = Advice("a comma or an operator is missing", "separate the items with `,`")
_FN_NAME = Advice(
    "a function declared with `fn` has a name", "write `fn name(x) { … }` or `(x) => …`"
)
_MAP_OR_BLOCK = Advice(
    "`{` begins a block here, not a map", "put parentheses around a map: `({a: 1})`"
)
_LET_VALUE = Advice("a declaration has a value", "write `let name = value`; `null` will do")
_NAME_FIRST = Advice("a declaration begins with a name", "write `let name = value`")
_AS_NAME = Advice(
    "an import of a Noodle file has a name", 'write `import "./other.noodle" as other`'
)
_IMPORT_TARGET = Advice(
    "what to import is written in double quotes", 'write `import ffi "numpy" as np`'
)
_IMPORT_ORDER = Advice(
    "the parts of an import have an order",
    'write `import ffi "target" as name { prototypes } with { options }`',
)
_ONE_NAME = Advice("an import has one name", "import it a second time under the other name")
_FILE_OPTIONS = Advice(
    "options and prototypes are for libraries of other languages",
    'write `import "./other.noodle" as other`',
)
_NO_DECORATORS = Advice("decorators are reserved for a later version", "remove the line")
_NOT_IN_OPERAND = Advice("`!` binds looser than this operator", "put parentheses: `a == (!b)`")
_FN_VALUE = Advice("`fn` declares a function; it is no value", "write `(x) => …`")

MISTAKES: list[tuple[str, Advice]] = [
    ("if x = 3 { }", _COMPARE),
    ("while x = 3 { }", _COMPARE),
    ("f(x == y = 3)", _COMPARE),
    ("if (x = 3) { }", _COMPARE),
    ("if x print(1)", _NEEDS_BLOCK),
    ("if x ;", _NEEDS_BLOCK),
    ("if x 1", _NEEDS_BLOCK),
    ("if x return 1", _NEEDS_BLOCK),
    ("while x print(1)", _NEEDS_BLOCK),
    ("while x ;", _NEEDS_BLOCK),
    ("for a in b ;", _NEEDS_BLOCK),
    ("for a in b c", _NEEDS_BLOCK),
    ("if x : ", _NEEDS_BLOCK),
    ("while x : ", _NEEDS_BLOCK),
    ("for a in b : ", _NEEDS_BLOCK),
    ("if x { } else y", _NEEDS_BLOCK),
    ("if x { } else :", _NEEDS_BLOCK),
    ("fn f() 1", _NEEDS_BLOCK),
    ("fn f() ;", _NEEDS_BLOCK),
    ("fn f() => 1", Advice("the body of a `fn` is a block", "write `fn f() { return … }`")),
    ("fn f() = 1", Advice("the body of a `fn` is a block", "write `fn f() { return … }`")),
    ("fn f() return 1", _NEEDS_BLOCK),
    ("fn f", Advice("a function has a list of parameters", "write `fn name() { … }`")),
    ("x = 1 if", Advice("`if` is a statement; it has no value", "assign in each block")),
    ("x = ", Advice("an assignment has no right side", "write a value behind `=`")),
    ("x = not", _OPERAND_MISSING),
    ("x = 1 + @ 2", _OPERAND_MISSING),
    ("let x = @", _LET_VALUE),
    ("fn f { }", Advice("a function has a list of parameters", "write `fn name() { … }`")),
    ("if { }", _CONDITION_MISSING),
    ("while { }", Advice("a condition is missing", "write `while condition { … }`")),
    ("if x { } else if { }", _CONDITION_MISSING),
    ("for a b { }", Advice("`in` is missing", "write `for item in items { … }`")),
    ("for a of b { }", Advice("`in` is missing", "write `for item in items { … }`")),
    ("for a = 0", Advice("a counting loop runs over a range", "write `for i in 0..10 { … }`")),
    ("for (a in b) { }", _LOOP_FORM),
    (
        "for let a in b { }",
        Advice("a loop declares its variable itself", "write `for item in items { … }`"),
    ),
    ("else { }", Advice("`else` has no `if`", "write it behind the `}` of an `if`")),
    ("x = 1 + ;", _OPERAND_MISSING),
    ("x = 1 + * 2", _OPERAND_MISSING),
    ("f(1 + )", _OPERAND_MISSING),
    ("f(1 * )", _OPERAND_MISSING),
    ("x = 1 * ;", _OPERAND_MISSING),
    ("x = ;", Advice("an assignment has no right side", "write a value behind `=`")),
    ("x = = 1", _COMPARE),
    ("let x = = 1", Advice("one `=` is too many", "write `let name = value`")),
    ("let x = ;", _LET_VALUE),
    ("let x ;", _LET_VALUE),
    ("let x : int ;", _LET_VALUE),
    ("let x : int", _LET_VALUE),
    (
        "let a = 1, b = 2",
        Advice("a declaration has one value", "write `let a = 1; let b = 2`, or `let a, b = pair`"),
    ),
    ("let x 1", Advice("`=` is missing", "write `let name = value`")),
    ("let x y", Advice("`=` is missing", "write `let name = value`")),
    ("let x == 1", Advice("a declaration has one `=`", "write `let name = value`")),
    ("let 1 = x", _NAME_FIRST),
    ('let "a" = x', _NAME_FIRST),
    (
        "let [a] = x",
        Advice("several names are declared without brackets", "write `let a, b = pair`"),
    ),
    ("let {a} = x", Advice("names are not taken out of a map", 'write `let a = m["a"]`')),
    ("let = 1", _NAME_FIRST),
    ("let (a) = 1", _NAME_FIRST),
    ("a b", _ONE_STATEMENT),
    ("a 1", _ONE_STATEMENT),
    ('a "b"', _ONE_STATEMENT),
    ("if x { } y", _ONE_STATEMENT),
    (
        "a {",
        Advice("a block has no statement in front of it", "write `if`, `while`, `for` or `fn`"),
    ),
    ("f(a b)", _COMMA_MISSING),
    ("f(a 1)", _COMMA_MISSING),
    ('f(a "b")', _COMMA_MISSING),
    ("[a b]", _COMMA_MISSING),
    ("[a 1]", _COMMA_MISSING),
    ('[a "b"]', _COMMA_MISSING),
    ("x = {a: 1 b: 2}", _COMMA_MISSING),
    ('x = {a: 1 "b": 2}', _COMMA_MISSING),
    ("f(a = 1 b = 2)", _COMMA_MISSING),
    ("[1, , 2]", Advice("there is nothing between two commas", "remove one of them")),
    ("f(1, , 2)", Advice("there is nothing between two commas", "remove one of them")),
    ("f(, 1)", Advice("there is nothing before the comma", "remove it")),
    ("[, 1]", Advice("there is nothing before the comma", "remove it")),
    ('"${1 + }"', _OPERAND_MISSING),
    ("f(1, =2)", Advice("an argument has no name", "write `f(name=value)`")),
    ("f(=2)", Advice("an argument has no name", "write `f(name=value)`")),
    ("xs[1 2]", _COMMA_MISSING),
    ("xs[1:2:3:4]", Advice("a slice has three parts at most", "write `xs[from:to:step]`")),
    ("let x = y = 2", Advice("an assignment has no value", "assign twice, one on each line")),
    ("return = 3", Advice("`return` is a word of the language", "choose another name: `return_`")),
    ("fn f() { x = }", Advice("an assignment has no right side", "write a value behind `=`")),
    ("fn f() { x + }", _OPERAND_MISSING),
    ("fn f() { let x = }", _LET_VALUE),
    ("print(1) else { }", Advice("`else` has no `if`", "write it behind the `}` of an `if`")),
    ("x = {,}", Advice("there is nothing before the comma", "remove it")),
    ("x = {a b}", Advice("`:` is missing between a key and its value", "write `{key: value}`")),
    ('x = {"a" b}', Advice("`:` is missing between a key and its value", "write `{key: value}`")),
    ("x = {a = 1}", Advice("a key of a map is followed by `:`", "write `{key: value}`")),
    ("x = {a}", Advice("a map has a value for each key", "write `{key: value}`")),
    ("x = {a, b}", Advice("a map has a value for each key", "write `{key: value}`")),
    ("x = {1: 2}", Advice("a key of a map is a name or a string", 'write `{"1": value}`')),
    (
        "x = {[a]: 2}",
        Advice("a key of a map is a name or a string", "set it later: `m[key] = value`"),
    ),
    (
        "x = { print(1) }",
        Advice("`{` begins a map here", "write a function with a block as `() => { … }`"),
    ),
    ("fn (x) { }", _FN_NAME),
    ("x = fn (a) { }", _FN_VALUE),
    ("f(fn (a) { })", _FN_VALUE),
    ("{a: 1}", _MAP_OR_BLOCK),
    ('{"a": 1}', _MAP_OR_BLOCK),
    ("(a, b) ", Advice("parentheses hold one value", "write a list: `[a, b]`")),
    ("x = ()", Advice("there is nothing between the parentheses", "write a value, or `() => …`")),
    ("f(a: 1)", Advice("an argument is named with `=`", "write `f(name=value)`")),
    ("fn f(1) { }", Advice("a parameter is a name", "write `fn f(name) { … }`")),
    ('fn f("a") { }', Advice("a parameter is a name", "write `fn f(name) { … }`")),
    (
        "fn f(*a) { }",
        Advice("a function has a fixed list of parameters", "take a list: `fn f(items)`"),
    ),
    ("f(*a)", Advice("arguments cannot be spread", "write each argument, or pass the list itself")),
    ("f(**a)", Advice("arguments cannot be spread", "write each argument, or pass the map itself")),
    ('import "numpy"', _AS_NAME),
    ("import numpy", _IMPORT_TARGET),
    ("import ffi numpy", _IMPORT_TARGET),
    ('import ffi "a" as "b"', Advice("behind `as` stands a name", "write `as name`")),
    ('import "a" as "b"', Advice("behind `as` stands a name", "write `as name`")),
    ('import ffi "a" as b c', _ONE_STATEMENT),
    (
        'import ffi "a" { cos(x: f64): f64 }',
        Advice("a prototype begins with `fn`", "write `fn cos(x: f64): f64`"),
    ),
    (
        'import ffi "a" as b { f64 cos(f64) }',
        Advice("a prototype begins with `fn`", "write `fn cos(x: f64): f64`"),
    ),
    (
        'import ffi "a" as b { double c }',
        Advice("a prototype begins with `fn`", "write `fn cos(x: f64): f64`"),
    ),
    ('import ffi "a" with {b: 1} as c', _IMPORT_ORDER),
    ('import ffi "a" { fn f(): f64 } as c', _IMPORT_ORDER),
    ('import ffi "a" with {b: 1} { fn f(): f64 }', _IMPORT_ORDER),
    ('import ffi as a "b"', _IMPORT_ORDER),
    ('import ffi "a" as b as c', _ONE_NAME),
    ('import "a" as b as c', _ONE_NAME),
    ('import "a" with', _FILE_OPTIONS),
    ('import "a" {', _FILE_OPTIONS),
    ('import "a" as b with', _FILE_OPTIONS),
    ('import ffi "a" as b with c', Advice("options are a map", "write `with {name: value}`")),
    ("@cache", _NO_DECORATORS),
    ("x == !y", _NOT_IN_OPERAND),
    ("x == not y", _NOT_IN_OPERAND),
    ("x + !y", _NOT_IN_OPERAND),
    ("1..2..3", Advice("a range has two ends", "write `a..b`")),
    ("m[]", Advice("an index is missing", "write `xs[0]` or `xs[1:3]`")),
    ("x.1", Advice("behind `.` stands a name", "write an index as `xs[1]`")),
    ('x."a"', Advice("behind `.` stands a name", 'write a key as `m["a"]`')),
    ("x.", Advice("behind `.` stands a name", "write the name of a member")),
    ("x. ;", Advice("behind `.` stands a name", "write the name of a member")),
    (
        '"${}"',
        Advice("`${}` has no value in it", "write `${value}`, or `\\${` for the signs themselves"),
    ),
    ('"${a b}"', Advice("`${…}` holds one value", "write several: `${a} ${b}`")),
    ('"${a:b}"', Advice("`${…}` holds one value", "format it before: `${round(x, 2)}`")),
    ("x ? 1 : 2", Advice("Noodle has no `? :`", "write `if … { … } else { … }`")),
    ("let x = if a { 1 }", Advice("`if` is a statement; it has no value", "assign in each block")),
    ("x = if a { 1 }", Advice("`if` is a statement; it has no value", "assign in each block")),
    ("return if a { 1 }", Advice("`if` is a statement; it has no value", "return in each block")),
    (
        "[x for x in y]",
        Advice("Noodle has no list comprehension", "append in a loop, or use `map`"),
    ),
    ("a * ** b", _OPERAND_MISSING),
    ("fn f() { } x", _ONE_STATEMENT),
    (
        "f(x if",
        Advice("`if` is a statement; it has no value", "assign in each block"),
    ),
    (
        "[x if",
        Advice("`if` is a statement; it has no value", "assign in each block"),
    ),
    ("let a = 1 let b = 2", _ONE_STATEMENT),
    ("a let b = 2", _ONE_STATEMENT),
    *(
        (f"{sign} a", _OPERATOR_FIRST)
        for sign in "&& || == < > in .. ..= | ^ & << >> * / % ** = +=".split()
    ),
]
"""Malformed programs, each with its advice."""
