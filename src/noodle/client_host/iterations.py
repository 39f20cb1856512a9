"""Iterations of the client over objects of this process, many items at a time."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from types import GeneratorType
from typing import Any

__all__ = ["AsyncIteration", "Iteration", "iteration"]

PATIENCE = 0.002
"""Chosen: seconds that the first item waits for further ones to come along."""


def iteration(target: Any) -> Iteration | AsyncIteration:
    """Return an iteration over an object.

    Raises:
        TypeError: It cannot be iterated.
    """
    if hasattr(type(target), "__aiter__"):
        return AsyncIteration(aiter(target))
    iterator = iter(target)
    # Only what holds its items already is read ahead: a generator does its work when it is asked,
    # and of an iterator that others read too, the items would be lost.
    holds = iterator is not target and not isinstance(iterator, GeneratorType)
    return Iteration(iterator, holds)


class Iteration:
    """An iterator that the client reads.

    Args:
        iterator: The iterator.
        ahead: Whether it may be read further than the client has come.
    """

    def __init__(self, iterator: Iterator[Any], ahead: bool) -> None:
        self._iterator = iterator
        self._ahead = ahead
        self._failure: BaseException | None = None

    def next(self, most: int) -> list[Any]:
        """Return whether it has ended, and at most so many items; one at least, if there is one."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        items: list[Any] = [False]
        until = time.monotonic() + PATIENCE
        while len(items) == 1 or (self._ahead and len(items) <= most and time.monotonic() < until):
            try:
                items.append(next(self._iterator))
            except StopIteration:
                items[0] = True
                break
            except BaseException as error:
                if len(items) == 1:
                    raise
                self._failure = error  # comes behind the items that came before it
                break
        return items

    def close(self) -> None:
        """End a generator; any other iterator may be read on by someone else."""
        if isinstance(self._iterator, GeneratorType):
            self._iterator.close()


class AsyncIteration:
    """An asynchronous iterator that the client reads, one item at a time.

    Args:
        iterator: The iterator.
    """

    def __init__(self, iterator: AsyncIterator[Any]) -> None:
        self._iterator = iterator

    async def next(self, most: int) -> list[Any]:
        """Return whether it has ended, and the next item."""
        try:
            return [False, await anext(self._iterator)]
        except StopAsyncIteration:
            return [True]

    def close(self) -> Coroutine[Any, Any, None] | None:
        """End an asynchronous generator."""
        close = getattr(self._iterator, "aclose", None)
        return close() if close is not None else None
