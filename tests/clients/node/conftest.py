from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.node.programs import Program


@pytest.fixture(scope="session")
def program() -> Iterator[Program]:
    """A Node.js program with a host; each test runs a piece in it."""
    with Program() as program:
        yield program
