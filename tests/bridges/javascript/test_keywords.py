"""Arguments by keyword mean the same, however a function is called."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import noodle
from noodle.errors import ArityError

SAMPLES = Path(__file__).parent / "samples"

Caller = Callable[..., Any]


def by_handle(passing: ModuleType) -> Caller:
    return passing.spread  # type: ignore[no-any-return]


def raw(passing: ModuleType) -> Caller:
    return noodle.raw(passing.spread)


def by_reference(passing: ModuleType) -> Caller:
    return passing.echo(passing.spread)  # type: ignore[no-any-return]


def as_method(passing: ModuleType) -> Caller:
    return passing.Spreader().spread  # type: ignore[no-any-return]


def awaited(passing: ModuleType) -> Caller:
    async def call(*args: Any, **kwargs: Any) -> Any:
        return await passing.spread.aio(*args, **kwargs)

    return lambda *args, **kwargs: asyncio.run(call(*args, **kwargs))


def in_a_batch(passing: ModuleType) -> Caller:
    def call(*args: Any, **kwargs: Any) -> Any:
        assert not args
        return passing.spread.batch([kwargs])[0]

    return call


def constructed(passing: ModuleType) -> Caller:
    return lambda *args, **kwargs: passing.Spread(*args, **kwargs).all()


def constructed_by_reference(passing: ModuleType) -> Caller:
    spread = passing.echo(passing.Spread)
    return lambda *args, **kwargs: spread(*args, **kwargs).all()


ALL = [
    by_handle,
    raw,
    by_reference,
    as_method,
    awaited,
    in_a_batch,
    constructed,
    constructed_by_reference,
]
WITH_POSITIONAL = [way for way in ALL if way is not in_a_batch]


@pytest.mark.parametrize("way", ALL)
def test_they_take_the_places_of_their_names(
    passing: ModuleType, way: Callable[[ModuleType], Caller]
) -> None:
    assert [1, 2, 3] == way(passing)(third=3, first=1)


@pytest.mark.parametrize("way", WITH_POSITIONAL)
def test_they_come_behind_positional_arguments(
    passing: ModuleType, way: Callable[[ModuleType], Caller]
) -> None:
    assert [1, 2, 9] == way(passing)(1, third=9)


@pytest.mark.parametrize("way", ALL)
def test_one_that_is_no_parameter_is_refused(
    passing: ModuleType, way: Callable[[ModuleType], Caller]
) -> None:
    with pytest.raises(ArityError, match=r"[sS]pread has no size") as caught:
        way(passing)(size=2)
    error = caught.value
    assert ("keywords among first, second, third", "size") == (error.expected, error.received)
    assert "pass them as a dict" in (error.remedy or "")


@pytest.mark.parametrize("way", WITH_POSITIONAL)
def test_one_that_is_given_by_position_too_is_refused(
    passing: ModuleType, way: Callable[[ModuleType], Caller]
) -> None:
    with pytest.raises(ArityError, match="got first twice"):
        way(passing)(1, first=2)


def test_options_are_one_object(passing: ModuleType) -> None:
    counter = passing.Counter(step=2)
    assert [4, "x"] == counter.add(1, {"twice": True}, note="x")


@pytest.mark.parametrize(
    ("body", "parameters"),
    [
        ("", "(width, height)"),
        ("copy() { return new this.constructor(1, 2) }", "(width, height)"),
        ("constructor(side) { super(side, side) }", "(side)"),
    ],
)
def test_a_class_has_the_constructor_of_the_one_that_it_derives_from(
    tmp_path: Path, body: str, parameters: str
) -> None:
    (tmp_path / "classes.mjs").write_text(
        "export class Box { constructor(width, height) { this.width = width } }\n"
        f"export class Crate extends Box {{ {body} }}"
    )
    crate = noodle.load(str(tmp_path / "classes.mjs")).Crate
    assert parameters == str(inspect.signature(crate))
    (first, *_) = inspect.signature(crate).parameters
    assert 3 == crate(**{first: 3}).width
