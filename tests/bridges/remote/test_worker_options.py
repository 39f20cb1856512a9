"""Options of loads that say when the workers of a library are started and ended."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

import noodle
from noodle.errors import SettingsError
from noodle.libraries import library_of
from noodle.workers.modules import RemoteModule
from tests.workers.echo import await_end

LIMIT = 30.0

JAVASCRIPT = """
import { setTimeout as later } from 'node:timers/promises';
export const pid = () => process.pid;
export const rest = (seconds) => later(1000 * seconds, process.pid);
export class Thing { pid() { return process.pid; } }
"""

PYTHON = """
import os, time
def pid(): return os.getpid()
def rest(seconds): time.sleep(seconds); return os.getpid()
class Thing:
    def pid(self): return os.getpid()
"""

NATIVE = """
int getpid(void);
int usleep(unsigned microseconds);
int pid(void) { return getpid(); }
int rest(double seconds) { usleep(seconds * 1e6); return getpid(); }
static int thing;
int *make(void) { return &thing; }
int pid_of(int *thing) { return thing ? getpid() : 0; }
struct part { int number; };
struct part *make_part(void) { return (struct part *)&thing; }
int pid_of_part(struct part *part) { return part ? getpid() : 0; }
"""
PROTOTYPES = """
int pid(void); int rest(double seconds); int *make(void); int pid_of(int *thing);
struct part { int number; }; struct part *make_part(void); int pid_of_part(struct part *part);
"""

Load = Callable[..., ModuleType]

_numbers = itertools.count(1)


SOURCES = {
    "javascript": ("own.mjs", JAVASCRIPT, {}),
    "python": ("own.py", PYTHON, {}),
    "native": ("own.c", NATIVE, {"prototypes": PROTOTYPES}),
}


@contextmanager
def loading(language: str, folder: Path) -> Iterator[Load]:
    """Load a module in workers that no other test uses."""
    name, text, needed = SOURCES[language]
    (folder / name).write_text(text)
    loaded: list[ModuleType] = []

    def run(**options: object) -> ModuleType:
        variables = {"OPTIONS": f"{os.getpid()} {next(_numbers)}"}
        given = {"placement": "isolated", "environment": variables, **needed, **options}
        module = noodle.load(str(folder / name), **given)
        loaded.append(module)
        return module

    with noodle.deadline(LIMIT):
        yield run
        for module in loaded:
            noodle.unload(module)


@pytest.fixture(params=SOURCES)
def load(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Load]:
    """Load a module of each language that workers run."""
    with loading(request.param, tmp_path) as run:
        yield run


@pytest.fixture(params=["javascript", "python"])
def load_module(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Load]:
    """Load a module of a language that has classes, and several workers where that is asked for."""
    with loading(request.param, tmp_path) as run:
        yield run


@pytest.fixture
def load_native(tmp_path: Path) -> Iterator[Load]:
    """Load a native library."""
    with loading("native", tmp_path) as run:
        yield run


@pytest.fixture(autouse=True, scope="module")
def kept_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOODLE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


def remote(module: ModuleType) -> RemoteModule:
    found = library_of(module)._loaded._module  # type: ignore[attr-defined]
    assert isinstance(found, RemoteModule)
    return found


def open_descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


# --------------------------------------------------------------------------------- prewarming


def test_workers_are_started_when_they_are_needed(load_module: Load) -> None:
    assert 1 == len(remote(load_module(workers=3)).pool.workers())


def test_prewarmed_workers_have_imported_the_library_when_it_is_loaded(load_module: Load) -> None:
    module = remote(load_module(workers=3, prewarm=True))
    assert 3 == len(module.pool.workers())
    assert module.is_at_hand()


def test_a_prewarmed_native_library_is_open_when_it_is_loaded(load_native: Load) -> None:
    module = remote(load_native(prewarm=True))
    assert 1 == len(module.pool.workers())
    assert module.is_at_hand()


def test_a_library_that_fails_says_so_when_it_is_prewarmed(
    load_module: Load, tmp_path: Path
) -> None:
    (tmp_path / "own.mjs").write_text("throw new Error('broken on purpose')")
    (tmp_path / "own.py").write_text("raise ValueError('broken on purpose')")
    with pytest.raises(noodle.errors.LibraryLoadError, match="broken on purpose"):
        load_module(workers=2, prewarm=True)


# --------------------------------------------------------------------------------- retirement


def test_an_idle_worker_gives_everything_back_and_the_next_call_starts_anew(load: Load) -> None:
    module = load(idle_seconds=0.2)
    first = module.pid()
    pool = remote(module).pool
    (worker,) = pool.workers()
    before = open_descriptors()
    assert worker.join(LIMIT)
    assert await_end(worker.pid)
    assert worker.exit is not None
    assert 0 == worker.exit.code
    assert open_descriptors() < before
    assert [] == pool.workers()
    assert first != module.pid()
    wait_until(lambda: not pool.workers())
    after = open_descriptors()
    module.pid()
    wait_until(lambda: not pool.workers())
    wait_until(lambda: open_descriptors() <= after)  # some are closed a little later


def test_a_worker_stays_while_an_object_of_it_is_held(load_module: Load) -> None:
    module = load_module(idle_seconds=0.2)
    thing = module.Thing()
    process = thing.pid()
    (worker,) = remote(module).pool.workers()
    wait_until(lambda: worker.link.idle_seconds > 2.5)
    assert process == thing.pid()
    del thing
    assert worker.join(LIMIT)
    assert process != module.pid()


@pytest.mark.parametrize("kind", ["", "_part"])
def test_a_worker_stays_while_a_pointer_of_it_is_held(load_native: Load, kind: str) -> None:
    module = load_native(idle_seconds=0.2)
    make, pid_of = getattr(module, f"make{kind}"), getattr(module, f"pid_of{kind}")
    pointer = make()
    process = pid_of(pointer)
    (worker,) = remote(module).pool.workers()
    wait_until(lambda: worker.link.idle_seconds > 2.5)
    assert process == pid_of(pointer)
    del pointer
    assert worker.join(LIMIT)
    held = make()
    assert process != pid_of(held)
    (worker,) = remote(module).pool.workers()
    wait_until(lambda: worker.link.idle_seconds > 2.5)
    assert worker.pid == pid_of(held)


def test_a_worker_stays_while_a_call_runs(load: Load) -> None:
    module = load(idle_seconds=0.2)
    process = module.pid()
    assert process == module.rest(2.5)


@pytest.mark.parametrize("cancelled", [True, False])
def test_what_a_closed_event_loop_left_holds_no_worker(load: Load, cancelled: bool) -> None:
    module = load(idle_seconds=0.2)

    async def leave() -> None:
        await module.rest.aio(0)
        left.append(asyncio.ensure_future(module.rest.aio(0.5)))
        await asyncio.sleep(0)
        if cancelled:
            left[0].cancel()

    left: list[asyncio.Future[object]] = []
    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave())
    (worker,) = remote(module).pool.workers()
    loop.close()
    assert worker.join(LIMIT)
    assert worker.exit is not None
    assert 0 == worker.exit.code


def test_a_call_while_its_worker_retires_goes_to_a_new_one(load: Load) -> None:
    module = load(idle_seconds=0.2)
    process = module.pid()
    (worker,) = remote(module).pool.workers()
    wait_until(lambda: worker.link.retires)
    assert process != module.pid()
    assert worker.join(LIMIT)
    assert worker.exit is not None
    assert 0 == worker.exit.code


def test_without_the_option_workers_stay(load: Load) -> None:
    module = load()
    process = module.pid()
    (worker,) = remote(module).pool.workers()
    assert worker.idle_seconds is None
    wait_until(lambda: worker.link.idle_seconds > 1.5)
    assert process == module.pid()


@pytest.mark.parametrize(
    "option", [{"prewarm": 1}, {"idle_seconds": 0}, {"idle_seconds": "1"}, {"idle_seconds": True}]
)
def test_wrong_values_are_refused(load: Load, option: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="has a wrong value"):
        load(**option)
