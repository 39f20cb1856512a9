"""A library that calls back, in each way to load it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import noodle
from tests.bridges.native.conftest import compile_to

SOURCE = Path(__file__).with_name("calling.c")
PROTOTYPES = """
    typedef struct { double x, y; } point;
    typedef int (*visitor)(int value, void *data);
    struct handlers { int count; int (*on_event)(int event); const char *name; };
    struct flags {
        unsigned ready : 1; int level : 5; unsigned long wide : 40;
        union { int32_t number; float real; };
        char title[12]; int grid[2][3]; struct flags *next; point origin;
    };
    int visit(int count, visitor visit, void *data);
    double apply(double (*function)(double), double value);
    double apply_many(double (*function)(double), int count);
    double every(int8_t (*a)(int8_t, uint64_t, float, _Bool));
    size_t length_of(const char *(*name)(int)); int takes_text(int (*f)(const char *));
    void fill(void (*f)(int32_t *items, int count));
    int names(int (*f)(int count, char **texts)); void *pass_on(void *(*f)(void *), void *value);
    void keep_function(int (*f)(int)); int call_kept(int value); int call_kept_on_a_thread(void);
    int sum_on_threads(int count, int (*f)(int));
    int sum_here_and_on_threads(int count, int (*f)(int));
    int fire(const struct handlers *handlers, int event);
    size_t name_length(const struct handlers *handlers);
    struct handlers default_handlers(void); int (*default_handler(void))(int);
    double norm(point p); point moved(point p, double by); void move(point *p, double by);
    void move_all(point *points, int count, double by);
    double total(const point *points, int count);
    double measured(double (*f)(point p), point p); void each(void (*f)(point *), int count);
    point *shared_point(void); double shared_x(void);
    void describe_flags(struct flags *f); size_t flags_size(void);
    int crash_back(int (*f)(int));
"""
WAYS: dict[str, dict[str, Any]] = {
    "compiled": {"mode": "api"},
    "libffi": {"mode": "abi"},
    "isolated compiled": {"mode": "api", "placement": "isolated"},
    "isolated libffi": {"mode": "abi", "placement": "isolated"},
}


@pytest.fixture(scope="session")
def calling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of ``calling.c``."""
    return compile_to(tmp_path_factory.mktemp("callbacks") / "libcalling.so", SOURCE, "-pthread")


def opened(path: Path, way: str, prototypes: str = PROTOTYPES) -> Iterator[ModuleType]:
    library = noodle.load(str(path), prototypes=prototypes, **WAYS[way])
    yield library
    noodle.unload(library)


@pytest.fixture(params=list(WAYS))
def library(request: pytest.FixtureRequest, calling: Path) -> Iterator[ModuleType]:
    """The library, called in each way."""
    yield from opened(calling, request.param)


@pytest.fixture(params=["compiled", "libffi"])
def library_here(request: pytest.FixtureRequest, calling: Path) -> Iterator[ModuleType]:
    """The library, in this process."""
    yield from opened(calling, request.param)


@pytest.fixture
def isolated(calling: Path) -> Iterator[ModuleType]:
    """The library, in a worker."""
    yield from opened(calling, "isolated compiled")
