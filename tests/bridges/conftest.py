"""What the tests of several bridges share."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def restored_modules() -> Iterator[None]:
    """Let the files of one test not be the modules of the next."""
    before = dict(sys.modules)
    yield
    for name in sys.modules.keys() - before.keys():
        if name.startswith("own_"):
            del sys.modules[name]
