"""Iterators of a worker as Python's, and Python's as the worker's."""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

import noodle

SOURCE = """
import { EventEmitter, on } from "node:events";
import { Readable } from "node:stream";

export let closed = 0;
export let pulled = 0;
export function* poll(get) { for (;;) { const v = get(); if (v < 0) return; yield v; } }
export function* numbers() {
  try { for (let n = 1; ; n++) { pulled++; yield n; } } finally { closed++; }
}
export async function* later() {
  try { for (let n = 1; ; n++) yield n; } finally { closed++; }
}
export class Bag {
  *[Symbol.iterator]() { try { yield 1; yield 2; yield 3; } finally { closed++; } }
}
export const bag = () => new Bag();
export const entries = () => new Map([["a", 1], ["b", 2]]).entries();
export const stream = () => Readable.from(["a", "b", "c"]);
export const web = () => new ReadableStream({
  start(controller) { for (const n of [1, 2, 3]) controller.enqueue(n); controller.close(); },
});
export const all = async (source) => {
  const found = [];
  for await (const item of source) found.push(item);
  return found;
};
export const some = async (source) => { for await (const item of source) return item; };
export const sum = (source) => {
  let total = 0;
  for (const item of source) total += item;
  return total;
};
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    path = tmp_path_factory.mktemp("iteration") / "iteration.mjs"
    path.write_text(SOURCE, encoding="utf-8")
    return noodle.load(str(path))


def await_value(read: Callable[[], Any], expected: Any) -> None:
    limit = time.monotonic() + 30
    while read() != expected:
        assert time.monotonic() < limit, read()


def test_an_item_is_made_when_it_is_wanted_and_not_before(library: ModuleType) -> None:
    left = [3]
    seen = []
    for value in library.poll(lambda: left[0]):
        seen.append(value)
        left[0] -= 1
    assert [3, 2, 1, 0] == seen


def test_next_takes_one_item(library: ModuleType) -> None:
    before = library.pulled
    assert 1 == next(iter(library.numbers()))
    assert 1 == library.pulled - before


def test_an_iterator_keeps_its_place(library: ModuleType) -> None:
    numbers = library.numbers()
    assert iter(numbers) is numbers
    assert [1, 2, 3] == list(itertools.islice(numbers, 3))
    assert [4, 5] == list(itertools.islice(numbers, 2))
    for number in numbers:
        assert 6 == number
        break
    assert [(0, 7), (1, 8)] == list(zip(range(2), numbers, strict=False))
    numbers.close()
    assert [] == list(numbers)


def test_a_loop_over_an_object_ends_its_iterator(library: ModuleType) -> None:
    before = library.closed
    for item in library.bag():
        assert 1 == item
        break
    gc.collect()
    await_value(lambda: library.closed - before, 1)


@pytest.mark.parametrize("name", ["numbers", "later"])
def test_a_generator_that_is_let_go_ends(library: ModuleType, name: str) -> None:
    before = library.closed
    generator = getattr(library, name)()
    assert 1 == next(generator)
    del generator
    gc.collect()
    await_value(lambda: library.closed - before, 1)


def test_what_is_iterated_twice_begins_anew(library: ModuleType) -> None:
    bag = library.bag()
    assert ([1, 2, 3], [1, 2, 3]) == (list(bag), list(bag))


def test_pairs_of_a_map(library: ModuleType) -> None:
    assert [["a", 1], ["b", 2]] == list(library.entries())


@pytest.mark.parametrize(("name", "items"), [("stream", ["a", "b", "c"]), ("web", [1, 2, 3])])
class TestObjectsWithAnAsynchronousIteratorOnly:
    def test_for_waits_for_each_item(
        self, library: ModuleType, name: str, items: list[Any]
    ) -> None:
        assert items == list(getattr(library, name)())

    def test_async_for(self, library: ModuleType, name: str, items: list[Any]) -> None:
        async def collect() -> list[Any]:
            return [item async for item in getattr(library, name)()]

        assert items == asyncio.run(collect())


def test_async_for_over_an_asynchronous_generator_keeps_its_place(library: ModuleType) -> None:
    async def run() -> list[int]:
        generator = await library.later.aio()
        found = []
        for _ in range(2):
            async for number in generator:
                found.append(number)
                break
        await generator.aclose()
        return found + [number async for number in generator]

    assert [1, 2] == asyncio.run(run())


def test_for_over_an_asynchronous_generator(library: ModuleType) -> None:
    assert [1, 2, 3] == list(itertools.islice(library.later(), 3))


def test_async_for_over_an_object_that_is_iterable(library: ModuleType) -> None:
    async def collect() -> list[Any]:
        return [item async for item in library.bag()]

    assert [1, 2, 3] == asyncio.run(collect())


async def counting(end: int, ended: list[str]) -> AsyncIterator[int]:
    try:
        for number in range(end):
            await asyncio.sleep(0)
            yield number
    finally:
        ended.append("ended")


class TestIteratorsOfPython:
    def test_a_generator_in_a_loop(self, library: ModuleType) -> None:
        def numbers() -> Iterator[int]:
            yield from (1, 2, 3)

        assert 6 == library.sum(numbers())

    def test_an_asynchronous_generator_in_a_blocking_call(self, library: ModuleType) -> None:
        ended: list[str] = []
        assert [0, 1, 2] == library.all(counting(3, ended))
        assert ["ended"] == ended

    def test_an_asynchronous_generator_in_an_awaited_call(self, library: ModuleType) -> None:
        ended: list[str] = []

        async def run() -> Any:
            return await library.all.aio(counting(3, ended))

        assert [0, 1, 2] == asyncio.run(run())
        assert ["ended"] == ended

    def test_a_loop_that_ends_early_ends_an_asynchronous_generator(
        self, library: ModuleType
    ) -> None:
        ended: list[str] = []
        assert 0 == library.some(counting(3, ended))
        assert ["ended"] == ended
