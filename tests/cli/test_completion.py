"""Completion: names that may stand at the cursor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from noodle.cli.completion import NameCompleter
from noodle.language import Session
from noodle.runtime.engine import default_engine, use
from noodle.runtime.host import EngineHost


@pytest.fixture
def completer(tmp_path: Path) -> Iterator[NameCompleter]:
    engine = default_engine()
    session = Session(EngineHost(str(tmp_path)), "", "")
    session.run('import ffi "colorsys" as colours\nlet counter = 1')
    yield NameCompleter(session.completions)
    use(engine)


def completed(completer: NameCompleter, text: str) -> list[str]:
    found = completer.get_completions(Document(text), CompleteEvent(completion_requested=True))
    return [text[: len(text) + each.start_position] + each.text for each in found]


@pytest.mark.parametrize(
    ("text", "results"),
    [
        ("count", ["counter"]),
        ("print(colours.rgb_to_h", ["print(colours.rgb_to_hls", "print(colours.rgb_to_hsv"]),
        ("whi", ["while"]),
        ("pri", ["print"]),
        ("x.y", []),
        ("nosuch.", []),
        ("", []),
        ("   ", []),
        ('"count', []),
        ('"a" + "\\" count', []),
        ("// count", []),
        ('"//" + count', ['"//" + counter']),
        ("let a = 1\ncount", ["let a = 1\ncounter"]),
    ],
)
def test_names_are_offered_where_names_can_stand(
    completer: NameCompleter, text: str, results: list[str]
):
    assert completed(completer, text) == results


def test_a_library_that_raises_when_it_is_looked_at_offers_nothing():
    def fails(text: str) -> list[str]:
        raise RuntimeError("no attributes today")

    assert completed(NameCompleter(fails), "x.y") == []


def test_a_completion_says_what_it_is(tmp_path: Path):
    engine = default_engine()
    host = EngineHost(str(tmp_path))
    session = Session(host, "", "", describe=host.describe_foreign)
    session.run('import ffi "libm.so.6" as m { fn cos(x: f64): f64 }')
    completer = NameCompleter(session.completions, session.meaning)
    found = completer.get_completions(Document("m.c"), CompleteEvent(completion_requested=True))
    assert [(each.text, each.display_meta_text) for each in found] == [
        ("cos", "cos(x: float) -> float")
    ]
    assert completed(completer, "m.cos(x") == ["m.cos(x="]
    use(engine)
