"""The call handle in C, driven through a binding written here; everything else is real."""

from __future__ import annotations

import asyncio
import copy
import functools
import gc
import importlib
import inspect
import pydoc
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from noodle import _handle
from noodle._handle import PLAN_SLOTS, Epoch, Handle
from noodle.deadlines import deadline
from noodle.errors import DeadlineExceededError


class RecordingBinding:
    """Plans every call with one callable and remembers what it was asked."""

    def __init__(self, function: Callable[..., Any], *, generic: bool = False) -> None:
        self.function = function
        self.generic = generic
        self.translate: Callable[..., BaseException] | None = None
        self.asked: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def __repr__(self) -> str:
        return "<a binding>"

    def plan(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, bool]:
        self.asked.append((args, kwargs))
        return self.function, self.translate, self.generic

    def translated(
        self, translate: Any, error: BaseException, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return translate(error, args, kwargs)

    def explain(self) -> str:
        return "explained"

    def options(self) -> str:
        return "optioned"


def add(left: Any, right: Any = 0, *, scale: Any = 1) -> Any:
    """Add two things."""
    return (left + right) * scale


def make(
    function: Callable[..., Any] = add, *, generic: bool = False, sample_every: int = 64
) -> tuple[Handle, RecordingBinding, Epoch]:
    binding = RecordingBinding(function, generic=generic)
    epoch = Epoch()
    return Handle(function, binding, epoch, sample_every), binding, epoch


def calls(handle: Handle) -> int:
    return _handle.counters(handle)[0]


def test_passes_arguments_and_result_through() -> None:
    handle, _, _ = make()
    assert (handle(3), handle(3, 4), handle(3, right=4, scale=2)) == (3, 7, 14)
    assert handle(**{"left": 3, "right": 4, "scale": 2}) == 14
    assert handle(*(3, 4), **{}) == 7


def test_plans_once_for_arguments_of_the_same_types() -> None:
    handle, binding, _ = make()
    for number in range(10):
        assert number + 1 == handle(number, 1)
    assert binding.asked == [((0, 1), {})]


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((1.0, 2), {}),
        ((1, 2.0), {}),
        ((True, 2), {}),
        ((1,), {}),
        ((1,), {"right": 2}),
        ((1, 2), {"scale": 2}),
    ],
)
def test_plans_anew_when_a_type_a_count_or_a_keyword_differs(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    handle, binding, _ = make()
    handle(1, 2)
    assert add(*args, **kwargs) == handle(*args, **kwargs)
    assert [((1, 2), {}), (args, kwargs)] == binding.asked


def test_tells_keywords_with_the_same_values_apart_by_name() -> None:
    def pair(**named: Any) -> list[tuple[str, Any]]:
        return list(named.items())

    handle, binding, _ = make(pair)
    assert handle(a=1, b=2) == [("a", 1), ("b", 2)]
    assert handle(b=1, a=2) == [("b", 1), ("a", 2)]
    assert handle(**{"".join(["a"]): 3, "".join(["b"]): 4}) == [("a", 3), ("b", 4)]
    assert len(binding.asked) == 2


def test_many_arguments_keep_their_order() -> None:
    handle, _, _ = make(lambda *args, **kwargs: (args, kwargs))
    values = tuple(object() for _ in range(300))
    names = {f"key_{index}": object() for index in range(300)}
    for _ in range(2):
        assert (values, names) == handle(*values, **names)
    assert [*names] == [*handle(**names)[1]]
    assert 2 == _handle.counters(handle)[2]


def test_keyword_names_are_compared_by_their_text() -> None:
    class Name(str):
        """A text of another class."""

    handle, _, _ = make(lambda **kwargs: sum(kwargs.values()))
    interned = {"left": 1, "right": 2}
    built = {"".join(["le", "ft"]): 1, "".join(["ri", "ght"]): 2}
    own = {Name("left"): 1, Name("right"): 2}
    for kwargs in (interned, built, own):
        assert 3 == handle(**kwargs)
    assert 1 == _handle.counters(handle)[2]


def test_an_argument_that_changes_its_class_while_it_is_planned_for_is_planned_for_again() -> None:
    class Before:
        """The class at the time of the call."""

    class After:
        """The class when planning has ended."""

    class Binding(RecordingBinding):
        """Makes the argument an ``After`` while it plans."""

        def plan(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, bool]:
            kind = type(args[0])
            args[0].__class__ = After
            return (lambda value: kind), None, False

    handle = Handle(add, Binding(add), Epoch(), 64)
    argument = Before()
    assert [Before, After, After] == [handle(argument) for _ in range(3)]
    assert 2 == _handle.counters(handle)[2]


def test_a_subclass_is_another_type() -> None:
    class Number(int):
        """An int of its own."""

    handle, binding, _ = make()
    handle(1)
    handle(Number(1))
    assert len(binding.asked) == 2


def test_keeps_as_many_signatures_as_it_has_slots() -> None:
    handle, binding, _ = make(lambda *args: len(args))
    for _ in range(3):
        for count in range(PLAN_SLOTS):
            assert count == handle(*range(count))
    assert len(binding.asked) == PLAN_SLOTS


def test_many_signatures_of_one_generic_callable_stop_missing() -> None:
    handle, binding, _ = make(lambda *args: len(args), generic=True)
    for _ in range(3):
        for count in range(3 * PLAN_SLOTS):
            assert count == handle(*range(count))
    assert len(binding.asked) == PLAN_SLOTS + 1


def test_many_signatures_of_a_specialised_callable_stay_guarded() -> None:
    handle, binding, _ = make(lambda *args: len(args), generic=False)
    for count in range(3 * PLAN_SLOTS):
        handle(*range(count))
    assert len(binding.asked) == 3 * PLAN_SLOTS


def test_an_epoch_change_takes_effect_on_the_next_call() -> None:
    handle, binding, epoch = make()
    assert handle(1, 2) == 3
    binding.function = lambda left, right: "replanned"
    assert handle(1, 2) == 3
    epoch.advance()
    assert handle(1, 2) == "replanned"
    assert epoch.value == 1


def test_an_epoch_change_during_planning_makes_that_plan_stale() -> None:
    handle, binding, epoch = make()
    plan = binding.plan

    def plan_and_advance(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, bool]:
        decision = plan(args, kwargs)
        if len(binding.asked) == 1:
            epoch.advance()
        return decision

    binding.plan = plan_and_advance  # type: ignore[method-assign]
    handle(1, 2)
    handle(1, 2)
    handle(1, 2)
    assert len(binding.asked) == 2


def test_an_epoch_change_ends_a_generalised_plan_too() -> None:
    handle, binding, epoch = make(lambda *args: len(args), generic=True)
    for count in range(2 * PLAN_SLOTS):
        handle(*range(count))
    asked = len(binding.asked)
    epoch.advance()
    handle()
    assert asked + 1 == len(binding.asked)


def test_counts_every_call_once_also_when_it_fails() -> None:
    handle, _, _ = make()
    for _ in range(100):
        handle(1, 2)
    for _ in range(10):
        with pytest.raises(TypeError):
            handle(1, "2")
    assert _handle.counters(handle)[:3] == (110, 10, 2)


def test_a_refused_plan_raises_and_calls_nothing() -> None:
    called = []
    handle, binding, _ = make(called.append)

    def refuse(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        raise PermissionError("not you")

    binding.plan = refuse  # type: ignore[method-assign]
    with pytest.raises(PermissionError, match="not you"):
        handle(1)
    assert (called, _handle.counters(handle)[:2]) == ([], (1, 1))


@pytest.mark.parametrize("decision", [None, (add,), (3, None, True), [add, None, True]])
def test_a_malformed_decision_is_a_type_error(decision: Any) -> None:
    handle, binding, _ = make()
    binding.plan = lambda args, kwargs: decision  # type: ignore[method-assign]
    with pytest.raises(TypeError):
        handle(1)


@pytest.mark.parametrize("every", [1, 3, 64])
def test_times_one_call_in_n(every: int) -> None:
    handle, _, _ = make(sample_every=every)
    for _ in range(2 * every):
        handle(1)
    timed_calls, nanoseconds = _handle.counters(handle)[3:]
    assert timed_calls == 2
    assert nanoseconds > 0


def test_times_nothing_when_told_so() -> None:
    handle, _, _ = make(sample_every=0)
    for _ in range(200):
        handle(1)
    assert _handle.counters(handle)[3:] == (0, 0)


@pytest.mark.parametrize("every", [1, 3, 64])
def test_recursion_through_a_handle_does_not_upset_the_sampling(every: int) -> None:
    def descend(depth: int) -> int:
        return 0 if depth == 0 else 1 + handle(depth - 1)

    handle, _, _ = make(descend, sample_every=every)
    for _ in range(20):
        assert 9 == handle(9)
    assert (200, 200 // every) == (calls(handle), _handle.counters(handle)[3])


def test_threads_that_call_during_a_timed_call_do_not_upset_the_sampling() -> None:
    inside, leave = threading.Event(), threading.Event()

    def wait(first: bool) -> None:
        if first:
            inside.set()
            leave.wait(60)

    handle, _, _ = make(wait, sample_every=1)
    thread = threading.Thread(target=handle, args=(True,))
    thread.start()
    inside.wait(60)
    for _ in range(9):
        handle(False)
    leave.set()
    thread.join(60)
    assert 10 == _handle.counters(handle)[3]


def test_a_deadline_scope_times_no_further_calls() -> None:
    never, _, _ = make(sample_every=0)
    seldom, _, _ = make(sample_every=5)
    with deadline(60):
        for _ in range(20):
            never(1)
            seldom(1)
    assert (0, 4) == (_handle.counters(never)[3], _handle.counters(seldom)[3])


def test_a_passed_deadline_is_not_translated_as_an_error_of_the_function() -> None:
    translated: list[BaseException] = []

    def remember(error: BaseException, args: Any, kwargs: Any) -> BaseException:
        translated.append(error)
        return ValueError("translated")

    handle, binding, _ = make(lambda: time.sleep(0.002))
    binding.translate = remember
    with deadline(0.001):
        for _ in range(2):  # the first one comes back late, the second one is not made
            with pytest.raises(DeadlineExceededError):
                handle()
    assert ([], (2, 2)) == (translated, _handle.counters(handle)[:2])


def test_exceptions_pass_as_they_are_without_a_translation() -> None:
    error = ValueError("the library's own")

    def fail() -> None:
        raise error

    handle, _, _ = make(fail)
    with pytest.raises(ValueError, match="own") as caught:
        handle()
    assert caught.value is error
    assert "fail" in [frame.name for frame in caught.traceback]


def test_a_translation_replaces_the_exception_and_sees_the_arguments() -> None:
    def fail(number: int, *, base: int) -> None:
        raise OverflowError("too large")

    seen = []

    def translate(error: BaseException, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Exception:
        seen.append((type(error), args, kwargs))
        replacement = ValueError("does not fit")
        replacement.__cause__ = error
        return replacement

    handle, binding, _ = make(fail)
    binding.translate = translate
    with pytest.raises(ValueError, match="does not fit") as caught:
        handle(7, base=2)
    assert isinstance(caught.value.__cause__, OverflowError)
    assert [(OverflowError, (7,), {"base": 2})] == seen


def test_a_translation_may_return_the_exception_itself() -> None:
    def fail() -> None:
        raise KeyError("k")

    handle, binding, _ = make(fail)
    binding.translate = lambda error, args, kwargs: error
    with pytest.raises(KeyError) as caught:
        handle()
    assert "fail" in [frame.name for frame in caught.traceback]


def test_a_translation_that_fails_raises_its_own_error() -> None:
    handle, binding, _ = make(lambda: 1 / 0)
    binding.translate = lambda error, args, kwargs: "no exception"  # type: ignore[assignment,return-value]
    with pytest.raises(TypeError, match="must return an exception"):
        handle()

    def broken(error: BaseException, args: Any, kwargs: Any) -> BaseException:
        raise RuntimeError("broken")

    binding.translate = broken
    handle2 = Handle(lambda: 1 / 0, binding, Epoch())
    with pytest.raises(RuntimeError, match="broken"):
        handle2()


def test_its_own_attributes_come_from_the_binding() -> None:
    handle, _, _ = make()
    assert (handle.explain(), handle.options()) == ("explained", "optioned")
    assert repr(handle) == "<a binding>"


def test_all_other_attributes_are_the_functions_own() -> None:
    np = pytest.importorskip("numpy")
    handle, _, _ = make(np.add)
    assert handle.reduce([1, 2, 3]) == 6
    assert (np.add.nin, "add", np.add.__doc__) == (handle.nin, handle.__name__, handle.__doc__)
    with pytest.raises(AttributeError, match="no_such"):
        _ = handle.no_such


def test_setting_an_attribute_sets_it_on_the_function() -> None:
    def function() -> None:
        return None

    handle, _, _ = make(function)
    handle.version = 3
    assert function.version == 3  # type: ignore[attr-defined]
    del handle.version
    assert not hasattr(function, "version")
    with pytest.raises(AttributeError, match="explain"):
        handle.explain = None


def test_looks_like_the_function_to_inspect_and_help() -> None:
    handle, _, _ = make()
    assert inspect.signature(add) == inspect.signature(handle)
    assert inspect.getdoc(handle) == "Add two things."
    assert inspect.unwrap(handle) is add
    text = pydoc.render_doc(handle, renderer=pydoc.plaintext)
    assert "add(left: 'Any', right: 'Any' = 0, *, scale: 'Any' = 1)" in text
    assert "Add two things." in text
    assert {"explain", "options", "aio", "batch", "map", "__name__"} <= set(dir(handle))


def test_binds_as_a_method_exactly_where_the_function_does() -> None:
    plain, _, _ = make(lambda self: type(self).__name__)
    builtin, _, _ = make(len)

    class Holder:
        """Has a handle of a Python function and one of a builtin as class attributes."""

        method = plain
        static = builtin

    assert Holder().method() == "Holder"
    assert Holder().static("abc") == 3
    assert Holder.method is plain


def test_is_copied_by_reference_and_never_pickled() -> None:
    import pickle

    handle, _, _ = make()
    assert copy.copy(handle) is handle
    assert copy.deepcopy([handle])[0] is handle
    with pytest.raises(TypeError):
        pickle.dumps(handle)


def test_works_where_callables_are_expected() -> None:
    handle, _, _ = make()
    assert list(map(handle, [1, 2])) == [1, 2]
    assert functools.partial(handle, 2)(3) == 5
    assert functools.reduce(handle, [1, 2, 3]) == 6
    assert hash(handle) == hash(handle)
    assert handle == handle


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (1, None, Epoch()),
        (add, None, None),
        (add, None, Epoch(), -1),
        (add, None, Epoch(), 2**40),
    ],
)
def test_refuses_to_be_made_of_the_wrong_things(arguments: tuple[Any, ...]) -> None:
    with pytest.raises((TypeError, ValueError)):
        Handle(*arguments)


@pytest.mark.parametrize("function", [_handle.binding, _handle.counters])
def test_module_functions_refuse_anything_but_a_handle(function: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="expected a handle, got int"):
        function(3)


def test_leaving_a_deadline_that_was_never_entered_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="no deadline scope"):
        _handle.leave_deadline()


def test_releases_everything_it_holds() -> None:
    class Argument:
        """A type that only this test knows."""

    handle, binding, _ = make(lambda *args: len(args))
    for count in range(2 * PLAN_SLOTS):
        handle(*(Argument() for _ in range(count)))
    binding.asked.clear()
    binding.handle = handle  # type: ignore[attr-defined] # a cycle, as the real binding has
    watched = [weakref.ref(handle), weakref.ref(binding), weakref.ref(Argument)]
    del handle, binding, Argument
    gc.collect()
    assert [reference() for reference in watched] == [None, None, None]


def test_refcounts_stay_level_over_many_calls_misses_and_failures() -> None:
    marker = object()
    handle, binding, epoch = make(lambda *args, **kwargs: args[0])
    binding.translate = lambda error, args, kwargs: error

    def use(times: int) -> None:
        for turn in range(times):
            handle(marker)
            handle(marker, 1, key=marker)
            handle(*range(turn % 7), marker) if turn % 7 == 0 else handle(1, marker)
            with pytest.raises(IndexError):
                handle()
            binding.asked.clear()
            if turn % 5 == 0:
                epoch.advance()

    use(50)
    before = sys.getrefcount(marker), sys.getrefcount(handle), sys.getrefcount(binding)
    use(500)
    after = sys.getrefcount(marker), sys.getrefcount(handle), sys.getrefcount(binding)
    assert before == after


def test_a_plan_that_is_replaced_during_its_own_call_stays_alive() -> None:
    def callee(depth: int) -> str:
        if depth:
            epoch.advance()
            binding.function = lambda depth: "new"
            for count in range(2 * PLAN_SLOTS):
                handle.__call__(*range(count)) if count == 1 else None
            gc.collect()
        return "old"

    handle, binding, epoch = make(callee)
    assert handle(1) == "old"
    assert handle(1) == "new"


def test_threads_share_a_handle_while_the_epoch_advances() -> None:
    """No call is lost while four threads call and a fifth advances the epoch."""
    turns = 2000
    handle, _, epoch = make(lambda value: value)
    failures: list[Any] = []
    start = threading.Barrier(5)

    def work(make_value: Callable[[int], Any]) -> None:
        start.wait()
        for number in range(turns):
            value = make_value(number)
            if handle(value) is not value:
                failures.append(value)

    def advance() -> None:
        start.wait()
        for _ in range(turns):
            epoch.advance()

    makers: list[Callable[[int], Any]] = [str, float, lambda n: (n,), lambda n: [n]]
    threads = [threading.Thread(target=work, args=(maker,)) for maker in makers]
    threads.append(threading.Thread(target=advance))
    previous = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(previous)
    assert ([], 4 * turns, 0) == (failures, *_handle.counters(handle)[:2])


def test_an_async_function_returns_its_coroutine() -> None:
    async def double(number: int) -> int:
        return 2 * number

    handle, _, _ = make(double)
    assert asyncio.run(handle(3)) == 6


def test_deep_recursion_through_a_handle_is_a_recursion_error() -> None:
    def descend(depth: int) -> Any:
        return handle(depth + 1)

    handle, _, _ = make(descend)
    with pytest.raises(RecursionError):
        handle(0)


def test_a_second_interpreter_is_refused() -> None:
    """Its state is per process, so that a sub-interpreter gets an ImportError."""
    interpreters = importlib.import_module(
        "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    )
    interpreter = interpreters.create()
    script = "try:\n import noodle._handle\nexcept ImportError:\n pass\nelse:\n raise SystemError"
    try:
        interpreters.run_string(interpreter, script)
    finally:
        interpreters.destroy(interpreter)
