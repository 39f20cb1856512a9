"""Running files: imports of Noodle files and of foreign libraries, output, namespaces."""

from __future__ import annotations

from pathlib import Path

import pytest

from noodle.errors import ImportCycleError, LanguageError, NameNotFoundError, SourceError
from noodle.language import ForeignImport, ProgramLoader, imports
from noodle.prototypes import Parameter, Prototype
from noodle.runtime.host import EngineHost
from noodle.values import ValueType

from .hosts import CollectingHost

SPECIFICATION = """\
// Basic FFI import and usage
import ffi "numpy" as np

// Create arrays
let matrix_a = np.array([[1, 2], [3, 4]])
let matrix_b = np.array([[5, 6], [7, 8]])

// Perform operations
let result = np.matmul(matrix_a, matrix_b)
print(result)
"""


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.noodle").write_text(text, encoding="utf-8")


def run(path: Path) -> CollectingHost:
    host = CollectingHost()
    ProgramLoader(host, "").run(str(path))
    return host


def test_the_program_of_the_specification(tmp_path: Path) -> None:
    """It prints the matrix product as NumPy shows it."""
    write(tmp_path, spec=SPECIFICATION)
    host = run(tmp_path / "spec.noodle")
    assert "[[19 22]\n [43 50]]\n" == host.output
    assert [("numpy", "np", 2, 1)] == [(i.target, i.name, i.line, i.column) for i in host.imported]


def test_a_file_is_found_beside_its_importer_and_runs_once(tmp_path: Path) -> None:
    """Two importers of one file share it; its functions and variables are members."""
    (tmp_path / "lib").mkdir()
    write(tmp_path / "lib", base='print("once")\nlet n = 1\nfn bump() { n += 1; return n }')
    write(tmp_path / "lib", middle='import "./base.noodle" as b\nb.bump()')
    write(
        tmp_path,
        main='import "lib/middle.noodle" as m\nimport "./lib/../lib/base.noodle" as b\n'
        "print(b.n, b.bump(), m.b.n)",
    )
    assert "once\n2 3 3\n" == run(tmp_path / "main.noodle").output


def test_names_that_are_kept_under_others_are_members_too(tmp_path: Path) -> None:
    """A name that shadows a builtin, or begins with two underscores, is a member like any other."""
    write(
        tmp_path,
        lib="let len = 5\nlet __x = 6",
        main='import "./lib.noodle" as l\nprint(l.len, l.__x)',
    )
    assert "5 6\n" == run(tmp_path / "main.noodle").output


def test_an_unknown_member_names_the_nearest(tmp_path: Path) -> None:
    """The error lists what the file has."""
    write(tmp_path, lib="let colour = 5", main='import "./lib.noodle" as l\nprint(l.color)')
    with pytest.raises(NameNotFoundError) as caught:
        run(tmp_path / "main.noodle")
    assert ("colour", "color") == (caught.value.remedy, caught.value.received)


def test_the_namespace_of_a_program(tmp_path: Path) -> None:
    """`run` returns the names of the top level."""
    write(tmp_path, lib="let a = 1\nconst b = 2\nfn c() { return 3 }\nif true { let d = 4 }")
    namespace = ProgramLoader(CollectingHost(), "").run(str(tmp_path / "lib.noodle"))
    assert (1, 2, 3) == (namespace.a, namespace.b, namespace.c())
    assert ["a", "b", "c"] == dir(namespace)


def test_a_circle_of_imports_is_shown(tmp_path: Path) -> None:
    """The error shows each file of the circle with the line of its import."""
    write(
        tmp_path,
        a='import "./b.noodle" as b',
        b='\nimport "./c.noodle" as c',
        c='import "./a.noodle" as a',
    )
    with pytest.raises(ImportCycleError) as caught:
        run(tmp_path / "a.noodle")
    error = caught.value
    folder = f"{tmp_path}/"
    assert (
        "a.noodle:1 imports b.noodle; b.noodle:2 imports c.noodle; c.noodle:1 imports a.noodle"
        == (error.received or "").replace(folder, "")
    )
    assert (str(tmp_path / "c.noodle"), 1, 'import "./a.noodle" as a') == (
        error.path,
        error.line,
        error.source_line,
    )


def test_a_file_that_imports_itself(tmp_path: Path) -> None:
    """The smallest circle."""
    write(tmp_path, a='import "./a.noodle" as a')
    with pytest.raises(ImportCycleError):
        run(tmp_path / "a.noodle")


def test_a_missing_import_is_an_error_at_the_import(tmp_path: Path) -> None:
    """The place is the importer's line, not the file that is not there."""
    write(tmp_path, main='\nimport "./nowhere.noodle" as n')
    with pytest.raises(SourceError) as caught:
        run(tmp_path / "main.noodle")
    assert (str(tmp_path / "main.noodle"), 2, 1) == (
        caught.value.path,
        caught.value.line,
        caught.value.column,
    )


