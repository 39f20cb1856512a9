"""What the host asks of objects beyond calling them: attributes, items, iteration, texts, values."""

from __future__ import annotations

import importlib
import operator
import os
import sys
from itertools import islice
from types import ModuleType
from typing import Any, Callable

from . import core, protocol

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
        if isinstance(target, ModuleType) and _is_submodule(target, name):
            return importlib.import_module(f"{target.__name__}.{name}")
        raise


def _is_submodule(module: ModuleType, name: str) -> bool:
    import importlib.util

    if name.startswith("_") or not hasattr(module, "__path__"):
        return False
    try:
        return importlib.util.find_spec(f"{module.__name__}.{name}") is not None
    except (ImportError, ValueError):
        return False


def has(target: Any, name: str) -> bool:
    """Return whether an object has an attribute."""
    if hasattr(target, name):
        return True
    return isinstance(target, ModuleType) and _is_submodule(target, name)


def names(target: Any) -> list[str]:
    """Return the public names of an object."""
    return [name for name in dir(target) if not name.startswith("_")]


def set_item(target: Any, key: Any, value: Any) -> None:
    """Write an item."""
    target[key] = value


# ----------------------------------------------------------------------------------- Iteration


class Batches:
    """An iterator whose items the host takes many at a time."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self.failure: BaseException | None = None

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> Any:
        return next(self.source)


_failures: dict[int, tuple[Any, BaseException]] = {}
"""By the identity of an iterator, with it: what it raised after items that were delivered first."""


def advance(target: Any, most: int) -> Any:
    """Return [finished, item...], with at most ``most`` items."""
    if hasattr(type(target), "__anext__"):
        return _advance_later(target, most)
    kept = _failures.pop(id(target), None)
    if kept is not None:
        raise kept[1]
    items: list[Any] = []
    try:
        items.extend(islice(target, most))
    except Exception as error:
        if not items:
            raise
        _failures[id(target)] = (target, error)
        return [False, *items]
    return [len(items) < most, *items]


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


async def _gathered(results: list[Any]) -> list[Any]:
    import asyncio

    return list(
        await asyncio.gather(
            *(
                result if asyncio.iscoroutine(result) else _given(result)
                for result in results
            )
        )
    )


async def _given(value: Any) -> Any:
    return value


def batch(results: Any) -> Any:
    """Await the coroutines among the results of a batch."""
    return _gathered(results)


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


def load(target: Any, specifier: str, directory: str) -> ModuleType:
    """Import a module by its name, or run a file as one.

    Args:
        target: Nothing.
        specifier: A name, or a path, which contains a slash.
        directory: Where a relative path starts.
    """
    if "/" not in specifier:
        return importlib.import_module(specifier)
    return _run_file(os.path.join(directory, specifier))


def _run_file(path: str) -> ModuleType:
    import importlib.util

    path = os.path.abspath(path)
    name = "noodle_file_" + "".join(c if c.isalnum() else "_" for c in path)
    known = sys.modules.get(name)
    if known is not None:
        return known
    is_package = os.path.isdir(path)
    file = os.path.join(path, "__init__.py") if is_package else path
    spec = importlib.util.spec_from_file_location(
        name, file, submodule_search_locations=[path] if is_package else None
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"no Python file: {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def describe(target: Any, name: str) -> list[Any]:
    """Return [kind, parameters, documentation] of a member; see ``descriptions``."""
    from .descriptions import describe_member

    return describe_member(get(target, name), name)


def statistics(target: Any) -> dict[str, int]:
    """Return the counters of this worker by name."""
    return core.statistics()


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
    "__instancecheck__": lambda kind, value: isinstance(value, kind),
    "__subclasscheck__": lambda kind, other: issubclass(other, kind),
}


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
    protocol.IMPORT: load,
    protocol.DESCRIBE: describe,
    protocol.STATISTICS: statistics,
    protocol.BATCH: batch,
    protocol.CLOSE: close,
}
