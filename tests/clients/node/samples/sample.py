"""What the tests call from Node.js."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

values: dict[str, Any] = {"seen": 0}


def echo(value: Any) -> Any:
    return value


def told(value: Any) -> str:
    """How Python shows a value."""
    return f"{type(value).__name__} {value!r}"


def keywords(*args: Any, **kwargs: Any) -> dict[str, Any]:
    return {"args": list(args), "kwargs": kwargs}


def naive() -> datetime:
    return datetime(2024, 1, 1)


def moment() -> datetime:
    return datetime(2024, 2, 29, 12, 30, 15, 250_000, tzinfo=UTC)


def cyclic() -> list[Any]:
    values: list[Any] = [1]
    values.append({"back": values})
    return values


def fail(message: str = "it failed") -> None:
    def inner() -> None:
        raise ValueError(message)

    try:
        inner()
    except ValueError as error:
        error.add_note("a note")
        raise RuntimeError("outer") from error


def fail_together() -> None:
    try:
        fail()
    except RuntimeError as error:
        raise ExceptionGroup("two", [error, ExceptionGroup("one", [KeyError("x")])]) from None


def collected(function: Callable[[], Any]) -> list[str]:
    """What the error of a callback has collected, with what that has."""
    try:
        function()
    except Exception as error:
        return _texts(error)
    return []


def _texts(error: BaseException) -> list[str]:
    inner = getattr(error, "errors", ())
    return [text for each in inner for text in (str(each), *_texts(each))]


class Custom(Exception):
    pass


def fail_custom() -> None:
    raise Custom("mine")


def leave() -> None:
    raise SystemExit(3)


def call(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


def call_named(function: Callable[..., Any]) -> Any:
    return function(1, size=2)


def call_twice(function: Callable[..., Any]) -> list[Any]:
    return [function(1), function(2)]


def call_in_thread(function: Callable[..., Any], *args: Any) -> Any:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(function(*args)))
    thread.start()
    thread.join()
    return found[0]


def catching(function: Callable[[], Any]) -> dict[str, Any]:
    try:
        function()
    except BaseException as error:
        kinds = [kind.__name__ for kind in type(error).__mro__]
        frames = [list(frame) for frame in getattr(error, "frames", ())]
        return {
            "kinds": kinds,
            "text": str(error),
            "frames": frames,
            "shown": "".join(traceback.format_exception(error)),
        }
    return {}


def wrapping(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except ValueError as error:
        raise RuntimeError("it did not work") from error


def thread_id() -> int:
    return threading.get_ident()


_lock = threading.RLock()


def holding(function: Callable[[], Any]) -> Any:
    """Call something while a lock is held that only this thread can take again."""
    with _lock:
        return function()


def slow(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def busy(function: Callable[[], Any] | None = None) -> None:
    """Compute for ever without letting any other thread of Python run."""
    if function is not None:
        function()
    import re

    re.match(r"(a+)+$", "a" * 64 + "b")


def hold(function: Callable[[], Any]) -> Any:
    """Keep a function for later."""
    values["held"] = function


def held() -> Any:
    return values["held"]()


def let_go() -> None:
    values.pop("held", None)


async def later(value: Any, seconds: float = 0) -> Any:
    await asyncio.sleep(seconds)
    return value


async def fail_later() -> None:
    await asyncio.sleep(0)
    raise LookupError("later")


async def call_later(function: Any, *args: Any) -> Any:
    return await function.aio(*args)


async def call_blocking(function: Any, *args: Any) -> Any:
    return function(*args)


async def never() -> None:
    values["begun"] = values.get("begun", 0) + 1
    try:
        await asyncio.sleep(1e6)
    except asyncio.CancelledError:
        values["cancelled"] = values.get("cancelled", 0) + 1
        raise


def seen(name: str) -> Any:
    return values.get(name)


def count(end: int) -> Iterator[int]:
    try:
        for number in range(end):
            values["produced"] = number
            yield number
    finally:
        values["closed"] = True


def count_and_fail(end: int) -> Iterator[int]:
    yield from range(end)
    raise ValueError("no more")


async def count_later(end: int) -> AsyncIterator[int]:
    for number in range(end):
        await asyncio.sleep(0)
        yield number


class Slow:
    """An iterator that is nobody's own: what is read of it is gone for others."""

    def __init__(self) -> None:
        self.at = 0

    def __iter__(self) -> Slow:
        return self

    def __next__(self) -> int:
        self.at += 1
        return self.at


class Counter:
    """Counts."""

    steps = (1, 2, 3)
    _private = "secret"

    def __init__(self, start: int = 0) -> None:
        self.value = start
        self.names = {"a": [10, 20], 5: "five"}
        self.me = self

    @property
    def double(self) -> int:
        return 2 * self.value

    def add(self, by: int = 1, *, times: int = 1) -> Counter:
        """Add to the value."""
        self.value += by * times
        return self

    def __len__(self) -> int:
        return self.value

    def __str__(self) -> str:
        return f"at {self.value}"

    def __getitem__(self, key: Any) -> Any:
        return self.names[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.names[key] = value

    def __delitem__(self, key: Any) -> None:
        del self.names[key]


@dataclass
class Point:
    x: float
    y: float


def process_id() -> int:
    return os.getpid()


def end(code: int) -> None:
    os._exit(code)


def fork_and_call(function: Callable[[], Any]) -> str:
    """Call the client's function in a child of a fork; return what that gives there."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = str(function())
        except Exception as error:
            answer = type(error).__name__
        os.write(write, answer.encode())
        os._exit(0)
    os.waitpid(child, 0)
    return os.read(read, 100).decode()


def fork_and_return() -> str:
    """Return in the child of a fork too."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return "parent" if child else "child"
