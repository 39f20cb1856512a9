"""SQLite with callbacks: rows of a query, and functions of SQL in Python and in Noodle."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import noodle
from noodle.errors import CallbackReleasedError

DECLARATIONS = """
    struct sqlite3; struct sqlite3_context; struct sqlite3_value;
    struct opened { struct sqlite3 *database; };
    int sqlite3_open(const char *name, struct opened *result);
    int sqlite3_close(struct sqlite3 *database);
    const char *sqlite3_errmsg(struct sqlite3 *database);
    int sqlite3_exec(struct sqlite3 *database, const char *sql,
                     int (*row)(void *data, int count, char **values, char **names),
                     void *data, void *error);
    int sqlite3_create_function(struct sqlite3 *database, const char *name, int count, int encoding,
                                void *data,
                                void (*call)(struct sqlite3_context *context, int count,
                                             struct sqlite3_value **values),
                                void *step, void *final);
    double sqlite3_value_double(struct sqlite3_value *value);
    void sqlite3_result_double(struct sqlite3_context *context, double value);
"""
UTF8 = 1
ABORT = 4


@pytest.fixture(params=["inprocess", "isolated"])
def sqlite(request: pytest.FixtureRequest) -> ModuleType:
    """The library, in this process and in a worker."""
    return noodle.load("libsqlite3.so.0", prototypes=DECLARATIONS, placement=request.param)


@pytest.fixture
def database(sqlite: ModuleType) -> Any:
    """An empty database."""
    opened = sqlite.struct("opened")()
    assert sqlite.sqlite3_open(":memory:", opened) == 0
    return opened.database


def test_each_row_of_a_query_is_given_to_a_function(sqlite: ModuleType, database: Any):
    rows: list[dict[str, str | None]] = []

    def row(_: object, count: int, values: Any, names: Any) -> int:
        rows.append(dict(zip(names[:count], values[:count], strict=True)))
        return 0

    sql = "SELECT 1 AS a, 'two' AS b UNION SELECT 3, NULL ORDER BY a"
    assert sqlite.sqlite3_exec(database, sql, row, None, None) == 0
    assert rows == [{"a": "1", "b": "two"}, {"a": "3", "b": None}]
    assert sqlite.sqlite3_close(database) == 0


def test_a_function_says_by_its_result_that_the_query_ends(sqlite: ModuleType, database: Any):
    seen = []

    def row(_: object, count: int, values: Any, names: Any) -> int:
        seen.append(values[0])
        return 1

    sql = "SELECT 1 UNION SELECT 2"
    assert sqlite.sqlite3_exec(database, sql, row, None, None) == ABORT
    assert seen == ["1"]
    assert "abort" in sqlite.sqlite3_errmsg(database)


def test_a_function_of_sql_that_was_only_lent_is_told(sqlite: ModuleType, database: Any):
    def lent(context: Any, count: int, values: Any) -> None:
        raise AssertionError("C must not reach it")

    create = sqlite.sqlite3_create_function
    assert create(database, "lent", 1, UTF8, None, lent, None, None) == 0
    with pytest.raises(CallbackReleasedError) as caught:
        sqlite.sqlite3_exec(database, "SELECT lent(1)", None, None, None)
    assert caught.match(r"C called .*lent after it was released")


def test_an_exception_in_a_row_ends_the_query(sqlite: ModuleType, database: Any):
    def row(_: object, count: int, values: Any, names: Any) -> int:
        raise LookupError(values[0])

    with pytest.raises(LookupError, match="7"):
        sqlite.sqlite3_exec(database, "SELECT 7", row, None, None)


def test_a_function_of_sql_in_python(sqlite: ModuleType, database: Any):
    rows = []

    def squared(context: Any, count: int, values: Any) -> None:
        x = sqlite.sqlite3_value_double(values[0])
        if x < 0:
            raise ValueError("negative")
        sqlite.sqlite3_result_double(context, x * x)

    def row(_: object, count: int, values: Any, names: Any) -> int:
        rows.append(values[0])
        return 0

    kept = noodle.callback(squared)
    arguments = (database, "squared", 1, UTF8, None, kept, None, None)
    assert sqlite.sqlite3_create_function(*arguments) == 0
    assert sqlite.sqlite3_exec(database, "SELECT squared(7)", row, None, None) == 0
    assert rows == ["49.0"]
    with pytest.raises(ValueError, match="negative"):
        sqlite.sqlite3_exec(database, "SELECT squared(-1)", row, None, None)


PROGRAM = """
import ffi "libsqlite3.so.0" as sqlite with { header: "./sql.h", placement: "PLACEMENT" }
import ffi "noodle" as noodle

let opened = sqlite.struct("opened")()
sqlite.sqlite3_open(":memory:", opened)
let database = opened.database

fn squared(context, count, values) {
    let x = sqlite.sqlite3_value_double(values[0])
    sqlite.sqlite3_result_double(context, x * x)
}
let kept = noodle.callback(squared)
sqlite.sqlite3_create_function(database, "squared", 1, 1, null, kept, null, null)

fn row(data, count, values, names) {
    print(names[0], values[0])
    return 0
}
sqlite.sqlite3_exec(database, "SELECT squared(7) AS a", row, null, null)
sqlite.sqlite3_close(database)
"""


@pytest.mark.parametrize("placement", ["inprocess", "isolated"])
def test_a_function_of_sql_in_noodle(placement: str, tmp_path: Path, noodle_command: list[str]):
    (tmp_path / "sql.h").write_text(DECLARATIONS)
    (tmp_path / "program.noodle").write_text(PROGRAM.replace("PLACEMENT", placement))
    result = subprocess.run(
        [*noodle_command, "run", "program.noodle"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.stdout, result.returncode) == ("a 49.0\n", 0), result.stderr
