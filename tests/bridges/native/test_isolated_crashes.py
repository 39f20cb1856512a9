"""A crash in a worker is told with signal, symbol and the types of the arguments."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import noodle
from noodle.errors import WorkerCrashedError
from tests.bridges.native.conftest import compile_to

SOURCE = """
#include <stdarg.h>
#include <stddef.h>
typedef struct { double x, y; } point;
typedef struct thing thing;
int fine(int x) { return x; }
int read_at(const char *text, int index) { return text[index]; }
double norm(const point *p, double *weights) { return *(volatile double *)8 + p->x + *weights; }
thing *thing_new(void) { return (thing *)64; }
int thing_read(thing *t) { return *(volatile int *)t; }
int many(int count, ...) { return *(volatile int *)8 + count; }
double each(double x) { return *(volatile double *)8 + x; }
int visit(int (*function)(int)) { return function(3); }
"""
PROTOTYPES = """
    typedef struct { double x, y; } point;
    typedef struct thing thing;
    int fine(int x);
    int read_at(const char *text, int index);
    double norm(const point *p, double *weights);
    thing *thing_new(void);
    int thing_read(thing *t);
    int many(int count, ...);
    double each(double x);
    int visit(int (*function)(int));
"""
TYPES = "it was called as "


@pytest.fixture(scope="session")
def crashing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library whose functions crash."""
    return compile_to(tmp_path_factory.mktemp("crashing") / "libcrashing.so", SOURCE)


@pytest.fixture
def load(
    crashing: Path, cache_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., ModuleType]]:
    """Load it into a worker."""
    monkeypatch.setenv("NOODLE_CACHE_DIR", str(cache_directory.parent))
    loaded = []

    def load(**options: Any) -> ModuleType:
        variadic = {"many as many_doubles": "double"}
        library = noodle.load(
            str(crashing),
            prototypes=PROTOTYPES,
            variadic=variadic,
            placement="isolated",
            **options,
        )
        loaded.append(library)
        return library

    yield load
    for library in loaded:
        noodle.unload(library)


def crash_of(call: Callable[[], object]) -> WorkerCrashedError:
    with noodle.deadline(60), pytest.raises(WorkerCrashedError) as caught:
        call()
    assert caught.value.received == "signal SIGSEGV"
    return caught.value


def notes_of(error: BaseException) -> list[str]:
    return [note for note in error.__notes__ if note.startswith((TYPES, "None is null"))]


def test_a_crash_names_symbol_and_types_and_no_values(load: Any) -> None:
    library = load()
    error = crash_of(lambda: library.read_at("secret", index=2_000_000_000))
    assert str(error.where).startswith("int read_at(const char *text, int index), ")
    assert notes_of(error) == [f"{TYPES}read_at(text: str, index: int)"]
    shown = "\n".join([str(error), *error.__notes__])
    assert "secret" not in shown
    assert "2000000000" not in shown
    assert library.fine(3) == 3


def test_a_crash_tells_structures_memory_and_pointers(load: Any) -> None:
    library = load()
    point = library.struct("point")
    error = crash_of(lambda: library.norm(point(1.0, 2.0), noodle.zeros(2)))
    assert notes_of(error) == [f"{TYPES}norm(p: struct point, weights: array<f64>)"]
    thing = library.thing_new()
    error = crash_of(lambda: library.thing_read(thing))
    assert notes_of(error) == [f"{TYPES}thing_read(t: ptr<struct thing>)"]


def test_a_crash_with_null_says_how_null_is_refused(load: Any) -> None:
    error = crash_of(lambda: load().read_at(None, 0))
    types, null = notes_of(error)
    assert types == f"{TYPES}read_at(text: None, index: int)"
    assert "text" in null
    assert "nullable=False" in null


def test_a_crash_of_an_annotated_function_is_told_as_well(load: Any) -> None:
    library = load(functions={"read_at": {"errors": "negative"}})
    error = crash_of(lambda: library.read_at(text=None, index=0))
    assert str(error.where).startswith("int read_at(const char *text, int index), ")
    assert notes_of(error)[0] == f"{TYPES}read_at(text: None, index: int)"


def test_a_crash_of_an_alias_names_the_symbol(load: Any) -> None:
    error = crash_of(lambda: load().many_doubles(1, 0.5))
    assert str(error.where).startswith("int many(int count, double), ")
    assert notes_of(error) == [f"{TYPES}many_doubles(count: int, argument 2: float)"]


@pytest.mark.parametrize("way", ["batch", "map", "await"])
def test_a_crash_of_other_calls_names_the_symbol(load: Any, way: str) -> None:
    library = load()

    async def awaited() -> None:
        await library.each.aio(1.0)

    calls = {
        "batch": lambda: library.each.batch([(1.0,)]),
        "map": lambda: library.each.map(np.array([1.0])),
        "await": lambda: asyncio.run(awaited()),
    }
    error = crash_of(calls[way])
    assert "libcrashing.so.each" in error.summary
    assert str(error.where).startswith("double each(double x), ")


def test_a_crash_within_a_callback_is_told_of_the_call_that_crashed(load: Any) -> None:
    outer, inner = load(worker="outer"), load(worker="inner")
    error = crash_of(lambda: outer.visit(lambda number: inner.read_at(None, number)))
    assert str(error.where).startswith("int read_at(")
    assert notes_of(error)[0] == f"{TYPES}read_at(text: None, index: int)"
    assert sum(note.startswith(TYPES) for note in error.__notes__) == 1
