"""Makes the plan of a function's natural calls, and checks that its annotations fit it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from noodle.bridges.native.annotations import BYTES, RESULT, Annotations, wrong_annotation
from noodle.bridges.native.declarations import Declaration, DeclaredParameter
from noodle.bridges.native.native_types import C_NUMBERS, NativeType
from noodle.bridges.native.natural_plans import NaturalPlan, Out, encoding_of
from noodle.values import FLOAT_TYPES, INTEGER_RANGES, VOID, ValueType

__all__ = ["fits", "make_plan"]


def out_type(native: NativeType) -> tuple[str, str, str] | None:
    """Return kind, C type and pointee of what a parameter gives back, or None where it cannot.

    Args:
        native: The parameter's type.
    """
    item = native.type.item
    if native.type.name != "ptr" or item is None or native.callback or native.structure:
        return None
    if item.name == "ptr":
        if native.target and native.target.type.name == "str":
            return "text", "char *", ""
        inner = native.target.pointee if native.target else str(item.item or VOID)
        return "pointer", "void *", inner
    return ("number", C_NUMBERS[item.name], "") if item.name in C_NUMBERS else None


def make_plan(
    declaration: Declaration,
    annotations: Annotations,
    *,
    where: str,
    size_of: Callable[[str], int],
    inferred_lengths: Sequence[str] = (),
    finalized: frozenset[str] = frozenset(),
    notes: Sequence[str] = (),
) -> NaturalPlan:
    """Return what is done around the calls of a function.

    Args:
        declaration: The function.
        annotations: What was said and inferred of it.
        where: What they are said of, in messages.
        size_of: Gives the size of a structure in bytes; 0 where its fields are unknown.
        inferred_lengths: The arrays whose lengths were inferred.
        finalized: See ``NaturalPlan``.
        notes: What ``explain`` should tell.

    Raises:
        SettingsError: The annotations do not fit the declaration, or each other.
    """
    maker = _Maker(declaration, annotations, where, size_of)
    outs = maker.outs()
    return NaturalPlan(
        maker.visible(),
        annotations,
        outs,
        maker.lengths(),
        maker.places(inferred_lengths),
        maker.trusted(inferred_lengths),
        maker.free(),
        finalized,
        tuple(notes),
        maker.structures(),
    )


class _Maker:
    """Checks annotations against a declaration while a plan is made of them."""

    def __init__(
        self,
        declaration: Declaration,
        annotations: Annotations,
        where: str,
        size_of: Callable[[str], int],
    ) -> None:
        self._declaration = declaration
        self._annotations = annotations
        self._where = where
        self._size_of = size_of
        self._places = {p.name: i for i, p in enumerate(declaration.parameters) if p.name}

    def _type(self, name: str) -> NativeType:
        return self._declaration.parameters[self._places[name]].type

    def _wrong(self, key: str, value: Any, expected: str) -> Exception:
        return wrong_annotation(self._where, key, value, expected)

    def outs(self) -> tuple[Out, ...]:
        """Return the parameters that become results."""
        self._refuse_twice()
        given = self._annotations
        found = [self._out(name, inout=False) for name in given.out or ()]
        found += [self._out(name, inout=True) for name in given.inout or ()]
        found += [self._buffer(name) for name in given.buffers or ()]
        return tuple(sorted(found, key=lambda out: out.index))

    def _refuse_twice(self) -> None:
        given = self._annotations
        kinds: dict[str, Any] = {
            "out": given.out,
            "inout": given.inout,
            "buffers": given.buffers,
            "lengths": given.lengths,
        }
        seen: dict[str, str] = {}
        for key, names in kinds.items():
            for name in names or ():
                if name in seen:
                    raise self._wrong(key, name, f"each parameter once; it is in {seen[name]!r}")
                seen[name] = key

    def _out(self, name: str, *, inout: bool) -> Out:
        native = self._type(name)
        found = out_type(native)
        key = "inout" if inout else "out"
        if found is None or (inout and found[0] != "number") or not native.writes:
            expected = "a pointer to a number" + (" or to a pointer" if not inout else "")
            raise self._wrong(key, name, f"{expected}, not const ({native.c} {name})")
        kind, c, pointee = found
        free = (self._annotations.free or {}).get(name) or (
            (self._annotations.free or {}).get("", "") if kind != "number" else ""
        )
        encoding = encoding_of(self._annotations, name) or "utf-8"
        return Out(self._places[name], kind, c, pointee, inout, encoding, free)

    def _buffer(self, name: str) -> Out:
        buffer = (self._annotations.buffers or {})[name]
        native, length = self._type(name), self._type(buffer.length)
        item = native.type.item.name if native.type.item else native.type.name
        c = {"void": "uint8_t", "str": "char"}.get(item) or C_NUMBERS.get(item)
        if native.type.name not in ("ptr", "array", "str") or not native.writes or c is None:
            expected = f"memory that the function writes to ({native.c} {name})"
            raise self._wrong("buffers", name, expected)
        if buffer.length == name:
            raise self._wrong("buffers", buffer.length, "another parameter, which is its length")
        by_pointer = length.type.name == "ptr" and length.type.item is not None
        counted = length.type.item if by_pointer else length.type
        if counted is None or counted.name not in INTEGER_RANGES:
            raise self._wrong("buffers", buffer.length, "an integer, or a pointer to one")
        cut = buffer.cut or self._cut(by_pointer=by_pointer, c=c)
        if (cut == "length") > by_pointer:
            raise self._wrong("buffers", cut, f"a cut that {buffer.length}, no pointer, allows")
        encoding = encoding_of(self._annotations, name) or BYTES
        place = self._places[buffer.length]
        counter = C_NUMBERS[counted.name] if by_pointer else ""
        return Out(
            self._places[name],
            "buffer",
            c,
            encoding=encoding,
            length=place,
            counter=counter,
            cut=cut,
        )

    def _cut(self, *, by_pointer: bool, c: str) -> str:
        if by_pointer:
            return "length"
        result = self._declaration.result.type.name
        if result in INTEGER_RANGES and self._annotations.errors != "nonzero":
            return "result"
        return "nul" if c in ("char", "int8_t", "uint8_t") else "none"

    def lengths(self) -> dict[int, tuple[int, ...]]:
        """Return the lengths with their arrays."""
        found: dict[int, tuple[int, ...]] = {}
        for array, length in (self._annotations.lengths or {}).items():
            if self._type(length).type.name not in INTEGER_RANGES:
                raise self._wrong("lengths", length, "an integer parameter")
            native = self._type(array)
            if native.type.name not in ("ptr", "array", "str", "bytes"):
                raise self._wrong("lengths", array, "a parameter that takes an array")
            if native.structure and not self._size_of(native.structure):
                expected = f"an array; the fields of {native.structure} are not declared"
                raise self._wrong("lengths", array, expected)
            place = self._places[length]
            found[place] = (*found.get(place, ()), self._places[array])
        return found

    def structures(self) -> dict[int, int]:
        """Return the size of a structure in bytes, by the places of arrays of them."""
        found = {name: self._type(name).structure for name in self._annotations.lengths or {}}
        return {self._places[name]: self._size_of(one) for name, one in found.items() if one}

    def places(self, arrays: Sequence[str]) -> frozenset[int]:
        """Return the places of the lengths of arrays."""
        lengths = self._annotations.lengths or {}
        return frozenset(self._places[lengths[name]] for name in arrays if name in lengths)

    def trusted(self, inferred: Sequence[str]) -> frozenset[int]:
        """Return the inferred lengths of texts: as in ``strncmp``, the text may end before."""
        return self.places([name for name in inferred if self._type(name).type.name == "str"])

    def free(self) -> str:
        """Return the function that releases the result."""
        stated = self._annotations.free or {}
        if self._declaration.result.type.name not in ("ptr", "str", "bytes"):
            if RESULT in stated:
                raise self._wrong("free", stated[RESULT], "a function whose result is a pointer")
            if "" in stated and not (self._annotations.out or ()):
                raise self._wrong("free", stated[""], "a result that is a pointer, or an out")
            return ""
        return stated.get(RESULT, stated.get("", ""))

    def visible(self) -> Declaration:
        """Return the declaration with texts as the annotations have them."""
        self._check_errors()
        parameters = tuple(
            DeclaredParameter(p.name or f"argument_{i}", self._visible(p))
            for i, p in enumerate(self._declaration.parameters, 1)
        )
        result = self._declaration.result
        encoding = encoding_of(self._annotations, RESULT)
        stated = RESULT in (self._annotations.encoding or {})
        if encoding and (result.type.name == "str" or (stated and _is_bytes(result))):
            written = ValueType("bytes" if encoding == BYTES else "str")
            result = replace(result, type=written)
        return replace(self._declaration, parameters=parameters, result=result)

    def _visible(self, parameter: DeclaredParameter) -> NativeType:
        native = parameter.type
        stated = parameter.name in (self._annotations.encoding or {})
        buffers = self._annotations.buffers or {}
        if stated and _is_bytes(native) and not native.writes and parameter.name not in buffers:
            return replace(native, type=ValueType("str"))
        return native

    def _check_errors(self) -> None:
        errors = self._annotations.errors
        if isinstance(errors, str) and errors and not fits(errors, self._declaration.result):
            expected = _NEEDS[errors]
            raise self._wrong("errors", errors, f"{expected} ({self._declaration.c_text})")


_NEEDS = {
    "nonzero": "a function whose result is an integer or bool",
    "negative": "a function whose result is a signed integer or a float",
    "null": "a function whose result is a pointer or text",
    "errno": "a function whose result is a signed integer, a pointer or text",
}


def fits(errors: str, result: NativeType) -> bool:
    """Return whether a result can say by a convention that a function failed."""
    name = result.type.name
    if errors == "nonzero":
        return name in INTEGER_RANGES or name == "bool"
    if errors == "null":
        return name in ("ptr", "str", "bytes")
    if errors == "negative":
        return (name in INTEGER_RANGES and name[0] == "i") or name in FLOAT_TYPES
    if errors == "errno":
        return (name in INTEGER_RANGES and name[0] == "i") or name in ("ptr", "str", "bytes")
    return True


def _is_bytes(native: NativeType) -> bool:
    """Return whether a type is a pointer that text may lie at."""
    item = native.type.item.name if native.type.item else "u8"
    is_memory = native.type.name in ("ptr", "str", "bytes", "array")
    return (
        is_memory and item in ("u8", "i8", "void") and not native.structure and not native.callback
    )
