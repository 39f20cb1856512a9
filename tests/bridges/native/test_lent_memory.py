"""Memory that a compiled function takes itself is judged as everywhere, and lent for a call."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import noodle
from noodle.errors import ArgumentError, ArgumentTypeError
from noodle.values import ValueType, layout_refusal, parse_type

ITEMS = {
    "i8": "int8_t",
    "u8": "uint8_t",
    "i16": "int16_t",
    "u16": "uint16_t",
    "i32": "int32_t",
    "u32": "uint32_t",
    "i64": "int64_t",
    "u64": "uint64_t",
    "f32": "float",
    "f64": "double",
    "bool": "bool",
    "void": "void",
}
FORMATS = ["?", *"bBhHiIlLqQfd", ">i4", "<i4", ">f8", "=f8", "f2", "c8", "c16", "S1", "M8[s]"]

SOURCE = """
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

{takers}

/* Waits until a byte is no longer 0, at most for ten seconds; returns what it is then. */
int32_t wait_for(const volatile uint8_t *flag)
{
    const struct timespec pause = {0, 1000000};
    for (int i = 0; i < 10000 && *flag == 0; i++)
        nanosleep(&pause, 0);
    return *flag;
}
"""


@pytest.fixture(scope="module")
def taking(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Functions that take memory of each type, first of all and after two numbers."""
    takers = "\n".join(
        f"int32_t take_{name}(const {c} *items, int32_t number) {{ return items ? number : -1; }}\n"
        f"int32_t late_{name}(double x, double y, const {c} *items)"
        " { return items ? x + y : -1; }"
        for name, c in ITEMS.items()
    )
    path = tmp_path_factory.mktemp("lent") / "taking.c"
    path.write_text(SOURCE.replace("{takers}", takers), encoding="ascii")
    return noodle.load(str(path))


def memories() -> Iterator[Any]:
    for code in FORMATS:
        yield np.zeros(4, code)
    yield from (np.zeros((2, 3)).T, np.zeros(8)[::2], np.zeros(()), np.zeros((0, 3)))
    yield from ((ctypes.c_double * 2)(), (ctypes.c_bool * 2)(), (ctypes.c_char * 2)())
    yield from (bytearray(4), memoryview(b"read"), memoryview(bytearray(8)).cast("d"))


@pytest.mark.parametrize("item", ITEMS)
def test_memory_is_taken_exactly_where_its_layout_fits(taking: Any, item: str):
    """What the first call finds out must be what every later one does, of another array."""
    declared = ValueType("ptr") if item == "void" else parse_type(f"ptr<{item}>")
    calls = [
        lambda memory: getattr(taking, f"take_{item}")(memory, 3) == 3,
        lambda memory: getattr(taking, f"late_{item}")(1.0, 2.0, memory) == 3,
    ]
    number = item[1:].isdigit()
    fitting = np.zeros(4, f"{item[0]}{int(item[1:]) // 8}" if number else "?")
    for call in calls:
        assert call(fitting)
        for memory in memories():
            if layout_refusal(declared, memory) is None:
                assert call(memory)
            else:
                with pytest.raises(ArgumentTypeError):
                    call(memory)


def test_nothing_stays_lent_after_a_call_that_succeeded_or_failed(taking: Any):
    memory = bytearray(b"four")
    assert taking.take_u8(memory, 1) == 1
    memory.append(1)
    with pytest.raises(ArgumentError):
        taking.take_u8(memory, 2**40)
    memory.append(2)
    with pytest.raises(ArgumentError):
        taking.late_u8(1.0, "two", memory)
    memory.append(3)
    assert memory == b"four\1\2\3"


def test_memory_that_c_reads_cannot_be_moved_meanwhile(taking: Any):
    flag = bytearray(1)
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(taking.wait_for(flag)))
    thread.start()
    try:
        refused = False
        while thread.is_alive() and not refused:
            try:
                flag.append(0)
                flag.pop()
            except BufferError:
                refused = True
    finally:
        flag[0] = 7
        thread.join(20)
    assert refused
    assert results == [7]
    flag.append(0)


def test_text_without_nul_is_taken_as_it_is(tmp_path: Path):
    (tmp_path / "length.c").write_text(
        "#include <string.h>\nunsigned long length(const char *text) { return strlen(text); }\n"
    )
    length = noodle.load(str(tmp_path / "length.c")).length
    for text in ("", "plain", "über", "日本", "\U0001f35c" * 300):
        assert length(text) == len(text.encode())
    with pytest.raises(ArgumentTypeError, match="NUL at index 1"):
        length("a\0b")
    with pytest.raises(ArgumentTypeError, match="surrogate"):
        length("\ud800")
