"""Promises that cross by reference, and what callbacks give to await."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import noodle
from noodle import _handle, _host
from noodle.errors import RemoteCallError, UsageError

SOURCE = """
export const pair = () => [Promise.resolve(5), Promise.reject(new TypeError("refused"))];
export const later = (ms, value) => new Promise((r) => setTimeout(r, ms, value));
export const now = (value) => value;
export const callLater = async (visit) => await visit.async();
export const callNow = async (visit) => await visit.sync();
export class Box { get missing() { return undefined; } }
export const box = () => new Box();
export const isBox = (value) => value instanceof Box;
export let asked = 0;
export class Spy { get dtype() { asked++; return "f8"; } }
export const spy = () => new Spy();
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    path = tmp_path_factory.mktemp("awaitables") / "awaitables.mjs"
    path.write_text(SOURCE, encoding="utf-8")
    return noodle.load(str(path))


def test_a_rejected_promise_waits_for_whoever_asks(library: ModuleType) -> None:
    resolved, rejected = library.pair()
    assert 5 == resolved.result()
    for _ in range(2):
        with pytest.raises(RemoteCallError, match="refused") as caught:
            rejected.result()
        assert isinstance(caught.value, TypeError)


async def give_later() -> int:
    await asyncio.sleep(0)
    return 7


@pytest.mark.parametrize(
    "callback",
    [
        lambda library: give_later,
        lambda library: lambda: asyncio.ensure_future(give_later()),
        lambda library: lambda: library.later.aio(1, 7),
        lambda library: lambda: asyncio.gather(give_later()),
    ],
    ids=["a coroutine function", "a task", "an awaited call", "a gathering"],
)
def test_what_a_callback_gives_is_awaited_on_its_own_loop(
    library: ModuleType, callback: Callable[[ModuleType], Callable[[], Any]]
) -> None:
    async def run() -> Any:
        return await library.callLater.aio(callback(library))

    assert asyncio.run(run()) in (7, [7])


def test_an_awaited_call_in_a_blocking_callback_is_served_at_once(library: ModuleType) -> None:
    async def run() -> Any:
        return await library.callNow.aio(lambda: library.now.aio(7))

    assert 7 == asyncio.run(run())


def test_a_blocking_call_with_an_asynchronous_callback_settles_it(library: ModuleType) -> None:
    assert [7, 7] == [library.callLater(give_later) for _ in range(2)]


def test_a_blocking_call_within_a_loop_cannot_have_one(library: ModuleType) -> None:
    async def run() -> None:
        library.callLater(give_later)

    with pytest.raises(UsageError, match="its event loop waits for the call"):
        asyncio.run(run())


class TestWhatAnObjectDoesNotHave:
    def test_an_attribute(self, library: ModuleType) -> None:
        box = library.box()
        assert not hasattr(box, "nothing")
        assert 5 == getattr(box, "nothing", 5)
        with pytest.raises(AttributeError, match="has no nothing"):
            _ = box.nothing

    def test_a_member_that_is_undefined_is_there(self, library: ModuleType) -> None:
        assert hasattr(library.box(), "missing")

    def test_an_item(self, library: ModuleType) -> None:
        with pytest.raises(KeyError, match="has no nothing"):
            _ = library.box()["nothing"]

    def test_an_index(self, library: ModuleType) -> None:
        with pytest.raises(IndexError, match="has no 9"):
            _ = library.box()[9]


def test_an_object_as_an_argument_is_asked_for_nothing(library: ModuleType) -> None:
    spy, box = library.spy(), library.box()
    library.isBox(spy)
    link = _host.facts(_handle.binding(library.isBox).function._remote.reference())[0]
    assert link is not None
    before = link.calls
    assert (False, True) == (library.isBox(spy), library.isBox(box))
    assert 2 == link.calls - before
    assert 0 == library.asked
