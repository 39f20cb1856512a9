"""What JavaScript modules declare: their types as TypeScript reads them, and what they tell."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from noodle.bridges.javascript import JavaScriptBridge
from noodle.calls import LoadRequest
from noodle.errors import LibraryLoadError
from noodle.stubs.model import StubClass, StubConstant, StubFunction, StubModule
from noodle.stubs.writing import stub_text
from tests.stubs.conftest import CheckTypes

TYPED = """\
/** How loud. */
export type Loudness = "low" | "high";

/**
 * Says a text.
 * @param text What is said.
 */
export function say(text: string, loudness: Loudness = "low", ...more: number[]): string {
    return [text, loudness, ...more].join(" ");
}
export function find(name: string): Shape | undefined;
export function find(name: string, deep: boolean): Shape[];
export function find(name: string, deep?: boolean): any { return deep ? [] : undefined; }
export async function later(at: Date): Promise<Map<string, number>> { return new Map(); }
export const each = (list: readonly number[], visit: (item: number) => void) => list.map(visit);

/** A shape. */
export class Shape {
    /** How wide. */
    side: number;
    private hidden = 1;
    constructor(side: number) { this.side = side; }
    area(scale?: bigint): number { return this.side; }
    static unit(): Shape { return new Shape(1); }
}
export const MOST = 10;
export default say;
"""

PLAIN = """\
/**
 * Adds.
 * @param {number} a
 */
