"""Macros that are pointers: integers that a header casts to one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import noodle
from noodle.bridges.native.headers.constants import address_of
from noodle.errors import NameNotFoundError

HEADER = """
typedef void (*release_t)(void *);
typedef long number_t;
typedef struct thing thing;
#define RELEASE_NOW ((release_t)-1)
#define RELEASE_NEVER ((release_t)0)
#define NO_THING ((struct thing *) 0x10)
#define NO_MEMORY ((void *) ~0UL)
#define NO_NUMBER ((number_t)-1)
long address_of_release(release_t release);
long address_of_thing(const thing *place);
"""
SOURCE = """
#include "addresses.h"
long address_of_release(release_t release) { return (long)release; }
long address_of_thing(const thing *place) { return (long)place; }
"""


@pytest.fixture(params=["inprocess", "isolated"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ModuleType]:
    """The library, in this process and in a worker."""
    (tmp_path / "addresses.h").write_text(HEADER)
    (tmp_path / "addresses.c").write_text(SOURCE)
    header = str(tmp_path / "addresses.h")
    made = noodle.load(str(tmp_path / "addresses.c"), header=header, placement=request.param)
    yield made
    noodle.unload(made)


def test_an_integer_cast_to_a_pointer_is_handed_on(library: ModuleType):
    assert library.address_of_release(library.RELEASE_NOW) == -1
    assert library.address_of_thing(library.NO_THING) == 16
    assert library.address_of_thing(library.NO_MEMORY) == -1
    assert library.RELEASE_NEVER is None
    assert {"NO_THING", "NO_MEMORY", "RELEASE_NOW", "RELEASE_NEVER"} <= set(dir(library))


def test_an_integer_cast_to_a_number_of_a_typedef_is_not_there(library: ModuleType):
    with pytest.raises(NameNotFoundError):
        library.NO_NUMBER  # noqa: B018


@pytest.mark.parametrize("placement", ["inprocess", "isolated"])
def test_sqlite_copies_a_text_that_is_transient(placement: str):
    functions = {
        "sqlite3_prepare_v2": {"out": ["ppStmt", "pzTail"]},
        "sqlite3_column_text": {"encoding": {"result": "utf-8"}},
    }
    sqlite = noodle.load(
        "libsqlite3.so.0", header="sqlite3.h", functions=functions, placement=placement
    )
    _, database = sqlite.sqlite3_open(":memory:")
    _, statement, _ = sqlite.sqlite3_prepare_v2(database, "SELECT ?1")
    bind = sqlite.sqlite3_bind_text
    assert bind(statement, 1, "Zoë", -1, sqlite.SQLITE_TRANSIENT) == sqlite.SQLITE_OK
    assert sqlite.sqlite3_step(statement) == sqlite.SQLITE_ROW
    assert sqlite.sqlite3_column_text(statement, 0) == "Zoë"
    assert sqlite.sqlite3_finalize(statement) == 0
    assert sqlite.sqlite3_close(database) == 0


@pytest.mark.parametrize(
    ("expression", "address"),
    [
        ("((void *)-1)", 2**64 - 1),
        ("(char const *)7", None),
        ("((const char *)(07))", 7),
        ("((T)-2L)", 2**64 - 2),
        ("((other)1)", None),
        ("((T)x)", None),
        ("(T)1 + 2", None),
    ],
)
def test_what_counts_as_an_address(expression: str, address: int | None):
    assert address_of(expression, {"T"}) == address
