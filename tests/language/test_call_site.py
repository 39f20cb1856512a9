"""What is known of a program without running it."""

from __future__ import annotations

from noodle.language import call_sites, check_source

PROGRAM = """\
import ffi "numpy" as np
import ffi "libm.so.6" as m { fn cos(x: f64): f64 }
const n = 3
let solved = np.linalg.solve([[1.0]], b=[n])
fn area(r: f64): f64 { return m.cos(r) * n }
print(area(2.5), "text ${n}", solved)
"""


def test_call_sites() -> None:
    """Each call has its place, its callee's import and the types of its arguments."""
    found = [
        (s.line, s.column, s.callee, s.argument_types, s.keyword_types,
         s.foreign_import and s.foreign_import.name, s.member, s.prototype)
        for s in call_sites(PROGRAM, "sites.noodle")
    ]  # fmt: skip
    assert [
        (4, 14, "np.linalg.solve", ("list",), (("b", "list"),), "np", "linalg.solve", None),
        (5, 31, "m.cos", ("float",), (), "m", "cos", "cos(x: f64): f64"),
        (6, 1, "print", ("float", "str", None), (), None, "", None),
        (6, 7, "area", ("float",), (), None, "", None),
    ] == found


def test_a_shadowed_import_is_no_foreign_call() -> None:
    """Names are resolved, not compared."""
    source = 'import ffi "numpy" as np\nfn f(np) { return np.array(1) }'
    assert [None] == [site.foreign_import for site in call_sites(source, "shadow.noodle")]


def test_types_that_change_are_unknown() -> None:
    """A variable that is assigned to has no known type, so nothing wrong is claimed."""
    assert () == check_source('let x = 1\nx = "a"\nprint(x + "b", x.upper())', "change.noodle")


def test_types_flow_through_annotated_results() -> None:
    """A declared result type is the type of the call."""
    (error,) = check_source('fn f(): str { return "a" }\nlet x = f() - 1', "flow.noodle")
    assert "`-` does not work on str and int" == error.summary
