"""Libraries of the system, called naturally: SQLite, zlib and the C library."""

from __future__ import annotations

import gc
import os
import zlib
from pathlib import Path
from typing import Any

import pytest

from noodle.errors import FunctionFailedError, ReferenceReleasedError
from tests.bridges.native.conftest import Functions, LoadFunctions

SQLITE = """
typedef struct sqlite3 sqlite3; typedef struct sqlite3_stmt sqlite3_stmt;
int sqlite3_open(const char *filename, sqlite3 **ppDb); int sqlite3_close(sqlite3 *db);
int sqlite3_prepare_v2(sqlite3 *db, const char *zSql, int nByte, sqlite3_stmt **ppStmt,
                       const char **pzTail);
int sqlite3_step(sqlite3_stmt *stmt); int sqlite3_finalize(sqlite3_stmt *stmt);
int sqlite3_bind_text(sqlite3_stmt *stmt, int i, const char *text, int n, intptr_t destructor);
int sqlite3_bind_blob(sqlite3_stmt *stmt, int i, const void *data, int n, intptr_t destructor);
const unsigned char *sqlite3_column_text(sqlite3_stmt *stmt, int column);
const void *sqlite3_column_blob(sqlite3_stmt *stmt, int column);
int sqlite3_column_int(sqlite3_stmt *stmt, int column);
int sqlite3_exec(sqlite3 *db, const char *sql, void *callback, void *context, char **errmsg);
const char *sqlite3_errmsg(sqlite3 *db); void sqlite3_free(void *memory);
sqlite3 *sqlite3_db_handle(sqlite3_stmt *stmt); int sqlite3_changes(sqlite3 *db);
"""
ROW, DONE = 100, 101
TRANSIENT = -1
"""Stands in place of a destructor for memory that SQLite has to copy."""


@pytest.fixture
def sqlite(functions: LoadFunctions) -> Functions:
    return functions(
        "libsqlite3.so.0",
        SQLITE,
        errors="nonzero",
        message="sqlite3_errmsg",
        free=["sqlite3_close", "sqlite3_finalize"],
        codes={"SQLITE_ERROR": 1, "SQLITE_BUSY": 5, "SQLITE_CANTOPEN": 14, "SQLITE_CONSTRAINT": 19},
        functions={
            "sqlite3_open": {"free_on_failure": True},
            "sqlite3_prepare_v2": {"out": ["ppStmt", "pzTail"], "lengths": {"zSql": "nByte"}},
            "sqlite3_step": {"ok": [ROW, DONE]},
            "sqlite3_exec": {"out": "errmsg", "free": {"errmsg": "sqlite3_free"}},
            "sqlite3_column_*": {"errors": None, "borrowed": True},
            "sqlite3_column_text": {"encoding": {"result": "utf-8"}},
            "sqlite3_changes": {"errors": None},
        },
    )


@pytest.fixture
def database(sqlite: Functions) -> Any:
    with sqlite.sqlite3_open(":memory:") as database:
        sqlite.sqlite3_exec(database, "create table people (name text unique, age int)", None, None)
        yield database


