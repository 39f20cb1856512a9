"""What errors tell: functions by the names that the program uses, and what to do."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import noodle
from noodle.errors import (
    DeadlineExceededError,
    InputLimitError,
    LibraryLoadError,
    WorkerCrashedError,
)
from tests.bridges.javascript.raising import raised

SAMPLES = Path(__file__).parent / "samples"


class TestNames:
    """Functions are called in messages what the program calls them."""

    @pytest.fixture
    def own(self) -> ModuleType:
        return noodle.load(str(SAMPLES / "passing.mjs"), environment={"TEST": "names"})

    def call(self, way: str, own: ModuleType, name: str) -> Any:
        function = getattr(own.waiting, name)
        if way == "call":
            return function()
        if way == "batch":
            return function.batch([()])
        if way == "raw":
            return noodle.raw(function)()

        async def awaited() -> Any:
            return await function.aio()

        return asyncio.run(awaited())

    @pytest.mark.parametrize("way", ["call", "batch", "raw", "awaited"])
    def test_at_a_deadline(self, own: ModuleType, way: str) -> None:
        with noodle.deadline(1):
            error = raised(lambda: self.call(way, own, "forEver"))
        assert isinstance(error, DeadlineExceededError)
        assert "waiting.forEver" in str(error)

    @pytest.mark.parametrize("way", ["call", "batch", "raw", "awaited"])
    def test_when_a_worker_ends(self, own: ModuleType, way: str) -> None:
        error = raised(lambda: self.call(way, own, "end"))
        assert isinstance(error, WorkerCrashedError)
        assert "during waiting.end" in str(error)

    def test_of_methods(self, passing: ModuleType) -> None:
        counter = passing.Counter()
        with noodle.deadline(0.1):
            error = raised(lambda: counter.wait())
        assert "Counter.wait did not finish" in str(error)


def test_a_member_of_a_module_is_named_and_not_the_module(tmp_path: Path) -> None:
    path = tmp_path / "slow.cjs"
    path.write_text(
        "module.exports = { get slow() {"
        "  const end = Date.now() + 300; while (Date.now() < end); } };"
    )
    slow = noodle.load(str(path), environment={"TEST": "slow"})
    with noodle.deadline(0.05):
        error = raised(lambda: slow.slow)
    assert isinstance(error, DeadlineExceededError)
    assert "slow did not finish" in str(error)


def test_a_text_longer_than_javascript_has_is_refused(passing: ModuleType) -> None:
    error = raised(lambda: passing.greet("x" * (2**29)))
    assert isinstance(error, InputLimitError)
    assert str(2**29) in str(error)
    assert "hello you" == passing.greet("you")


def test_typescript_that_is_more_than_types_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "colours.ts"
    path.write_text("export enum Colour { Red = 1, Blue }\n")
    with pytest.raises(LibraryLoadError, match="enum") as caught:
        noodle.load(str(path))
    remedy = caught.value.remedy or ""
    assert "NODE_OPTIONS" in remedy
    colours = noodle.load(str(path), environment={"NODE_OPTIONS": "--experimental-transform-types"})
    assert {"1": "Red", "2": "Blue", "Red": 1, "Blue": 2} == colours.Colour


def test_a_namespace_of_typescript_too(tmp_path: Path) -> None:
    path = tmp_path / "space.ts"
    path.write_text("export namespace space { export const size = 3 }\n")
    with pytest.raises(LibraryLoadError, match="namespace") as caught:
        noodle.load(str(path))
    assert "NODE_OPTIONS" in (caught.value.remedy or "")
