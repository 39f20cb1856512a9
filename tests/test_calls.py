"""Signatures and plans."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from noodle.calls import Call, CallOptions, Plan, Signature, StageDecision
from noodle.prototypes import Parameter, Prototype
from noodle.values import ANY


class EqualMeta(type):
    """Its classes are all equal, and cannot be hashed."""

    def __eq__(cls, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class TestSignatures:
    def test_is_the_exact_types_and_the_names_in_the_order_of_the_call(self) -> None:
        signature = Signature.of([1, True], {"x": "a", "y": None})
        assert (int, bool) == signature.positional
        assert (("x", str), ("y", type(None))) == signature.keywords
        assert str(signature) == "(int, bool, x=str, y=NoneType)"

    @pytest.mark.parametrize(
        ("args", "kwargs"),
        [
            ([True], {"x": 1}),
            ([1], {"y": 1}),
            ([1, 1], {}),
            ([], {"x": 1}),
            ([1], {}),
            ([1], {"x": 1.0}),
            ([1], {"x": 1, "y": 1}),
        ],
    )
    def test_differs_where_a_type_a_name_or_the_number_does(
        self, args: list[Any], kwargs: dict[str, Any]
    ) -> None:
        one = Signature.of([1], {"x": 1})
        assert one != Signature.of(args, kwargs)
        assert len({one, Signature.of([2], {"x": 3}), Signature.of(args, kwargs)}) == 2

    def test_is_not_equal_to_anything_else(self) -> None:
        assert Signature() != ((), ())
        assert Signature() == Signature.of([])

    def test_tells_classes_apart_that_claim_to_be_equal_or_cannot_be_hashed(self) -> None:
        one, other = EqualMeta("One", (), {})(), EqualMeta("Other", (), {})()
        plans = {Signature.of([one]): 1, Signature.of([other]): 2}
        assert [1, 2] == [plans[Signature.of([one])], plans[Signature.of([other])]]

    def test_keeps_the_types_alive_that_it_is_made_of(self) -> None:
        kept = Signature.of([type("Local", (), {})()])
        others = {Signature.of([type(f"Local{i}", (), {})()]) for i in range(100)}
        assert kept not in others


def test_a_plan_shows_each_step_of_the_call() -> None:
    plan = Plan(
        library="numpy",
        function="linalg.solve",
        target="numpy==2.0",
        bridge="python",
        placement="inprocess",
        signature=Signature.of([[], 1]),
        prototype=Prototype("solve", (Parameter("a"), Parameter("b"))),
        stages=(StageDecision("authorise", "unrestricted", active=False),),
        candidates=("numpy/inprocess",),
        predicted={},
        notes=("pinned",),
        epoch=0,
        callable=len,
    )
    assert [
        "numpy.linalg.solve(list, int)",
        "  target        numpy==2.0",
        "  prototype     solve(a, b)",
        "  bridge        python, inprocess",
        "  authorise     unrestricted",
        "  note          pinned",
    ] == str(plan).splitlines()
    assert "callable" not in repr(plan)


@pytest.mark.parametrize("fact", [Call("m", "f"), CallOptions(), Prototype("f"), Signature(), ANY])
def test_facts_cannot_be_changed(fact: Any) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(fact, dataclasses.fields(fact)[0].name, "other")
