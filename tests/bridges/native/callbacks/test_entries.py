"""Callbacks of numbers and pointers: each type, each place of an argument, each kind of thread."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import noodle
from noodle import _callbacks
from noodle.errors import CallbackReleasedError, CallbackResultError, RemoteCallError
from tests.bridges.native.callbacks.conftest import WAYS, opened
from tests.bridges.native.conftest import compile_to

SOURCE = Path(__file__).with_name("entering.c")
TYPES = {
    **{f"{sign}{8 * size}": f"{'u' if sign == 'u' else ''}int{8 * size}_t"
       for sign in "iu" for size in (1, 2, 4, 8)},
    "f32": "float",
    "f64": "double",
    "bool": "_Bool",
}  # fmt: skip
PROTOTYPES = """
    double call_mixed(double (*f)(int8_t, double, uint16_t, float, int32_t, double, int64_t, float,
                                  uint8_t, double, uint64_t, float, int16_t, double, uint32_t,
                                  float, double, float, _Bool, double, int8_t *));
    void keep_function(int (*f)(int)); int call_many(int count);
    int call_many_on_a_thread(int count); void call_for_ever_on_a_thread(void);
    int errno_after(int (*f)(int));
    void each_item(void (*f)(int32_t *), int count);
""" + "\n".join(
    f"{c} give_{name}({c} (*f)(void)); void point_{name}(void (*f)({c} *), {c} a, {c} b);"
    for name, c in TYPES.items()
)
LIMITS: dict[str, tuple[Any, Any]] = {
    **{f"i{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"u{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
    "f32": (-1.5, 0.25),
    "f64": (-1e300, 0.1),
    "bool": (False, True),
}


@pytest.fixture(scope="session")
def entering(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of ``entering.c``."""
    return compile_to(tmp_path_factory.mktemp("entries") / "libentering.so", SOURCE, "-pthread")


@pytest.fixture(params=list(WAYS))
def library(request: pytest.FixtureRequest, entering: Path) -> Iterator[ModuleType]:
    """The library, called in each way."""
    yield from opened(entering, request.param, PROTOTYPES)


