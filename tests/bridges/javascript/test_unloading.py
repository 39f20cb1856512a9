"""Unloading: what ran for a library alone ends, and nothing of it stays open."""

from __future__ import annotations

import gc
import os
import threading
import time
from pathlib import Path

import pytest

import noodle
from noodle.errors import InstanceUnavailableError, UnknownBridgeError
from noodle.libraries import library_of
from noodle.runtime.engine import default_engine
from tests.workers.echo import await_end


def load(name: str) -> noodle.runtime.engine.ModuleType:
    """A module of Node.js in a worker that nothing else uses."""
    return noodle.load("node:process", environment={"UNLOADING": name})


def open_things() -> tuple[int, int]:
    """How many descriptors and threads this process has."""
    gc.collect()
    return len(os.listdir("/proc/self/fd")), threading.active_count()


def comes_down_to(before: tuple[int, int]) -> bool:
    """Whether no more is open than before, within ten seconds: some is closed a little later."""
    end = time.monotonic() + 10
    while True:
        descriptors, threads = open_things()
        if descriptors <= before[0] and threads <= before[1]:
            return True
        if time.monotonic() > end:
            return False


def test_an_unloaded_library_has_no_worker_any_more() -> None:
    process = load("alone")
    pid, hrtime = process.pid, process.hrtime
    hrtime()
    noodle.unload(process)
    assert await_end(pid)
    with pytest.raises(InstanceUnavailableError, match="its library was unloaded"):
        hrtime()
    again = load("alone")
    assert again is not process
    assert pid != again.pid
    noodle.unload(again)


def test_libraries_that_share_a_worker_keep_it_until_the_last_is_unloaded() -> None:
    process = load("shared")
    path = noodle.load("node:path", environment={"UNLOADING": "shared"})
    pid = process.pid
    noodle.unload(process)
    assert "b" == path.basename("a/b")
    noodle.unload(path)
    assert await_end(pid)


def test_only_what_is_loaded_can_be_unloaded() -> None:
    with pytest.raises(UnknownBridgeError, match="no library called 'nothing' is loaded"):
        noodle.unload("nothing")


def test_a_library_without_workers_is_forgotten() -> None:
    first = noodle.load("colorsys")
    noodle.unload("colorsys")
    assert (0.0, 0.0, 0.0) == first.rgb_to_hsv(0.0, 0.0, 0.0)
    assert first is not noodle.load("colorsys")
    noodle.unload("colorsys")


@pytest.mark.parametrize("loads", [8, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("way", ["unload", "stop", "die"])
def test_loads_with_different_options_leave_no_descriptor_and_no_thread(
    way: str, loads: int, tmp_path: Path
) -> None:
    """Also while objects of the workers, and the libraries, are kept."""
    kept = []
    before = (0, 0)
    for number in range(loads + 2):
        if number == 2:
            before = open_things()
        process = load(f"{way} {loads} {number}")
        library = library_of(process)
        pool = library._loaded._module.pool  # type: ignore[attr-defined]
        worker = pool.worker()
        kept.append((process.hrtime, noodle.load(
            "node:url", environment={"UNLOADING": f"{way} {loads} {number}"}
        ).URL("https://example.org")))  # fmt: skip
        if way == "unload":
            noodle.unload(process)
            for other in default_engine().dispatcher.libraries():
                if other.name == "url":
                    noodle.unload(other.module)
        elif way == "stop":
            pool.stop()
        else:
            worker.link.kill()
        assert worker.join(10)
    assert comes_down_to(before)