@pytest.mark.parametrize(
    ("request_text", "remedy"),
    [
        ("./chart", "chart.noodle"),
        ("./chrat.noodle", "chart.noodle"),
        ("chart", "chart.noodle"),
        ("numpy", 'or for a library `import ffi "numpy"`'),
        (".", "chart.noodle"),
    ],
)
def test_a_missing_import_keeps_what_the_host_would_try(
    tmp_path: Path, request_text: str, remedy: str
) -> None:
    """The remedy is that of the host, which has looked for files near the name."""
    write(tmp_path, main=f'import "{request_text}" as c', chart="let x = 1")
    with pytest.raises(SourceError, match="cannot import") as caught:
        ProgramLoader(EngineHost(str(tmp_path)), "").run(str(tmp_path / "main.noodle"))
    assert remedy in str(caught.value.remedy)
    assert "starts at the importing file" in str(caught.value.expected)


def test_errors_in_an_imported_file_name_that_file(tmp_path: Path) -> None:
    """A syntax error in an import is shown where it is."""
    write(tmp_path, main='import "./lib.noodle" as l', lib="let x = 1\nlet y = )")
    with pytest.raises(LanguageError) as caught:
        run(tmp_path / "main.noodle")
    assert (str(tmp_path / "lib.noodle"), 2) == (caught.value.path, caught.value.line)


def test_a_failed_import_runs_again_when_asked_again(tmp_path: Path) -> None:
    """A file that failed is not kept half done."""
    write(tmp_path, lib="let x = 1 / 0")
    loader = ProgramLoader(CollectingHost(), "")
    with pytest.raises(ZeroDivisionError):
        loader.run(str(tmp_path / "lib.noodle"))
    write(tmp_path, lib="let x = 1")
    assert 1 == loader.run(str(tmp_path / "lib.noodle")).x


@pytest.mark.parametrize(
    ("content", "summary", "line", "column"),
    [
        (None, "there is no such file", 0, 0),
        (b'let x = 1\nprint("\xff")', "the file is not UTF-8", 2, 8),
        (b"\xff\xfel\x00e\x00t\x00", "the file is not UTF-8", 1, 1),
        (b"let x = 1\x00", "a NUL character has no meaning here", 1, 10),
    ],
)
def test_unreadable_files(
    tmp_path: Path, content: bytes | None, summary: str, line: int, column: int
) -> None:
    """A file that is missing or no text is one clear error."""
    path = tmp_path / "bad.noodle"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LanguageError) as caught:
        run(path)
    assert (summary, line, column) == (caught.value.summary, caught.value.line, caught.value.column)


def test_a_directory_is_no_program(tmp_path: Path) -> None:
    """The error says that it is a directory."""
    with pytest.raises(SourceError, match="this is a directory"):
        run(tmp_path)


@pytest.mark.parametrize(
    "text", ["\ufeffprint(1)\nprint(2)", "print(1)\r\nprint(2)\r\n", "print(1)\rprint(2)"]
)
def test_byte_order_mark_and_line_ends(tmp_path: Path, text: str) -> None:
    """Files from other systems run as they are."""
    path = tmp_path / "foreign.noodle"
    path.write_bytes(text.encode())
    assert "1\n2\n" == run(path).output


def test_everything_that_an_import_can_state() -> None:
    """Prototypes and options are read without running anything."""
    source = """import ffi "libm.so.6" as m {
  fn cos(x: f64): f64; fn frexp(x: f64, exponent: ptr<i32>): f64

  fn nothing()
} with {placement: "isolated", limit: -5, names: ["a", true], nested: {x: null}}
import ffi "numpy==1.21; python=3.9"
"""
    f64 = ValueType("f64")
    pointer = ValueType("ptr", ValueType("i32"))
    assert (
        ForeignImport(
            "libm.so.6",
            "m",
            (
                Prototype("cos", (Parameter("x", f64),), f64),
                Prototype("frexp", (Parameter("x", f64), Parameter("exponent", pointer)), f64),
                Prototype("nothing", (), ValueType("void")),
            ),
            {"placement": "isolated", "limit": -5, "names": ["a", True], "nested": {"x": None}},
            "all.noodle",
            1,
            1,
        ),
        ForeignImport("numpy==1.21; python=3.9", "numpy", (), {}, "all.noodle", 6, 1),
    ) == imports(source, "all.noodle")


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("numpy", "numpy"), ("libm.so.6", "libm"), ("./kernel.c", "kernel"), ("../a/b.mjs", "b"),
        ("numpy==1.21; python=3.9", "numpy"), ("npm:lodash@4", "lodash"), ("node:crypto", "crypto"),
        ("pkg>=2", "pkg"), ("./fast.rs", "fast"),
    ],
)  # fmt: skip
def test_the_name_of_an_import_without_as(target: str, name: str) -> None:
    """It is taken from the target."""
    assert [name] == [found.name for found in imports(f'import ffi "{target}"', "name.noodle")]
