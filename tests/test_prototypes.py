"""Prototypes, checked against Python's own rules for calls."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noodle.bridges.python import prototype_of
from noodle.errors import PrototypeError
from noodle.prototypes import Parameter, Prototype, parse_prototype
from noodle.values import VOID, ValueType

F64 = ValueType("f64")
I32 = ValueType("i32")


class TestReadingPrototypes:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("f()", Prototype("f")),
            ("fn f()", Prototype("f")),
            ("fn(x)", Prototype("fn", (Parameter("x"),))),
            (" f ( x ) ", Prototype("f", (Parameter("x"),))),
            ("f(x: f64): i32", Prototype("f", (Parameter("x", F64),), I32)),
            ("f(x:f64,y):void", Prototype("f", (Parameter("x", F64), Parameter("y")), VOID)),
            ("f(x,\n  y)\n: f64\n", Prototype("f", (Parameter("x"), Parameter("y")), F64)),
            ("f(...)", Prototype("f", variadic=True)),
            ("f(x, ...): f64", Prototype("f", (Parameter("x"),), F64, variadic=True)),
            ("größe(länge)", Prototype("größe", (Parameter("länge"),))),
            (
                "f(a: ptr< u8 >)",
                Prototype("f", (Parameter("a", ValueType("ptr", ValueType("u8"))),)),
            ),
            (
                "f(a: numpy.ndarray): decimal.Decimal",
                Prototype(
                    "f",
                    (Parameter("a", ValueType("numpy.ndarray")),),
                    ValueType("decimal.Decimal"),
                ),
            ),
        ],
    )
    def test_understands(self, text: str, expected: Prototype) -> None:
        assert expected == parse_prototype(text)
        assert expected == parse_prototype(str(expected))

    @pytest.mark.parametrize(
        ("text", "received"),
        [
            ("", "nothing"),
            ("f", "f"),
            ("f(", "f("),
            ("f)x(", "f)x("),
            ("(x)", "(x)"),
            ("1f(x)", "1f(x)"),
            ("f g(x)", "f g(x)"),
            ("f(x) f64", "f(x) f64"),
            ("f(x) -> f64", "f(x) -> f64"),
            ("f(,)", "nothing"),
            ("f(x,)", "nothing"),
            ("f(: f64)", ": f64"),
            ("f(x y)", "x y"),
            ("f(x?)", "x?"),
            ("f(..., x)", "..."),
            ("f(x: f64, x)", "x: f64, x"),
            ("f(f64, f64)", "f64, f64"),
            ("f(x) g(y)", "x) g(y"),
            ("f(x: )", "nothing"),
            ("f(x: double)", "double"),
            ("f(x):", "f(x):"),
            ("f(x): ", "nothing"),
            ("f(x): :", ":"),
            ("f(x: list<f64>)", "list<f64>"),
        ],
    )
    def test_refuses_with_the_part_that_is_wrong(self, text: str, received: str) -> None:
        with pytest.raises(PrototypeError) as caught:
            parse_prototype(text)
        assert received == caught.value.received
        assert caught.value.expected

    @pytest.mark.parametrize(
        "text",
        ["f(" * 20_000, "f(" + "):" * 20_000, "f" + " " * 20_000, "f(x" + "," * 20_000 + ")"],
        ids=["opening", "closing", "blanks", "commas"],
    )
    def test_a_long_text_is_refused_without_delay(self, text: str) -> None:
        with pytest.raises(PrototypeError):
            parse_prototype(text)

    @given(st.text() | st.text("fnx(): ,.<>?6432ipr").map(lambda text: f"f({text})"))
    def test_a_text_is_a_prototype_or_a_prototype_error(self, text: str) -> None:
        try:
            parsed = parse_prototype(text)
        except PrototypeError:
            return
        assert parsed == parse_prototype(str(parsed))


class TestWritingPrototypes:
    @pytest.mark.parametrize(
        ("prototype", "text"),
        [
            (Prototype("f", (Parameter("x", F64, optional=True),), I32), "f(x: f64?): i32"),
            (Prototype("f", (Parameter("x", optional=True),)), "f(x?)"),
            (
                Prototype("f", (Parameter("", F64), Parameter("")), variadic=True),
                "f(f64, any, ...)",
            ),
            (Prototype("f", readable=False), "f(...), declaration unknown"),
        ],
    )
    def test_shows_what_a_call_may_bring(self, prototype: Prototype, text: str) -> None:
        assert text == str(prototype)


NAMES = ["a", "b", "c", "d", "e"]


@st.composite
def signatures(draw: st.DrawFn) -> inspect.Signature:
    """Any signature that a Python function can have, with up to five named parameters."""
    count = draw(st.integers(0, len(NAMES)))
    only_positional = draw(st.integers(0, count))
    by_both = draw(st.integers(only_positional, count))
    first_default = draw(st.integers(0, by_both))
    kind = inspect.Parameter
    parameters = []
    for index, name in enumerate(NAMES[:count]):
        optional = index >= first_default if index < by_both else draw(st.booleans())
        which = kind.POSITIONAL_ONLY if index < only_positional else kind.POSITIONAL_OR_KEYWORD
        if index >= by_both:
            which = kind.KEYWORD_ONLY
        parameters.append(kind(name, which, default=0 if optional else kind.empty))
    if draw(st.booleans()):
        parameters.insert(by_both, kind("rest", kind.VAR_POSITIONAL))
    if draw(st.booleans()):
        parameters.append(kind("others", kind.VAR_KEYWORD))
    return inspect.Signature(parameters)


def function_with(signature: inspect.Signature) -> Any:
    """A function that returns its arguments by parameter; 0 stands for what was left out."""
    scope: dict[str, Any] = {}
    exec(f"def function{signature}: return dict(locals())", scope)
    return scope["function"]


values = st.integers(1, 9)
keywords = st.dictionaries(st.sampled_from([*NAMES, "x", "rest", "others"]), values, max_size=4)


class TestMatchingArguments:
    @given(signatures(), st.lists(values, max_size=6), keywords)
    def test_agrees_with_pythons_own_rules(
        self, signature: inspect.Signature, args: list[int], kwargs: dict[str, int]
    ) -> None:
        function = function_with(signature)
        prototype = prototype_of("f", function)
        bound = prototype.bind(args, kwargs)
        try:
            received = function(*args, **kwargs)
        except TypeError:
            assert isinstance(bound, str), (str(signature), args, kwargs)
            assert bound.startswith("expected ")
            assert ", got " in bound
            assert bound == prototype.refusal(args, kwargs)
            return
        assert isinstance(bound, dict), (str(signature), args, kwargs, bound)
        received.pop("rest", None)
        others = received.pop("others", {})
        expected = {name: value for name, value in received.items() if value}
        labels = {parameter.name for parameter in prototype.parameters}
        named = {f"keyword {n}" if n in labels else n: value for n, value in others.items()}
        assert expected | named == bound
        assert prototype.refusal(args, kwargs) is None

    @pytest.mark.parametrize(
        ("text", "args", "kwargs", "why"),
        [
            ("f()", [1], {}, "expected 0 arguments (), got 1"),
            ("f(x)", [], {}, "expected 1 argument (x), got 0: x is missing"),
            ("f(x, y)", [1, 2], {"z": 3}, "expected a keyword of (x, y), got z"),
            ("f()", [], {"z": 3}, "expected no keyword, got z"),
            ("f(x, ...)", [], {}, "expected at least 1 argument (x), got 0: x is missing"),
            ("f(x)", [1], {"x": 2}, "expected x once, got it by position and by keyword"),
            ("f(x: i32)", ["1"], {}, "x: expected i32 (-2147483648 to 2147483647), got str '1'"),
            ("f(x: i32)", [], {"x": None}, "x: expected i32 (-2147483648 to 2147483647), got null"),
            ("f(x: f64, y: bool)", [1.5, 1], {}, "y: expected bool, got int 1"),
            ("f(x: f64, ...)", [1.5, "anything"], {}, None),
        ],
    )
    def test_a_refusal_names_the_argument(
        self, text: str, args: list[Any], kwargs: dict[str, Any], why: str | None
    ) -> None:
        assert why == parse_prototype(text).refusal(args, kwargs)

    def test_counts_what_may_be_left_out(self) -> None:
        prototype = Prototype("f", (Parameter("x"), Parameter("y", optional=True)))
        assert prototype.bind([1, 2, 3], {}) == "expected 1 to 2 arguments (x, y?), got 3"

    def test_parameters_without_a_name_are_bound_by_position_alone(self) -> None:
        prototype = Prototype("f", (Parameter("", F64), Parameter("", I32)))
        assert prototype.bind([1.5, 2], {}) == {"argument 1": 1.5, "argument 2": 2}
        assert prototype.refusal([1.5, "2"], {}) == (
            "argument 2: expected i32 (-2147483648 to 2147483647), got str '2'"
        )
        for name in ("", "argument 2"):
            assert prototype.bind([1.5], {name: 2}) == f"expected no keyword, got {name}"

    def test_a_keyword_that_a_positional_only_parameter_is_named_like_is_another_argument(
        self,
    ) -> None:
        first = Parameter("x", I32, keyword=False)
        prototype = Prototype("f", (first,), any_keyword=True)
        assert prototype.bind([1], {"x": 2}) == {"x": 1, "keyword x": 2}
        assert prototype.refusal([1], {"x": "any type"}) is None
        assert (
            prototype.bind([], {"x": 2}) == "expected 1 argument (x: i32), got 1: x: i32 is missing"
        )

    def test_an_unreadable_declaration_accepts_every_call(self) -> None:
        assert Prototype("f", readable=False).refusal([1, 2], {"x": 3}) is None
