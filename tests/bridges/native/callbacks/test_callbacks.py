"""Functions that C code calls: while they are lent, later, on its own threads, in a worker."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import math
import re
import sys
import threading
import traceback
import tracemalloc
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import noodle
from noodle.errors import (
    ArgumentTypeError,
    CallbackReleasedError,
    CallbackResultError,
    RemoteCallError,
    WorkerCrashedError,
)
from tests.bridges.native.conftest import compile_to


def test_c_calls_a_function_that_it_is_given(library: ModuleType):
    seen = []

    def visit(value: int, data: object) -> int:
        seen.append((value, data))
        return 10 * value

    assert library.visit(4, visit, None) == 60
    assert seen == [(value, None) for value in range(4)]


def test_a_handle_and_a_builtin_are_called_as_well(library: ModuleType):
    libm = noodle.load("libm.so.6", prototypes="double cos(double x);")
    assert library.apply(libm.cos, 0.5) == math.cos(0.5)
    assert library.apply(math.cos, 0.5) == math.cos(0.5)


def test_numbers_of_every_size_arrive_and_return(library: ModuleType):
    received = []
    assert library.every(lambda *numbers: received.extend(numbers) or -128) == -128.0
    assert received == [-5, 2**64 - 1, 0.5, True]
    assert type(received[3]) is bool


def test_texts_arrive_and_return(library: ModuleType):
    received = []
    assert library.takes_text(lambda text: received.append(text) or 4) == 8
    assert received == ["hé", None]
    assert library.length_of(lambda count: "é" * count) == 6
    assert library.length_of(lambda count: b"x" * count) == 3


def test_a_callback_reads_numbers_and_texts_at_pointers(library: ModuleType):
    seen: list[Any] = []

    def names(count: int, texts: Any) -> int:
        seen.append(texts[:count])
        return len(texts[0])

    library.fill(lambda items, count: seen.append((items[2], items[:count], items.content(4))))
    assert library.names(names) == 3
    assert seen == [(3, [1, 2, 3], b"\x01\0\0\0"), ["one", None, "three"]]


def test_a_pointer_without_a_known_length_is_not_iterated(library: ModuleType):
    with pytest.raises(TypeError, match="known to C alone"):
        library.fill(lambda items, count: list(items))
    with pytest.raises(noodle.errors.UsageError, match="known to C alone"):
        library.fill(lambda items, count: items[1:])


def test_a_callback_writes_to_memory_of_the_library(library_here: ModuleType):
    seen = []

    def fill(items: Any, count: int) -> None:
        seen.append(items[0])
        items.memory(4)[:] = b"\x09\0\0\0"

    library_here.fill(fill)
    assert seen == [1, 9]


def test_a_callback_takes_and_gives_pointers(library: ModuleType):
    here = library.shared_point()
    assert library.pass_on(lambda value: value, None) is None
    address = library.pass_on(lambda value: value, here).address
    assert address == library.pass_on(lambda _: library.shared_point(), None).address


def test_an_exception_is_raised_when_the_c_call_returns(library: ModuleType):
    calls = []

    def visit(value: int, _: object) -> int:
        calls.append(value)
        if value == 2:
            raise KeyError("broken")
        return value

    with pytest.raises(KeyError, match="broken") as caught:
        library.visit(1000, visit, None)
    assert calls == [0, 1, 2]
    frames = [entry.name for entry in caught.traceback]
    assert frames[0] == "test_an_exception_is_raised_when_the_c_call_returns"
    assert "visit" in frames
    assert library.visit(3, lambda value, _: value, None) == 3


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, StopIteration])
def test_what_is_no_ordinary_error_is_raised_too(library_here: ModuleType, error: Any):
    def visit(value: int, _: object) -> int:
        raise error

    with pytest.raises(error):
        library_here.visit(3, visit, None)


def test_a_builtins_own_error_is_raised_as_it_is(library: ModuleType):
    with pytest.raises(ValueError, match="domain"):
        library.apply(math.sqrt, -1.0)


def test_a_result_that_c_does_not_take_is_an_error(library: ModuleType):
    for result in ("text", 2.5, None, 2**31):
        with pytest.raises((CallbackResultError, RemoteCallError)) as caught:
            library.visit(2, lambda value, data, result=result: result, None)
        assert caught.match(r"returned what visit of .*\.visit does not take")


def test_a_wrong_result_is_told_with_what_to_return(library_here: ModuleType):
    expected = {
        "text": ("str 'text'", "return int(result)"),
        2.5: ("float 2.5", "return int(result), if cutting off a fraction is meant"),
        None: ("null", "return i32 (-2147483648 to 2147483647)"),
        2**31: ("int 2147483648", "return i32 (-2147483648 to 2147483647)"),
    }
    for result, (received, remedy) in expected.items():
        with pytest.raises(CallbackResultError) as caught:
            library_here.visit(2, lambda value, data, result=result: result, None)
        assert caught.value.received == received
        assert caught.value.remedy == remedy
        assert "visit of " in str(caught.value.where)
    with pytest.raises(CallbackResultError) as caught:
        library_here.measured(lambda p: "text", {"x": 3, "y": 1})
    assert (caught.value.received, caught.value.remedy) == ("str 'text'", "return float(result)")


def test_what_does_not_fit_is_refused_before_the_call(library: ModuleType):
    for wrong in (5, "text", lambda: 1, lambda one: 1, lambda one, two, *, three: 1):
        with pytest.raises(ArgumentTypeError) as caught:
            library.visit(1, wrong, None)
        assert "a function that takes (int value, void *data)" in str(caught.value.expected)
    assert library.visit(2, lambda *values: 1, None) == 2
    with pytest.raises(ArgumentTypeError):
        library.visit(1, lambda one: 1, None)


def test_a_callback_calls_c_which_calls_back(library: ModuleType):
    def outer(value: int, _: object) -> int:
        return library.visit(value, lambda inner, _: inner, None)

    assert library.visit(4, outer, None) == sum(sum(range(value)) for value in range(4))


def test_an_error_of_the_innermost_callback_goes_through_all_calls(library: ModuleType):
    def inner(value: int, _: object) -> int:
        raise LookupError("inner")

    def outer(value: int, _: object) -> int:
        with pytest.raises(LookupError):
            library.visit(1, inner, None)
        return library.visit(1, inner, None)

    with pytest.raises(LookupError, match="inner"):
        library.visit(2, outer, None)


def test_a_callback_object_stays_callable(library: ModuleType):
    with noodle.callback(lambda value: value + 1) as kept:
        library.keep_function(kept)
        gc.collect()
        assert library.call_kept(1) == 2
        assert library.call_kept(2) == 3
        assert kept(3) == 4
        library.keep_function(None)
    assert library.call_kept(1) == -100


def test_an_error_of_a_kept_callback_is_raised_by_the_call_that_led_to_it(library: ModuleType):
    def fail(value: int) -> int:
        raise LookupError(value)

    kept = noodle.callback(fail)
    library.keep_function(kept)
    with pytest.raises(LookupError, match="5"):
        library.call_kept(5)
    library.keep_function(None)


def test_c_gets_the_declared_value_where_a_callback_fails(library_here: ModuleType):
    values = []
    with noodle.callback(lambda value, _: 1 // (value - 1), on_error=-7) as kept:
        with pytest.raises(ZeroDivisionError):
            values.append(library_here.visit(2, kept, None))
        assert values == []
    with pytest.raises(CallbackResultError, match="on_error"):
        library_here.visit(2, noodle.callback(lambda value, _: 1, on_error="text"), None)


def test_a_closed_callback_is_refused(library: ModuleType):
    kept = noodle.callback(lambda value: value)
    kept.close()
    kept.close()
    assert kept.closed
    with pytest.raises(ArgumentTypeError, match="closed callback"):
        library.keep_function(kept)
    with pytest.raises(ArgumentTypeError):
        noodle.callback(5)  # type: ignore[arg-type]


def test_a_call_after_the_release_is_told_and_no_crash(library: ModuleType):
    def lent(value: int) -> int:
        return value

    library.keep_function(lent)
    with pytest.raises((CallbackReleasedError, RemoteCallError)) as caught:
        library.call_kept(1)
    assert caught.match("after it was released")
    assert caught.match(r"f of .*\.keep_function")
    library.keep_function(None)


def test_a_call_after_close_is_told(library_here: ModuleType):
    kept = noodle.callback(lambda value: value)
    library_here.keep_function(kept)
    kept.close()
    with pytest.raises(CallbackReleasedError, match=r"noodle\.callback"):
        library_here.call_kept(1)
    forgotten = noodle.callback(lambda value: value)
    library_here.keep_function(forgotten)
    del forgotten
    with pytest.raises(CallbackReleasedError):
        library_here.call_kept(1)
    library_here.keep_function(None)


def test_a_thread_of_the_library_calls_back(library: ModuleType):
    threads = []

    def on_thread(value: int) -> int:
        threads.append(threading.get_ident())
        return value * 2

    with noodle.callback(on_thread) as kept:
        library.keep_function(kept)
        assert library.call_kept_on_a_thread() == 14
        library.keep_function(None)
    assert len(threads) == 1


def test_an_error_on_a_thread_of_the_library_is_reported(
    library_here: ModuleType, monkeypatch: pytest.MonkeyPatch
):
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)

    def fail(value: int) -> int:
        raise LookupError("on a thread")

    with noodle.callback(fail, on_error=-3) as kept:
        library_here.keep_function(kept)
        assert library_here.call_kept_on_a_thread() == -3
    assert library_here.call_kept_on_a_thread() == -3
    library_here.keep_function(None)
    assert [report.exc_type for report in reported] == [LookupError, CallbackReleasedError]
    for report in reported:
        assert re.search(
            r"fail, given as f of .*libcalling\.so\.keep_function", repr(report.object)
        )


def test_a_function_that_is_lent_is_called_on_threads_of_the_library(library: ModuleType):
    assert library.sum_on_threads(8, lambda value: value * 10) == 280


def test_an_error_on_a_thread_is_raised_by_the_call_that_the_function_is_lent_to(
    library: ModuleType,
):
    def fail(value: int) -> int:
        if value == 2:
            raise LookupError("on a thread")
        return value

    with pytest.raises(LookupError, match="on a thread") as caught:
        library.sum_on_threads(4, fail)
    assert "fail" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert library.sum_on_threads(4, lambda value: value) == 6


def test_a_result_on_a_thread_that_c_does_not_take_is_told_by_that_call(library: ModuleType):
    with pytest.raises(CallbackResultError, match="does not take"):
        library.sum_on_threads(1, lambda value: "text")


def test_one_of_several_errors_is_raised_and_the_others_are_reported(
    library_here: ModuleType, monkeypatch: pytest.MonkeyPatch
):
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: reported.append(told.exc_value.args[0]))

    def fail(value: int) -> int:
        raise LookupError(value)

    with pytest.raises(LookupError) as caught:
        library_here.sum_on_threads(3, fail)
    assert sorted([caught.value.args[0], *reported]) == [0, 1, 2]
    reported.clear()
    with pytest.raises(LookupError) as caught:
        library_here.sum_here_and_on_threads(2, fail)
    assert caught.value.args == (-1,)
    assert sorted(reported) == [0, 1]


def test_many_threads_have_their_own_errors(library: ModuleType):
    outcomes: dict[int, Any] = {}

    def run(number: int) -> None:
        def visit(value: int, _: object) -> int:
            if value == 50 and number % 2:
                raise LookupError(number)
            return value

        try:
            outcomes[number] = library.visit(100, visit, None)
        except LookupError as error:
            outcomes[number] = error.args[0]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {n: n if n % 2 else sum(range(100)) for n in range(8)}


def test_a_structure_holds_functions(library: ModuleType):
    events = []
    handlers = library.struct("handlers")(count=100, name="name")
    assert library.fire(handlers, 1) == -1
    handlers.on_event = lambda event: events.append(event) or event
    gc.collect()
    assert library.fire(handlers, 5) == 105
    assert events == [5]
    assert library.name_length(handlers) == 4
    with pytest.raises(ArgumentTypeError):
        handlers.on_event = 5
    handlers.on_event = None
    assert library.fire(handlers, 1) == -1


def test_functions_of_the_library_can_be_called_and_handed_on(library_here: ModuleType):
    handlers = library_here.default_handlers()
    assert (handlers.count, handlers.name) == (1, "default")
    assert handlers.on_event(21) == 42
    assert library_here.default_handler()(4) == 8
    assert library_here.default_handler() == handlers.on_event
    with pytest.raises(ArgumentTypeError):
        handlers.on_event("text")
    library_here.keep_function(handlers.on_event)
    assert library_here.call_kept(5) == 10
    library_here.keep_function(None)


def test_an_error_behind_a_pointer_to_a_function_is_raised_by_its_call(tmp_path: Path):
    path = compile_to(
        tmp_path / "libapplier.so",
        """
        typedef int (*applier)(int (*f)(int), int value);
        static int apply(int (*f)(int), int value) { return f(value); }
        applier get_applier(void) { return apply; }
        """,
    )
    applying = noodle.load(
        str(path),
        prototypes="typedef int (*applier)(int (*f)(int), int value); applier get_applier(void);",
    )
    apply = applying.get_applier()
    assert apply(lambda value: value + 1, 4) == 5
    with pytest.raises(ZeroDivisionError):
        apply(lambda value: value // 0, 4)
    noodle.unload(applying)


def test_an_awaited_call_raises_the_callbacks_own_error(isolated: ModuleType):
    own = ZeroDivisionError("own")

    def fail(value: float) -> float:
        raise own

    async def call() -> None:
        with pytest.raises(ZeroDivisionError) as caught:
            await isolated.apply.aio(fail, 1.0)
        assert caught.value is own
        other = asyncio.gather(*(isolated.apply.aio(lambda v: 1 / v, n) for n in (2.0, 0.0)))
        with pytest.raises(ZeroDivisionError, match="division") as caught:
            await other
        assert type(caught.value) is ZeroDivisionError

    asyncio.run(call())


def test_functions_of_a_library_in_a_worker_are_handed_on(isolated: ModuleType):
    isolated.keep_function(isolated.default_handler())
    assert isolated.call_kept(5) == 10
    isolated.keep_function(None)


def test_a_million_callbacks_leave_nothing_behind(library_here: ModuleType):
    def one(value: float) -> float:
        return value

    library_here.apply_many(one, 1000)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        assert library_here.apply_many(one, 1_000_000) == 499999500000.0
        assert tracemalloc.get_traced_memory()[0] - before < 10_000
    finally:
        tracemalloc.stop()


def test_many_functions_that_were_lent_take_no_more_and_more_memory(library_here: ModuleType):
    def lend(count: int) -> None:
        for number in range(count):
            assert (
                library_here.apply(lambda value, number=number: value + number, 1.0) == number + 1
            )

    tracemalloc.start()
    try:
        lend(3000)
        before = tracemalloc.get_traced_memory()[0]
        lend(5000)
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
    finally:
        tracemalloc.stop()


def test_a_crash_behind_a_callback_is_reported(isolated: ModuleType):
    calls = []
    with pytest.raises(WorkerCrashedError) as caught:
        isolated.crash_back(lambda value: calls.append(value) or 0)
    assert calls == [1]
    assert caught.match("SIGSEGV")
    assert caught.match("crash_back")
    assert isolated.visit(2, lambda value, _: 1, None) == 2


def test_a_callback_is_made_anew_for_a_new_worker(isolated: ModuleType):
    with noodle.callback(lambda value: value + 1) as kept:
        isolated.keep_function(kept)
        assert isolated.call_kept(1) == 2
        with pytest.raises(WorkerCrashedError):
            isolated.crash_back(kept)
        isolated.keep_function(kept)
        assert isolated.call_kept(5) == 6


def test_qsort_and_bsearch_compare_with_python(library_here: ModuleType):
    libc = noodle.load(
        "libc.so.6",
        prototypes="""
        void qsort(void *base, size_t n, size_t size, int (*compare)(const int *, const int *));
        void *bsearch(const void *key, const void *base, size_t n, size_t size,
                      int (*compare)(const int *, const int *));
        """,
    )
    numbers = (ctypes.c_int * 5)(3, 1, 5, 2, 4)
    libc.qsort(numbers, 5, 4, lambda a, b: b[0] - a[0])
    assert list(numbers) == [5, 4, 3, 2, 1]
    key = (ctypes.c_int * 1)(2)
    found = libc.bsearch(key, numbers, 5, 4, lambda a, b: b[0] - a[0])
    assert found.address == ctypes.addressof(numbers) + 3 * 4


def test_explain_tells_how_long_a_function_is_lent(library: ModuleType):
    text = str(library.visit.explain(1, lambda value, data: 1, None))
    assert "callable by C until the call returns" in text
