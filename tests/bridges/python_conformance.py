"""What a Python library does wherever it runs: one suite for both placements."""

from __future__ import annotations

import asyncio
import inspect
import pydoc
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

import noodle
from noodle.libraries import library_of
from tests.bridges.conformance import BridgeConformance

SOURCE = '''
"""A library of the test's own."""

from __future__ import annotations

__version__ = "1.2.3"
LIMIT = 10


class Counter:
    """Counts."""

    def __init__(self, start: int = 0) -> None:
        self.value = start


class Callable:
    """An instance can be called, and has no name."""

    def __call__(self) -> str:
        return "called"

    def __getitem__(self, key: str) -> str:
        return key


instance = Callable()


class OwnError(ValueError):
    """An error of the library's own."""


def fail(message: str) -> None:
    raise OwnError(message)


def fail_with(kind: str, *arguments: object) -> None:
    raise {"key": KeyError, "os": OSError, "own": OwnError}[kind](*arguments)


def count(most: int):
    yield from range(most)


def converse():
    """Answer what is sent, and in the end tell how often."""
    said = []
    while True:
        try:
            word = yield f"heard {said[-1]}" if said else "begun"
        except ValueError as error:
            word = f"error {error}"
        if word is None:
            return len(said)
        said.append(word)


def add(x: float, y: float) -> float:
    """Add two numbers."""
    return x + y


def subtract(x: float, y: float) -> float:
    """Subtract y from x."""
    return x - y


def twice(x: float, /) -> float:
    """Double a number."""
    return 2 * x


def keyword_only(*, first: int, second: int = 2) -> tuple[int, int]:
    return first, second


def any_keyword(**named: int) -> dict[str, int]:
    return named


async def later(x: int) -> int:
    return x + 1
'''


