from __future__ import annotations

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
from noodle.runtime.engine import default_engine
from tests.bridges.python_conformance import PythonConformance


class TestPython(PythonConformance):
    other_placements = frozenset({"isolated"})

    def test_classes_are_the_librarys_own(self, library: ModuleType) -> None:
        assert isinstance(library.Counter, type)

    def test_exceptions_keep_their_traceback(self, library: ModuleType) -> None:
        with pytest.raises(TypeError) as caught:
            library.add(1.0, "x")
        assert "add" in [frame.name for frame in caught.traceback]

    def test_a_ufunc_has_its_methods(self, numpy: ModuleType) -> None:
        assert 6 == numpy.add.reduce([1, 2, 3])


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
