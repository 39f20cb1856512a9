"""Errors on their way between Python and JavaScript."""

from __future__ import annotations

import errno
import gc
import socket
import weakref
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import noodle
from noodle import _host
from noodle.errors import RemoteCallError
from noodle.workers.remote_errors import arrived
from tests.bridges.javascript.raising import raised

SAMPLES = Path(__file__).parent / "samples"

SOME = "new AggregateError([new TypeError('first'), new RangeError('second')], 'both')"


class OwnError(Exception):
    """An error that only this program has."""


class TestErrorsWithinErrors:
    def test_what_an_aggregate_error_has_collected_arrives(self, passing: ModuleType) -> None:
        error = raised(lambda: passing.evaluate(f"() => {{ throw {SOME} }}"))
        assert isinstance(error, RemoteCallError)
        assert "AggregateError: both" == str(error)
        first, second = error.errors
        assert (TypeError, "TypeError: first") == (
            next(kind for kind in (TypeError, ValueError) if isinstance(first, kind)),
            str(first),
        )
        assert isinstance(second, ValueError)

    def test_so_it_does_from_promise_any(self, passing: ModuleType) -> None:
        source = "() => Promise.any([1, 2].map((n) => Promise.reject(new Error(`no ${n}`))))"
        error = raised(lambda: passing.evaluate(source))
        assert isinstance(error, RemoteCallError)
        assert ["Error: no 1", "Error: no 2"] == [str(inner) for inner in error.errors]

    def test_as_values_and_within_each_other(self, passing: ModuleType) -> None:
        error = passing.evaluate(f"() => [new AggregateError([{SOME}, new Error('x')], 'all')]")[0]
        assert ["AggregateError: both", "Error: x"] == [str(inner) for inner in error.errors]
        assert 2 == len(error.errors[0].errors)

    def test_one_that_contains_itself_still_arrives(self, passing: ModuleType) -> None:
        source = "() => { const e = new AggregateError([], 'knot'); e.errors = [e, e]; throw e }"
        assert "AggregateError: knot" == str(raised(lambda: passing.evaluate(source)))

    @pytest.mark.parametrize(("count", "arrive"), [(256, 256), (257, 0)])
    def test_so_many_go_along_at_most(self, passing: ModuleType, count: int, arrive: int) -> None:
        source = (
            "(count) => { throw new AggregateError(Array(count).fill(new Error('x')), 'many') }"
        )
        error = raised(lambda: passing.evaluate(source, count))
        assert isinstance(error, RemoteCallError)
        assert ("AggregateError: many", arrive) == (str(error), len(error.errors))

    def test_a_property_of_that_name_that_holds_something_else_is_left(
        self, passing: ModuleType
    ) -> None:
        source = "() => { throw Object.assign(new Error('x'), { errors: 3 }) }"
        error = raised(lambda: passing.evaluate(source))
        assert isinstance(error, RemoteCallError)
        assert ((), 3) == (error.errors, error.extra["errors"])

    def test_an_exception_group_is_an_error_with_errors(self, passing: ModuleType) -> None:
        group = ExceptionGroup("two", [OwnError("a"), ValueError("b")])
        source = """(error) => [error instanceof Error, error.errors.map((inner) => inner.message),
                                Object.keys(error).includes("errors")]"""
        assert [True, ["a", "b"], False] == passing.evaluate(source, group)

    def test_causes_form_a_chain(self, passing: ModuleType) -> None:
        source = """() => { throw new Error('top', { cause: new TypeError('middle',
            { cause: new RangeError('low', { cause: 'text' }) }) }) }"""
        error: BaseException | None = raised(lambda: passing.evaluate(source))
        shown = []
        while error is not None:
            shown.append(str(error))
            error = error.__cause__
        assert ["Error: top", "TypeError: middle", "RangeError: low", "ThrownValue: text"] == shown


