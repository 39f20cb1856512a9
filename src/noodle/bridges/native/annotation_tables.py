"""All annotations of a library: of its options, of a file, and those that are inferred.

What is said of one function by name holds before what is said of a pattern (``sqlite3_column_*``),
that before what is said of the whole library, and that before what is inferred. The options of the
load hold before the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from noodle.bridges.native.annotations import (
    RESULT,
    Annotations,
    read_annotations,
    wrong_annotation,
)
from noodle.bridges.native.declarations import Declaration
from noodle.bridges.native.inference import destructors, infer, makes_objects
from noodle.bridges.native.natural_plans import NaturalPlan
from noodle.bridges.native.options import ANNOTATING
from noodle.bridges.native.plan_making import fits, make_plan
from noodle.errors import SettingsError, did_you_mean

__all__ = ["LibraryAnnotations", "natural_plans", "read_file"]

_GENERAL = ("errors", "encoding", "message", "nullable")
"""The shorthands that are annotations of every function which they fit."""


@dataclass(frozen=True, slots=True)
class LibraryAnnotations:
    """What is said of a library's functions, as it was written.

    Args:
        layers: The options of the load, and before it those of the file; the first one holds.
    """

    layers: tuple[tuple[str, Mapping[str, Any]], ...] = ()

    def first(self, key: str) -> tuple[str, Any] | None:
        """Return the first layer's value for a shorthand, with the place that has it."""
        return next(((where, said[key]) for where, said in self.layers if key in said), None)

    @property
    def infers(self) -> bool:
        """Whether annotations are inferred."""
        found = self.first("infer")
        if found is not None and not isinstance(found[1], bool):
            raise wrong_annotation(found[0], "infer", found[1], "true or false")
        return found is None or bool(found[1])

    def constants(self) -> dict[int, str]:
        """Return the names of numbers that were stated."""
        where, codes = self.first("codes") or ("", {})
        is_map = isinstance(codes, Mapping)
        if not is_map or not all(isinstance(n, str) and type(c) is int for n, c in codes.items()):
            expected = 'names and their numbers, such as {"Z_DATA_ERROR": -3}'
            raise wrong_annotation(where, "codes", codes, expected)
        return {code: name for name, code in reversed(list(codes.items()))}


