"""Python functions that JavaScript calls: their arguments, errors, identity and life."""

from __future__ import annotations

import functools
import gc
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import noodle

SAMPLES = Path(__file__).parent / "samples"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Listener:
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def hear(self, value: Any) -> None:
        self.heard.append(value)


def no_words() -> str:
    return "none"


class Callable1:
    def __call__(self, value: int) -> int:
        return value


class TestArguments:
    @pytest.mark.parametrize(
        ("callback", "expected"),
        [
            (lambda value: value, 1),
            (lambda: "none", "none"),
            (no_words, "none"),
            (functools.partial(max, 0), 2),
            (functools.partial(lambda first, second: [first, second], 0), [0, 1]),
            (functools.lru_cache(lambda value: value), 1),
            (Callable1(), 1),
            (abs, 1),
            (lambda *values: list(values), [1, 2]),
        ],
    )
    def test_a_callback_gets_no_more_than_it_takes(
        self, passing: ModuleType, callback: Callable[..., Any], expected: Any
    ) -> None:
        assert expected == passing.call(callback, 1, 2)
        assert expected == passing.callMember({"callback": callback}, 1, 2)

    def test_methods_get_no_more_than_they_take(self, passing: ModuleType) -> None:
        listener, heard = Listener(), []  # type: tuple[Listener, list[Any]]
        passing.call(listener.hear, 1, 2)
        passing.call(heard.append, 1, 2)
        assert ([1], [1]) == (listener.heard, heard)

    @pytest.mark.parametrize("way", ["function", "method"])
    def test_one_that_gets_too_few_says_which_it_is_and_what_it_got(
        self, passing: ModuleType, way: str
    ) -> None:
        def both(first: int, second: int) -> None:
            raise AssertionError

        callback = both if way == "function" else Listener().hear
        with pytest.raises(TypeError, match="missing 1 required positional argument") as caught:
            passing.call(callback, *(["one"] if way == "function" else []))
        note = caught.value.__notes__[-1]
        assert f"the callback {callback.__qualname__} of {__name__}" in note
        assert ("with str 'one'" if way == "function" else "with no arguments") in note

    def test_an_error_within_a_callback_gets_no_note_on_its_way_to_the_caller(
        self, passing: ModuleType
    ) -> None:
        with pytest.raises(ZeroDivisionError) as caught:
            passing.call(lambda value: 1 // value, 0)
        assert not hasattr(caught.value, "__notes__")


class TestErrorsThatNobodyAwaits:
    def fails(self, first: int, second: str) -> None:
        raise LookupError(f"no {first}")

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ((1,), "missing 1 required positional argument: 'second'"),
            ((1, "x"), "LookupError: no 1"),
        ],
    )
    def test_are_told_and_cost_no_worker_its_life(
        self,
        passing: ModuleType,
        capsys: pytest.CaptureFixture[str],
        given: tuple[Any, ...],
        told: str,
    ) -> None:
        process = noodle.load("node:process").pid
        shown: list[str] = []

        def is_shown() -> bool:
            shown.append(capsys.readouterr().err)
            return "which node called with" in "".join(shown)

        passing.on(self.fails)
        passing.tellLater(*given)
        wait_until(is_shown)
        passing.off(self.fails)
        text = "".join(shown)
        assert "Uncaught in the worker node" in text
        assert told in text
        assert f"in the callback {self.fails.__qualname__} of {__name__}" in text
        assert "called with int 1" in text
        assert process == noodle.load("node:process").pid

    def test_so_are_rejections_that_nothing_handles(
        self, passing: ModuleType, capsys: pytest.CaptureFixture[str]
    ) -> None:
        process = noodle.load("node:process").pid
        shown: list[str] = []

        def is_shown() -> bool:
            shown.append(capsys.readouterr().err)
            return "LookupError: no 3" in "".join(shown)

        passing.rejectLater(self.fails, 3, "x")
        wait_until(is_shown)
        assert process == noodle.load("node:process").pid

    def test_javascript_may_catch_them(self, passing: ModuleType) -> None:
        source = "(fn) => { try { fn(1, 'x') } catch (error) { return error.message } }"
        assert "no 1" == passing.evaluate(source, self.fails)


class TestIdentity:
    def test_a_listener_is_taken_off_again(self, passing: ModuleType) -> None:
        listener = Listener()
        heard: list[Any] = []
        for callback in (listener.hear, heard.append, no_words, functools.partial(no_words)):
            before = passing.listeners()
            passing.on(callback)
            assert before + 1 == passing.listeners()
            # A method is another object each time it is read.
            again = {"hear": listener.hear, "append": heard.append}
            passing.off(again.get(getattr(callback, "__name__", ""), callback))
            assert before == passing.listeners()

    def test_methods_of_other_objects_are_others(self, passing: ModuleType) -> None:
        first, second = Listener(), Listener()
        assert not passing.isSame(first.hear, second.hear)
        assert passing.isSame(first.hear, first.hear)
        assert not passing.isSame([].append, [].append)

    def test_a_python_function_comes_back_as_itself(self, passing: ModuleType) -> None:
        listener = Listener()
        assert no_words is passing.echo(no_words)
        assert no_words is passing.echoInList(no_words)[0]
        assert listener.hear == passing.echo(listener.hear)

    def test_a_javascript_function_comes_back_as_itself(self, passing: ModuleType) -> None:
        assert passing.isSame(passing.echo(passing.greet), passing.greet)
        assert passing.isSame(passing.echoInList(passing.greet)[0], passing.greet)
        assert passing.isSameInside([passing.greet], {"value": passing.greet})
        assert passing.isSame(noodle.raw(passing.greet), passing.greet)

    def test_a_method_read_from_an_object_is_one_function(self, passing: ModuleType) -> None:
        counter = passing.Counter()
        add = counter.add
        assert passing.isSame(add, add)
        assert passing.isSame(counter.add, counter.add)
        assert [1, ""] == passing.call(counter.add)

    def test_a_function_of_another_worker_is_a_callback(self, passing: ModuleType) -> None:
        other = noodle.load(str(SAMPLES / "passing.mjs"), environment={"TEST": "other"})
        assert "hello Bo" == other.call(passing.greet, "Bo")
        assert other.isSame(passing.greet, passing.greet)


class TestLife:
    def test_a_callback_ends_once_javascript_has_let_it_go(self, passing: ModuleType) -> None:
        def listen(value: int) -> None: ...

        passing.on(listen)
        passing.off(listen)
        before = weakref.ref(listen)
        gc.disable()
        try:
            del listen
            wait_until(lambda: passing.collect() is None and before() is None)
        finally:
            gc.enable()

    def test_so_do_methods_and_their_objects(self, passing: ModuleType) -> None:
        listener = Listener()
        passing.on(listener.hear)
        passing.off(listener.hear)
        before = weakref.ref(listener)
        gc.disable()
        try:
            del listener
            wait_until(lambda: passing.collect() is None and before() is None)
        finally:
            gc.enable()

    def test_live_references_do_not_grow(self, passing: ModuleType) -> None:
        def references() -> int:
            passing.collect()
            return noodle.stats().live_references + noodle.stats().exported_objects

        passing.call(no_words)
        before = references()
        for _ in range(200):
            passing.call(Listener().hear, 1)
            passing.echo(passing.Counter().add)
        wait_until(lambda: references() <= before + 4)
