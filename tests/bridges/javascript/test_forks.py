"""Libraries of a worker in a child of ``fork``."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import noodle
from noodle.errors import ForkedProcessError

SAMPLE = Path(__file__).parent / "samples" / "tool.mjs"


@pytest.fixture
def tool() -> ModuleType:
    return noodle.load(str(SAMPLE))


def in_child(check: Callable[[], bool]) -> bool:
    """Return what a child of this process found."""
    child = os.fork()
    if child == 0:
        code = 3
        try:
            code = 0 if check() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_loading_again_starts_a_worker_of_the_childs_own(tool: ModuleType) -> None:
    mine = tool.processId()

    def check() -> bool:
        again = noodle.load(str(SAMPLE))
        return again.processId() not in (mine, os.getpid()) and "hello you" == again.default()

    assert in_child(check)
    assert mine == tool.processId()


def test_handles_from_before_are_refused_with_what_to_do(tool: ModuleType) -> None:
    tool.default()

    def check() -> bool:
        with pytest.raises(ForkedProcessError, match="load the library again"):
            tool.default()
        return True

    assert in_child(check)


def test_a_child_of_a_child_does_the_same(tool: ModuleType) -> None:
    tool.default()

    def inner() -> bool:
        return noodle.load(str(SAMPLE)).default("Ada") == "hello Ada"

    def outer() -> bool:
        return noodle.load(str(SAMPLE)).default("Eve") == "hello Eve" and in_child(inner)

    assert in_child(outer)


def greet(name: str) -> str:
    return str(noodle.load(str(SAMPLE)).default(name))


def test_a_pool_of_forked_processes(tool: ModuleType) -> None:
    tool.default()
    with multiprocessing.get_context("fork").Pool(2) as processes:
        assert ["hello a", "hello b"] == processes.map(greet, ["a", "b"])