def read_file(path: Path, shown: str) -> Mapping[str, Any]:
    """Return what a file of annotations says.

    Args:
        path: The file.
        shown: Its name in messages.

    Raises:
        SettingsError: It cannot be read, is no TOML, or has unknown keys.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SettingsError(
            f"the annotations in {shown!r} cannot be read", received=reason, where=shown
        ) from error
    for key in said:
        if key not in ANNOTATING:
            raise SettingsError(
                f"unknown key {key!r} in {shown!r}",
                expected=f"one of {', '.join(ANNOTATING)}",
                received=key,
                where=shown,
                remedy=did_you_mean(key, ANNOTATING),
            )
    return said


def natural_plans(
    declarations: Sequence[Declaration], said: LibraryAnnotations
) -> dict[str, NaturalPlan]:
    """Return what is done around the calls of functions; others are called as C has them.

    Args:
        declarations: All functions of the library.
        said: What is said of them.

    Raises:
        SettingsError: An annotation is unknown, does not fit, or names what is not there.
    """
    return _Table(declarations, said).plans()


@dataclass(slots=True)
class _Said:
    """What is said of one function.

    Args:
        stated: By name, by pattern and of the library, put together.
        inferred: What the declaration suggests.
        where: What is said of the function itself, in messages.
        finalized: The destructors that were stated.
    """

    stated: Annotations
    inferred: Annotations
    where: str
    finalized: set[str] = field(default_factory=set)


class _Table:
    """Puts together what is said of each function of a library."""

    def __init__(self, declarations: Sequence[Declaration], said: LibraryAnnotations) -> None:
        self._declarations = {d.name: d for d in declarations}
        self._said = said
        self._stated_free = self._library_free()
        inferred = destructors(declarations) if said.infers else {}
        self._released_by = {**inferred, **self._stated_free}

    def plans(self) -> dict[str, NaturalPlan]:
        """Return the plans of the functions that have one."""
        self._refuse_unknown_functions()
        said = {name: self._of(d) for name, d in self._declarations.items()}
        self._mark_destructors(said)
        found = {name: self._plan(self._declarations[name], one) for name, one in said.items()}
        return {name: plan for name, plan in found.items() if plan}

    def _functions(self, where: str, said: Mapping[str, Any]) -> Mapping[str, Any]:
        written = said.get("functions", {})
        if not isinstance(written, Mapping):
            raise wrong_annotation(where, "functions", written, "a map of functions to annotations")
        return written

    def _refuse_unknown_functions(self) -> None:
        for where, said in self._said.layers:
            for name in self._functions(where, said):
                if not any(fnmatchcase(known, str(name)) for known in self._declarations):
                    raise SettingsError(
                        f"{where} annotate {name!r}, which is not declared",
                        expected=f"one of the {len(self._declarations)} functions, or a pattern",
                        received=str(name),
                        where=where,
                        remedy=did_you_mean(str(name), self._declarations),
                    )

    def _library_free(self) -> dict[str, str]:
        """Return the stated destructor of each structure."""
        where, stated = self._said.first("free") or ("", {})
        if isinstance(stated, Mapping):
            names = list(stated.values())
        else:
            names = [stated] if isinstance(stated, str) else list(stated)
        found = {}
        for name in names:
            declaration = self._declarations.get(name) if isinstance(name, str) else None
            if declaration is None:
                remedy = did_you_mean(str(name), self._declarations)
                raise wrong_annotation(where, "free", name, "a function that is declared", remedy)
            parameters = declaration.parameters
            if len(parameters) != 1 or not parameters[0].type.structure:
                expected = "a function that takes one pointer to a structure"
                raise wrong_annotation(where, "free", name, expected)
            found[parameters[0].type.structure] = name
        self._check_types(where, stated, found)
        return found

    @staticmethod
    def _check_types(where: str, stated: Any, found: Mapping[str, str]) -> None:
        for kind, name in stated.items() if isinstance(stated, Mapping) else ():
            full = [k for k in (kind, f"struct {kind}", f"union {kind}") if k in found]
            if not full or found[full[0]] != name:
                actual = next(k for k, destructor in found.items() if destructor == name)
                raise wrong_annotation(where, "free", kind, f"{actual}, which {name} takes")

    def _of(self, declaration: Declaration) -> _Said:
        stated = Annotations()
        patterns = Annotations()
        place = f"annotations of {declaration.name}"
        known = list(self._declarations)
        for where, said in self._said.layers:
            for name, written in self._functions(where, said).items():
                if name == declaration.name:
                    place = f"{name} ({where})"
                    stated = stated.over(read_annotations(written, place, declaration, known))
                elif fnmatchcase(declaration.name, name):
                    shown = f"{name} ({where})"
                    one = read_annotations(written, shown, declaration, known)
                    patterns = patterns.over(_fitting(one, declaration))
        stated = stated.over(patterns)
        general = self._general(declaration)
        inferred = infer(declaration, self._released_by) if self._said.infers else Annotations()
        finalized = {*(stated.free or {}).values()}
        own = _Said(stated.over(general), _without_repeats(inferred, stated), place, finalized)
        self._release(declaration, own)
        return own

    def _general(self, declaration: Declaration) -> Annotations:
        """Return what is said of the whole library, as far as it fits a function."""
        found = Annotations()
        for key in _GENERAL:
            layer = self._said.first(key)
            if layer is None:
                continue
            where, value = layer
            one = read_annotations({key: value}, where, None, list(self._declarations))
            found = _fitting(one, declaration).over(found)
        return found

    def _release(self, declaration: Declaration, own: _Said) -> None:
        """Let the destructors that were stated for structures release what the function makes."""
        free = dict(own.stated.free or {})
        if "" in free:
            return
        for name in own.stated.out or own.inferred.out or ():
            target = next(p.type.target for p in declaration.parameters if p.name == name)
            destructor = self._stated_free.get(target.structure) if target else None
            if destructor:
                free.setdefault(name, destructor)
                own.finalized.add(destructor)
        destructor = self._stated_free.get(declaration.result.structure)
        if destructor and makes_objects(declaration):
            free.setdefault(RESULT, destructor)
            own.finalized.add(destructor)
        if free:
            own.stated = replace(own.stated, free=free)

    def _mark_destructors(self, said: Mapping[str, _Said]) -> None:
        """Let every function that is named as a destructor release its argument."""
        named = {name for one in said.values() for name in (one.stated.free or {}).values()}
        for name in {*named, *self._stated_free.values()}:
            own, parameters = said[name], self._declarations[name].parameters
            if own.stated.frees is None and len(parameters) == 1 and parameters[0].name:
                own.stated = replace(own.stated, frees=(parameters[0].name,))

    def _plan(self, declaration: Declaration, said: _Said) -> NaturalPlan | None:
        merged = said.stated.over(said.inferred)
        if said.inferred.free and said.stated.free:
            merged = replace(merged, free={**said.inferred.free, **said.stated.free})
        if not merged.said() and not _borrows(declaration):
            return None
        inferred = said.inferred.lengths if said.stated.lengths is None else None
        return make_plan(
            declaration,
            merged,
            where=said.where,
            inferred_lengths=tuple(inferred or ()),
            finalized=frozenset(said.finalized),
            notes=_notes(merged, said),
        )


def _fitting(said: Annotations, declaration: Declaration) -> Annotations:
    """Return what is said of many functions, without a convention that one's result cannot have."""
    errors = said.errors
    unfit = isinstance(errors, str) and errors and not fits(errors, declaration.result)
    return replace(said, errors=None) if unfit else said