class TestErrorsOfTheSystem:
    def test_are_those_that_python_has_for_them(self, tmp_path: Path) -> None:
        missing = str(tmp_path / "missing")
        with pytest.raises(FileNotFoundError, match="ENOENT: no such file") as caught:
            noodle.load("node:fs").readFileSync(missing)
        assert isinstance(caught.value, RemoteCallError)
        assert (errno.ENOENT, missing) == (caught.value.errno, caught.value.filename)
        with pytest.raises(FileExistsError):
            noodle.load("node:fs").mkdirSync(str(tmp_path))

    def test_so_are_those_that_caused_another(self, passing: ModuleType) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        error = raised(lambda: passing.evaluate(f"() => fetch('http://127.0.0.1:{port}')"))
        assert isinstance(error, TypeError)
        assert isinstance(error.__cause__, ConnectionRefusedError)

    @pytest.mark.parametrize("extra", ["", ", syscall: 'open', code: 'errorcode'"])
    def test_a_code_that_python_has_not_is_only_a_code(
        self, passing: ModuleType, extra: str
    ) -> None:
        source = f"() => {{ throw Object.assign(new Error('x'), {{ code: 'ENOENT'{extra} }}) }}"
        error = raised(lambda: passing.evaluate(source))
        assert isinstance(error, RemoteCallError)
        assert not isinstance(error, OSError)


class TestErrorsOfPython:
    ERROR = OwnError("mine")

    def fail(self) -> None:
        raise self.ERROR

    def test_one_that_is_passed_comes_back_as_itself(self, passing: ModuleType) -> None:
        assert self.ERROR is passing.echo(self.ERROR)
        assert self.ERROR is passing.echoInList(self.ERROR)[0]

    @pytest.mark.parametrize(
        "source",
        [
            "(fn) => fn()",
            "(fn) => { try { fn() } catch (error) { throw error } }",
            "async (fn) => { await null; await fn.async() }",
            "(fn) => Promise.all([fn.async(), fn.async()])",
        ],
    )
    def test_one_that_javascript_lets_through_is_itself(
        self, passing: ModuleType, source: str
    ) -> None:
        assert self.ERROR is raised(lambda: passing.evaluate(source, self.fail))

    def test_one_that_is_the_cause_of_another_is_itself(self, passing: ModuleType) -> None:
        source = (
            """(fn) => { try { fn() } catch (cause) { throw new Error('wrapped', { cause }) } }"""
        )
        error = raised(lambda: passing.evaluate(source, self.fail))
        assert ("Error: wrapped", self.ERROR) == (str(error), error.__cause__)

    def test_those_that_were_collected_are_themselves(self, passing: ModuleType) -> None:
        source = "(fn) => Promise.any([fn.async(), Promise.reject(new Error('other'))])"
        error = raised(lambda: passing.evaluate(source, self.fail))
        assert isinstance(error, RemoteCallError)
        assert self.ERROR is error.errors[0]

    def test_javascript_reads_the_attributes_of_the_original(self, passing: ModuleType) -> None:
        error = OwnError("mine")
        error.code = 7  # type: ignore[attr-defined]
        assert 7 == passing.evaluate("(error) => error.original.code", error)

    def test_a_program_cannot_have_anything_else_taken_for_one(self, passing: ModuleType) -> None:
        source = """(object) => { const error = new Error('x');
            Object.defineProperty(error, 'language', { value: 'python' });
            Object.defineProperty(error, 'original', { value: object }); throw error }"""
        error = raised(lambda: passing.evaluate(source, noodle.ref([1])))
        assert isinstance(error, RemoteCallError)

    def test_one_ends_once_javascript_has_let_it_go(self, passing: ModuleType) -> None:
        error = OwnError("short")
        passing.echo(error)
        before = weakref.ref(error)
        gc.disable()
        try:
            del error
            for _ in range(100):
                passing.collect()
                if before() is None:
                    break
            assert before() is None
        finally:
            gc.enable()


@pytest.mark.usefixtures("passing")  # bridges are there, with what they tell of errors
@pytest.mark.parametrize(
    "extra",
    [
        {"code": ["NOODLE_ARITY"], "errors": [3]},
        {"code": "NOODLE_ARITY", "expected": [1], "errors": "many", "original": 4},
    ],
)
def test_an_error_that_a_worker_makes_up_is_one_all_the_same(extra: dict[str, Any]) -> None:
    fields = ("python", "Error", "made up", [], None, extra)
    error = arrived(_host.Link("test"), fields)
    assert isinstance(error, RemoteCallError)
    assert ("made up", ()) == (error.message, error.errors)
