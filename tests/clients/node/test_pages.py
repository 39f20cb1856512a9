"""The pages about the client and the example are true: they run and print what they say."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.clients.node.programs import CLIENT, SECONDS, environment
from tests.native_core.wire_peers import NODE

PAGES = ["docs/node_client.md", "clients/node/README.md"]

BLOCK = re.compile(r"^```js\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXPECTATION = re.compile(r"// expect: (.*)$", re.MULTILINE)


def run(program: Path) -> str:
    done = subprocess.run(
        [NODE, program],
        cwd=program.parent,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which the package is installed."""
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "noodle-ffi").symlink_to(CLIENT)
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_are_one_program_that_prints_what_they_say(
    repository: Path, folder: Path, page: str
):
    source = "".join(BLOCK.findall((repository / page).read_text(encoding="utf-8")))
    expected = EXPECTATION.findall(source)
    assert expected
    (folder / "page.mjs").write_text(source)
    assert run(folder / "page.mjs").splitlines() == expected


def test_the_example_finds_the_tides_of_the_tour(repository: Path, folder: Path):
    """The levels are made of periods 12.4206, 12 and 23.9345 h."""
    copy = folder / "copy"
    copy.mkdir()
    for part in ("smooth.c", "data/levels.csv", "node/tides.mjs"):
        (copy / part).parent.mkdir(exist_ok=True)
        (copy / part).write_bytes((repository / "examples" / part).read_bytes())
    assert run(copy / "node" / "tides.mjs").splitlines() == [
        "2160 hourly levels have tides every", "  23.93 h", "  12.42 h", "  12.00 h",
    ]  # fmt: skip