class TestSqlite:
    def test_rows_are_written_and_read(self, sqlite: Functions, database: Any) -> None:
        insert, _ = sqlite.sqlite3_prepare_v2(database, "insert into people values (?, 36)")
        with insert:
            sqlite.sqlite3_bind_text(insert, 1, "Zoë", TRANSIENT)
            assert DONE == sqlite.sqlite3_step(insert)
        assert 1 == sqlite.sqlite3_changes(database)
        select, rest = sqlite.sqlite3_prepare_v2(database, "select * from people; -- and more")
        with select:
            assert (ROW, " -- and more") == (sqlite.sqlite3_step(select), rest)
            row = sqlite.sqlite3_column_text(select, 0), sqlite.sqlite3_column_int(select, 1)
            assert ("Zoë", 36) == row
            assert DONE == sqlite.sqlite3_step(select)

    def test_its_errors_have_its_own_words(self, sqlite: Functions, database: Any) -> None:
        with pytest.raises(FunctionFailedError, match="no such table: nobody") as caught:
            sqlite.sqlite3_prepare_v2(database, "select * from nobody")
        assert (1, "SQLITE_ERROR") == (caught.value.code, caught.value.constant)
        sqlite.sqlite3_exec(database, "insert into people values ('a', 1)", None, None)
        with pytest.raises(FunctionFailedError, match=r"UNIQUE constraint failed: people\.name"):
            sqlite.sqlite3_exec(database, "insert into people values ('a', 2)", None, None)

    def test_what_cannot_be_opened_says_why(self, sqlite: Functions) -> None:
        with pytest.raises(FunctionFailedError, match="unable to open database file") as caught:
            sqlite.sqlite3_open("/nonexistent/place")
        assert caught.value.constant == "SQLITE_CANTOPEN"

    def test_a_database_with_statements_stays_open(self, sqlite: Functions, database: Any) -> None:
        statement, _ = sqlite.sqlite3_prepare_v2(database, "select 1")
        with pytest.raises(FunctionFailedError, match="SQLITE_BUSY"):
            database.close()
        assert ROW == sqlite.sqlite3_step(statement)
        statement.close()
        with pytest.raises(ReferenceReleasedError):
            sqlite.sqlite3_step(statement)

    def test_a_statement_keeps_its_database(self, sqlite: Functions, tmp_path: Path) -> None:
        file = tmp_path / "kept.db"
        statement, _ = sqlite.sqlite3_prepare_v2(sqlite.sqlite3_open(str(file)), "select 7")
        gc.collect()
        assert ROW == sqlite.sqlite3_step(statement)
        assert 7 == sqlite.sqlite3_column_int(statement, 0)

    def test_a_column_ends_with_its_statement(self, sqlite: Functions, database: Any) -> None:
        statement, _ = sqlite.sqlite3_prepare_v2(database, "select ?")
        sqlite.sqlite3_bind_blob(statement, 1, b"12345", TRANSIENT)
        sqlite.sqlite3_step(statement)
        blob = sqlite.sqlite3_column_blob(statement, 0)
        statement.close()
        other, _ = sqlite.sqlite3_prepare_v2(database, "select ?")
        with pytest.raises(ReferenceReleasedError):
            sqlite.sqlite3_bind_blob(other, 1, blob, 5, TRANSIENT)
        other.close()

    def test_another_pointer_to_it_is_the_same_and_owns_nothing(
        self, sqlite: Functions, database: Any
    ) -> None:
        statement, _ = sqlite.sqlite3_prepare_v2(database, "select 1")
        with statement:
            assert sqlite.sqlite3_db_handle(statement) == database


ZLIB = """
int compress2(unsigned char *dest, unsigned long *destLen, const unsigned char *source,
              unsigned long sourceLen, int level);
int uncompress(unsigned char *dest, unsigned long *destLen, const unsigned char *source,
               unsigned long sourceLen);
unsigned long crc32(unsigned long crc, const unsigned char *buf, unsigned int len);
const char *zError(int code);
"""


