"""The documentation is true: its examples run, its links lead somewhere, it knows every module.

A ``python`` or ``noodle`` block of README.md and docs/ is run; the blocks of a page run in order,
Python blocks in one namespace. What a Noodle block prints must be what its ``// expect:`` comments
say. ``<!-- skip: next -->`` above a block leaves it out. Each page runs in a folder of its own that
holds a copy of the examples.
"""

from __future__ import annotations

import doctest
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

import noodle
from tests.notices import without_notices

REPOSITORY = Path(__file__).parent.parent
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]

EXPECTATION = re.compile(r"// expect: ?(.*)$", re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with a copy of the examples; the configuration is reset after it."""
    if (REPOSITORY / "examples").is_dir():
        shutil.copytree(REPOSITORY / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NOODLE_INSTALL", "always")
    noodle.configure()
    yield tmp_path
    monkeypatch.undo()
    noodle.configure()


@pytest.fixture
def examples(folder: Path, noodle_command: list[str]) -> Sybil:
    """What finds and runs the examples of a page."""

    def evaluate_noodle(example: Example) -> str | None:
        (folder / "example.noodle").write_text(example.parsed, encoding="utf-8")
        result = subprocess.run(
            [*noodle_command, "run", "example.noodle"], capture_output=True, text=True, check=False
        )
        expected = EXPECTATION.findall(example.parsed)
        errors = without_notices(result.stderr)
        if result.returncode or errors:
            return f"exit code {result.returncode}\n{errors}"
        printed = result.stdout.splitlines()
        return None if printed == expected else f"expected: {expected}\nprinted:  {printed}"

    return Sybil(
        [
            PythonCodeBlockParser(doctest_optionflags=doctest.ELLIPSIS),
            CodeBlockParser("noodle", evaluate_noodle),
            SkipParser(),
        ]
    )


def run_examples(examples: Sybil, page: Path) -> None:
    for example in examples.parse(page):
        example.evaluate()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_the_examples_of_a_page_run(page: Path, examples: Sybil):
    run_examples(examples, page)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```noodle\nprint(1 + 1)    // expect: 3\n```\n", "expected: ['3']\nprinted:  ['2']"),
        ("```noodle\nprint(1)\n```\n", "expected: []\nprinted:  ['1']"),
        ("```noodle\nlet x = \n```\n", "exit code"),
        ("```python\nx = 1\n```\n```python\nassert x == 2, 'one'\n```\n", "one"),
        ("```python\n>>> 1 + 1\n3\n```\n", "Expected:\n    3"),
    ],
    ids=["other output", "unexpected output", "no program", "failing assertion", "other result"],
)
def test_a_wrong_example_is_found(text: str, message: str, examples: Sybil, folder: Path):
    page = folder / "page.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(AssertionError) as caught:
        run_examples(examples, page)
    assert message in str(caught.value)


def test_every_link_between_pages_leads_somewhere():
    broken = [
        f"{page.relative_to(REPOSITORY)}: {link}"
        for page in PAGES
        for link in re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if "://" not in link and not (page.parent / link).exists()
    ]
    assert broken == []


@pytest.fixture(scope="module")
def modules() -> list[str]:
    """The names of the modules and packages that stand for a noun: top-level ones and bridges."""
    package = REPOSITORY / "src" / "noodle"
    paths = sorted([*package.iterdir(), *(package / "bridges").iterdir()])
    return [
        path.stem
        for path in paths
        if path.name[0] != "_" and (path.suffix == ".py" or list(path.glob("*.py")))
    ]


def test_every_module_has_its_page_or_its_line_in_the_architecture(modules: list[str]):
    architecture = (REPOSITORY / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert [
        name
        for name in modules
        if not (REPOSITORY / "docs" / f"{name}.md").exists()
        and not re.search(rf"\b{name}(\.py|/)", architecture)
    ] == []


def test_every_module_has_tests_of_its_name(modules: list[str]):
    tests = REPOSITORY / "tests"
    assert [
        name
        for name in modules
        if not [*tests.rglob(f"test_{name}.py"), *tests.rglob(f"{name}/test_*.py")]
    ] == []
