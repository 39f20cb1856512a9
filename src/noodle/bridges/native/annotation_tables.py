"""All annotations of a library, put together for one function when that is first asked for.

What is said of one function by name holds before what is said of a pattern (``sqlite3_column_*``),
that before what is said of the whole library, and that before what is inferred. The options of the
load hold before the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from noodle.bridges.native.annotation_files import LibraryAnnotations
from noodle.bridges.native.annotation_notes import notes_of
from noodle.bridges.native.annotations import (
    RESULT,
    Annotations,
    read_annotations,
    wrong_annotation,
)
from noodle.bridges.native.constant_names import ConstantNames
from noodle.bridges.native.contents import Contents
from noodle.bridges.native.declarations import Declaration
from noodle.bridges.native.inference import destructors, infer, makes_objects
from noodle.bridges.native.native_types import NativeType
from noodle.bridges.native.natural_plans import NaturalPlan
from noodle.bridges.native.plan_making import fits, make_plan
from noodle.errors import SettingsError, did_you_mean
from noodle.values import VOID

__all__ = ["AnnotationTable"]

_GENERAL = ("errors", "encoding", "message", "nullable")
"""What may be said of every function that it fits."""


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


class AnnotationTable:
    """Puts together what is said of each function of a library.

    Args:
        contents: What the library is known to have.
        said: What is said of it.

    Raises:
        SettingsError: An annotation is unknown, does not fit, or names what is not there. Of a
            pattern, only the first function that it fits is looked at now.
    """

    def __init__(self, contents: Contents, said: LibraryAnnotations) -> None:
        self._contents = contents
        self._names = list(contents.functions)
        self._said = said
        self._infers = said.infers
        self._written = said.functions()
        self._constants = ConstantNames(contents, *(said.first("codes") or ("", {})))
        self._stated_free = self._library_free()
        self._destructors = {*self._stated_free.values(), *self._named_destructors()}
        self._check()

    def constant(self, code: int, result: NativeType) -> str | None:
        """Return the library's name for a number that such a result is, or None."""
        return self._constants.of(code, result)

    def plan(self, declaration: Declaration) -> NaturalPlan | None:
        """Return what is done around the calls of a function; None where that is nothing.

        Raises:
            SettingsError: What a pattern says does not fit it.
        """
        said = self._of(declaration)
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
            size_of=self._size_of,
            inferred_lengths=tuple(inferred or ()),
            finalized=frozenset(said.finalized),
            notes=notes_of(merged, said.stated, said.finalized),
        )

    def _check(self) -> None:
        """Read what is said once, so that mistakes are told when the library is loaded."""
        known = set(self._names)
        first = Declaration("", (), _NOTHING)
        for key in _GENERAL:
            self._shorthand(key, first)
        for where, name, _ in self._written:
            fitting = name if name in known else next(self._matching(name), None)
            declaration = self._contents.function(fitting) if fitting else None
            if declaration is None:
                raise SettingsError(
                    f"{where} annotate {name!r}, which is not declared",
                    expected=f"one of the {len(known)} functions, or a pattern",
                    received=name,
                    where=where,
                    remedy=did_you_mean(name, known),
                )
            self.plan(declaration)

    def _matching(self, pattern: str) -> Any:
        return (name for name in self._names if fnmatchcase(name, pattern))

    def _library_free(self) -> dict[str, str]:
        """Return the stated destructor of each structure."""
        where, stated = self._said.first("free") or ("", {})
        listed = [stated] if isinstance(stated, str) else stated
        if not isinstance(listed, (Mapping, list, tuple)):
            expected = "a function's name, a list of them, or a map of structures to them"
            raise wrong_annotation(where, "free", stated, expected)
        names = list(listed.values() if isinstance(listed, Mapping) else listed)
        found = {self._released(where, name): name for name in names}
        for kind, name in stated.items() if isinstance(stated, Mapping) else ():
            if (
                found.get(str(kind), found.get(f"struct {kind}", found.get(f"union {kind}")))
                != name
            ):
                actual = next(k for k, destructor in found.items() if destructor == name)
                raise wrong_annotation(where, "free", kind, f"{actual}, which {name} takes")
        return found

    def _released(self, where: str, name: Any) -> str:
        """Return the structure that a destructor releases."""
        declaration = self._contents.function(name) if isinstance(name, str) else None
        if declaration is None:
            remedy = did_you_mean(str(name), self._names)
            raise wrong_annotation(where, "free", name, "a function that is declared", remedy)
        parameters = declaration.parameters
        takes_one = len(parameters) == 1 and not declaration.variadic
        if not takes_one or not parameters[0].type.structure:
            expected = "a function that takes one pointer to a structure"
            raise wrong_annotation(where, "free", name, expected)
        return parameters[0].type.structure

    def _named_destructors(self) -> set[str]:
        """Return the destructors that are named for single functions, whether there are such."""
        found = set()
        for _, _, said in self._written:
            free = said.get("free") if isinstance(said, Mapping) else None
            listed = free.values() if isinstance(free, Mapping) else [free]
            found |= {name for name in listed if isinstance(name, str)}
        return found

    @cached_property
    def _released_by(self) -> Mapping[str, str]:
        inferred = destructors(self._contents) if self._infers else {}
        return {**inferred, **self._stated_free}

    def _size_of(self, name: str) -> int:
        """Return the size of a structure in bytes; 0 where its fields are unknown."""
        found = self._contents.structure(name)
        return (found.size or 0) if found and found.fields is not None else 0

    def _of(self, declaration: Declaration) -> _Said:
        stated = patterns = Annotations()
        place = f"annotations of {declaration.name}"
        for where, name, written in self._written:
            if name == declaration.name:
                place = f"{name} ({where})"
                stated = stated.over(read_annotations(written, place, declaration, self._names))
            elif fnmatchcase(declaration.name, name):
                shown = f"{name} ({where})"
                one = read_annotations(written, shown, declaration, self._names)
                patterns = patterns.over(_fitting(one, declaration))
        stated = stated.over(patterns)
        finalized = {*(stated.free or {}).values()}
        for key in _GENERAL:
            stated = stated.over(self._shorthand(key, declaration))
        inferred = Annotations()
        if self._infers:
            inferred = infer(declaration, self._released_by, self._size_of)
        own = _Said(stated, _without_repeats(inferred, stated), place, finalized)
        self._release(declaration, own)
        self._mark_destructor(declaration, own)
        return own

    def _shorthand(self, key: str, declaration: Declaration) -> Annotations:
        """Return what is said of the whole library, as far as it fits a function."""
        layer = self._said.first(key)
        if layer is None:
            return Annotations()
        where, value = layer
        return _fitting(read_annotations({key: value}, where, None, self._names), declaration)

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

    def _mark_destructor(self, declaration: Declaration, own: _Said) -> None:
        """Let a function that is named as a destructor release its argument."""
        parameters = declaration.parameters
        named = declaration.name in self._destructors
        if named and own.stated.frees is None and len(parameters) == 1:
            own.stated = replace(own.stated, frees=(parameters[0].name or "argument_1",))


_NOTHING = NativeType(VOID, "void")


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
