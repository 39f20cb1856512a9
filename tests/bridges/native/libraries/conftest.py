"""Libraries as programs load them, in this process and in a worker."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

import noodle
from tests.bridges.native.headers.conftest import require_header

LoadLibrary = Callable[..., ModuleType]


@pytest.fixture(params=["inprocess", "isolated"])
def load(request: pytest.FixtureRequest) -> Iterator[LoadLibrary]:
    """Load a library; those of one test run in one worker, so that they share pointers."""
    loaded: list[ModuleType] = []
    worker = {"worker": f"libraries-{os.getpid()}"} if request.param == "isolated" else {}

    def load(location: str, package: str = "", **options: Any) -> ModuleType:
        if package:
            require_header(options["header"], package)
        loaded.append(noodle.load(location, placement=request.param, **worker, **options))
        return loaded[-1]

    yield load
    for library in loaded:
        noodle.unload(library)
