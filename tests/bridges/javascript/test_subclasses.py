"""Class statements that derive from classes and functions of libraries."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

import noodle

SAMPLES = Path(__file__).parent / "samples"


class TestSubclasses:
    """A class of JavaScript has no subclass in Python; the error says what to do."""

    @pytest.mark.parametrize("way", ["handle", "reference"])
    def test_are_refused(self, passing: ModuleType, way: str) -> None:
        base = passing.Counter if way == "handle" else passing.echo(passing.Counter)
        with pytest.raises(
            TypeError, match="Counter is in a worker, and cannot have a subclass"
        ) as caught:

            class Own(base):  # type: ignore[misc, valid-type]
                pass

        assert "derive from Counter in a file of its own language" in str(caught.value)

    def test_a_function_is_no_class(self, passing: ModuleType) -> None:
        function = noodle.load("math").sqrt
        with pytest.raises(TypeError, match="sqrt is a function"):

            class Own(function):  # type: ignore[misc, valid-type]
                pass

    def test_the_remedy_works(self, tmp_path: Path) -> None:
        source = (SAMPLES / "passing.mjs").as_uri()
        path = tmp_path / "own.mjs"
        path.write_text(
            f"import {{ Counter }} from {json.dumps(source)};\n"
            "export class Doubled extends Counter {\n"
            "  constructor(change) { super(); this.change = change; }\n"
            "  add(times) { return this.change(super.add(times)[0]); }\n"
            "}\n"
        )
        doubled = noodle.load(str(path)).Doubled(lambda count: 2 * count)
        assert 6 == doubled.add(3)