class PythonConformance(BridgeConformance):
    """A Python library, in this process or in workers."""

    bridge_name = "python"
    load_options: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    def loading(self, tmp_path: Path) -> tuple[str, dict[str, Any]]:
        (tmp_path / "own_library.py").write_text(SOURCE)
        return f"{tmp_path}/own_library.py", dict(self.load_options)

    @pytest.fixture
    def numpy(self) -> ModuleType:
        """NumPy, loaded where the libraries of this suite run."""
        return noodle.load("numpy", **self.load_options)

    def test_classes_and_constants_are_the_librarys_own(self, library: ModuleType) -> None:
        assert 10 == library.LIMIT
        assert isinstance(library.Counter(3), library.Counter)
        assert not isinstance(3, library.Counter)
        assert library.Counter is library.Counter
        assert 3 == library.Counter(3).value
        assert "A library of the test's own." == library.__doc__
        assert "1.2.3" == library.__version__

    def test_a_callable_instance_without_a_name_is_a_value(self, library: ModuleType) -> None:
        assert ("called", "k") == (library.instance(), library.instance["k"])

    def test_positional_only_and_keyword_only_parameters(self, library: ModuleType) -> None:
        assert (1, 5) == library.keyword_only(first=1, second=5)
        with pytest.raises(TypeError):
            library.keyword_only(1)
        with pytest.raises(TypeError):
            library.twice(x=1.0)

    def test_execute_refuses_keys_of_which_only_some_are_parameters(
        self, library: ModuleType
    ) -> None:
        bridge = library_of(library)
        with pytest.raises(TypeError) as caught:
            bridge.execute("add", {"x": 1.0, "z": 2.0})
        assert "x (known) and z (unknown)" in str(caught.value)

    def test_execute_gives_keywords_to_a_function_that_takes_any(self, library: ModuleType) -> None:
        assert {"a": 1, "b": 2} == library_of(library).execute("any_keyword", {"a": 1, "b": 2})

    def test_a_coroutine_function_is_awaited_by_aio(self, library: ModuleType) -> None:
        async def main() -> int:
            result: int = await library.later.aio(3)
            return result

        assert 4 == asyncio.run(main())

    def test_exceptions_keep_their_type_and_say_where_they_were_raised(
        self, library: ModuleType
    ) -> None:
        with pytest.raises(TypeError) as caught:
            library.add(1.0, "x")
        assert "in add" in "".join(traceback.format_exception(caught.value))

    def test_exception_classes_of_the_library_catch_its_errors(self, library: ModuleType) -> None:
        with pytest.raises(library.OwnError, match="no") as caught:
            library.fail("no")
        assert isinstance(caught.value, ValueError)
        assert issubclass(library.OwnError, ValueError)

    @pytest.mark.parametrize(
        ("kind", "arguments"),
        [
            ("key", ("k",)),
            ("key", (1, None)),
            ("os", (2, "gone")),
            ("own", ()),
            ("own", (1.5, b"x")),
        ],
    )
    def test_exceptions_keep_their_arguments(
        self, library: ModuleType, kind: str, arguments: tuple[object, ...]
    ) -> None:
        classes = {"key": KeyError, "os": FileNotFoundError, "own": library.OwnError}
        with pytest.raises(classes[kind]) as caught:
            library.fail_with(kind, *arguments)
        assert arguments == caught.value.args

    def test_exceptions_of_the_system_say_what_and_where(self, library: ModuleType) -> None:
        with pytest.raises(FileNotFoundError) as caught:
            library.fail_with("os", 2, "gone", "/a/file")
        error = caught.value
        assert (2, "gone", "/a/file") == (error.errno, error.strerror, error.filename)

    def test_generators_take_values_and_errors_and_give_a_result(self, library: ModuleType) -> None:
        talk = library.converse()
        assert ["begun", "heard a"] == [next(talk), talk.send("a")]
        assert "heard error b" == talk.throw(ValueError("b"))
        with pytest.raises(StopIteration) as caught:
            next(talk)
        assert 2 == caught.value.value
        talk = library.converse()
        assert ["begun", "heard c"] == [talk.send(None), talk.send("c")]
        with pytest.raises(StopIteration) as caught:
            talk.send(None)
        assert 1 == caught.value.value

    def test_a_generator_delegates_to_one_of_the_library(self, library: ModuleType) -> None:
        def outer() -> Any:
            told = yield from library.converse()
            yield ("told", told)

        own = outer()
        assert ["begun", "heard a", ("told", 1)] == [next(own), own.send("a"), next(own)]

    def test_generators_are_iterated(self, library: ModuleType) -> None:
        assert [0, 1, 2] == list(library.count(3))

    def test_classes_that_are_built_in_are_arguments_and_results(self, numpy: ModuleType) -> None:
        assert "float64" == str(numpy.zeros(2, dtype=float).dtype)
        assert numpy.array([1, 2], dtype=bool).all()
        builtins = noodle.load("builtins", **self.load_options)
        assert builtins.isinstance(3, (str, int))
        assert builtins.type(3) is int
        assert builtins.issubclass(KeyError, LookupError)
        assert builtins.max([int, str], key=id) in (int, str)

    def test_numpy_functions_classes_constants_and_submodules(self, numpy: ModuleType) -> None:
        assert [[19, 22], [43, 50]] == numpy.matmul([[1, 2], [3, 4]], [[5, 6], [7, 8]]).tolist()
        assert [2.0, 3.0] == numpy.linalg.solve([[1, 0], [0, 1]], [2, 3]).tolist()
        assert "float32" == str(numpy.zeros(2, dtype=numpy.float32).dtype)
        assert numpy.pi == 3.141592653589793
        assert (2, 1) == numpy.shape([[1], [2]])
        assert numpy.linalg.solve is numpy.linalg.solve
        with pytest.raises(numpy.linalg.LinAlgError):
            numpy.linalg.inv([[0.0]])

    def test_help_of_a_function_is_the_librarys(self, numpy: ModuleType) -> None:
        text = pydoc.render_doc(numpy.matmul, renderer=pydoc.plaintext)
        assert "Matrix product of two arrays." in text
        assert "axis" in inspect.signature(numpy.mean).parameters
        assert "keepdims=<no value>" in str(inspect.signature(numpy.mean))

    def test_help_of_a_module_is_the_librarys(self) -> None:
        json = noodle.load("json", **self.load_options)
        assert "JSON" in pydoc.render_doc(json, renderer=pydoc.plaintext)

    def test_submodules_are_imported_when_they_are_asked_for(self) -> None:
        xml = noodle.load("xml", **self.load_options)
        assert "Element" in dir(xml.etree.ElementTree)

    def test_callbacks_and_handles_are_arguments(self, library: ModuleType) -> None:
        functools = noodle.load("functools", **self.load_options)
        assert 6 == functools.reduce(lambda x, y: x + y, [1, 2, 3])
        assert 6.0 == functools.reduce(library.add, [1.0, 2.0, 3.0])

    def test_context_managers_are_entered_and_left(self) -> None:
        tempfile = noodle.load("tempfile", **self.load_options)
        with tempfile.TemporaryDirectory() as folder:
            assert Path(folder).is_dir()
        assert not Path(folder).exists()

    def test_a_context_manager_sees_and_stops_an_exception_of_the_block(self) -> None:
        contextlib = noodle.load("contextlib", **self.load_options)
        with contextlib.suppress(LookupError):
            raise KeyError("k")
        with pytest.raises(ZeroDivisionError), contextlib.suppress(LookupError):
            raise ZeroDivisionError

    def test_numbers_that_are_no_floats_calculate(self) -> None:
        fractions = noodle.load("fractions", **self.load_options)
        third = fractions.Fraction(1, 3)
        assert 1 == third + third + third == 3 * third
        assert third < 1
        assert "1/3" == str(third)
