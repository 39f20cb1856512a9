"""The examples run, and find in their data what is in it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.notices import without_notices


def run(command: list[str], program: Path, directory: Path) -> str:
    """Run an example from another directory and return what it prints."""
    done = subprocess.run(
        [*command, "run", str(program)], cwd=directory, capture_output=True, text=True, check=False
    )
    assert (0, "") == (done.returncode, without_notices(done.stderr))
    return done.stdout


@pytest.fixture
def examples(repository: Path, tmp_path: Path) -> Path:
    """A copy of the examples, so that what they write stays out of the checkout."""
    shutil.copytree(repository / "examples", tmp_path / "examples")
    return tmp_path / "examples"


def test_the_tour_finds_the_three_tides_of_its_data(
    noodle_command: list[str], examples: Path, tmp_path: Path
) -> None:
    """The levels are made of periods 12.4206, 12 and 23.9345 h with 1.25, 0.45 and 0.35 m."""
    printed = run(noodle_command, examples / "tour.noodle", tmp_path)
    found = re.findall(r"every (\d+\.\d+) h  ±(\d+\.\d+) m", printed)
    assert [("12.42", "1.25"), ("12.00", "0.45"), ("23.93", "0.35")] == found
    assert "2160 hourly levels" in printed
    assert "Highest water: 4.55 m on Friday 3 April at 04:00" in printed
    assert "The moon is 15.28 days old then: full moon" in printed
    assert re.search(r"misses the measured levels by 0\.0\d m", printed)


def test_the_tours_pinned_package_runs_in_a_process_of_its_own_with_the_locked_files(
    noodle_command: list[str], examples: Path
) -> None:
    """The lock stays as it is, also where this interpreter is not the one that it was made for."""
    lock = (examples / "noodle.lock").read_text()
    series = re.search(r'python = { version = "(3\.\d+)" }', lock)
    assert series
    (examples / "noodle.lock").write_text(lock.replace(series[1], "3.99"))
    explained = subprocess.run(
        [*noodle_command, "run", str(examples / "tour.noodle")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == explained.returncode, explained.stderr
    assert lock.replace(series[1], "3.99") == (examples / "noodle.lock").read_text()
    shown = subprocess.run(
        [*noodle_command, "explain", str(examples / "tour.noodle")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "astral==3.2 as astral: astral==3.2, python bridge, isolated" in shown
    assert re.search(r"environment \w+: Python \S+ with astral 3\.2", shown)
    assert "locked for Python 3.99, which is not here: the same files are installed on" in shown


def test_the_tours_data_is_what_its_program_makes(
    noodle_command: list[str], examples: Path, repository: Path, tmp_path: Path
) -> None:
    (examples / "data" / "levels.csv").unlink()
    run(noodle_command, examples / "make_levels.noodle", tmp_path)
    kept = (repository / "examples" / "data" / "levels.csv").read_text()
    assert kept == (examples / "data" / "levels.csv").read_text()


def test_the_spelling_example_finds_the_words_that_were_meant(
    noodle_command: list[str], examples: Path, tmp_path: Path
) -> None:
    printed = run(noodle_command, examples / "spelling.noodle", tmp_path)
    assert [
        "31 different words",
        "tiede: tide?",
        "harbor: harbour?",
        "watr: water?",
        "mooon: moon?",
        "togehter: together?",
    ] == printed.splitlines()


def test_the_matrices_example_prints_the_product_that_numpy_has(
    noodle_command: list[str], examples: Path, tmp_path: Path
) -> None:
    printed = run(noodle_command, examples / "matrices.noodle", tmp_path)
    product = ["[[701.  674.5]", " [336.  356.5]", " [393.  406. ]]"]
    assert [*product, "squares of the first harbour: 202.0"] == printed.splitlines()


@pytest.mark.parametrize(
    "program",
    [
        "chart.noodle",
        "make_levels.noodle",
        "matrices.noodle",
        "spelling.noodle",
        "tour.noodle",
    ],
)
def test_an_example_has_no_errors_and_can_be_explained(
    noodle_command: list[str], examples: Path, program: str
) -> None:
    for command in ("check", "explain"):
        done = subprocess.run(
            [*noodle_command, command, str(examples / program)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (0, "") == (done.returncode, without_notices(done.stderr))
