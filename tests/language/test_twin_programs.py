"""Random programs print what the same programs written in Python print."""

from __future__ import annotations

import contextlib
import io
import random
from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from noodle.language import Session

from .hosts import CollectingHost
from .twin_programs import TwinPrograms


def printed_by_python(program: str) -> str:
    output = io.StringIO()
    namespace: dict[str, Any] = {}
    with contextlib.redirect_stdout(output):
        exec(compile(program, "twin.py", "exec"), namespace)
    return output.getvalue()


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_a_program_prints_what_its_twin_in_python_prints(seed: int) -> None:
    """Operators, scopes, closures over fresh variables and jumps mean what they should."""
    noodle, python = TwinPrograms(random.Random(seed)).programs()
    note(noodle)
    note(python)
    host = CollectingHost()
    Session(host, cache_directory="").run(noodle)
    assert printed_by_python(python) == host.output
