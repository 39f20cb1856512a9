"""What workers ask of objects that live here, beyond calling them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from itertools import islice
from typing import Any

from noodle import _host
from noodle.errors import InternalError
from noodle.workers import attributes, javascript_members
from noodle.workers.operations import Operation

__all__ = ["perform"]


def perform(link: _host.Link, operation: int, target: Any, arguments: list[Any]) -> Any:
    """Do what a worker asks of an object of this process.

    Args:
        link: The worker that asks.
        operation: One of ``Operation``; a plain call does not come here.
        target: The object.
        arguments: The arguments of the operation.

    Returns:
        What is sent back.

    Raises:
        InternalError: Objects of this side do not have that operation.
    """
    action = None if link.is_python else javascript_members.ACTIONS.get(operation)
    action = action or _ACTIONS.get(operation)
    if action is None:
        raise InternalError(
            "a worker asked for an operation that this side does not have",
            received=str(operation),
            where=f"worker {link.name}",
        )
    return action(target, *arguments)


def _call_named(target: Any, named: dict[str, Any], *arguments: Any) -> Any:
    return target(*arguments, **named)


def _method(target: Any, name: str, *arguments: Any) -> Any:
    return attributes.get(target, name)(*arguments)


def _item(target: Any, key: Any) -> Any:
    return target[key]


def _set_item(target: Any, key: Any, value: Any) -> None:
    target[key] = value


def _iterate(target: Any) -> _host.ByReference:
    is_async = hasattr(target, "__aiter__") and not hasattr(target, "__iter__")
    return _host.ByReference(aiter(target) if is_async else iter(target))


def _next(target: Any, most: int = 1) -> Any:
    if not hasattr(target, "__next__"):
        return _next_later(target)
    items = list(islice(target, most))
    return [len(items) < most, *items]


async def _next_later(target: AsyncIterator[Any]) -> list[Any]:
    try:
        return [False, await anext(target)]
    except StopAsyncIteration:
        return [True]


def _close(target: Any) -> Any:
    close = getattr(target, "close", None) or getattr(target, "aclose", None)
    return close() if close is not None else None


_ACTIONS: dict[int, Callable[..., Any]] = {
    Operation.CALL_NAMED: _call_named,
    Operation.METHOD: _method,
    Operation.NEW: lambda target, *arguments: target(*arguments),
    Operation.GET: attributes.get,
    Operation.SET: attributes.set_value,
    Operation.DELETE: attributes.delete,
    Operation.HAS: attributes.has,
    Operation.NAMES: attributes.names,
    Operation.ITEM: _item,
    Operation.SET_ITEM: _set_item,
    Operation.LENGTH: len,
    Operation.ITERATE: _iterate,
    Operation.NEXT: _next,
    Operation.AWAIT: lambda target: target,
    Operation.TEXT: str,
    Operation.VALUE: lambda target: target,
    Operation.CLOSE: _close,
}
