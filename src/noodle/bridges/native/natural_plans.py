"""What is done around a C call whose function is annotated: decided once for each function.

Parameters fall into two groups: those that every call gives, and those that may be left out because
their value follows from the others (lengths) or is the function's to give (outs and buffers). A
call that gives all of C's parameters by position stays possible; what it gives is not returned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from noodle.bridges.native.annotations import BYTES, Annotations
from noodle.bridges.native.declarations import Declaration
from noodle.bridges.native.native_types import C_NUMBERS, item_size
from noodle.prototypes import Parameter, Prototype
from noodle.values import ANY, VOID, ValueType

__all__ = ["NaturalPlan", "NaturalPrototype", "Out", "encoding_of"]


@dataclass(frozen=True, slots=True)
class Out:
    """A parameter that becomes a result.

    Args:
        index: Its place among the parameters.
        kind: ``number``, ``text``, ``pointer`` or ``buffer``.
        c: What is allocated, in C: the type that it points to, or that of a buffer's items.
        pointee: What a pointer that comes back points to.
        inout: Whether the call gives a value first.
        encoding: That of a text, or of a buffer that is one; ``bytes`` for bytes.
        free: The function that releases what comes back; ``""`` for none.
        length: For a buffer, the place of the parameter that says how long it is.
        counter: For a buffer, the C type of the length that its parameter points to; ``""`` where
            the parameter is the length itself.
        cut: See ``annotations.Buffer``.
    """

    index: int
    kind: str
    c: str
    pointee: str = ""
    inout: bool = False
    encoding: str = BYTES
    free: str = ""
    length: int = -1
    counter: str = ""
    cut: str = ""

    def pack(self) -> list[Any]:
        """Return what the worker's half needs of it, as a plain list."""
        sized = [self.length, self.counter, self.cut]
        return [self.index, self.kind, self.c, self.inout, self.free, *sized]

    @classmethod
    def unpack(cls, packed: Sequence[Any]) -> Out:
        """Return the out-parameter that ``pack`` made into a list."""
        index, kind, c, inout, free, length, counter, cut = packed
        return cls(index, kind, c, inout=inout, free=free, length=length, counter=counter, cut=cut)


