"""What a Python library itself tells of its members, once it was imported."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

from noodle.bridges.python import PythonLibrary, is_function
from noodle.bridges.python_declarations.annotations import Annotations
from noodle.bridges.python_descriptions import Declared, read_declared
from noodle.bridges.python_remote import RemotePythonLibrary
from noodle.errors import NoodleError
from noodle.stubs.model import (
    StubAlias,
    StubClass,
    StubConstant,
    StubFunction,
    StubMember,
    StubParameter,
    StubSignature,
)

__all__ = ["seen_here", "seen_in_worker"]

_SIMPLE = (bool, int, float, str, bytes)


def seen_here(library: PythonLibrary, annotations: Annotations) -> Iterator[StubMember]:
    """Yield what an imported module has.

    Args:
        library: The module.
        annotations: Writes annotations.
    """
    for name in library.names():
        try:
            value = library.value(name)
        except Exception:  # a member may be code of the library, which may raise anything
            continue
        member = _member(name, value, library.name, annotations)
        if member is not None:
            yield member


def _member(name: str, value: object, library: str, annotations: Annotations) -> StubMember | None:
    if isinstance(value, ModuleType):
        own = value.__name__.startswith(f"{library}.")
        return StubAlias(name, value.__name__) if own else None
    if isinstance(value, type):
        return _class(name, value, annotations)
    if is_function(value):
        return _function(name, value, annotations)
    kind = type(value)
    annotation = kind.__name__ if kind in _SIMPLE else annotations.of_value(kind)
    return StubConstant(name, annotation)


def _class(name: str, value: type, annotations: Annotations) -> StubMember:
    module, own = value.__module__, value.__qualname__
    if module != annotations.own and own.isidentifier() and annotations.is_typed(module, own):
        return StubAlias(name, module, own)
    members = [
        _method(one, member, annotations)
        for one, member in vars(value).items()
        if not one.startswith("_") and (callable(member) or hasattr(member, "__get__"))
    ]
    signatures = _signatures(value, annotations)
    made = [StubFunction("__init__", tuple(map(_with_self, signatures)))] if signatures else []
    return StubClass(name, (*made, *members), documentation=_documentation(value))


def _method(name: str, member: Any, annotations: Annotations) -> StubFunction | StubConstant:
    if isinstance(member, (staticmethod, classmethod)):
        kind = type(member).__name__
        signatures = _signatures(member.__func__, annotations)
        return StubFunction(name, signatures, _documentation(member), decorator=kind)
    if callable(member):
        return _function(name, member, annotations)
    return StubConstant(name, documentation=_documentation(member))


def _with_self(signature: StubSignature) -> StubSignature:
    return StubSignature((StubParameter("self"), *signature.parameters), "None")


def _function(name: str, value: Any, annotations: Annotations) -> StubFunction:
    awaited = inspect.iscoroutinefunction(value)
    return StubFunction(name, _signatures(value, annotations), _documentation(value), awaited)


def _signatures(value: Any, annotations: Annotations) -> tuple[StubSignature, ...]:
    try:
        signature = inspect.signature(value)
    except (ValueError, TypeError):
        return ()
    empty = inspect.Parameter.empty
    parameters = (
        StubParameter(
            p.name,
            "" if p.annotation is empty else annotations.of_value(p.annotation),
            p.kind,
            None if p.default is empty else _shown(p.default),
        )
        for p in signature.parameters.values()
    )
    returned = signature.return_annotation
    result = "" if returned is empty else annotations.of_value(returned)
    return (StubSignature(tuple(parameters), result),)


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, (*_SIMPLE, type(None))) else "..."


def _documentation(value: Any) -> str:
    text = getattr(value, "__doc__", None)
    return inspect.cleandoc(text) if isinstance(text, str) else ""


def seen_in_worker(library: RemotePythonLibrary, own: str) -> Iterator[StubMember]:
    """Yield what a module in a worker has, as the worker describes it.

    Args:
        library: The module.
        own: Its name in that process.
    """
    for name in library.names():
        try:
            kind, details, documentation = library.description(name)
        except NoodleError:
            continue
        told = inspect.cleandoc(documentation or "")
        signatures = _told(read_declared(details), own) if isinstance(details, dict) else ()
        if kind in ("function", "async function"):
            yield StubFunction(name, signatures, told, kind != "function")
        elif kind == "class":
            made = [StubFunction("__init__", tuple(map(_with_self, signatures)))]
            yield StubClass(name, tuple(made if signatures else ()), documentation=told)
        elif kind == "exception":
            yield StubClass(name, bases=("Exception",), documentation=told)
        elif kind == "value":
            yield StubConstant(name)


def _told(declared: Declared | None, own: str) -> tuple[StubSignature, ...]:
    if declared is None:
        return ()
    parameters: Sequence[StubParameter] = [
        StubParameter(name, _type_of(kind_name, own), inspect._ParameterKind(kind), default)
        for name, kind, default, kind_name in declared.parameters
    ]
    return (StubSignature(tuple(parameters), _type_of(declared.result, own)),)


def _type_of(name: str | None, own: str) -> str:
    """Return the annotation for the name of a class; nothing for one of another package."""
    if name is None or "." not in name:
        return name or ""
    return name.removeprefix(f"{own}.") if name.startswith(f"{own}.") else ""
