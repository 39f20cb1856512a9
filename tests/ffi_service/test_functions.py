from __future__ import annotations

import math
from pathlib import Path

import pytest

from noodle.errors import ArityError, NameNotFoundError, SourceError
from noodle.ffi_service.functions import ProgramFunctions
from noodle.language.loader import ProgramLoader
from noodle.runtime.host import EngineHost

PROGRAM = """\
import ffi "math" as math
import "./other.noodle" as other
let count = 0
fn area(radius, scale = 1.0) { return math.pi * radius ** 2 * scale }
const twice = x => x * 2
fn _inner() { return 1 }
const root = math.sqrt
const borrowed = other.helper
let built = print
"""


def functions_of(folder: Path, text: str) -> ProgramFunctions:
    (folder / "program.noodle").write_text(text)
    (folder / "other.noodle").write_text("fn helper() { return 2 }\n")
    loader = ProgramLoader(EngineHost(str(folder)), cache_directory="")
    return ProgramFunctions(loader.run(str(folder / "program.noodle")))


def test_only_functions_that_the_program_itself_declares_are_served(tmp_path: Path):
    functions = functions_of(tmp_path, PROGRAM)
    assert ["area", "twice"] == [entry["name"] for entry in functions.listing()]
    for name in ("_inner", "root", "borrowed", "built", "math", "other", "count", "__class__"):
        with pytest.raises(NameNotFoundError):
            functions.find(name)


def test_a_listing_tells_which_parameters_must_be_given(tmp_path: Path):
    parameters = functions_of(tmp_path, PROGRAM).listing()[0]["parameters"]
    assert [
        {"name": "radius", "required": True},
        {"name": "scale", "required": False},
    ] == parameters


def test_a_mistyped_name_is_answered_with_the_nearest_one(tmp_path: Path):
    with pytest.raises(NameNotFoundError) as caught:
        functions_of(tmp_path, PROGRAM).find("aera")
    assert ("area, twice", "area") == (caught.value.expected, caught.value.remedy)


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ([], {}, "area: needs radius"),
        ([], {"scale": 1}, "area: needs radius"),
        ([1, 2, 3], {}, "area: 3 arguments are too many"),
        ([1], {"radius": 1}, "area: was given twice radius"),
        ([1], {"scael": 2}, "area: has no parameter scael"),
        ([1], {f"n{number}": 0 for number in range(9)}, "no parameter n0, n1, n2, n3, n4, …"),
    ],
)
def test_arguments_that_the_parameters_do_not_take_are_refused(
    tmp_path: Path, arguments: list[object], keywords: dict[str, object], message: str
):
    area = functions_of(tmp_path, PROGRAM).find("area")
    with pytest.raises(ArityError, match=message) as caught:
        area.require_arguments(arguments, keywords)
    assert "area(radius, scale)" == caught.value.expected


def test_arguments_may_be_given_by_name(tmp_path: Path):
    area = functions_of(tmp_path, PROGRAM).find("area")
    area.require_arguments([], {"scale": 2, "radius": 1})
    area.require_arguments([1], {})
    assert pytest.approx(2 * math.pi) == area.call(scale=2, radius=1)


def test_names_that_are_words_in_python_are_names(tmp_path: Path):
    functions = functions_of(tmp_path, "fn lambda(class, def = 1) { return class + def }\n")
    function = functions.find("lambda")
    assert [("class", True), ("def", False)] == [
        (parameter["name"], parameter["required"]) for parameter in function.listing()["parameters"]
    ]
    function.require_arguments([], {"class": 2})
    assert 3 == function.call(**{"class": 2})


@pytest.mark.parametrize("text", ["", "let x = 1\n", "fn _inner() { return 1 }\n"])
def test_a_program_without_functions_is_refused(tmp_path: Path, text: str):
    with pytest.raises(SourceError, match="no functions that could be served"):
        functions_of(tmp_path, text)
