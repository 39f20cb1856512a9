"""Structures that are given as dicts of their fields: ``{"x": 1, "y": 2}``.

A dict names every field; of those that share memory, as in a union, one. What C writes to a
structure that was made of a dict, the dict has when the function has returned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from noodle.bridges.native.argument_rules import Refusal
from noodle.calls import BoundFunction
from noodle.errors import ArgumentError, ArgumentTypeError, did_you_mean

if TYPE_CHECKING:
    from noodle.bridges.native.structure_items import Place
    from noodle.bridges.native.structure_objects import StructureObject
    from noodle.bridges.native.structures import StructureType

__all__ = ["bound_with_fields", "fields_refusal", "made_for", "made_of", "structure_rule"]


def made_of(type: StructureType, fields: dict[Any, Any]) -> StructureObject:
    """Return a new structure with these fields.

    Args:
        type: What it is.
        fields: Its fields by name.

    Raises:
        ArgumentError: A name is none of its fields, one is missing, or a value does not fit.
    """
    refused = _names_refusal(type, fields)
    if refused is None:
        return type(**fields)
    raise refused.error(
        f"{type} cannot be made of the dict",
        expected=refused.expected,
        received=refused.received,
        where=str(type),
        remedy=refused.remedy,
    )


def fields_refusal(type: StructureType, fields: dict[Any, Any]) -> Refusal | None:
    """Say why a structure cannot be made of fields, or return None when it can.

    Args:
        type: What it is.
        fields: Its fields by name.
    """
    try:
        made_of(type, fields)
    except ArgumentError as error:
        known = error.where in (None, str(type))
        expected = str(error.expected) + ("" if known else f" for {error.where}")
        return Refusal(error.__class__, expected, str(error.received), error.remedy)
    return None


def _names_refusal(type: StructureType, fields: dict[Any, Any]) -> Refusal | None:
    places = type.places
    expected = f"{type}, or a dict with the fields {', '.join(places)}"
    for name in fields:
        if name not in places:
            remedy = did_you_mean(str(name), places)
            return Refusal(ArgumentTypeError, expected, f"a dict with {repr(name)[:80]}", remedy)
    given = {name: places[name] for name in fields}
    taken = given.values()
    lacking = [
        name
        for name, place in places.items()
        if name not in given and place.item.size and not any(_share(place, p) for p in taken)
    ]
    if lacking:
        received = f"a dict without {', '.join(lacking)}"
        return Refusal(ArgumentTypeError, expected, received, _zeros(type))
    return _shared_refusal(type, given)


def _shared_refusal(type: StructureType, given: Mapping[str, Place]) -> Refusal | None:
    listed = list(given.items())
    for index, (name, place) in enumerate(listed):
        for other, second in listed[:index]:
            if _share(place, second):
                expected = f"{type} with one of {other} and {name}, which share memory"
                return Refusal(ArgumentTypeError, expected, "a dict with both")
    return None


def _zeros(type: StructureType) -> str:
    kind, _, name = str(type).partition(" ")
    return f'library.{kind}("{name}")(…), where what is left out is zero'


def _share(one: Place, other: Place) -> bool:
    (start, end), (first, last) = one.span, other.span
    return start < last and first < end


def structure_rule(rule: Any) -> Any:
    """Return the rules among rules that are a structure's, or None where there are none."""
    while rule is not None and not hasattr(rule, "structure"):
        rule = getattr(rule, "rules", None)
    return rule


def made_for(rule: Any, value: Any) -> Any:
    """Return the structure for a dict that a rule accepts; anything else as it is."""
    found = structure_rule(rule) if isinstance(value, dict) else None
    return made_of(found.structure, value) if found else value


def bound_with_fields(
    bind: Callable[[tuple[Any, ...], Mapping[str, Any]], BoundFunction],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    rules: Mapping[int | str, Any],
) -> BoundFunction:
    """Return a function that is ready for calls with dicts in place of structures.

    Args:
        bind: Makes it ready for calls with structures.
        args: The positional arguments of the call that is planned.
        kwargs: Its keyword arguments.
        rules: The rules of those that are dicts, by position or keyword.
    """
    given, named, _ = _with_structures(args, kwargs, rules)
    bound = bind(tuple(given), named)
    target = bound.callable
    written = [key for key, rule in rules.items() if rule.native.writes]

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            given, named, made = _with_structures(args, kwargs, rules)
        except ArgumentError as error:
            raise TypeError from error
        result = target(*given, **named)
        for key in written:
            _write_back(made[key], kwargs[key] if isinstance(key, str) else args[key])
        if hasattr(result, "add_done_callback"):
            result.add_done_callback(lambda _: made)  # they stay until the call has ended
        return result

    return replace(bound, callable=call)


def _with_structures(
    args: Sequence[Any], kwargs: Mapping[str, Any], rules: Mapping[int | str, Any]
) -> tuple[list[Any], dict[str, Any], dict[int | str, StructureObject]]:
    given, named = list(args), dict(kwargs)
    made: dict[int | str, StructureObject] = {}
    for key, rule in rules.items():
        if isinstance(key, str):
            named[key] = made[key] = made_of(rule.structure, named[key])
        else:
            given[key] = made[key] = made_of(rule.structure, given[key])
    return given, named, made


def _write_back(structure: StructureObject, fields: dict[str, Any]) -> None:
    """Put what is in a structure now into the dict that it was made of."""
    for name, given in fields.items():
        fields[name] = _plain(structure[name], given)


def _plain(found: Any, given: Any) -> Any:
    """Return what a field has now, in the form in which it was given."""
    if isinstance(found, Sequence) and not isinstance(found, (str, bytes)):
        return [_plain(*pair) for pair in zip(found, given, strict=False)]
    if isinstance(given, dict) and hasattr(found, "__noodle_type__"):
        _write_back(found, given)
        return given
    return found
