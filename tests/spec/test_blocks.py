"""The harness itself: every block of the specification has a test or waits for its part."""

from __future__ import annotations

import hashlib

import pytest

from tests.spec.blocks import (
    BLOCKS,
    HERE,
    SPECIFICATION,
    Block,
    Pending,
    headings_with_a_test,
    predefined,
    read_blocks,
    read_pending,
)

PENDING = read_pending()
DIGEST = "9eeeeed92b399be3ddc30a814d0a41fa3c02eaf588fa0e88b0930059c9a61348"


def test_the_specification_is_the_one_that_was_agreed():
    assert hashlib.sha256(SPECIFICATION.read_bytes()).hexdigest() == DIGEST


def test_every_block_belongs_to_a_test_or_is_pending():
    assert headings_with_a_test(HERE) | PENDING.keys() == BLOCKS.keys()


def test_no_block_is_both_tested_and_pending():
    assert headings_with_a_test(HERE) & PENDING.keys() == set()


@pytest.mark.parametrize("pending", PENDING.values(), ids=PENDING.keys())
def test_a_pending_block_still_waits_for_its_part(pending: Pending):
    assert not pending.arrived(), (
        f"{pending.module or pending.file} exists: give {pending.heading!r} a test and take it "
        "off tests/spec/pending.toml"
    )


@pytest.mark.parametrize("pending", PENDING.values(), ids=PENDING.keys())
def test_a_pending_block_waits_for_what_it_imports(pending: Pending):
    assert BLOCKS[pending.heading].imports() <= {pending.module}


def test_blocks_are_found_by_heading_with_their_line_and_exact_text():
    markdown = "# A\n```python\nx = 1\n\ny = 2\n```\n## B c\n```\nplain\n```\n```\nmore\n```\n"
    assert read_blocks(markdown) == {
        "A": Block("A", "python", "x = 1\n\ny = 2\n", 3),
        "B c": Block("B c", "", "plain\n", 9),
        "B c 2": Block("B c", "", "more\n", 12),
    }


def test_a_block_without_an_end_is_an_error():
    with pytest.raises(ValueError, match="the code block under 'A' has no end"):
        read_blocks("# A\n```python\nx = 1\n")


def test_a_block_sees_only_the_predefined_names():
    assert predefined().keys() - {"__name__"} == {"os", "time", "pytest", "setup_test_cluster"}
    with pytest.raises(NameError, match="noodle"):
        Block("A", "python", "noodle.load('numpy')\n", 1).execute()


def test_an_error_in_a_block_points_at_the_line_of_the_specification():
    with pytest.raises(ZeroDivisionError) as caught:
        Block("A", "python", "x = 1\nx / 0\n", 40).execute()
    place = caught.traceback[-1]
    assert (str(place.path), place.lineno + 1) == (str(SPECIFICATION), 41)


@pytest.mark.parametrize(
    ("pending", "arrived"),
    [
        (Pending("A", "S1", module="noodle.errors"), True),
        (Pending("A", "S1", module="noodle.errors.deeper"), False),
        (Pending("A", "S1", module="noodle.no_such_part.inner"), False),
        (Pending("A", "S1", file="LICENSE"), True),
        (Pending("A", "S1", file="no/such/file"), False),
    ],
)
def test_a_part_has_arrived_when_its_module_or_file_exists(pending: Pending, arrived: bool):
    assert pending.arrived() is arrived


def test_a_decorated_test_is_known_by_its_heading(tmp_path):
    program = '@specification("A")\ndef test_a(): ...\n@specification("B")\ndef helper(): ...\n'
    (tmp_path / "test_part.py").write_text(program)
    assert headings_with_a_test(tmp_path) == {"A"}
