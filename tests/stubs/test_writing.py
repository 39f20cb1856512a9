"""The text of a stub: valid Python that says what the data says."""

from __future__ import annotations

import ast
from inspect import Parameter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noodle.stubs.model import (
    StubAlias,
    StubClass,
    StubConstant,
    StubFunction,
    StubMember,
    StubModule,
    StubParameter,
    StubSignature,
)
from noodle.stubs.writing import stub_text


def text_of(*members: StubMember, **facts: object) -> str:
    text = stub_text(StubModule("library", members, **facts))  # type: ignore[arg-type]
    ast.parse(text)
    return text


def function(name: str, *parameters: StubParameter, result: str = "int") -> StubFunction:
    return StubFunction(name, (StubSignature(parameters, result),))


def test_a_function_has_its_types_and_what_its_authors_say():
    made = StubFunction(
        "pow",
        (StubSignature((StubParameter("x", "float"), StubParameter("y", "float")), "float"),),
        "x to the power of y.",
        declared="double pow(double x, double y)",
    )
    assert text_of(made) == (
        '"""library"""\n\n'
        "def pow(x: float, y: float) -> float:\n"
        '    """double pow(double x, double y)\n\n'
        '    x to the power of y.\n    """\n'
    )


@pytest.mark.parametrize(
    ("parameters", "written"),
    [
        ((StubParameter("a"), StubParameter("b", default="1")), "a: Any, b: Any = ..."),
        ((StubParameter("in", "int"), StubParameter("a", "int")), "in_: int, /, a: int"),
        (
            (StubParameter("", "int"), StubParameter("", "str")),
            "argument_1: int, argument_2: str, /",
        ),
        ((StubParameter("a", "int", default="0"), StubParameter("b", "int")), "a: int, b: int"),
        ((StubParameter("a"), StubParameter("a")), "a: Any, a_: Any"),
        ((StubParameter("a", kind=Parameter.POSITIONAL_ONLY),), "a: Any, /"),
        (
            (
                StubParameter("a", "int", Parameter.VAR_POSITIONAL),
                StubParameter("b", "int", Parameter.KEYWORD_ONLY, "2"),
                StubParameter("c", "str", Parameter.VAR_KEYWORD),
            ),
            "*a: int, b: int = ..., **c: str",
        ),
        ((StubParameter("a", "int", Parameter.KEYWORD_ONLY),), "*, a: int"),
    ],
)
def test_parameters_are_written_as_python_has_them(
    parameters: tuple[StubParameter, ...], written: str
):
    assert f"def f({written}) -> int: ..." in text_of(function("f", *parameters))


def test_a_function_of_which_nothing_is_known_takes_anything():
    assert "def f(*args: Any, **kwargs: Any) -> Any: ..." in text_of(StubFunction("f"))


def test_several_ways_to_call_a_function_are_overloads():
    one = StubSignature((StubParameter("a", "int"),), "int")
    two = StubSignature((StubParameter("a", "str"),), "str")
    text = text_of(StubFunction("f", (one, two)))
    assert text.count("@overload\ndef f(") == 2
    assert "from typing import overload" in text


def test_a_name_of_the_library_does_not_hide_a_type():
    text = text_of(
        function("int", StubParameter("a", "int"), result="list[int]"),
        StubClass("Any"),
        StubConstant("list", "Any", final=True),
    )
    assert "def int(a: builtins.int) -> builtins.list[builtins.int]: ..." in text
    assert "list: Final[typing.Any]" in text
    assert "import builtins\nimport typing\n" in text


def test_a_method_does_not_hide_a_type_of_other_methods():
    member = function("list", StubParameter("self"), result="list[int]")
    assert "def list(self) -> builtins.list[int]: ..." in text_of(StubClass("Shelf", (member,)))


def test_a_class_has_fields_methods_and_its_constructor():
    made = StubClass(
        "Point",
        (
            StubConstant("x", "float"),
            function("__init__", StubParameter("self"), StubParameter("x", "float"), result=""),
            StubFunction("zero", (StubSignature((), "Point"),), decorator="staticmethod"),
            StubFunction(
                "length", (StubSignature((StubParameter("self"),), "float"),), decorator="property"
            ),
        ),
        documentation="A point.",
    )
    assert text_of(made).endswith(
        "class Point:\n"
        '    """A point."""\n'
        "    x: float\n"
        "    def __init__(self, x: float) -> None: ...\n"
        "    @staticmethod\n"
        "    def zero() -> Point: ...\n"
        "    @property\n"
        "    def length(self) -> float: ...\n"
    )


def test_a_class_of_another_module_is_passed_on_and_named_in_full():
    text = text_of(
        StubAlias("Decimal", "decimal", "Decimal"),
        function("f", StubParameter("a", "decimal.Decimal")),
    )
    assert "from decimal import Decimal as Decimal\n" in text
    assert "def f(a: decimal.Decimal) -> int: ..." in text


def test_what_type_checkers_know_better_is_passed_on():
    known = StubFunction("f", (StubSignature(),), module="elsewhere")
    assert "from elsewhere import f as f\n" in text_of(known)


def test_namespaces_are_classes_with_static_methods():
    def namespace() -> StubModule:
        return StubModule("inner", [function("f", StubParameter("a", "int"))])

    text = text_of(modules={"inner": namespace})
    assert text.endswith("class inner:\n    @staticmethod\n    def f(a: int) -> int: ...\n")


def test_namespaces_that_hold_one_another_end_somewhere():
    def namespace() -> StubModule:
        return StubModule("again", [StubConstant("x", "int")], modules={"again": namespace})

    assert text_of(modules={"again": namespace}).count("x: int") == 3


def test_a_name_that_python_does_not_have_is_left_out_and_told():
    text = text_of(function("delete"), function("from"), function("a-b"))
    assert "def delete() -> int: ..." in text
    assert "# from is left out: Python has no such name\n# a-b is left out" in text


def test_constants_have_their_values():
    text = text_of(StubConstant("MOST", value="10", final=True), StubConstant("errno", "int"))
    assert "MOST: Final = 10\nerrno: int\n" in text


HOSTILE = st.text(max_size=30) | st.sampled_from(
    ['"""', "\\", 'a"', "\\N{x}", "\ud800", "\x00", "\r", "\u2028", "x: int", "class", "None", ""]
)


@given(names=st.lists(HOSTILE, max_size=4), said=HOSTILE, annotation=HOSTILE)
def test_whatever_a_library_says_the_text_is_python(names: list[str], said: str, annotation: str):
    parameters = tuple(StubParameter(name, annotation) for name in names)
    made = StubFunction(said or "f", (StubSignature(parameters, annotation),), said)
    text_of(
        made,
        StubFunction("f", made.signatures, said, declared=said),
        StubClass("C", (StubConstant("x", annotation, documentation=said), made), (), said),
        documentation=said,
        source=said,
        notes=(said,),
    )