class TestZlib:
    @pytest.fixture
    def libz(self, functions: LoadFunctions) -> Functions:
        def room(arguments: Any) -> int:
            return len(arguments["source"]) * 2 + 64

        return functions(
            "libz.so.1",
            ZLIB,
            errors="nonzero",
            message="zError",
            codes={"Z_DATA_ERROR": -3, "Z_BUF_ERROR": -5},
            functions={
                "compress2": {"buffers": {"dest": {"length": "destLen", "size": room}}},
                "uncompress": {"buffers": {"dest": "destLen"}},
                "crc32": {"errors": None},
            },
        )

    @pytest.mark.parametrize("size", [0, 1, 1000, 300_000])
    def test_bytes_go_there_and_back(self, libz: Functions, size: int) -> None:
        data = os.urandom(size)
        packed = libz.compress2(data, 9)
        assert zlib.decompress(packed) == data
        assert libz.uncompress(size, packed) == data
        assert libz.crc32(0, data) == zlib.crc32(data)

    def test_a_buffer_that_is_too_small_is_its_error(self, libz: Functions) -> None:
        with pytest.raises(FunctionFailedError, match="buffer error") as caught:
            libz.uncompress(5, zlib.compress(b"hello world"))
        assert caught.value.constant == "Z_BUF_ERROR"

    def test_what_is_no_zlib_data_is_its_error(self, libz: Functions) -> None:
        with pytest.raises(FunctionFailedError, match="Z_DATA_ERROR"):
            libz.uncompress(100, b"hello world")


LIBC = """
char *getcwd(char *buf, size_t size); double strtod(const char *text, char **end);
long strtol(const char *text, char **end, int base); int chdir(const char *path);
char *strdup(const char *text); void free(void *memory); int open(const char *path, int flags);
long read(int fd, void *buf, size_t count); int close(int fd);
int memcmp(const void *one, const void *other, size_t n);
int strncmp(const char *one, const char *other, size_t n);
"""


class TestTheCLibrary:
    @pytest.fixture
    def libc(self, functions: LoadFunctions) -> Functions:
        return functions(
            "libc.so.6",
            LIBC,
            errors="errno",
            functions={
                "getcwd": {
                    "buffers": {"buf": {"length": "size", "size": 4096}},
                    "encoding": {"buf": "utf-8"},
                },
                "str*": {"errors": None},
                "strto*": {"out": "end", "errors": "errno_set"},
                "strdup": {"free": "free"},
                "read": {"buffers": {"buf": "count"}, "result": False},
                "open": {"nullable": False},
                "*cmp": {"errors": None},
            },
        )

    def test_a_directory_comes_from_its_buffer(self, libc: Functions) -> None:
        assert os.getcwd() == libc.getcwd() == libc.getcwd(size=2000)
        with pytest.raises(OSError, match="ERANGE"):
            libc.getcwd(size=1)

    def test_numbers_are_read_with_what_stands_behind_them(self, libc: Functions) -> None:
        assert (1.5, " and more") == libc.strtod("1.5 and more")
        assert (-255, "g") == libc.strtol("-ffg", 16)
        assert (-1, "") == libc.strtol("-1", 10)
        for text in ("9" * 30, "-" + "9" * 30):
            with pytest.raises(OSError, match="ERANGE"):
                libc.strtol(text, 10)

    def test_a_missing_file_is_the_builtin_error(self, libc: Functions) -> None:
        with pytest.raises(FileNotFoundError):
            libc.open("/nonexistent", os.O_RDONLY)
        with pytest.raises(FileNotFoundError):
            libc.chdir("/nonexistent")

    def test_a_file_is_read(self, libc: Functions, tmp_path: Path) -> None:
        path = tmp_path / "text"
        path.write_bytes(b"hello\0world")
        descriptor = libc.open(str(path), os.O_RDONLY)
        assert b"hello\0w" == libc.read(descriptor, 7)
        assert b"orld" == libc.read(descriptor, 7)
        assert 0 == libc.close(descriptor)
        with pytest.raises(OSError, match="EBADF"):
            libc.close(-1)

    def test_a_copied_text_is_freed(self, libc: Functions) -> None:
        assert libc.strdup("naïve") == "naïve"

    def test_a_length_may_go_beyond_the_end_of_a_text_and_not_of_memory(
        self, libc: Functions
    ) -> None:
        assert 0 == libc.strncmp("same", "same", 100)
        assert 0 == libc.memcmp(b"same", b"same")
        with pytest.raises(TypeError, match="shorter than n says"):
            libc.memcmp(b"same", b"same", 100)
