"""Structures as objects with attributes and as arrays of NumPy, in this process and in a worker."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import subprocess
import time
import weakref
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import noodle
from noodle.bridges.native.c_parser import parse_c
from noodle.errors import (
    ArgumentRangeError,
    ArgumentTypeError,
    NameNotFoundError,
    PrototypeError,
    ReferenceReleasedError,
    UsageError,
    WorkerCrashedError,
)
from tests.bridges.native.conftest import system_compiler


def test_fields_are_attributes(library: ModuleType):
    point = library.struct("point")
    value = point(1, y=2.5)
    assert (value.x, value.y) == (1.0, 2.5)
    value.x = 4
    assert repr(value) == "point(x=4.0, y=2.5)"
    assert isinstance(value, point)
    assert not isinstance(value, library.struct("handlers"))
    assert (point.name, point.size, point.fields) == ("point", 16, ("x", "y"))
    assert dir(value) == ["x", "y"]


def test_every_kind_of_field_is_read_as_c_has_written_it(library: ModuleType):
    flags = library.struct("flags")()
    assert library.flags_size() == library.struct("flags").size
    library.describe_flags(flags)
    assert (flags.ready, flags.level, flags.wide) == (1, -7, 2**40 - 2)
    assert (flags.real, flags.number) == (1.0, 0x3F800000)
    assert flags.title == "title"
    assert flags.grid == [[0, 1, 2], [3, 4, 5]]
    assert flags.grid[1][-1] == 5
    assert flags.origin.y == 2.5


def test_bits_texts_and_arrays_are_written(library: ModuleType):
    flags = library.struct("flags")(title="abc", grid=[[1, 2, 3], (4, 5, 6)])
    flags.ready, flags.level, flags.wide = True, 15, 2**40 - 1
    assert (flags.ready, flags.level, flags.wide) == (1, 15, 2**40 - 1)
    flags.level = -16
    assert (flags.ready, flags.level, flags.wide) == (1, -16, 2**40 - 1)
    flags.grid[1][0] = 40
    flags.origin.x = 7
    assert flags.grid[1] == [40, 5, 6]
    assert flags.origin == library.struct("point")(7)
    flags.origin = library.struct("point")(1, 2)
    assert flags.origin.y == 2.0
    assert flags.title == "abc"


def test_what_does_not_fit_a_field_is_refused(library: ModuleType):
    flags = library.struct("flags")()
    for name, value in {
        "level": 16,
        "ready": -1,
        "number": 2**31,
    }.items():
        with pytest.raises(ArgumentRangeError, match=f"struct flags.{name}"):
            setattr(flags, name, value)
    for name, value in {
        "level": 1.5,
        "real": "text",
        "title": "x" * 13,
        "grid": [1],
        "origin": flags,
        "next": 5,
    }.items():
        with pytest.raises(ArgumentTypeError, match=f"struct flags.{name}"):
            setattr(flags, name, value)
    with pytest.raises(ArgumentTypeError, match="at most 2 values"):
        library.struct("point")(1, 2, 3)


def test_an_unknown_field_has_the_nearest_name_in_its_error(library: ModuleType):
    flags = library.struct("flags")()
    with pytest.raises(NameNotFoundError) as caught:
        _ = flags.tittle
    assert caught.value.remedy == "title"
    with pytest.raises(AttributeError, match="has no field 'levle'"):
        flags.levle = 1
    with pytest.raises(NameNotFoundError, match="no struct flag"):
        library.struct("flag")
    assert not hasattr(flags, "other")


def test_structures_are_passed_and_returned_by_value(library: ModuleType):
    point = library.struct("point")
    value = point(3, 4)
    assert library.norm(value) == 25.0
    result = library.moved(value, 1.0)
    assert result == point(4, 5)
    assert value == point(3, 4)
    assert library.measured(lambda p: p.x + p.y, value) == 7.0
    with pytest.raises(ArgumentTypeError, match="p of moved"):
        library.moved(library.struct("flags")(), 1.0)
    with pytest.raises(ArgumentTypeError) as caught:
        library.moved((1.0, 2.0), 3)
    assert caught.value.remedy == 'library.struct("point")(x=…, y=…)'
    with pytest.raises(ArgumentTypeError):
        library.norm(None)


def test_structures_are_passed_by_pointer(library: ModuleType):
    point = library.struct("point")
    value = point(3, 4)
    library.move(value, 1.0)
    assert value == point(4, 5)
    with pytest.raises(ArgumentTypeError) as caught:
        library.move(library.struct("flags")(), 1.0)
    assert "struct point" in str(caught.value.expected)
    with pytest.raises(ArgumentTypeError):
        library.move([1, 2], 1.0)
    with pytest.raises(ArgumentTypeError) as caught:
        library.move((1.0, 2.0), 1.0)
    assert caught.value.remedy == 'library.struct("point")(x=…, y=…)'


def test_a_structure_that_the_library_has_is_seen_and_changed(library: ModuleType):
    shared = library.shared_point()
    before = shared.x
    shared.x = before + 10
    assert library.shared_x() == before + 10 == shared.x
    library.move(shared, -10.0)
    assert library.shared_x() == before
    assert isinstance(shared, library.struct("point"))
    with pytest.raises(NameNotFoundError):
        _ = shared.z
    shared.y = 2


def test_a_structure_of_a_worker_that_has_ended_is_refused(isolated: ModuleType):
    point = isolated.shared_point()
    with pytest.raises(WorkerCrashedError):
        isolated.crash_back(lambda value: value)
    with pytest.raises(ReferenceReleasedError, match="pointer to struct point at 0x"):
        isolated.move(point, 1.0)
    with pytest.raises(ReferenceReleasedError, match="has ended"):
        _ = point.x


def test_a_callback_changes_the_structure_that_it_is_given(library: ModuleType):
    seen = []

    def visit(point: Any) -> None:
        seen.append(point.x)
        point.x += 2.0

    library.each(visit, 3)
    assert seen == [0.0, 2.0, 4.0]


def test_arrays_of_numpy_are_passed_without_a_copy(library: ModuleType):
    point = library.struct("point")
    points = point.array(1000)
    points["x"] = np.arange(1000)
    assert points.dtype == point.dtype
    assert points.dtype.itemsize == point.size
    library.move_all(points, 1000, 1.0)
    assert points["x"][999] == 1000.0
    assert points["y"].sum() == 1000.0
    assert library.total(points, 2) == 1 + 1 + 4 + 1


def test_large_arrays_reach_a_worker_in_shared_memory(isolated: ModuleType):
    points = noodle.empty(10_000, isolated.struct("point").dtype)
    points[...] = 0
    isolated.move_all(points, 10_000, 2.0)
    assert points["x"].sum() == 20_000.0


def test_an_array_of_another_dtype_or_with_gaps_is_refused(library: ModuleType):
    point = library.struct("point")
    for wrong in (
        np.zeros(4, [("x", "<f8"), ("z", "<f8")]),
        np.zeros(4, [("x", "<f4"), ("y", "<f4")]),
        np.zeros((4, 2)),
        point.array(8)[::2],
    ):
        with pytest.raises(ArgumentTypeError):
            library.move_all(wrong, 4, 1.0)
    fixed = point.array(4)
    fixed.flags.writeable = False
    with pytest.raises(ArgumentTypeError, match="read-only"):
        library.move_all(fixed, 4, 1.0)
    assert library.total(fixed, 4) == 0.0


def test_an_item_of_an_array_is_a_structure_without_a_copy(library_here: ModuleType):
    point = library_here.struct("point")
    points = point.array(3)
    second = point.at(points[1:])
    second.x = 5
    assert points["x"].tolist() == [0.0, 5.0, 0.0]
    memory = bytearray(16)
    point.at(memory).y = 1.0
    assert memory[8:] == bytes.fromhex("000000000000f03f")
    for wrong in (bytes(16), bytearray(15), np.zeros(3), None):
        with pytest.raises(ArgumentTypeError):
            point.at(wrong)


def test_arrays_in_structures_are_arrays_of_numpy_without_a_copy(library_here: ModuleType):
    flags = library_here.struct("flags")(grid=[[1, 2, 3], [4, 5, 6]])
    grid = np.asarray(flags.grid)
    grid[0, 1] = 20
    assert flags.grid[0] == [1, 20, 3]
    del flags
    gc.collect()
    assert grid.tolist() == [[1, 20, 3], [4, 5, 6]]


def test_a_part_keeps_the_whole_alive(library_here: ModuleType):
    flags = library_here.struct("flags")()
    origin, whole = flags.origin, weakref.ref(flags.__noodle_memory__.source[0])
    origin.x = 3
    del flags
    gc.collect()
    assert whole() is not None
    assert origin.x == 3.0
    del origin
    gc.collect()
    assert whole() is None


def test_what_a_pointer_leads_to_is_kept_alive(library_here: ModuleType):
    flags = library_here.struct("flags")
    first = flags()
    first.next = flags(level=3)
    gc.collect()
    assert first.next.level == 3
    other = copy.copy(first)
    first.next = None
    gc.collect()
    assert other.next.level == 3
    other.next = other
    assert "next=<struct flags at" in repr(other)
    assert first.next is None


def test_structures_are_compared_by_their_fields(library_here: ModuleType):
    point, flags = library_here.struct("point"), library_here.struct("flags")
    assert point(1, 2) == point(1, 2) != point(1, 3)
    assert flags() == flags() != flags(level=1)
    assert point() != flags()
    with pytest.raises(TypeError):
        hash(point())
    with pytest.raises(TypeError):
        pickle.dumps(point())


def test_a_structure_with_a_pointer_of_this_process_is_refused_in_a_worker(isolated: ModuleType):
    flags = isolated.struct("flags")
    with pytest.raises(ArgumentTypeError, match="in memory of this process"):
        flags().next = flags()


def test_only_a_name_is_no_structure_to_make():
    libc = noodle.load("libc.so.6", prototypes="struct dir; void closedir(struct dir *dir);")
    with pytest.raises(UsageError, match="not declared"):
        libc.struct("dir")()


def test_structures_that_cannot_be_passed_by_value_are_refused(library_here: ModuleType):
    libc = noodle.load(
        "libc.so.6",
        prototypes="""
        union either { int i; float f; };
        struct bits { int a : 3; };
        int abs(union either value); long labs(struct bits value);
        """,
    )
    for name in ("abs", "labs"):
        with pytest.raises(PrototypeError, match="by value"):
            getattr(libc, name)


def test_div_of_libc_returns_a_structure():
    for placement in ("inprocess", "isolated"):
        libc = noodle.load(
            "libc.so.6",
            prototypes="typedef struct { int quot; int rem; } div_t; div_t div(int a, int b);",
            placement=placement,
        )
        result = libc.div(17, 5)
        assert (result.quot, result.rem) == (3, 2)


STAT = """
    struct timespec { long tv_sec; long tv_nsec; };
    struct stat {
        unsigned long st_dev, st_ino, st_nlink; unsigned st_mode, st_uid, st_gid; int padding;
        unsigned long st_rdev; long st_size, st_blksize, st_blocks;
        struct timespec st_atim, st_mtim, st_ctim; long reserved[3];
    };
    int stat(const char *path, struct stat *result);
    int lstat(const char *path, struct stat *result);
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the structure is that of x86-64")
@pytest.mark.parametrize("placement", ["inprocess", "isolated"])
def test_stat_fills_a_structure(placement: str, tmp_path: Path):
    libc = noodle.load("libc.so.6", prototypes=STAT, placement=placement)
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"x" * 1234)
    link.symlink_to(file)
    found = libc.struct("stat")()
    for call, path in ((libc.stat, file), (libc.stat, link), (libc.lstat, link)):
        assert call(str(path), found) == 0
        known = path.stat() if call is libc.stat else path.lstat()
        assert found.st_size == known.st_size
        assert found.st_mode == known.st_mode
        assert found.st_mtim.tv_sec == int(known.st_mtime)
        assert found.st_ino == known.st_ino