export function add(a, b = 1) { return a + b; }
export function all(...rest) { return rest; }
export const names = ["a"];
"""


def describe(
    folder: Path, name: str, *, run: bool, kind: str = "file", **options: object
) -> StubModule | None:
    options = {"install": "always", **options}
    request = LoadRequest(
        name,
        name,
        options.pop("requirement", ""),  # type: ignore[arg-type]
        directory=str(folder),
        kind=kind,
        options=options,
        placement="isolated",
    )
    return JavaScriptBridge().describe(request, run=run)


def described(folder: Path, name: str, *, run: bool = True) -> StubModule:
    stub = describe(folder, name, run=run)
    assert stub is not None
    ast.parse(stub_text(stub))
    return stub


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> StubModule:
    folder = tmp_path_factory.mktemp("typed")
    (folder / "typed.mts").write_text(TYPED, encoding="utf-8")
    return described(folder, "./typed.mts")


def function(stub: StubModule, name: str) -> StubFunction:
    found = stub.member(name)
    assert isinstance(found, StubFunction)
    return found


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("say", 'say(text: str, loudness: Literal["low", "high"] = ..., *more: float) -> str'),
        ("find", "find(name: str, deep: bool = ...) -> Shape | None | list[Shape]"),
        ("later", "later(at: datetime.datetime) -> Any"),
        ("each", "each(list: list[float], visit: Callable[[float], None]) -> list[None]"),
    ],
)
def test_types_of_typescript_are_annotations(typed: StubModule, name: str, shown: str):
    assert function(typed, name).shown == shown


def test_comments_are_documentation(typed: StubModule):
    assert function(typed, "say").documentation == "Says a text."


def test_types_are_no_members(typed: StubModule):
    assert typed.names == ["MOST", "Shape", "default", "each", "find", "later", "say"]
    assert typed.complete


def test_a_class_has_its_public_members(typed: StubModule):
    shape = typed.member("Shape")
    assert isinstance(shape, StubClass)
    assert [member.name for member in shape.members] == ["__init__", "side", "area", "unit"]
    assert shape.members[1] == StubConstant("side", "float", documentation="How wide.")
    assert shape.constructor is not None
    assert shape.constructor.shown == "Shape(side: float) -> Shape"
    assert shape.documentation == "A shape."


def test_javascript_without_types_takes_whatever_is_given(tmp_path: Path):
    (tmp_path / "plain.mjs").write_text(PLAIN, encoding="utf-8")
    stub = described(tmp_path, "./plain.mjs")
    add = function(stub, "add")
    assert add.documentation == "Adds."
    assert [p.name for p in add.signatures[0].parameters] == ["a", "b", "arguments"]
    assert all(p.kinds is None for p in add.signatures[0].parameters)
    assert stub.names == ["add", "all", "names"]
    assert not stub.complete


def test_a_module_is_not_run_unless_it_may_be(tmp_path: Path):
    (tmp_path / "loud.mts").write_text(
        "export function f(x: number): number { return x; }\nthrow new Error('run');\n"
    )
    assert described(tmp_path, "./loud.mts", run=False).names == ["f"]
    with pytest.raises(LibraryLoadError, match="run"):
        described(tmp_path, "./loud.mts")


def test_a_module_of_node_tells_its_functions(tmp_path: Path):
    stub = describe(tmp_path, "path", run=True, kind="builtin")
    assert stub is not None
    names = [p.name for p in function(stub, "basename").signatures[0].parameters]
    assert names == ["path", "suffix", "arguments"]


def test_a_package_is_described_by_its_types_and_not_installed_to_be_checked(tmp_path: Path):
    assert describe(tmp_path, "uuid", run=False, kind="package", requirement="11") is None
    stub = describe(tmp_path, "uuid", run=True, kind="package", requirement="11")
    assert stub is not None
    assert stub.source == "uuid/dist/esm/index.d.ts"
    assert function(stub, "validate").shown == "validate(uuid: Any) -> bool"
    known = describe(tmp_path, "uuid", run=False, kind="package", requirement="11")
    assert known is not None
    assert known.complete
    assert {"v4", "v7", "NIL"} <= {*known.names}


MS_TYPES = """\
/** Turns a time into milliseconds, or back. */
declare function ms(value: string): number;
declare namespace ms { const SECOND: number; }
export = ms;
"""


def test_a_package_without_types_has_those_beside_the_program(tmp_path: Path):
    bare = describe(tmp_path, "ms", run=True, kind="package", requirement="2")
    assert bare is not None
    assert not bare.complete
    types = tmp_path / "node_modules" / "@types" / "ms"
    types.mkdir(parents=True)
    (types / "index.d.ts").write_text(MS_TYPES, encoding="utf-8")
    manifest = '{"name": "@types/ms", "version": "2.1.0", "main": "", "types": "index.d.ts"}'
    (types / "package.json").write_text(manifest, encoding="utf-8")
    program = tmp_path / "program"
    program.mkdir()
    for run in (True, False):
        stub = describe(program, "ms", run=run, kind="package", requirement="2")
        assert stub is not None
        assert stub.source == "@types/ms/index.d.ts"
        assert function(stub, "default").shown == "default(value: str) -> float"
        assert "milliseconds" in function(stub, "default").documentation


def test_a_package_s_own_types_go_before_those_beside_the_program(tmp_path: Path):
    types = tmp_path / "node_modules" / "@types" / "uuid"
    types.mkdir(parents=True)
    (types / "index.d.ts").write_text("export const other: number;", encoding="utf-8")
    stub = describe(tmp_path, "uuid", run=True, kind="package", requirement="11")
    assert stub is not None
    assert stub.source == "uuid/dist/esm/index.d.ts"


def test_without_typescript_the_module_itself_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "plain.mjs").write_text(PLAIN, encoding="utf-8")
    stub = describe(tmp_path, "./plain.mjs", run=True, install="never")
    assert stub is not None
    assert stub.names == ["add", "all", "names"]
    assert "types are not known without TypeScript" in stub.notes[0]


def test_a_type_checker_finds_wrong_types(
    typed: StubModule, check_types: CheckTypes, tmp_path: Path
):
    (tmp_path / "typed.pyi").write_text(stub_text(typed), encoding="utf-8")
    lines = [
        "import typed",
        "text: str = typed.say('a', 'high', 1, 2)",
        "typed.Shape(2).area(3).hex()",
        "typed.say(1)",
        "typed.say('a', 'loud')",
        "typed.each([1], lambda item: None)",
        "typed.nosuch()",
        "typed.Shape()",
    ]
    told = check_types("\n".join(lines))
    wrong = {int(line.split(":")[1]) for line in told.splitlines() if ": error:" in line}
    assert wrong == {4, 5, 7, 8}, told
