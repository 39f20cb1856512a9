"""Functions and classes of Python libraries in workers."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import noodle
from noodle.errors import ArgumentTypeError, WorkerCrashedError

SOURCE = """
from typing import Any

class Base:
    kind = "base"

    @staticmethod
    def twice(x):
        return 2 * x

class Point(Base):
    "A point."

    def __init__(self, x: int, y: int = 0) -> None:
        self.x = x

def typed(number: int, text: str = "t", *more: bytes, names: list, **rest: Any) -> dict:
    "A typed function."
    return {"number": number, "text": text, "more": more, "names": names, "rest": rest}

def is_point(kind):
    return kind is Point

counted = []

def count(*numbers, by=1):
    counted.extend(numbers)
    return len(numbers) * by

def name_of(*kinds, key=None):
    return [kind.__name__ for kind in kinds] + ([key.__name__] if key else [])
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    file = tmp_path_factory.mktemp("remote") / "own_remote.py"
    file.write_text(SOURCE, encoding="utf-8")
    return noodle.load(str(file), placement="isolated")


def test_a_function_has_the_prototype_that_it_declares(library: ModuleType):
    prototype = library.typed.explain(1, names=[]).prototype
    assert ["number", "text", "names"] == [p.name for p in prototype.parameters]
    assert ["int", "str", "list", "map"] == [
        str(kind) for kind in (*(p.type for p in prototype.parameters), prototype.returns)
    ]
    assert (True, True) == (prototype.variadic, prototype.any_keyword)
    signature = inspect.signature(library.typed)
    assert "(number, text='t', *more, names, **rest)" == str(signature)
    assert "A typed function." == library.typed.__doc__


def test_keywords_are_those_of_python(library: ModuleType):
    expected = {"number": 1, "text": "u", "more": (b"x",), "names": [2], "rest": {"z": 3}}
    assert expected == library.typed(1, "u", b"x", names=[2], z=3)
    rows = [{"number": 1, "names": []}, {"number": 2, "names": [1]}]
    assert [1, 2] == [row["number"] for row in library.typed.batch(rows)]


def test_rows_of_any_length_and_form_mix(library: ModuleType):
    assert [0, 1, 4] == library.count.batch([(), [1], (1, 2, 3, 4)])
    assert [2, 0, 3] == library.count.batch([(1, 2), {"by": 3}, [1, 2, 3]])


@pytest.mark.parametrize("row", [1, "ab", None], ids=repr)
def test_a_row_that_is_none_is_refused_before_anything_is_called(library: ModuleType, row: object):
    before = list(library.counted)
    with pytest.raises(ArgumentTypeError, match="a batch of count needs rows") as caught:
        library.count.batch([(1,), {"by": 2}, row])
    assert ("row 2", before) == (caught.value.where, list(library.counted))


def test_a_class_constructs_and_has_its_own_attributes(library: ModuleType):
    point = library.Point(3, y=4)
    assert (3, "base", 4) == (point.x, library.Point.kind, library.Point.twice(2))
    assert "A point." == library.Point.__doc__
    assert "(x, y=0)" == str(inspect.signature(library.Point))
    assert {"kind", "twice"} <= set(dir(library.Point))
    assert repr(library.Point).endswith(".Point' in workers>")


def test_instances_and_subclasses_are_asked_of_the_worker(library: ModuleType):
    point = library.Point(1)
    assert isinstance(point, library.Point)
    assert isinstance(point, library.Base)
    assert not isinstance(library.Base(), library.Point)
    assert issubclass(library.Point, library.Base)
    assert not issubclass(library.Base, library.Point)
    assert not issubclass(int, library.Base)
    assert not isinstance(5, library.Base)


def test_classes_and_functions_pass_as_themselves(library: ModuleType):
    assert library.is_point(library.Point)
    assert ["Point", "typed", "Base"] == library.name_of(
        library.Point, library.typed, key=library.Base
    )


def test_a_class_has_no_subclasses_here(library: ModuleType):
    with pytest.raises(TypeError, match="cannot have a subclass in this process"):
        exec("class Own(base): pass", {"base": library.Base})


def test_a_class_survives_its_worker(tmp_path: Path):
    options: dict[str, Any] = {"placement": "isolated", "environment": {"OWN": str(tmp_path)}}
    kind = noodle.load("pathlib", **options).PurePosixPath
    before = kind("/a")
    with pytest.raises(WorkerCrashedError):
        noodle.load("os", **options)._exit(1)
    assert "/a/b" == str(kind("/a") / "b")
    assert isinstance(kind("/a"), kind)
    assert not isinstance(before, kind)


def test_a_class_of_several_workers_knows_the_instances_of_each(tmp_path: Path):
    options: dict[str, Any] = {
        "placement": "isolated",
        "workers": 2,
        "environment": {"OWN": str(tmp_path)},
    }
    fractions = noodle.load("fractions", **options)
    halves = [fractions.Fraction(1, 2) for _ in range(4)]
    assert all(isinstance(half, fractions.Fraction) for half in halves)
