"""What the host asks of objects beyond calls: attributes, items, iteration, texts, values."""

from __future__ import annotations

import importlib
import operator
from collections.abc import Callable
from itertools import islice
from types import GeneratorType, ModuleType
from typing import Any

from . import core, protocol
from .modules import is_submodule, load

__all__ = ["serve"]


def serve(operation: int, target: Any, *arguments: Any) -> Any:
    """Do what the host asks of an object.

    Args:
        operation: One of ``noodle/protocol.h``.
        target: The object; None for the worker itself.
        arguments: The arguments of the operation.
    """
    action = _ACTIONS.get(operation)
    if action is None:
        raise NotImplementedError(f"a Python worker has no operation {operation}")
    return action(target, *arguments)


# ---------------------------------------------------------------------------------- Attributes


def get(target: Any, name: str) -> Any:
    """Read an attribute; of a package, also a module that is not imported yet."""
    try:
        return getattr(target, name)
    except AttributeError:
        if isinstance(target, ModuleType) and is_submodule(target, name):
            return importlib.import_module(f"{target.__name__}.{name}")
        raise


def has(target: Any, name: str) -> bool:
    """Return whether an object has an attribute."""
    if hasattr(target, name):
        return True
    return isinstance(target, ModuleType) and is_submodule(target, name)


def names(target: Any) -> list[str]:
    """Return the public names of an object."""
    return [name for name in dir(target) if not name.startswith("_")]


def set_item(target: Any, key: Any, value: Any) -> None:
    """Write an item."""
    target[key] = value


# ----------------------------------------------------------------------------------- Iteration


_failures: dict[int, tuple[Any, BaseException]] = {}
"""By the identity of an iterator, with it: what it raised after items that were delivered first."""


def advance(target: Any, most: int) -> Any:
    """Return [finished, item...], with at most ``most`` items."""
    if hasattr(type(target), "__anext__"):
        return _advance_later(target, most)
    kept = _failures.pop(id(target), None)
    if kept is not None:
        raise kept[1]
    if isinstance(target, GeneratorType) and most == 1:
        return _advance_generator(target)
    items: list[Any] = []
    try:
        items.extend(islice(target, most))
    except Exception as error:
        if not items:
            raise
        _failures[id(target)] = (target, error)
        return [False, *items]
    return [len(items) < most, *items]


def _advance_generator(target: Any) -> list[Any]:
    """Return [False, item]; at the end a list with what the generator returns is ``finished``."""
    try:
        return [False, next(target)]
    except StopIteration as end:
        return [[end.value]]


async def _advance_later(target: Any, most: int) -> list[Any]:
    try:
        return [False, await target.__anext__()]
    except StopAsyncIteration:
        return [True]


def iterate(target: Any) -> Any:
    """Return an iterator, which goes by reference."""
    if hasattr(type(target), "__aiter__") and not hasattr(type(target), "__iter__"):
        return target.__aiter__()
    iterator = iter(target)
    return iterator


def close(target: Any) -> Any:
    """End an iterator early, or whatever else can be closed."""
    _failures.pop(id(target), None)
    for name in ("aclose", "close"):
        action = getattr(target, name, None)
        if callable(action):
            result = action()
            return _awaited(result) if hasattr(type(result), "__await__") else None
    return None


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


async def batch(results: list[Any], failure: BaseException | None) -> list[Any]:
    """Await the coroutines among the results of a batch.

    Args:
        results: What the calls gave.
        failure: What the call behind them raised, or None.

    Returns:
        The results up to the first that failed, and behind them its exception.
    """
    import asyncio

    waiting = [asyncio.ensure_future(r) for r in results if asyncio.iscoroutine(r)]
    done = iter(await asyncio.gather(*waiting, return_exceptions=True))
    values: list[Any] = []
    for result in results:
        value = next(done) if asyncio.iscoroutine(result) else result
        if isinstance(value, BaseException) and value is not result:
            return [values, value]
        values.append(value)
    return [values] if failure is None else [values, failure]


# ------------------------------------------------------------------------------------- Values