def _without_repeats(inferred: Annotations, stated: Annotations) -> Annotations:
    """Return inferred annotations without those of parameters of which something is stated."""
    taken = {*(stated.out or ()), *(stated.inout or ()), *(stated.buffers or {})}
    taken |= {buffer.length for buffer in (stated.buffers or {}).values()}
    taken |= {name for pair in (stated.lengths or {}).items() for name in pair}
    out = tuple(name for name in inferred.out or () if name not in taken)
    pairs = (inferred.lengths or {}).items()
    lengths = {a: b for a, b in pairs if a not in taken and b not in taken}
    free = {n: f for n, f in (inferred.free or {}).items() if n == RESULT or n in (*out, *taken)}
    return replace(inferred, out=out or None, lengths=lengths or None, free=free or None)


def _borrows(declaration: Declaration) -> bool:
    """Return whether a function may return a pointer into an object that it was given."""
    takes = any(p.type.structure for p in declaration.parameters)
    return declaration.result.type.name == "ptr" and takes


def _notes(merged: Annotations, said: _Said) -> list[str]:
    """Return what ``explain`` tells of the annotations, and which ones are inferred."""
    notes = []
    for one in fields(merged):
        value, stated = getattr(merged, one.name), getattr(said.stated, one.name)
        if value is None:
            continue
        shown = _SHOWN.get(one.name, str)(value)
        origin = "" if stated is not None else " (inferred; infer=False turns that off)"
        if one.name == "free":
            origin = "".join(_destructor_note(name, said) for name in sorted({*value.values()}))
        notes.append(f"{one.name}: {shown}{origin}")
    return notes


def _destructor_note(name: str, said: _Said) -> str:
    if name in said.finalized:
        return ""
    return f' (inferred; {name} runs when asked for, with free="{name}" also for what is dropped)'


def _listed(value: Any) -> str:
    return ", ".join(value)


def _pairs(value: Mapping[str, Any]) -> str:
    return ", ".join(f"{a or 'all'} by {getattr(b, 'length', b)}" for a, b in value.items())


_SHOWN: Mapping[str, Callable[[Any], str]] = {
    "out": _listed,
    "inout": _listed,
    "frees": _listed,
    "lengths": _pairs,
    "buffers": _pairs,
    "free": _pairs,
    "encoding": _pairs,
    "errors": lambda value: getattr(value, "__name__", None) or value or "none",
}
