"""What Python libraries declare: read from files, and from the library itself where it may run."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import pytest

from noodle.bridges.python import PythonBridge
from noodle.calls import LoadRequest
from noodle.errors import MissingPackageError
from noodle.stubs.model import StubAlias, StubClass, StubConstant, StubFunction, StubModule
from noodle.stubs.writing import stub_text
from tests.stubs.conftest import CheckTypes

HELPER = '''\
"""Helps."""
import os
from decimal import Decimal
from functools import cache
from typing import Literal, Optional

import numpy as np

raise RuntimeError("this file is not run")

LIMIT = 10
NAME: str = "x"
Mode = Literal["fast", "exact"]


class Point:
    """A point."""

    x: float
    _y: float

    def __init__(self, x: float, y: "Optional[float]" = None) -> None:
        self.x = x

    @property
    def length(self) -> float:
        """From the origin."""

    @staticmethod
    def zero() -> "Point": ...


def shift(p: Point, by: Decimal = Decimal(0), *more: int, mode: Mode = "fast") -> list[Point]:
    """Shift it.

    By "much".
    """


@cache
def known(x: int) -> Nowhere: ...


@wrapped
def changed(x): ...


if os.name == "nt":
    def elsewhere(x): ...
else:
    def elsewhere(x: np.ndarray, /) -> dict[str, Point]: ...


async def later(x): ...
def _hidden(): ...
'''


def describe(location: str, directory: Path, *, run: bool = False, **fields: Any) -> StubModule:
    kind = "file" if "/" in location else "package"
    fields.setdefault("placement", "inprocess")
    request = LoadRequest(location, location, directory=str(directory), kind=kind, **fields)
    found = PythonBridge().describe(request, run=run)
    assert found is not None
    ast.parse(stub_text(found))
    return found


@pytest.fixture
def helper(tmp_path: Path) -> StubModule:
    (tmp_path / "own_helper.py").write_text(HELPER, encoding="utf-8")
    return describe("./own_helper.py", tmp_path)


def shown(stub: StubModule, name: str) -> str:
    found = stub.member(name)
    assert isinstance(found, StubFunction)
    return found.shown


@pytest.mark.parametrize(
    ("name", "written"),
    [
        (
            "shift",
            "shift(p: Point, by: decimal.Decimal = Decimal(0), *more: int, "
            "mode: Literal['fast', 'exact'] = 'fast') -> list[Point]",
        ),
        ("known", "known(x: int) -> Any"),
        ("changed", "changed(...)"),
        ("elsewhere", "elsewhere(x: numpy.ndarray) -> dict[str, Point]"),
        ("later", "later(x)"),
    ],
)
def test_a_file_is_read_without_being_run(helper: StubModule, name: str, written: str):
    assert shown(helper, name) == written


def test_classes_and_values_of_a_file_are_described(helper: StubModule):
    point = helper.member("Point")
    assert isinstance(point, StubClass)
    assert [member.name for member in point.members] == ["x", "__init__", "length", "zero"]
    assert point.constructor is not None
    assert point.constructor.shown == "Point(x: float, y: Optional[float] = None) -> Point"
    assert helper.member("LIMIT") == StubConstant("LIMIT", "int")
    assert helper.documentation == "Helps."


def test_what_a_file_imports_is_there_and_not_its_own(helper: StubModule):
    assert {"os", "np", "Decimal", "_hidden"} <= helper.further
    assert "np" not in helper.names
    assert helper.complete


@pytest.mark.parametrize(
    "line",
    ["def __getattr__(name): ...", "globals()['a'] = 1", "from nowhere import *", "exec(text)"],
)
def test_a_file_that_may_have_other_names_is_not_complete(tmp_path: Path, line: str):
    (tmp_path / "own_dynamic.py").write_text(f"import os\n{line}\n", encoding="utf-8")
    assert not describe("./own_dynamic.py", tmp_path).complete


def test_a_file_that_is_no_python_is_not_described(tmp_path: Path):
    (tmp_path / "own_wrong.py").write_text("def f(:\n", encoding="utf-8")
    request = LoadRequest("w", "./own_wrong.py", directory=str(tmp_path), kind="file")
    assert PythonBridge().describe(request) is None


def test_a_packages_own_types_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package = tmp_path / "own_package"
    package.mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    (package / "__init__.py").write_text("raise RuntimeError('not imported')\n", encoding="utf-8")
    (package / "__init__.pyi").write_text(
        "import sys\n"
        "from typing import overload\n"
        "from ._core import area as area, inner\n"
        "if sys.version_info >= (3, 0):\n"
        "    def new(x: int) -> str: ...\n"
        "else:\n"
        "    def old(x: int) -> str: ...\n"
        "@overload\ndef both(x: int) -> int: ...\n"
        "@overload\ndef both(x: str) -> str: ...\n",
        encoding="utf-8",
    )
    (package / "_core.pyi").write_text(
        "class Shape: ...\ndef area(shape: Shape) -> float: ...\ndef inner() -> None: ...\n",
        encoding="utf-8",
    )
    (package / "tools.pyi").write_text("def saw(x: int) -> int: ...\n", encoding="utf-8")
    stub = describe("own_package", tmp_path)
    assert stub.names == ["area", "both", "new", "tools"]
    assert shown(stub, "area") == "area(shape: own_package._core.Shape) -> float"
    both = stub.member("both")
    assert isinstance(both, StubFunction)
    assert [s.result for s in both.signatures] == ["int", "str"]
    tools = stub.member("tools")
    assert isinstance(tools, StubModule)
    assert shown(tools, "saw") == "saw(x: int) -> int"
    text = stub_text(stub)
    assert "from own_package import both as both\n" in text
    assert "from own_package import tools as tools\n" in text


def test_a_module_written_in_c_tells_itself(tmp_path: Path):
    stub = describe("math", tmp_path, run=True)
    found = stub.member("copysign")
    assert isinstance(found, StubFunction)
    assert "magnitude" in found.documentation
    assert [p.name for p in found.signatures[0].parameters] == ["x", "y"]


def test_names_of_numpy_are_all_known(tmp_path: Path):
    import numpy as np

    stub = describe("numpy", tmp_path)
    public = {name for name in dir(np) if not name.startswith("_")}
    assert public - {*stub.names, *stub.further} == set()
    assert stub.complete
    linalg = stub.member("linalg")
    assert isinstance(linalg, StubModule)
    assert shown(linalg, "solve").startswith("solve(a")


def test_a_library_in_a_worker_is_described_by_it(tmp_path: Path):
    (tmp_path / "own_remote.py").write_text(
        "class Shape:\n    def __init__(self, side: int): ...\n"
        "def area(shape: Shape, scale: float = 1.0) -> int:\n    'Its area.'\n"
        "def made(x): ...\nmade2 = made\n",
        encoding="utf-8",
    )
    stub = describe("./own_remote.py", tmp_path, run=True, placement="isolated")
    assert shown(stub, "area") == "area(shape: Shape, scale: float = 1.0) -> int"
    assert shown(stub, "made2") == "made2(x)"


def test_a_package_that_is_nowhere_is_refused_where_it_is_loaded(tmp_path: Path):
    with pytest.raises(MissingPackageError, match="no Python package 'nosuchpackage'"):
        describe("nosuchpackage", tmp_path, run=True)


def test_an_environment_that_is_not_there_tells_nothing(tmp_path: Path):
    request = LoadRequest(
        "n", "own_nowhere", "==1.0", directory=str(tmp_path), placement="isolated"
    )
    assert PythonBridge().describe(request) is None


@pytest.mark.skipif(sys.version_info < (3, 11), reason="needs typing.Self")
def test_a_type_checker_finds_wrong_types(
    helper: StubModule, check_types: CheckTypes, tmp_path: Path
):
    (tmp_path / "helper.pyi").write_text(stub_text(helper), encoding="utf-8")
    statistics = describe("statistics", tmp_path, run=True)
    (tmp_path / "stats.pyi").write_text(stub_text(statistics), encoding="utf-8")
    lines = [
        "import helper",
        "import stats",
        "points = helper.shift(helper.Point(1.0), mode='exact')",
        "points[0].length.hex()",
        "helper.shift(3)",
        "helper.shift(helper.Point(1.0), mode='slow')",
        "helper.Point('1')",
        "helper.nosuch",
        "number: float = stats.mean([1.0, 2.0])",
        "stats.fmean('text', weights=3)",
    ]
    told = check_types("\n".join(lines))
    wrong = {int(line.split(":")[1]) for line in told.splitlines() if ": error:" in line}
    assert wrong == {5, 6, 7, 8, 10}, told


def test_classes_of_typed_packages_are_passed_on(tmp_path: Path):
    stub = describe("decimal", tmp_path, run=True)
    assert stub.member("Decimal") == StubAlias("Decimal", "decimal", "Decimal")