def value_of(target: Any) -> Any:
    """Return an object by value.

    Raises:
        TypeError: It has no value that can be sent.
    """
    import dataclasses
    from collections import abc

    if dataclasses.is_dataclass(target) and not isinstance(target, type):
        return {f.name: getattr(target, f.name) for f in dataclasses.fields(target)}
    if isinstance(target, abc.Mapping):
        return dict(target)
    if isinstance(target, abc.Set):
        return set(target)
    if isinstance(target, abc.Iterable) and not isinstance(target, (type, ModuleType)):
        tolist = getattr(target, "tolist", None)
        return tolist() if callable(tolist) else list(target)
    raise TypeError(f"{type(target).__qualname__} has no value that can be sent")


# ------------------------------------------------------------------------------------- Modules


def import_module(target: Any, specifier: str, directory: str) -> ModuleType:
    """Import a module; see ``modules``."""
    return load(specifier, directory)


def describe(target: Any, name: str) -> list[Any]:
    """Return [kind, details, documentation] of a member, or of a module by its name."""
    from .descriptions import describe_member, describe_module

    return describe_module(name) if target is None else describe_member(get(target, name), name)


def statistics(target: Any) -> dict[str, int]:
    """Return the counters of this worker by name."""
    return core.statistics()


def collect(_: Any) -> None:
    """Look for what nobody uses: the host has no more memory for this worker."""
    import gc

    gc.collect()


# ----------------------------------------------------------------------------------- Operators


def _reflected(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda target, other: function(other, target)


_BINARY = "add sub mul matmul truediv floordiv mod pow lshift rshift and or xor"

_SPECIAL: dict[str, Callable[..., Any]] = {
    **{f"__{n}__": getattr(operator, f"__{n}__") for n in _BINARY.split()},
    **{f"__r{n}__": _reflected(getattr(operator, f"__{n}__")) for n in _BINARY.split()},
    **{f"__i{n}__": getattr(operator, f"__i{n}__") for n in _BINARY.split()},
    **{f"__{n}__": getattr(operator, n) for n in "eq ne lt le gt ge neg pos abs invert".split()},
    "__divmod__": divmod,
    "__rdivmod__": _reflected(divmod),
    "__contains__": operator.contains,
    "__delitem__": operator.delitem,
    "__index__": operator.index,
    "__bool__": bool,
    "__int__": int,
    "__float__": float,
    "__hash__": hash,
    "__repr__": repr,
    "__round__": round,
    "__reversed__": reversed,
    "__format__": format,
    "__bytes__": bytes,
    "__exit__": lambda target, error: target.__exit__(*_raised(error)),
    "__aenter__": lambda target: _awaited(target.__aenter__()),
    "__aexit__": lambda target, error: _awaited(target.__aexit__(*_raised(error))),
    "__instancecheck__": lambda kind, value: isinstance(value, kind),
    "__subclasscheck__": lambda kind, other: issubclass(other, kind),
}


def _raised(error: BaseException | None) -> tuple[Any, Any, Any]:
    """Return what a context manager is told of an exception in its block."""
    return (None, None, None) if error is None else (type(error), error, error.__traceback__)


def special(target: Any, name: str, *arguments: Any) -> Any:
    """Do what an operator or a built-in function does, both operands having their say."""
    action = _SPECIAL.get(name)
    if action is not None:
        return action(target, *arguments)
    method = getattr(target, name)
    return method(*arguments)


def set_attribute(target: Any, name: str, value: Any) -> None:
    """Write an attribute."""
    setattr(target, name, value)


def delete(target: Any, name: str) -> None:
    """Delete an attribute."""
    delattr(target, name)


_ACTIONS: dict[int, Callable[..., Any]] = {
    protocol.METHOD: special,
    protocol.GET: get,
    protocol.SET: set_attribute,
    protocol.DELETE: delete,
    protocol.HAS: has,
    protocol.NAMES: names,
    protocol.ITEM: operator.getitem,
    protocol.SET_ITEM: set_item,
    protocol.LENGTH: len,
    protocol.ITERATE: iterate,
    protocol.NEXT: advance,
    protocol.AWAIT: _awaited,
    protocol.TEXT: str,
    protocol.VALUE: value_of,
    protocol.IMPORT: import_module,
    protocol.DESCRIBE: describe,
    protocol.STATISTICS: statistics,
    protocol.BATCH: batch,
    protocol.CLOSE: close,
    protocol.COLLECT: collect,
}