LAYOUTS = """
    struct mixed { char a; double b; char c; short d; int e; char f; };
    struct nested { char a; struct mixed b; struct { char c; long d; } e; struct mixed g[3]; };
    struct bits { int a : 3; int b : 30; unsigned char c : 4; unsigned char d : 5; long e : 40;
                  char f; short g : 9; int : 0; int h : 1; int : 7; char i; };
    struct small { unsigned char a : 1; unsigned short b : 10; unsigned c : 20; char d; };
    union either { char a; double b; int c[5]; struct small d; };
    struct unnamed { char a; union { int b; double c; struct { char d; long e; }; }; char f; };
    struct pointers { char a; char *b; void (*c)(int); int (*d)[3]; struct pointers *e; _Bool f; };
    enum colour { RED, GREEN };
    struct last { char a; enum colour b; float c; union either d; short e[3][2]; char f[]; };
    struct words { unsigned char a; uint16_t b; int64_t c; size_t d; int8_t e; };
    struct ended { long a; char b; };
    struct around { struct ended a; char b; struct ended c; unsigned d : 3; };
"""


def test_layouts_are_those_of_the_compiler(tmp_path: Path):
    structures = parse_c(LAYOUTS).structures
    lines = ["#include <stddef.h>", "#include <stdint.h>", "#include <stdio.h>", LAYOUTS]
    lines.append("int main(void) {")
    expected = []
    for name, structure in structures.items():
        if not structure.c or "__typeof__" in structure.c:
            continue
        lines.append(f'printf("%zu %zu\\n", sizeof({name}), _Alignof({name}));')
        expected.append(f"{structure.size} {structure.alignment}")
        for field in structure.fields or ():
            if not field.bits:
                lines.append(f'printf("%zu\\n", offsetof({name}, {field.name}));')
                expected.append(str(field.offset))
                continue
            lines.append(f"{{ union {{ {name} s; unsigned char b[sizeof({name})]; }} u = {{0}};")
            lines.append(f"u.s.{field.name} = -1; size_t n = 0, k = 0; while (!u.b[n]) n++;")
            lines.append("while (!(u.b[n] >> k & 1)) k++;")
            lines.append('printf("%zu\\n", 8 * n + k); }')
            expected.append(str(8 * (field.offset or 0) + field.shift))
    source, program = tmp_path / "layouts.c", tmp_path / "layouts"
    source.write_text("\n".join([*lines, "}"]))
    command = [*system_compiler().command, str(source), "-w", "-o", str(program)]
    subprocess.run(command, check=True)
    told = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    assert told.splitlines() == expected
    assert len(expected) > 50


def test_a_structure_of_unknown_size_is_known_by_name_alone():
    structures = parse_c("struct a { long double b; }; struct c { struct d e; int f; };").structures
    assert structures["struct a"].fields is None
    assert structures["struct c"].fields is None


def test_times_of_libc_are_structures():
    libc = noodle.load(
        "libc.so.6",
        prototypes="""
        struct tm { int tm_sec, tm_min, tm_hour, tm_mday, tm_mon, tm_year, tm_wday, tm_yday,
                    tm_isdst; long tm_gmtoff; const char *tm_zone; };
        struct tm *gmtime(const long *time); long timegm(struct tm *time);
        """,
    )
    now = int(time.time())
    broken = libc.gmtime(np.array([now]))
    assert broken.tm_year == time.gmtime(now).tm_year - 1900
    assert broken.tm_zone == "GMT"
    assert libc.timegm(broken) == now
