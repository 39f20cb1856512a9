"""Structures and unions as the classes that annotations of stubs name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from noodle.bridges.native.contents import Contents
from noodle.bridges.native.native_types import Field, NativeType
from noodle.stubs.model import (
    StubClass,
    StubConstant,
    StubFunction,
    StubParameter,
    StubSignature,
)

__all__ = ["StructureStubs"]

_SELF = StubParameter("self")


class StructureStubs:
    """The structures of a library whose fields are known.

    Args:
        contents: What the library is known to have.
        annotate: Returns what a value of a type is that is no structure.
    """

    def __init__(self, contents: Contents, annotate: Callable[[NativeType], str]) -> None:
        self._contents = contents
        self._annotate = annotate
        self._classes: dict[str, str] = {}
        for name in contents.structures:
            structure = contents.structure(name)
            if structure and structure.fields:
                self._classes[name] = re.sub(r"\W", "_", name)

    def class_of(self, native: NativeType) -> str:
        """Return the class of a structure or of what a pointer leads to; ``""`` for none."""
        return self._classes.get(native.structure, "") if native.structure else ""

    def classes(self, comments: Mapping[str, str]) -> Iterator[StubClass]:
        """Yield the classes.

        Args:
            comments: What the library's authors say of structures and fields.
        """
        for name, class_name in self._classes.items():
            fields = [*self._fields(name)]
            listed = [
                StubConstant(
                    field.name,
                    self._annotation(field),
                    documentation=comments.get(f"{name}.{field.name}", ""),
                )
                for field in fields
            ]
            made = tuple(StubParameter(f.name, _taken(f), default="...") for f in fields)
            members: list[StubFunction | StubConstant | StubClass] = [
                *listed,
                StubFunction("__init__", (StubSignature((_SELF, *made)),)),
                *_helpers(class_name, {field.name for field in fields}),
            ]
            yield StubClass(class_name, tuple(members), documentation=comments.get(name, ""))

    def accessors(self) -> Iterator[StubFunction]:
        """Yield what gives a structure or union by its name."""
        for kind in ("struct", "union"):
            named = [
                StubSignature(
                    (StubParameter("name", f"Literal[{name.partition(' ')[2]!r}]"),),
                    f"type[{class_name}]",
                )
                for name, class_name in self._classes.items()
                if name.startswith(f"{kind} ")
            ]
            if named:
                yield StubFunction(kind, tuple(named))

    def _fields(self, name: str) -> Iterator[Field]:
        """Yield the fields; those of a member without a name stand among the others."""
        structure = self._contents.structure(name)
        for field in (structure.fields if structure else None) or ():
            if field.name:
                yield field
            elif field.type.by_value:
                yield from self._fields(field.type.structure)

    def _annotation(self, field: Field) -> str:
        if field.dimensions:
            return "str" if _is_text(field) else "Any"
        known = self.class_of(field.type)
        if known:
            return known if field.type.by_value else f"{known} | Pointer | None"
        return self._annotate(field.type)


def _is_text(field: Field) -> bool:
    return len(field.dimensions) == 1 and field.type.c.split()[-1] == "char"


def _taken(field: Field) -> str:
    """Return what a new structure takes for a field."""
    if field.dimensions:
        return "str | bytes" if _is_text(field) else "Any"
    name = field.type.type.name
    return "float" if name in ("f32", "f64") else "int" if name[1:].isdigit() else "Any"


def _helpers(name: str, taken: set[str]) -> Iterator[StubFunction]:
    helpers = {
        "at": StubSignature((StubParameter("place", "Any"),), name),
        "array": StubSignature(
            (StubParameter("count", "int"), StubParameter("at", "Any", default="...")), "Any"
        ),
    }
    item = StubSignature((_SELF, StubParameter("index", "Any")), "Any")
    yield StubFunction("__getitem__", (item,))
    for helper, signature in helpers.items():
        if helper not in taken:
            yield StubFunction(helper, (signature,), decorator="staticmethod")