@dataclass(frozen=True, slots=True)
class NaturalPrototype(Prototype):
    """What an annotated function takes: without what may be left out, or all that C declares.

    Args:
        full: All that C declares.
        shown: How it is written.
    """

    full: Prototype = field(default_factory=lambda: Prototype(""))
    shown: str = ""

    def __str__(self) -> str:
        return self.shown

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any] | str:
        """Match arguments to parameters; see ``Prototype.bind``."""
        bound = Prototype.bind(self, args, kwargs)
        if isinstance(bound, str):
            complete = self.full.bind(args, kwargs)
            return bound if isinstance(complete, str) else complete
        return bound

    def refusal(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
        """Say why arguments are not accepted, or return None; see ``Prototype.refusal``."""
        why = Prototype.refusal(self, args, kwargs)
        return None if why is None or self.full.refusal(args, kwargs) is None else why


@dataclass(frozen=True, slots=True)
class NaturalPlan:
    """What is done around the calls of one function.

    Args:
        declaration: The function, with texts as its annotations have them.
        annotations: What was said and inferred of it.
        outs: The parameters that become results, in order.
        lengths: By the place of a length, the places of the arrays whose length it is.
        inferred: The lengths that were inferred.
        trusted: The inferred lengths that are not compared with their arrays: text may end before.
        free: The function that releases the result; ``""`` for none.
        finalized: The destructors that were stated, which also run for what is dropped.
        notes: What ``explain`` should tell.
        structures: By the places of the arrays of structures whose length is taken, the size of
            one structure in bytes.
    """

    declaration: Declaration
    annotations: Annotations
    outs: tuple[Out, ...] = ()
    lengths: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    inferred: frozenset[int] = frozenset()
    trusted: frozenset[int] = frozenset()
    free: str = ""
    finalized: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    structures: Mapping[int, int] = field(default_factory=dict)

    def item_size(self, index: int) -> int:
        """Return the size of the items of an array, by its place, in bytes."""
        return self.structures.get(index) or item_size(self.declaration.parameters[index].type)

    @property
    def labels(self) -> list[str]:
        """The parameters' names in messages."""
        parameters = self.declaration.parameters
        return [p.name or f"argument {i}" for i, p in enumerate(parameters, 1)]

    @property
    def omitted(self) -> list[int]:
        """The places of the parameters that a call may leave out."""
        outs = [out.index for out in self.outs if not out.inout]
        sized = self.annotations.buffers or {}
        labels = self.labels
        capacities = [labels.index(b.length) for b in sized.values() if b.size is not None]
        return sorted({*outs, *self.lengths, *capacities})

    @property
    def keeps_result(self) -> bool:
        """Whether the function's own result is among those of a call that leaves outs out."""
        stated = self.annotations.result
        if self.declaration.result.type == VOID or stated is not None:
            return bool(stated) and self.declaration.result.type != VOID
        if self.annotations.errors == "nonzero" and not self.annotations.ok:
            return False
        has_buffer = any(out.kind == "buffer" for out in self.outs)
        return not (has_buffer and self.declaration.result.type.name in ("str", "bytes", "ptr"))

    @property
    def gives_what_it_returns(self) -> bool:
        """Whether nothing is done when a call has returned."""
        said = self.annotations
        is_number = self.declaration.result.type.name not in ("str", "bytes", "ptr")
        looks = self.outs or said.errors or said.errno or said.frees or said.result is False
        return is_number and not looks

    def encoding(self, name: str) -> str:
        """Return the encoding of a text, by its parameter's name."""
        return encoding_of(self.annotations, name) or "utf-8"

    def prototype(self) -> Prototype:
        """Return what calls give and get, in the vocabulary of dispatch."""
        full = self.declaration.prototype()
        omitted = self.omitted
        counted = [self._as_number(index, p) for index, p in enumerate(full.parameters)]
        parameters = [
            replace(p, optional=True, positional=False) if index in omitted else p
            for index, p in enumerate(counted)
        ]
        types = self._result_types(full)
        returns = types[0] if len(types) == 1 else ANY if types else VOID
        return NaturalPrototype(
            full.name, tuple(parameters), returns, full=full, shown=self._shown(full, types)
        )

    def _as_number(self, index: int, parameter: Parameter) -> Parameter:
        """Return a parameter as calls that leave the outs out have it."""
        for out in self.outs:
            is_counter = out.counter and index == out.length
            if is_counter or (out.inout and index == out.index):
                return replace(parameter, type=ValueType(_NAMES[out.counter or out.c]))
        return parameter

    def _result_types(self, full: Prototype) -> list[ValueType]:
        types = [full.returns] if self.keeps_result else []
        types += [_value_type(out) for out in self.outs]
        return types + [ValueType("i32")] * bool(self.annotations.errno)

    def _shown(self, full: Prototype, types: Sequence[ValueType]) -> str:
        omitted = self.omitted
        counted = [self._as_number(index, p) for index, p in enumerate(full.parameters)]
        listed = [str(p) for index, p in enumerate(counted) if index not in omitted]
        results = f"({', '.join(map(str, types))})" if len(types) > 1 else str((*types, VOID)[0])
        return f"{full.name}({', '.join(listed)}): {results}"


def _value_type(out: Out) -> ValueType:
    if out.kind == "text" or (out.kind == "buffer" and out.c in ("char", "uint8_t")):
        return ValueType("bytes" if out.encoding == BYTES else "str")
    if out.kind == "buffer":
        return ValueType("array", ValueType(_NAMES[out.c]))
    return ValueType("ptr", VOID) if out.kind == "pointer" else ValueType(_NAMES[out.c])


_NAMES = {c: name for name, c in C_NUMBERS.items()}


def encoding_of(annotations: Annotations, name: str) -> str | None:
    """Return the encoding that annotations state for a parameter or the result, or None."""
    stated = annotations.encoding or {}
    return stated.get(name, stated.get(""))
