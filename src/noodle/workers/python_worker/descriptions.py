"""What members of modules are and declare, for the host to make handles and namespaces of."""

from __future__ import annotations

import builtins
import functools
import inspect
import typing
from types import ModuleType
from typing import Any

__all__ = ["describe_member", "describe_module"]


def describe_member(value: Any, name: str) -> list[Any]:
    """Return [kind, details, documentation] of a member of a module.

    Args:
        value: The member.
        name: Its name.

    Returns:
        ``function`` or ``async function`` with its parameters, or None where they cannot be read;
        ``exception`` with its name and those of its bases; ``class``, ``module`` or ``value``.
    """
    documentation = getattr(value, "__doc__", None)
    text = documentation if isinstance(documentation, str) else None
    if isinstance(value, ModuleType):
        return ["module", None, text]
    if isinstance(value, type):
        if issubclass(value, BaseException):
            return ["exception", exception_names(value), text]
        return ["value" if is_built_in(value) else "class", parameters_of(value), text]
    if is_function(value):
        kind = "async function" if inspect.iscoroutinefunction(value) else "function"
        return [kind, parameters_of(value), text]
    return ["value", None, text]


def is_built_in(kind: type) -> bool:
    """Return whether a class goes by value: the host has the same one."""
    from .errors import MADE_IN_PYTHON

    is_static = type(kind) is type and not kind.__flags__ & MADE_IN_PYTHON
    return is_static and vars(builtins).get(kind.__name__) is kind


def is_function(value: object) -> bool:
    """Return whether a value is called through a handle: a callable with a name, but no class."""
    if not callable(value):
        return False
    try:
        name = getattr(value, "__name__", None)
    except Exception:  # a proxy may have nothing behind it yet, and raise anything
        return False
    return isinstance(value, functools.partial) or isinstance(name, str)


def exception_names(kind: type) -> list[str]:
    """Return the names of an exception class and of those that it derives from."""
    from .errors import type_name

    return [type_name(base) for base in kind.__mro__[:-1]]


def parameters_of(function: Any) -> dict[str, Any] | None:
    """Return what a callable declares, or None where that cannot be read.

    Returns:
        ``parameters`` as [name, number of its kind, default as text or None, type], and ``result``,
        a type. Types are the names of plain classes, or None.
    """
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return None
    hints = type_hints(function)
    parameters = [
        [
            p.name,
            int(p.kind),
            None if p.default is p.empty else default_text(p.default),
            class_name(hints.get(p.name)),
        ]
        for p in signature.parameters.values()
    ]
    return {"parameters": parameters, "result": class_name(hints.get("return"))}


def default_text(value: object) -> str:
    """Return a default as it is shown, in one line."""
    try:
        text = repr(value)
    except Exception:
        text = "..."
    return text if len(text) < 60 else "..."


def type_hints(function: Any) -> dict[str, Any]:
    """Return the annotations, resolved."""
    try:
        return typing.get_type_hints(function)
    except Exception:  # annotations are code of the library and may raise anything
        return {}


def class_name(hint: object) -> str | None:
    """Return the name of the plain class that an annotation names, or None for any other."""
    origin = typing.get_origin(hint) or hint
    if not isinstance(origin, type) or origin in (object, float, complex, type(None)):
        return None
    structural = getattr(origin, "_is_protocol", False) or hasattr(origin, "__total__")
    if structural or inspect.isabstract(origin):
        return None
    builtin = origin.__module__ == "builtins"
    return origin.__qualname__ if builtin else f"{origin.__module__}.{origin.__qualname__}"


def describe_module(name: str) -> list[Any]:
    """Return [``module``, facts, documentation] of an installed module.

    Returns:
        ``version`` and ``distribution`` where they are known, and ``interpreter``.
    """
    import sys

    from .modules import distribution_of

    module = sys.modules.get(name)
    distribution, version = distribution_of(name)
    stated = getattr(module, "__version__", None)
    facts = {
        "distribution": distribution,
        "version": version if version is not None else stated if isinstance(stated, str) else None,
        "interpreter": sys.executable,
    }
    return ["module", facts, getattr(module, "__doc__", None)]
