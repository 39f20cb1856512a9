from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import noodle
from noodle.runtime.engine import Engine, default_engine, use
from noodle.settings import resolve
from tests.bridges.javascript.registry import Registry


@pytest.fixture(autouse=True)
def may_install(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let loads install packages, as they do on a terminal."""
    monkeypatch.setenv("NOODLE_INSTALL", "always")
    engine = default_engine()
    use(Engine(resolve(start_directory=Path.cwd())))
    yield
    use(engine)


@pytest.fixture
def passing() -> ModuleType:
    """The sample whose functions take and give values and callbacks."""
    return noodle.load(str(Path(__file__).parent / "samples" / "passing.mjs"))


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Registry]:
    """A registry of this machine, which npm uses, with an empty cache."""
    with Registry() as registry:
        monkeypatch.setenv("npm_config_registry", registry.url)
        yield registry
