"""The specification's code blocks by heading, and which of them wait for their part.

A test takes its block with the decorator ``specification("Heading")``; the block is the test's
argument ``block``. ``pending.toml`` lists the blocks whose part is not built.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

HERE = Path(__file__).parent
SPECIFICATION = HERE / "ale_ffi_integration.md"
PENDING = HERE / "pending.toml"

_LINE = re.compile(r"(?P<heading>#{1,6} (?P<title>.*))|(?P<fence>```(?P<language>\S*))")


@dataclass(frozen=True)
class Block:
    """One code block of the specification.

    Args:
        heading: The heading that it stands under.
        language: The word after the fence, ``""`` where there is none.
        text: The exact text between the fences.
        line: The line of the specification on which the text begins, counted from 1.
    """

    heading: str
    language: str
    text: str
    line: int

    def code(self) -> CodeType:
        """Return the compiled text; tracebacks point into the specification."""
        return compile("\n" * (self.line - 1) + self.text, str(SPECIFICATION), "exec")

    def execute(self) -> dict[str, Any]:
        """Execute the exact text with only the predefined names, and return the namespace."""
        namespace = predefined()
        exec(self.code(), namespace)
        return namespace

    def imports(self) -> set[str]:
        """Return the modules of Noodle that the text imports."""
        nodes = ast.walk(ast.parse(self.text)) if self.language == "python" else ()
        names = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
        return {name for name in names if name.partition(".")[0] == "noodle"}


@dataclass(frozen=True)
class Pending:
    """A block that waits for its part.

    Args:
        heading: The block's heading.
        part: The part of the specification, ``S1`` to ``S26``.
        module: The module of Noodle that the part brings, or None.
        file: The file of the repository that the part brings, or None.
    """

    heading: str
    part: str
    module: str | None = None
    file: str | None = None

    def arrived(self) -> bool:
        """Return whether what the part brings is there."""
        if self.module is None:
            assert self.file is not None, f"pending block {self.heading!r} waits for nothing"
            return (HERE.parent.parent / self.file).exists()
        try:
            return importlib.util.find_spec(self.module) is not None
        except ModuleNotFoundError:  # a parent of it is missing
            return False


def predefined() -> dict[str, Any]:
    """Return the names that a block may use without importing them."""
    return {
        "__name__": "specification",
        "os": os,
        "time": time,
        "pytest": pytest,
        "setup_test_cluster": _setup_test_cluster,
    }


def _setup_test_cluster(*args: Any, **kwargs: Any) -> Any:
    from noodle.testing import setup_test_cluster

    return setup_test_cluster(*args, **kwargs)


def read_blocks(markdown: str) -> dict[str, Block]:
    """Return the code blocks of a Markdown text by heading; a second one is ``heading 2``."""
    blocks: dict[str, Block] = {}
    heading = ""
    lines = enumerate(markdown.splitlines(), 1)
    for _, line in lines:
        match = _LINE.fullmatch(line)
        if match and match["heading"]:
            heading = match["title"].strip()
        elif match:
            block = _read_block(heading, match["language"], lines)
            blocks[_unused(heading, blocks)] = block
    return blocks


def _read_block(heading: str, language: str, lines: Iterator[tuple[int, str]]) -> Block:
    numbered = []
    for number, line in lines:
        if line == "```":
            first = numbered[0][0] if numbered else number
            return Block(heading, language, "".join(f"{text}\n" for _, text in numbered), first)
        numbered.append((number, line))
    raise ValueError(f"the code block under {heading!r} has no end")


def _unused(heading: str, blocks: dict[str, Block]) -> str:
    number = 2
    name = heading
    while name in blocks:
        name = f"{heading} {number}"
        number += 1
    return name


BLOCKS = read_blocks(SPECIFICATION.read_text(encoding="utf-8"))


def read_pending() -> dict[str, Pending]:
    """Return the pending blocks by heading."""
    table = tomllib.loads(PENDING.read_text(encoding="utf-8"))
    return {heading: Pending(heading, **entry) for heading, entry in table.items()}


def specification(heading: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a test the specification's block under this heading, as its argument ``block``."""
    return pytest.mark.parametrize("block", [pytest.param(BLOCKS[heading], id=heading)])


def headings_with_a_test(directory: Path) -> set[str]:
    """Return the headings whose block a test in this folder takes.

    The tests are read, not imported, so that the answer does not depend on which of them run.
    """
    return {
        decorator.args[0].value
        for path in directory.glob("test_*.py")
        for function in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(function, ast.FunctionDef) and function.name.startswith("test_")
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Name)
        and decorator.func.id == "specification"
        and isinstance(decorator.args[0], ast.Constant)
    }