@pytest.fixture
def here(entering: Path) -> Iterator[ModuleType]:
    """The library, in this process."""
    yield from opened(entering, "compiled", PROTOTYPES)


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What Python reports because nobody can catch it."""
    reports: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", reports.append)
    return reports


def test_arguments_in_registers_and_on_the_stack_arrive(library: ModuleType):
    received: list[Any] = []

    def take(*values: Any) -> float:
        received.extend(values[:-1])
        received.append(values[-1][0])
        return 0.125

    assert library.call_mixed(take) == 0.125
    assert received[1:19:2] == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 9.5]
    integers = [-1, 65535, -(2**31), -(2**63), 255, 2**64 - 1, -(2**15), 2**32 - 1]
    assert received[0:16:2] == integers
    assert received[16:] == [8.5, 9.5, True, 10.5, -3]


@pytest.mark.parametrize("name", TYPES)
def test_results_of_each_type_return(here: ModuleType, name: str):
    give = getattr(here, f"give_{name}")
    for value in LIMITS[name]:
        assert give(lambda value=value: value) == value
    kind = {"bool": np.bool_, "f32": np.float32, "f64": np.float64}
    number = kind.get(name) or getattr(np, TYPES[name].removesuffix("_t"))
    assert give(lambda: number(LIMITS[name][0])) == LIMITS[name][0]


@pytest.mark.parametrize("name", TYPES)
def test_results_that_a_type_does_not_hold_are_errors(here: ModuleType, name: str):
    give = getattr(here, f"give_{name}")
    wrong = ["1", None, 2j]
    if name[0] in "iu":
        wrong += [LIMITS[name][0] - 1, LIMITS[name][1] + 1, 2**100, 0.5]
    for value in wrong:
        with pytest.raises(CallbackResultError, match=rf"give_{name} does not take"):
            give(lambda value=value: value)
    assert give(lambda: LIMITS[name][1]) == LIMITS[name][1]


@pytest.mark.parametrize("name", TYPES)
def test_numbers_of_each_type_are_read_at_pointers(here: ModuleType, name: str):
    read: list[Any] = []

    def look(items: Any) -> None:
        read.extend([items[-1], items[0]])
        with pytest.raises((IndexError, OverflowError)):
            items[2**64]

    getattr(here, f"point_{name}")(look, *LIMITS[name])
    assert tuple(read) == LIMITS[name]
    assert all(type(value) is type(LIMITS[name][0]) for value in read)


def test_a_pointer_that_is_kept_stays_what_it_was(here: ModuleType):
    kept: list[Any] = []
    seen: list[Any] = []
    gone: list[weakref.ref[Any]] = []

    def look(item: Any) -> None:
        number = item[0]
        if number % 3 == 0:
            kept.append(item)
        elif number % 3 == 1:
            item.origin = "changed"
            gone.append(weakref.ref(item))
        else:
            seen.append((item.pointee, item.origin, item.address))

    here.each_item(look, 30)
    assert [pointer[0] for pointer in kept] == list(range(0, 30, 3))
    assert len({pointer.address for pointer in kept}) == 10
    assert all(reference() is None for reference in gone)
    first = kept[0].address
    assert [address - first for _, _, address in seen] == list(range(8, 120, 12))
    assert {(pointee, origin) for pointee, origin, _ in seen} == {("i32", kept[0].origin)}
    assert kept[0] != kept[1]


def test_a_thread_of_the_library_keeps_its_state(library: ModuleType):
    own = threading.local()
    threads: set[int] = set()
    counts: list[int] = []

    def count(value: int) -> int:
        own.calls = getattr(own, "calls", 0) + 1
        counts.append(own.calls)
        threads.add(threading.get_ident())
        return value

    with noodle.callback(count) as kept:
        library.keep_function(kept)
        assert library.call_many_on_a_thread(5) == 10
        library.keep_function(None)
    assert (counts, len(threads)) == ([1, 2, 3, 4, 5], 1)


def test_each_error_on_a_thread_of_the_library_is_reported(here: ModuleType, reported: list[Any]):
    def fail(value: int) -> int:
        raise LookupError(value)

    with noodle.callback(fail, on_error=-3) as kept:
        here.keep_function(kept)
        assert here.call_many_on_a_thread(3) == -9
    assert here.call_many_on_a_thread(2) == -6
    here.keep_function(None)
    kinds = [report.exc_type for report in reported]
    assert kinds == [LookupError] * 3 + [CallbackReleasedError] * 2
    assert [report.exc_value.args[0] for report in reported[:3]] == [0, 1, 2]


@pytest.mark.parametrize("dll", [ctypes.PyDLL, ctypes.CDLL])
def test_a_call_by_other_means_calls_back(
    here: ModuleType, entering: Path, reported: list[Any], dll: Any
):
    """PyDLL keeps Python's lock, CDLL lets it go; our own calls know of neither."""
    call_many = dll(str(entering)).call_many
    with noodle.callback(lambda value: 10 // (value - 2)) as kept:
        here.keep_function(kept)
        assert call_many(2) == -5 + -10
        assert call_many(4) == -5 + -10 + 10
        assert here.call_many(2) == -15
        here.keep_function(None)
    assert [report.exc_type for report in reported] == [ZeroDivisionError]


def test_an_error_is_of_the_call_that_led_to_it_and_of_no_other(library: ModuleType):
    def fail(value: int) -> int:
        raise LookupError(value)

    def outer(value: int) -> int:
        library.keep_function(inner)
        with pytest.raises((LookupError, RemoteCallError)):
            library.call_many(1)
        library.keep_function(whole)
        return 7

    inner = noodle.callback(fail)
    whole = noodle.callback(outer)
    library.keep_function(whole)
    assert library.call_many(2) == 14
    library.keep_function(None)


def test_a_callback_may_close_itself(here: ModuleType):
    def once(value: int) -> int:
        kept.close()
        return 5

    kept = noodle.callback(once)
    here.keep_function(kept)
    assert here.call_many(1) == 5
    with pytest.raises(CallbackReleasedError):
        here.call_many(1)
    here.keep_function(None)


def test_errno_of_c_is_kept(here: ModuleType):
    def spoil(value: int) -> int:
        with pytest.raises(FileNotFoundError):
            os.stat("/no such file")
        ctypes.CDLL(None, use_errno=True).close(-1)
        return 0

    assert here.errno_after(spoil) == 77


def test_more_functions_than_there_are_entries_are_called(entering: Path):
    program = f"""
import noodle
from noodle import _callbacks

library = noodle.load({str(entering)!r}, prototypes={PROTOTYPES!r})
kept = []
for number in range(_callbacks.MOST_ENTRIES + 100):
    kept.append(noodle.callback(lambda value, number=number: value + number))
    library.keep_function(kept[-1])
    assert library.call_many(2) == 2 * number + 1, number
library.keep_function(kept[7])
assert library.call_many(1) == 7
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_a_program_ends_while_a_thread_of_the_library_calls_back(entering: Path):
    program = f"""
import threading
import noodle

library = noodle.load({str(entering)!r}, prototypes={PROTOTYPES!r})
calls = []
many = threading.Event()

def count(value):
    calls.append(value)
    if len(calls) == 1000:
        many.set()
    return value

kept = noodle.callback(count)
library.keep_function(kept)
library.call_for_ever_on_a_thread()
assert many.wait(60)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_an_entry_is_refused_letters_that_do_not_fit():
    trampoline = _callbacks.Trampoline(print, (None,), None, 0, "callback")
    with pytest.raises(TypeError, match="a letter and type of each"):
        _callbacks.entry_address(trampoline, 0, "iii", (1, 2, 3), print)
    with pytest.raises(TypeError, match="a letter and type of each"):
        _callbacks.entry_address(trampoline, 0, "ii", (1,), print)
    with pytest.raises(TypeError):
        _callbacks.entry_address(5, 0, "ii", (1, 2), print)  # type: ignore[arg-type]
