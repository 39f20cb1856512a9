"""Small programs that state beside their lines what they print, or which error they give."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from noodle.errors import LanguageError
from noodle.language import ProgramLoader, describe_failure

from .hosts import CollectingHost

PROGRAMS = Path(__file__).parent / "programs"
CASES = sorted(PROGRAMS.rglob("*.noodle"))
EXPECTED = re.compile(r"// expect(?: (runtime error|error|nothing))?(?:: ?(.*))?$")


def case_name(path: Path) -> str:
    return str(path.relative_to(PROGRAMS).with_suffix(""))


def expectations(path: Path) -> list[tuple[int, str, str]]:
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        match = EXPECTED.search(line)
        if match:
            found.append((number, match[1] or "output", match[2] or ""))
    return found


def outcome(path: Path) -> tuple[list[str], list[tuple[int, str, str]]]:
    """Run a program; return the lines that it printed, and its errors as (line, kind, summary)."""
    host = CollectingHost()
    errors = []
    try:
        ProgramLoader(host, "").run(str(path))
    except LanguageError as error:
        errors = [(e.line, "error", e.summary) for e in error.all()]
    except Exception as error:
        failure = describe_failure(error)
        assert failure.place is not None, failure
        errors = [(failure.place.line, "runtime error", failure.summary)]
    return host.output.split("\n")[:-1], errors


@pytest.mark.parametrize("path", CASES, ids=case_name)
def test_program(path: Path) -> None:
    """A program does what the comments on its lines say."""
    expected = expectations(path)
    printed, errors = outcome(path)
    assert [text for _, kind, text in expected if kind == "output"] == printed
    wanted = [(line, kind, text) for line, kind, text in expected if kind.endswith("error")]
    found = [
        (line, kind, text if wanted_text else "")
        for (line, kind, text), (_, _, wanted_text) in zip(errors, wanted, strict=False)
    ]
    assert wanted == found + errors[len(wanted) :]


def test_every_program_states_what_it_expects() -> None:
    """No program passes because nothing was asked of it."""
    assert [] == [case_name(path) for path in CASES if not expectations(path)]
    assert len(CASES) >= 80
