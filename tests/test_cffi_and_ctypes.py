"""The page beside cffi and ctypes counts the lines of its examples."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "cffi_and_ctypes.md").read_text(encoding="utf-8")
TABLE = re.findall(r"^\| \[(.+?)\]\(#.+?\) \| (cffi|ctypes), (\d+)[^|]* \| (\d+) \|$", PAGE, re.M)


def test_there_are_five_examples():
    assert len(TABLE) == len(re.findall("^## ", PAGE, re.M)) == 5


@pytest.mark.parametrize(("title", "peer", "theirs", "ours"), TABLE)
def test_an_example_has_the_lines_that_the_table_tells_and_fewer_than_theirs(
    title: str, peer: str, theirs: str, ours: str
):
    section = re.split("^## ", PAGE, flags=re.M)
    (found,) = [text for text in section if text.lower().startswith(f"{title}\n".lower())]
    their_block, our_block = re.findall(r"```python\n(.*?)```", found, re.S)[-2:]
    assert f"import {peer}" in their_block or f"from {peer} import" in their_block
    assert "import noodle" in our_block
    counted = [len(re.findall(r"^.+$", block, re.M)) for block in (their_block, our_block)]
    assert counted == [int(theirs), int(ours)]
    assert int(ours) < int(theirs)
