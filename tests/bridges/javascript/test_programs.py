"""JavaScript in Noodle programs: imports, callbacks written in Noodle, and ``await``."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.notices import without_notices

HERE = Path(__file__).parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the samples and the lock file."""
    shutil.copytree(HERE / "samples", tmp_path / "samples")
    shutil.copy(HERE / "noodle.lock", tmp_path)
    return tmp_path


def run(folder: Path, noodle_command: list[str], text: str) -> subprocess.CompletedProcess[str]:
    (folder / "program.noodle").write_text(text)
    return subprocess.run(
        [*noodle_command, "run", "program.noodle"],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1", "NOODLE_INSTALL": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_a_program_uses_packages_files_and_modules_of_node(
    folder: Path, noodle_command: list[str]
) -> None:
    result = run(
        folder,
        noodle_command,
        """
import ffi "npm:lodash@4" as lodash
import ffi "npm:ms@2" as ms
import ffi "node:path" as path
import ffi "./samples/tool.mjs" as tool
import ffi "./samples/typed.ts" as typed

print(lodash.map([1, 2, 3], n => n * n))
print(lodash.sortBy(["bb", "a"], word => len(word)), ms.default("1 min"))
print(path.posix.join("a", "b"), tool.shapes.area(2, 3))
let point = tool.Point(3, 4)
print(point.norm())
for n in tool.upTo(3) { print(n) }
print(typed.total([{price: 2, count: 3}]))
""",
    )
    expected = ["[1, 4, 9]", '["a", "bb"] 60000', "a/b 6", "5", "1", "2", "3", "6"]
    assert ("", expected) == (without_notices(result.stderr), result.stdout.splitlines())
    assert (HERE / "noodle.lock").read_text() == (folder / "noodle.lock").read_text()


def test_await_waits_for_promises(folder: Path, noodle_command: list[str]) -> None:
    result = run(
        folder,
        noodle_command,
        """
import ffi "./samples/tool.mjs" as tool

fn soon(value) { return await tool.later(value) }

print(await tool.later(1), soon(2), await 3)
print(await tool.promise()[0])
""",
    )
    assert ("", ["1 2 3", "42"]) == (result.stderr, result.stdout.splitlines())


def test_an_error_in_javascript_points_at_the_call(folder: Path, noodle_command: list[str]) -> None:
    result = run(
        folder,
        noodle_command,
        'import ffi "./samples/tool.mjs" as tool\n\ntool.fail("too far")\n',
    )
    assert 1 == result.returncode
    assert "too far" in result.stderr
    assert "program.noodle:3" in result.stderr
