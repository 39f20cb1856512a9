from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bridges.javascript.registry import Registry


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Registry]:
    """A registry of this machine, which npm uses, with an empty cache."""
    with Registry() as registry:
        monkeypatch.setenv("npm_config_registry", registry.url)
        yield registry
