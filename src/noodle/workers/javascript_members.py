"""What objects of this process are to JavaScript, where that differs from what they are to Python.

JavaScript does not tell attributes from items: a mapping's items are the members of an object, and
a sequence's those of an array.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableSequence, Sequence
from functools import cache
from typing import Any

from noodle.errors import ArgumentRangeError, ArgumentTypeError
from noodle.values import qualified_name
from noodle.workers import attributes
from noodle.workers.operations import Operation

__all__ = ["ACTIONS"]


def _get(target: Any, name: str) -> Any:
    if isinstance(target, Mapping) and name in target:
        return target[name]
    return attributes.get(target, name)


def _set(target: Any, name: str, value: Any) -> None:
    if isinstance(target, Mapping):
        target[name] = value  # type: ignore[index]
    elif name == "length" and isinstance(target, MutableSequence):
        _shorten(target, value)
    else:
        attributes.set_value(target, name, value)


def _delete(target: Any, name: str) -> None:
    if not isinstance(target, Mapping):
        attributes.delete(target, name)
    elif name in target:
        del target[name]  # type: ignore[attr-defined]


def _has(target: Any, key: str | int) -> bool:
    if isinstance(target, Mapping) and (key in target or str(key) in target):
        return True
    if isinstance(key, int):
        return isinstance(target, Sequence) and 0 <= key < len(target)
    return attributes.has(target, key)


def _names(target: Any) -> list[str]:
    """Return the names of an object's members, and the indices of a sequence's items."""
    if isinstance(target, Mapping):
        return [key for key in target if isinstance(key, str)]
    if isinstance(target, Sequence):
        return [str(index) for index in range(len(target))]
    return attributes.names(target)


def _key(target: Any, key: Any) -> Any:
    """Return the key that ``x[1]`` means: of an object in JavaScript it is a text."""
    if isinstance(target, Mapping) and key not in target and str(key) in target:
        return str(key)
    return key


def _item(target: Any, key: Any) -> Any:
    return target[_key(target, key)]


def _set_item(target: Any, key: Any, value: Any) -> Any:
    """Set an item; behind the last one of a sequence it is added, as JavaScript's arrays do.

    A list as key, of an index and a count, means so many items of a sequence: ``value`` lists what
    takes their place, and the old ones are returned.
    """
    if isinstance(target, MutableSequence):
        if isinstance(key, list):
            return _splice(target, key[0], key[1], value)
        if key == len(target):
            return target.append(value)
    target[_key(target, key)] = value
    return None


def _splice(
    target: MutableSequence[Any], start: int, count: int, items: Sequence[Any]
) -> list[Any]:
    removed = [target[index] for index in range(start, min(start + count, len(target)))]
    for _ in removed:
        del target[start]
    for offset, item in enumerate(items):
        target.insert(start + offset, item)
    return removed


def _shorten(target: MutableSequence[Any], length: int) -> None:
    if isinstance(length, bool) or length not in range(len(target) + 1):
        raise ArgumentRangeError(
            "the length of a sequence of Python cannot be set to that",
            expected=f"a whole number from 0 to {len(target)}",
            received=repr(length)[:40],
            remedy="add items with push()",
        )
    while len(target) > length:
        del target[-1]


def _describe(target: Any) -> list[Any]:
    """Return what of JavaScript's an object is like: the methods of arrays go by it."""
    if isinstance(target, MutableSequence):
        return ["array", True]
    return ["array" if isinstance(target, Sequence) else "object", False]


@cache
def _texts() -> tuple[type, ...]:
    from decimal import Decimal
    from fractions import Fraction
    from pathlib import PurePath
    from uuid import UUID

    return (Decimal, Fraction, UUID, PurePath)


_VALUES = (Mapping, list, tuple, set, frozenset, str, bytes, int, float, type(None))


def _json_value(target: Any) -> Any:
    """Return what ``JSON.stringify`` writes of an object, in the place of it.

    Raises:
        ArgumentTypeError: It has no such form.
    """
    import dataclasses
    from datetime import date, time
    from enum import Enum

    if isinstance(target, Enum):
        return target.value
    if isinstance(target, _texts()):
        return str(target)
    if isinstance(target, (date, time)):
        return target.isoformat()
    if isinstance(target, Mapping):
        return dict(target)
    if isinstance(target, _VALUES) or hasattr(target, "__array_interface__"):
        return target
    if dataclasses.is_dataclass(target) and not isinstance(target, type):
        names = [field.name for field in dataclasses.fields(target)]
    elif hasattr(target, "__dict__"):
        names = list(vars(target))
    else:
        raise ArgumentTypeError(
            "an object has no form in JSON",
            expected="a value, a dataclass, or an object with attributes",
            received=qualified_name(type(target)),
            remedy="pass a text or a dict in its place",
        )
    return {name: getattr(target, name) for name in names if not name.startswith("_")}


ACTIONS: dict[int, Callable[..., Any]] = {
    Operation.GET: _get,
    Operation.SET: _set,
    Operation.DELETE: _delete,
    Operation.HAS: _has,
    Operation.NAMES: _names,
    Operation.ITEM: _item,
    Operation.SET_ITEM: _set_item,
    Operation.VALUE: _json_value,
    Operation.DESCRIBE: _describe,
}
"""By operation; whatever is not here is as for Python."""
