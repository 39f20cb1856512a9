"""The C library: a comparison in Python, where a number ends, a structure by pointer, printf."""

from __future__ import annotations

import array
from pathlib import Path
from typing import Any

from tests.bridges.native.libraries.conftest import LoadLibrary


def test_qsort_compares_with_a_python_function(load: LoadLibrary) -> None:
    libc = load(
        "libc.so.6",
        prototypes="void qsort(void *base, size_t count, size_t size, "
        "int (*compare)(const int *a, const int *b));",
    )
    numbers = array.array("i", [3, 1, 4, 1, 5])

    def descending(a: Any, b: Any) -> int:
        return int(b[0]) - int(a[0])

    libc.qsort(numbers, 5, 4, descending)
    assert numbers.tolist() == [5, 4, 3, 1, 1]


def test_strtod_gives_the_number_and_what_follows_it(load: LoadLibrary) -> None:
    libc = load(
        "libc.so.6",
        prototypes="double strtod(const char *text, char **end);",
        functions={"strtod": {"out": "end"}},
    )
    assert libc.strtod("2.5e3 metres") == (2500.0, " metres")


def test_stat_fills_a_structure(load: LoadLibrary, tmp_path: Path) -> None:
    libc = load("libc.so.6", "libc6-dev", header="sys/stat.h")
    (tmp_path / "file").write_bytes(b"12345")
    found = libc.struct("stat")()
    assert libc.stat(str(tmp_path / "file"), found) == 0
    expected = (tmp_path / "file").stat()
    assert (found.st_size, found.st_ino, found.st_mode) == (
        5,
        expected.st_ino,
        expected.st_mode,
    )
    assert found.st_mtim.tv_sec == int(expected.st_mtime)


def test_snprintf_takes_arguments_whose_types_are_declared(load: LoadLibrary) -> None:
    libc = load(
        "libc.so.6",
        "libc6-dev",
        header="stdio.h",
        variadic={"snprintf": "int, double, const char *"},
    )
    text = bytearray(40)
    count = libc.snprintf(text, len(text), "%03d %.2f %s", 7, 2.5, "dwarves")
    assert text[:count] == b"007 2.50 dwarves"
