from __future__ import annotations

import inspect
import pydoc
import sys
import typing
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import noodle
from noodle.bridges.python import prototype_of
from noodle.errors import (
    LibraryLoadError,
    MissingPackageError,
    NameNotFoundError,
    TargetError,
    VersionError,
)
from noodle.libraries import library_of
from noodle.runtime.engine import default_engine
from tests.bridges.conformance import BridgeConformance

SOURCE = '''
"""A library of the test's own."""

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


class TestPython(BridgeConformance):
    bridge_name = "python"
    other_placements = frozenset({"isolated"})

    @pytest.fixture
    def loading(self, tmp_path: Path) -> tuple[str, dict[str, Any]]:
        (tmp_path / "own_library.py").write_text(SOURCE)
        return f"{tmp_path}/own_library.py", {}

    def test_classes_and_constants_are_the_librarys_own(self, library: ModuleType) -> None:
        assert 10 == library.LIMIT
        assert isinstance(library.Counter, type)
        assert isinstance(library.Counter(3), library.Counter)
        assert "A library of the test's own." == library.__doc__

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
        import asyncio

        assert 4 == asyncio.run(library.later.aio(3))

    def test_exceptions_keep_their_type_and_their_traceback(self, library: ModuleType) -> None:
        with pytest.raises(TypeError) as caught:
            library.add(1.0, "x")
        assert "add" in [frame.name for frame in caught.traceback]


def test_numpy_functions_classes_constants_and_submodules() -> None:
    np = noodle.load("numpy")
    assert [[19, 22], [43, 50]] == np.matmul([[1, 2], [3, 4]], [[5, 6], [7, 8]]).tolist()
    assert [2.0, 3.0] == np.linalg.solve([[1, 0], [0, 1]], [2, 3]).tolist()
    assert "float32" == str(np.zeros(2, dtype=np.float32).dtype)
    assert 6 == np.add.reduce([1, 2, 3])
    assert np.pi == 3.141592653589793
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.inv([[0.0]])


def test_help_of_a_numpy_function_is_numpys() -> None:
    np = noodle.load("numpy")
    text = pydoc.render_doc(np.matmul, renderer=pydoc.plaintext)
    assert "Matrix product of two arrays." in text
    assert "axis" in inspect.signature(np.mean).parameters


def test_help_of_a_module_works() -> None:
    json = noodle.load("json")
    assert "JSON" in pydoc.render_doc(json, renderer=pydoc.plaintext)


def test_a_submodule_that_was_not_imported_is_imported_when_it_is_used() -> None:
    xml = noodle.load("xml")
    assert "p" == xml.dom.minidom.parseString("<p/>").documentElement.tagName


def test_a_dotted_target_is_that_module() -> None:
    assert "a/b" == noodle.load("os.path").join("a", "b")


def test_a_distributions_name_finds_its_package() -> None:
    packaging = noodle.load("prompt-toolkit")
    assert "prompt_toolkit" == packaging.prompt.__module__.split(".")[0]


def test_classes_work_in_isinstance_and_except() -> None:
    decimal = noodle.load("decimal")
    assert isinstance(Decimal("1.5"), decimal.Decimal)
    with pytest.raises(decimal.InvalidOperation):
        decimal.Decimal("x")


def test_a_constant_is_read_anew_each_time() -> None:
    library = noodle.load("sys")
    before = library.getrecursionlimit()
    marker = object()
    sys.noodle_test_marker = marker  # type: ignore[attr-defined]
    try:
        assert library.noodle_test_marker is marker
        sys.noodle_test_marker = None  # type: ignore[attr-defined]
        assert library.noodle_test_marker is None
    finally:
        del sys.noodle_test_marker  # type: ignore[attr-defined]
    assert before == sys.getrecursionlimit()


def test_a_missing_package_names_the_near_one_and_the_command() -> None:
    with pytest.raises(MissingPackageError) as caught:
        noodle.load("nunpy")
    assert "numpy" in str(caught.value)
    assert "pip install nunpy" in str(caught.value)
    assert isinstance(caught.value, ImportError)


def test_a_missing_name_says_which_are_near() -> None:
    with pytest.raises(NameNotFoundError) as caught:
        _ = noodle.load("numpy").matmull
    assert ("numpy has no 'matmull'", "matmul") == (caught.value.summary, caught.value.remedy)


def test_a_missing_submodule_of_a_dotted_target_says_which_are_near() -> None:
    with pytest.raises(NameNotFoundError, match="linalg"):
        noodle.load("scipy.linalgg")


@pytest.mark.parametrize("target", ["numpy==1.21.0", "numpy>=99", "numpy<1"])
def test_a_version_that_is_not_installed_says_which_is(target: str) -> None:
    import numpy

    with pytest.raises(VersionError) as caught:
        noodle.load(target, placement="inprocess")
    assert numpy.__version__ in str(caught.value)
    assert "pip install" in str(caught.value)


def test_a_version_that_is_installed_is_accepted() -> None:
    import numpy

    assert noodle.load(f"numpy=={numpy.__version__}").pi == numpy.pi
    assert noodle.load("numpy>=1").pi == numpy.pi


def test_a_package_that_fails_while_it_is_imported_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "noodle_broken.py").write_text("1 / 0")
    (tmp_path / "noodle_needy.py").write_text("import noodle_absent_dependency")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(LibraryLoadError, match="ZeroDivisionError"):
        noodle.load("noodle_broken")
    with pytest.raises(LibraryLoadError, match="needs noodle_absent_dependency"):
        noodle.load("noodle_needy")


def test_prototypes_are_refused() -> None:
    with pytest.raises(TargetError, match="declares its functions itself"):
        noodle.load("math", prototypes="double cos(double);")


def test_a_prototype_is_read_from_the_signature() -> None:
    def function(a: list[int], /, b: float, *rest: int, c: str = "", **named: int) -> bytes:
        return b""

    prototype = prototype_of("function", function)
    assert "function(a: list, b, c: str?, ...): bytes" == str(prototype)
    assert (True, True, True) == (prototype.variadic, prototype.any_keyword, prototype.readable)


class Shape(typing.TypedDict):
    width: int


class Sized(typing.Protocol):
    def __len__(self) -> int: ...


def test_annotations_that_accept_more_than_instances_accept_everything() -> None:
    def function(a: Any, b: Shape, c: Sized, d: Sequence[int], e: int | None) -> None:
        return None

    prototype = prototype_of("function", function)
    assert prototype.refusal((object(), {"width": 1}, "text", (1, 2), None), {}) is None


def test_a_builtin_without_a_signature_accepts_every_call() -> None:
    prototype = prototype_of("iter", iter)
    assert not prototype.readable
    assert prototype.refusal((1, 2, 3), {"x": 1}) is None


def load_file(directory: Path, source: str, name: str = "own_file.py") -> ModuleType:
    (directory / name).write_text(source)
    return default_engine().load(f"./{name}", directory=directory)


def test_an_attribute_that_raises_when_it_is_looked_into_is_a_value(tmp_path: Path) -> None:
    library = load_file(
        tmp_path,
        "class Proxy:\n"
        "    def __call__(self): return 'called'\n"
        "    def __getattr__(self, name): raise RuntimeError('nothing behind it yet')\n"
        "proxy = Proxy()\n",
    )
    assert "called" == library.proxy()


def test_wrapped_functions_keep_what_they_offer(tmp_path: Path) -> None:
    library = load_file(
        tmp_path,
        "import functools\n"
        "binary = functools.partial(int, base=2)\n"
        "@functools.lru_cache\n"
        "def cached(x): return x\n"
        "@functools.singledispatch\n"
        "def kind(x): return 'object'\n"
        "@kind.register\n"
        "def _(x: int): return 'int'\n",
    )
    assert (5, 7, 7) == (library.binary("101"), library.cached(7), library.cached(7))
    assert 1 == library.cached.cache_info().hits
    library.kind.register(str, lambda x: "str")
    assert ("object", "int", "str") == tuple(map(library.kind, (1.5, 1, "x")))


def test_what_a_library_has_loaded_through_noodle_is_governed_once(tmp_path: Path) -> None:
    library = load_file(
        tmp_path,
        "import noodle\nmath = noodle.load('math')\nroot = math.sqrt\n",
    )
    own = noodle.load("math").sqrt
    before = noodle.stats(own).calls
    assert (3.0, 3.0) == (library.root(9.0), library.math.sqrt(9.0))
    assert library.root is library.math.sqrt is own
    assert before + 2 == noodle.stats(own).calls
