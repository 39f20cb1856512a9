"""Malformed programs, each with the places and summaries of the errors that it must give."""

from __future__ import annotations

Mistake = tuple[str, list[tuple[int, int, str]]]

MISTAKES: list[Mistake] = [
    (
        "if x = 3 { print(x) }",
        [
            (1, 6, "`=` assigns, `==` compares"),
        ],
    ),
    (
        "let x = 1\nif x = 3 { print(x) }",
        [
            (2, 6, "`=` assigns, `==` compares"),
        ],
    ),
    (
        "while true = false { }",
        [
            (1, 12, "`=` assigns, `==` compares"),
        ],
    ),
    (
        "var x = 1",
        [
            (1, 5, "a variable is declared with `let`"),
        ],
    ),
    (
        "def f() { }",
        [
            (1, 5, "a function is declared with `fn`"),
        ],
    ),
    (
        "func f(x) { return x }",
        [
            (1, 6, "a function is declared with `fn`"),
        ],
    ),
    (
        "function f() { }",
        [
            (1, 10, "a function is declared with `fn`"),
        ],
    ),
    (
        "let x = 1\nif x { }\nelif x { }",
        [
            (3, 6, "a further condition is written `else if`"),
        ],
    ),
    (
        "let x = 1\nif x { } elseif x { }",
        [
            (2, 10, "a further condition is written `else if`"),
        ],
    ),
    (
        "print(True)",
        [
            (1, 7, "`True` is not declared"),
        ],
    ),
    (
        "print(None)",
        [
            (1, 7, "`None` is not declared"),
        ],
    ),
    (
        "let x = 1\nx++",
        [
            (2, 2, "Noodle has no `++`"),
        ],
    ),
    (
        "let x = 1\nx--",
        [
            (2, 2, "Noodle has no `--`"),
        ],
    ),
    (
        "for i 0..3 { }",
        [
            (1, 7, "`in` is missing"),
        ],
    ),
    (
        "for i of [1] { }",
        [
            (1, 7, "`in` is missing"),
        ],
    ),
    (
        "for (i in [1]) { }",
        [
            (1, 5, "a loop over items has no parentheses"),
        ],
    ),
    (
        "for (let i = 0; i < 3; i += 1) { }",
        [
            (1, 5, "a loop over items has no parentheses"),
        ],
    ),
    (
        "for i = 0 { }",
        [
            (1, 7, "a counting loop runs over a range"),
        ],
    ),
    (
        "else { }",
        [
            (1, 1, "`else` has no `if`"),
        ],
    ),
    (
        "print(undefined_name)",
        [
            (1, 7, "`undefined_name` is not declared"),
        ],
    ),
    (
        "let counter = 1\nprint(countr)",
        [
            (2, 7, "`countr` is not declared"),
        ],
    ),
    (
        "fn f(a, b) { return a + b }\nf(1)",
        [
            (2, 1, "`f` does not take these arguments"),
        ],
    ),
    (
        "fn f(a, b) { return a + b }\nf(1, 2, 3)",
        [
            (2, 1, "`f` does not take these arguments"),
        ],
    ),
    (
        "fn f(a, b) { return a + b }\nf(1, c=2)",
        [
            (2, 1, "`f` does not take these arguments"),
        ],
    ),
    (
        'import ffi "libm.so.6" as m { fn cos(x: f64): f64 }\nm.cos("x")',
        [
            (2, 7, "`cos` does not take this as `x`"),
        ],
    ),
    (
        'import ffi "libm.so.6" as m { fn cos(x: f64): f64 }\nm.cos()',
        [
            (2, 1, "`cos` does not take these arguments"),
        ],
    ),
    (
        'import ffi "l.so" as m { fn f(x: i32) }\nm.f(3000000000)',
        [
            (2, 5, "`f` does not take this as `x`"),
        ],
    ),
    (
        "5(3)",
        [
            (1, 1, "int cannot be called"),
        ],
    ),
    (
        '"a"()',
        [
            (1, 1, "str cannot be called"),
        ],
    ),
    (
        "fn f() { return 1 }\nf() = 3",
        [
            (2, 1, "cannot assign to a call"),
        ],
    ),
    (
        "1 = 2",
        [
            (1, 1, "cannot assign to a constant"),
        ],
    ),
    (
        "let x = 1 +",
        [
            (1, 12, "an operator has no right side"),
        ],
    ),
    (
        "let x = 1 + * 2",
        [
            (1, 13, "an operator has no right side"),
        ],
    ),
    (
        "let x = (1 + 2",
        [
            (1, 9, "`(` is never closed"),
        ],
    ),
    (
        "let x = [1, 2",
        [
            (1, 9, "`[` is never closed"),
        ],
    ),
    (
        "let x = {a: 1",
        [
            (1, 9, "`{` is never closed"),
        ],
    ),
    (
        "fn f() {\n  print(1)",
        [
            (1, 8, "`{` is never closed"),
        ],
    ),
    (
        "}",
        [
            (1, 1, "`}` closes nothing"),
        ],
    ),
    (
        ")",
        [
            (1, 1, "`)` closes nothing"),
        ],
    ),
    (
        "print(1))",
        [
            (1, 9, "`)` closes nothing"),
        ],
    ),
    (
        'print("abc',
        [
            (1, 7, "a string is never closed"),
        ],
    ),
    (
        'print("abc)',
        [
            (1, 7, "a string is never closed"),
        ],
    ),
    (
        'let s = "a ${1 + 2"',
        [
            (1, 12, "`${` is never closed"),
        ],
    ),
    (
        'let s = "a ${} b"',
        [
            (1, 14, "`${}` has no value in it"),
        ],
    ),
    (
        'import ffi "libm.so.6" as m { fn cos(x: f65): f64 }',
        [
            (1, 41, "unknown type 'f65'"),
        ],
    ),
    (
        'import ffi "libm.so.6" as m { fn cos(x: ptr<str>): f64 }',
        [
            (1, 41, "ptr cannot point to str"),
        ],
    ),
    (
        'import ffi "libm.so.6" as m { double cos(double) }',
        [
            (1, 31, "a prototype begins with `fn`"),
        ],
    ),
    (
        "import ffi numpy as np",
        [
            (1, 12, "what to import is written in double quotes"),
        ],
    ),
    (
        'import ffi "scikit-learn"',
        [
            (1, 12, "an import needs a name"),
        ],
    ),
    (
        'import ffi "" as x',
        [
            (1, 12, "an import names nothing to load"),
        ],
    ),
    (
        'import "./other.noodle"',
        [
            (1, 24, "an import of a Noodle file has a name"),
        ],
    ),
    (
        'import ffi "a" with {b: 1} as c',
        [
            (1, 28, "the parts of an import have an order"),
        ],
    ),
    (
        'import ffi "a" { fn f(): f64 } as c',
        [
            (1, 32, "the parts of an import have an order"),
        ],
    ),
    (
        'import ffi "a" with {b: 1} { fn f(): f64 }',
        [
            (1, 28, "the parts of an import have an order"),
        ],
    ),
    (
        'import ffi as a "b"',
        [
            (1, 12, "the parts of an import have an order"),
        ],
    ),
    (
        'import ffi "a" as b as c',
        [
            (1, 21, "an import has one name"),
        ],
    ),
    (
        'import "./a.noodle" as b as c',
        [
            (1, 26, "an import has one name"),
        ],
    ),
    (
        'import "./a.noodle" with {b: 1} as c',
        [
            (1, 21, "options and prototypes are for libraries of other languages"),
        ],
    ),
    (
        'import "./a.noodle" as b with {c: 1}',
        [
            (1, 26, "options and prototypes are for libraries of other languages"),
        ],
    ),
    (
        'import "./a.noodle" { fn f(): f64 } as b',
        [
            (1, 21, "options and prototypes are for libraries of other languages"),
        ],
    ),
    (
        'import ffi "a" as b with {x: y}',
        [
            (1, 30, "an option of an import is a constant"),
        ],
    ),
    (
        'import ffi "a" as b with 3',
        [
            (1, 26, "options are a map"),
        ],
    ),
    (
        "/* never closed",
        [
            (1, 1, "a comment is never closed"),
        ],
    ),
    (
        "let x = 1 /* a /* b */",
        [
            (1, 11, "a comment is never closed"),
        ],
    ),
    (
        "let x = 'abc'",
        [
            (1, 9, "`'` has no meaning here"),
        ],
    ),
    (
        "let x = `abc`",
        [
            (1, 9, "``` has no meaning here"),
        ],
    ),
    (
        "# comment",
        [
            (1, 1, "`#` has no meaning here"),
        ],
    ),
    (
        "let a = 1\nlet b = a < 3 < 5",
        [
            (2, 9, "comparisons do not chain"),
        ],
    ),
    (
        "return 3",
        [
            (1, 1, "`return` stands outside of a function"),
        ],
    ),
    (
        "break",
        [
            (1, 1, "`break` stands outside of a loop"),
        ],
    ),
    (
        "fn f() { break }\nwhile true { fn g() { continue } }",
        [
            (1, 10, "`break` stands outside of a loop"),
            (2, 23, "`continue` stands outside of a loop"),
        ],
    ),
    (
        "const k = 1\nk = 2",
        [
            (2, 1, "`k` cannot be assigned to"),
        ],
    ),
    (
        "const k = 1\nk += 2",
        [
            (2, 1, "`k` cannot be assigned to"),
        ],
    ),
    (
        "fn f() { }\nf = 3",
        [
            (2, 1, "`f` cannot be assigned to"),
        ],
    ),
    (
        "nope = 3",
        [
            (1, 1, "`nope` is not declared"),
        ],
    ),
    (
        "let x = 1\nlet x = 2",
        [
            (2, 5, "`x` is already declared in this block"),
        ],
    ),
    (
        "fn f() { }\nlet f = 3",
        [
            (2, 5, "`f` is already declared in this block"),
        ],
    ),
    (
        "print(y)\nlet y = 1",
        [
            (1, 7, "`y` is used before its declaration"),
        ],
    ),
    (
        "let x = 1\nif true { print(x)\n let x = 2 }",
        [
            (2, 17, "`x` is used before its declaration"),
        ],
    ),
    (
        "let x",
        [
            (1, 6, "a declaration has a value"),
        ],
    ),
    (
        "let x 5",
        [
            (1, 7, "`=` is missing"),
        ],
    ),
    (
        "let 5 = x",
        [
            (1, 5, "a declaration begins with a name"),
        ],
    ),
    (
        "let if = 3",
        [
            (1, 5, "`if` is a word of the language"),
        ],
    ),
    (
        "let match = 3",
        [
            (1, 5, "`match` is reserved for a later version"),
        ],
    ),
    (
        "let async = 3",
        [
            (1, 5, "`async` is reserved for a later version"),
        ],
    ),
    (
        "f(a b)",
        [
            (1, 5, "a comma or an operator is missing"),
        ],
    ),
    (
        "print(1 2)",
        [
            (1, 9, "a comma or an operator is missing"),
        ],
    ),
    (
        "[1 2]",
        [
            (1, 4, "a comma or an operator is missing"),
        ],
    ),
    (
        "let m = {a: 1 b: 2}",
        [
            (1, 15, "a comma or an operator is missing"),
        ],
    ),
    (
        "let m = {a = 1}",
        [
            (1, 12, "a key of a map is followed by `:`"),
        ],
    ),
    (
        "let m = {1: 2}",
        [
            (1, 10, "a key of a map is a name or a string"),
        ],
    ),
    (
        "let m = {a: 1, a: 2}",
        [
            (1, 16, "the key `a` stands twice in a map"),
        ],
    ),
    (
        "let m = {a: 1}\nprint(m.a)",
        [
            (2, 9, "a map has no member `a`"),
        ],
    ),
    (
        "let f = () => {a: 1}",
        [
            (1, 17, "`{` begins a block here, not a map"),
        ],
    ),
    (
        "fn (x) { }",
        [
            (1, 4, "a function declared with `fn` has a name"),
        ],
    ),
    (
        "let f = fn (x) { return x }",
        [
            (1, 9, "`fn` declares a function; it is no value"),
        ],
    ),
    (
        "fn f(x=1, y) { }",
        [
            (1, 11, "parameter `y` needs a default"),
        ],
    ),
    (
        "fn f(x, x) { }",
        [
            (1, 9, "there are two parameters `x`"),
        ],
    ),
    (
        "fn f(1) { }",
        [
            (1, 6, "a parameter is a name"),
        ],
    ),
    (
        "fn f",
        [
            (1, 5, "a function has a list of parameters"),
        ],
    ),
    (
        "fn f() return 1",
        [
            (1, 8, "the body of a statement stands in braces"),
        ],
    ),
    (
        "let x = 0x",
        [
            (1, 9, "this is no hexadecimal number"),
        ],
    ),
    (
        "let x = 0b12",
        [
            (1, 9, "this is no binary number"),
        ],
    ),
    (
        "let x = 1__0",
        [
            (1, 9, "`_` in a number stands between two digits"),
        ],
    ),
    (
        "let x = 1_",
        [
            (1, 9, "`_` in a number stands between two digits"),
        ],
    ),
    (
        "let x = 007",
        [
            (1, 9, "a number begins with 0"),
        ],
    ),
    (
        "let x = 1.2.3",
        [
            (1, 9, "this is no number"),
        ],
    ),
    (
        "let x = 3px",
        [
            (1, 9, "this is no number"),
        ],
    ),
    (
        'let x = "\\q"',
        [
            (1, 10, "`\\q` is no escape"),
        ],
    ),
    (
        'let x = "\\u{110000}"',
        [
            (1, 10, "U+110000 is no character"),
        ],
    ),
    (
        "let x = a ? b : c",
        [
            (1, 11, "`?` has no meaning here"),
        ],
    ),
    (
        'let x = "a" + 1',
        [
            (1, 9, "`+` does not work on str and int"),
        ],
    ),
    (
        'let x = 1 - "a"',
        [
            (1, 9, "`-` does not work on int and str"),
        ],
    ),
    (
        "let x = [1] + 2",
        [
            (1, 9, "`+` does not work on list and int"),
        ],
    ),
    (
        'let x = -"a"',
        [
            (1, 9, "`-` does not work on str"),
        ],
    ),
    (
        "let x = null.foo",
        [
            (1, 14, "null has no member `foo`"),
        ],
    ),
    (
        "let x = 5\nx[0]",
        [
            (2, 1, "int has no items"),
        ],
    ),
    (
        "for i in 10 { }",
        [
            (1, 10, "int has no items to loop over"),
        ],
    ),
    (
        "let x = 1 === 1",
        [
            (1, 11, "equality is written `==`"),
        ],
    ),
    (
        "let x = 1\nx := 2",
        [
            (2, 3, "assignment is written `=`"),
        ],
    ),
    (
        "let x = 1 |> print",
        [
            (1, 11, "`|>` is reserved for a later version"),
        ],
    ),
    (
        "fn f() -> int { }",
        [
            (1, 8, "`->` has no meaning"),
        ],
    ),
    (
        "x => { return 1",
        [
            (1, 6, "`{` is never closed"),
        ],
    ),
    (
        "let x = 1;;; let y = @",
        [
            (1, 22, "a declaration has a value"),
        ],
    ),
    (
        "print(1)\n\n   }\nprint(2",
        [
            (3, 4, "`}` closes nothing"),
            (4, 6, "`(` is never closed"),
        ],
    ),
    (
        "if true { print(1) } print(2)",
        [
            (1, 22, "a statement ends before this"),
        ],
    ),
    (
        "print(1) print(2)",
        [
            (1, 10, "a statement ends before this"),
        ],
    ),
    (
        "let a, b",
        [
            (1, 9, "a declaration has a value"),
        ],
    ),
    (
        "let [a, b] = [1, 2]",
        [
            (1, 5, "several names are declared without brackets"),
        ],
    ),
    (
        "let {a, b} = {}",
        [
            (1, 5, "names are not taken out of a map"),
        ],
    ),
    (
        "if { }",
        [
            (1, 7, "a condition is missing"),
        ],
    ),
    (
        "if true print(1)",
        [
            (1, 9, "the body of a statement stands in braces"),
        ],
    ),
    (
        "while true: { }",
        [
            (1, 11, "the body of a statement stands in braces"),
        ],
    ),
    (
        "if true:\n  print(1)",
        [
            (1, 8, "the body of a statement stands in braces"),
        ],
    ),
    (
        'print "hello"',
        [
            (1, 7, "a call needs parentheses"),
        ],
    ),
    (
        "print(1,,2)",
        [
            (1, 9, "there is nothing between two commas"),
        ],
    ),
    (
        "print(,1)",
        [
            (1, 7, "there is nothing before the comma"),
        ],
    ),
    (
        "f(*args)",
        [
            (1, 3, "arguments cannot be spread"),
        ],
    ),
    (
        "f(**kwargs)",
        [
            (1, 3, "arguments cannot be spread"),
        ],
    ),
    (
        "f(x: 1)",
        [
            (1, 4, "an argument is named with `=`"),
        ],
    ),
    (
        "let x = ()",
        [
            (1, 10, "there is nothing between the parentheses"),
        ],
    ),
    (
        "let x = (1, 2)",
        [
            (1, 11, "parentheses hold one value"),
        ],
    ),
    (
        "let x = m[]",
        [
            (1, 11, "an index is missing"),
        ],
    ),
    (
        "let x = 1..2..3",
        [
            (1, 13, "a range has two ends"),
        ],
    ),
    (
        "@cache\nfn f() { }",
        [
            (1, 1, "decorators are reserved for a later version"),
        ],
    ),
    (
        "let x = 1 == !true",
        [
            (1, 14, "`!` binds looser than this operator"),
        ],
    ),
    (
        "fn f(x: f65) { }",
        [
            (1, 9, "unknown type 'f65'"),
        ],
    ),
    (
        'let x: int = "a"',
        [
            (1, 14, "`x` is declared as int"),
        ],
    ),
    (
        "let x: wrong = 1",
        [
            (1, 8, "unknown type 'wrong'"),
        ],
    ),
    (
        'fn f(x: f64) { return x }\nf("a")',
        [
            (2, 3, "`f` does not take this as `x`"),
        ],
    ),
    (
        "f(1, x=2, 3)",
        [
            (1, 1, "`f` is not declared"),
            (1, 11, "an argument without a name stands behind one with a name"),
        ],
    ),
    (
        'print(1, sep="", sep="")',
        [
            (1, 18, "the argument `sep` stands twice"),
        ],
    ),
    (
        'while true { import ffi "a" as b }',
        [
            (1, 14, "an import stands at the top level of a file"),
        ],
    ),
    (
        "let x = [i for i in xs]",
        [
            (1, 12, "Noodle has no list comprehension"),
        ],
    ),
    (
        "let x = if true { 1 }",
        [
            (1, 9, "`if` is a statement; it has no value"),
        ],
    ),
    (
        "try { } catch { }",
        [
            (1, 1, "`try` is reserved for a later version"),
        ],
    ),
    (
        "a.b.",
        [
            (1, 5, "behind `.` stands a name"),
        ],
    ),
    (
        "a.5",
        [
            (1, 3, "behind `.` stands a name"),
        ],
    ),
    (
        "let None = 3",
        [
            (1, 5, "`None` cannot be declared"),
        ],
    ),
    (
        'let x = "tab\tand ä" + unknown',
        [
            (1, 23, "`unknown` is not declared"),
        ],
    ),
    (
        "let größe = 1\nprint(größ)",
        [
            (2, 7, "`größ` is not declared"),
        ],
    ),
    (
        "let x = 1 \\\n + 2",
        [
            (1, 11, "`\\` has no meaning here"),
        ],
    ),
    (
        "let x = 1 $ 2",
        [
            (1, 11, "`$` has no meaning here"),
        ],
    ),
    (
        "do { } while true",
        [
            (1, 4, "Noodle has no `do`"),
        ],
    ),
    (
        "return",
        [
            (1, 1, "`return` stands outside of a function"),
        ],
    ),
    (
        "xs.append(1 2)",
        [
            (1, 13, "a comma or an operator is missing"),
        ],
    ),
    (
        "let x = not",
        [
            (1, 12, "an operator has no right side"),
        ],
    ),
    (
        "import numpy as np",
        [
            (1, 8, "what to import is written in double quotes"),
        ],
    ),
    (
        "from numpy import array",
        [
            (1, 6, "names are not imported one by one"),
        ],
    ),
    (
        "class Foo { }",
        [
            (1, 7, "Noodle has no classes"),
        ],
    ),
    (
        "switch x { }",
        [
            (1, 8, "Noodle has no `switch`"),
        ],
    ),
    (
        "let f = x -> x + 1",
        [
            (1, 11, "`->` has no meaning"),
        ],
    ),
    (
        "let f = lambda x: x",
        [
            (1, 16, "a function without a name is written with `=>`"),
        ],
    ),
    (
        "if (true) { print(1)",
        [
            (1, 11, "`{` is never closed"),
        ],
    ),
    (
        "let y = 1 if true else 2",
        [
            (1, 11, "`if` is a statement; it has no value"),
        ],
    ),
    (
        "function add(a, b) { return a + b }\nvar z = add(1, 2)\nprint z",
        [
            (1, 10, "a function is declared with `fn`"),
            (2, 5, "a variable is declared with `let`"),
            (3, 7, "a call needs parentheses"),
        ],
    ),
    (
        'print("a" "b")',
        [
            (1, 11, "a comma or an operator is missing"),
        ],
    ),
    (
        "(1, 2) => 3",
        [
            (1, 2, "a parameter is a name"),
        ],
    ),
    (
        "let f = (a, 1) => a",
        [
            (1, 13, "a parameter is a name"),
        ],
    ),
    (
        '"${a b}"',
        [
            (1, 6, "`${…}` holds one value"),
        ],
    ),
    (
        "let x = 5 5",
        [
            (1, 11, "a statement ends before this"),
        ],
    ),
    (
        "let x = {a, b}",
        [
            (1, 11, "a map has a value for each key"),
        ],
    ),
    (
        "let x = 1\r\nlet y = §\r\n",
        [
            (2, 9, "`§` has no meaning here"),
        ],
    ),
    (
        "\ufeffprnt(1)",
        [
            (1, 1, "`prnt` is not declared"),
        ],
    ),
    (
        "let x = 1\x00",
        [
            (1, 10, "a NUL character has no meaning here"),
        ],
    ),
    (
        "\tprnt(1)",
        [
            (1, 2, "`prnt` is not declared"),
        ],
    ),
    (
        '// ünïcödé\nlet a = "日本" + 1',
        [
            (2, 9, "`+` does not work on str and int"),
        ],
    ),
    (
        'import ffi "a" as b with {x: {y: [1, f(2)]}}',
        [
            (1, 38, "an option of an import is a constant"),
        ],
    ),
    (
        "let x = 1 ?? 2",
        [
            (1, 11, "Noodle has no `??`"),
        ],
    ),
    (
        "a ?. b",
        [
            (1, 3, "Noodle has no `?.`"),
        ],
    ),
    (
        "let x = \nlet y = )\nfn f() {\n  let z = (1 +\n  return z\n}\nprint(nope)",
        [
            (1, 8, "an assignment has no right side"),
            (2, 9, "`)` closes nothing"),
            (4, 11, "`(` is never closed"),
        ],
    ),
    (
        'import "./a.noodle" as a\na.x = 3',
        [
            (2, 1, "`a.x` belongs to another file"),
        ],
    ),
    (
        "while 1 { fn f() { continue } }",
        [
            (1, 20, "`continue` stands outside of a loop"),
        ],
    ),
    (
        "let f = x => y",
        [
            (1, 14, "`y` is not declared"),
        ],
    ),
    (
        "fn f(a, b = 1) { }\nf()",
        [
            (2, 1, "`f` does not take these arguments"),
        ],
    ),
    (
        "let f = (a) => a\nf(1, 2)",
        [
            (2, 1, "`f` does not take these arguments"),
        ],
    ),
    (
        "const g = 3\ng()",
        [
            (2, 1, "int cannot be called"),
        ],
    ),
    (
        "let m = null\nm()",
        [
            (2, 1, "null cannot be called"),
        ],
    ),
    (
        '"a" < 1',
        [
            (1, 1, "`<` does not work on str and int"),
        ],
    ),
    (
        "let xs = [1, 2\nlet y = 3",
        [
            (1, 10, "`[` is never closed"),
        ],
    ),
    (
        "foo(1, 2\nfn g() { }",
        [
            (1, 4, "`(` is never closed"),
        ],
    ),
    (
        "if true {\n  print(1)\n",
        [
            (1, 9, "`{` is never closed"),
        ],
    ),
    (
        'print("${1 + }")',
        [
            (1, 14, "an operator has no right side"),
        ],
    ),
    (
        "let x = 5 +\n",
        [
            (1, 12, "an operator has no right side"),
        ],
    ),
    (
        "x = 1 +",
        [
            (1, 8, "an operator has no right side"),
        ],
    ),
    (
        "let 1x = 2",
        [
            (1, 5, "this is no number"),
        ],
    ),
    (
        "return = 3",
        [
            (1, 8, "`return` is a word of the language"),
        ],
    ),
    (
        "[1, 2] = 3",
        [
            (1, 1, "cannot assign to a list"),
        ],
    ),
    (
        "f(1) += 2",
        [
            (1, 1, "`f` is not declared"),
        ],
    ),
    (
        "(x) = 3",
        [
            (1, 1, "cannot assign to something in parentheses"),
            (1, 2, "`x` is not declared"),
        ],
    ),
    (
        "let x = 0b2",
        [
            (1, 9, "this is no binary number"),
        ],
    ),
    (
        "let x = 1e",
        [
            (1, 9, "this is no number"),
        ],
    ),
    (
        'let y = true + "a"',
        [
            (1, 9, "`+` does not work on bool and str"),
        ],
    ),
    (
        'import ffi "./k.c" { fn f(x: i32, x: i32) }',
        [
            (1, 35, "there are two parameters `x`"),
        ],
    ),
    (
        'import ffi "m" { fn f(x: array<str>) }',
        [
            (1, 26, "array cannot point to str"),
        ],
    ),
    (
        'import ffi "m" { cos(x) }',
        [
            (1, 18, "a prototype begins with `fn`"),
        ],
    ),
    (
        'let x = 2 ** "a"',
        [
            (1, 9, "`**` does not work on int and str"),
        ],
    ),
    (
        'fn f(x: i32 = "a") { }',
        [
            (1, 15, "the default of `x` is not i32"),
        ],
    ),
    (
        "for x in null { }",
        [
            (1, 10, "null has no items to loop over"),
        ],
    ),
    (
        "for x 1 { }",
        [
            (1, 7, "`in` is missing"),
        ],
    ),
    (
        "for in xs { }",
        [
            (1, 5, "`in` is a word of the language"),
        ],
    ),
    (
        "let else = 1",
        [
            (1, 5, "`else` is a word of the language"),
        ],
    ),
    (
        "fn while() { }",
        [
            (1, 4, "`while` is a word of the language"),
        ],
    ),
    (
        "const c",
        [
            (1, 8, "a declaration has a value"),
        ],
    ),
    (
        "x.y.z = 1",
        [
            (1, 1, "`x` is not declared"),
        ],
    ),
    (
        "import ffi 5 as x",
        [
            (1, 12, "what to import is written in double quotes"),
        ],
    ),
    (
        'import ffi "a" as if',
        [
            (1, 19, "`if` is a word of the language"),
        ],
    ),
    (
        "print(1) else { }",
        [
            (1, 10, "`else` has no `if`"),
        ],
    ),
    (
        "}}",
        [
            (1, 1, "`}` closes nothing"),
            (1, 2, "`}` closes nothing"),
        ],
    ),
    (
        'let s = "\\x4"',
        [
            (1, 10, "`\\x` is no escape"),
        ],
    ),
    (
        'let s = "\\u{d800}"',
        [
            (1, 10, "U+D800 is no character"),
        ],
    ),
    (
        "fn f(x) { x = \n}\n",
        [
            (2, 1, "an assignment has no right side"),
        ],
    ),
    (
        "@",
        [
            (1, 1, "decorators are reserved for a later version"),
        ],
    ),
    (
        "%",
        [
            (1, 1, "a line begins with an operator"),
        ],
    ),
    (
        "let x = [1, 2,, 3]",
        [
            (1, 15, "there is nothing between two commas"),
        ],
    ),
    (
        "m = {,}",
        [
            (1, 6, "there is nothing before the comma"),
        ],
    ),
    (
        'let a = {"x" 1}',
        [
            (1, 14, "`:` is missing between a key and its value"),
        ],
    ),
    (
        "f(=1)",
        [
            (1, 3, "an argument has no name"),
        ],
    ),
    (
        "xs[1 2]",
        [
            (1, 6, "a comma or an operator is missing"),
        ],
    ),
    (
        "xs[1:2:3:4]",
        [
            (1, 9, "a slice has three parts at most"),
        ],
    ),
    (
        "lambda x: x",
        [
            (1, 8, "a function without a name is written with `=>`"),
        ],
    ),
    (
        "nil",
        [
            (1, 1, "`nil` is not declared"),
        ],
    ),
    (
        "console.log(1)",
        [
            (1, 1, "`console` is not declared"),
        ],
    ),
    (
        "until x { }",
        [
            (1, 7, "Noodle has no `until`"),
        ],
    ),
    (
        "let x = y = 2",
        [
            (1, 11, "an assignment has no value"),
        ],
    ),
    (
        "let x: int",
        [
            (1, 11, "a declaration has a value"),
        ],
    ),
    (
        "let a = 1, b = 2",
        [
            (1, 10, "a declaration has one value"),
        ],
    ),
    (
        "let x = true\n  && false",
        [
            (2, 3, "a line begins with an operator"),
        ],
    ),
    (
        "let x = true\n  or false",
        [
            (2, 3, "a line begins with an operator"),
        ],
    ),
    (
        "let x = 4\n  / 2",
        [
            (2, 3, "a line begins with an operator"),
        ],
    ),
    (
        "let x = 1\n..3",
        [
            (2, 1, "a line begins with an operator"),
        ],
    ),
    (
        "let x = 1\n  == 2",
        [
            (2, 3, "a line begins with an operator"),
        ],
    ),
    (
        "if true\n{ }",
        [
            (1, 8, "a block begins on the line of its statement"),
        ],
    ),
    (
        "fn f()\n{\n  return 1\n}",
        [
            (1, 7, "a block begins on the line of its statement"),
        ],
    ),
    (
        "while true\n{ }",
        [
            (1, 11, "a block begins on the line of its statement"),
        ],
    ),
    (
        "for a in [1]\n{ }",
        [
            (1, 13, "a block begins on the line of its statement"),
        ],
    ),
    (
        "let f = function(x) { return x }",
        [
            (1, 21, "a function is declared with `fn`"),
        ],
    ),
    (
        "let x = 1\nif x { } elif (x) { }",
        [
            (2, 10, "a further condition is written `else if`"),
        ],
    ),
    (
        "switch (1) { }",
        [
            (1, 12, "Noodle has no `switch`"),
        ],
    ),
    (
        "foreach (x in y) { }",
        [
            (1, 18, "a loop over items is written `for`"),
        ],
    ),
    (
        'print(f"a")',
        [
            (1, 8, "a string has no prefix"),
        ],
    ),
    (
        'let s = r"a"',
        [
            (1, 10, "a string has no prefix"),
        ],
    ),
    (
        "let a = [1]\na[..., 0]",
        [
            (2, 3, "`...` has no meaning"),
        ],
    ),
    (
        "f(...xs)",
        [
            (1, 3, "`...` has no meaning"),
        ],
    ),
    (
        "match x { }",
        [
            (1, 1, "`match` is reserved for a later version"),
        ],
    ),
    (
        "try { print(1) } catch (e) { }",
        [
            (1, 1, "`try` is reserved for a later version"),
        ],
    ),
    (
        "let try = 3",
        [
            (1, 5, "`try` is reserved for a later version"),
        ],
    ),
    (
        "throw 5",
        [
            (1, 1, "`throw` is reserved for a later version"),
        ],
    ),
    (
        "let x: number = 1",
        [
            (1, 8, "unknown type 'number'"),
        ],
    ),
    (
        "fn f(x: string) { }",
        [
            (1, 9, "unknown type 'string'"),
        ],
    ),
    (
        "let x: ptr<ptr<foo>> = null",
        [
            (1, 8, "unknown type 'foo'"),
        ],
    ),
    (
        "range(3)",
        [
            (1, 1, "`range` is not declared"),
        ],
    ),
    (
        'open("x")',
        [
            (1, 1, "`open` is not declared"),
        ],
    ),
    (
        "input()",
        [
            (1, 1, "`input` is not declared"),
        ],
    ),
    (
        'let s = "${[1,2]\n}"',
        [
            (1, 10, "`${` is never closed"),
            (2, 1, "`}` closes nothing"),
            (2, 2, "a string is never closed"),
        ],
    ),
    (
        "((x) => x)(1, 2)",
        [
            (1, 1, "the function does not take these arguments"),
        ],
    ),
]
