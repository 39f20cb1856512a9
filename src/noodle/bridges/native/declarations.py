"""What functions and variables are, after their declarations were read from C or from Noodle."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import Parameter as PythonParameter
from inspect import Signature as PythonSignature
from typing import Any, TypeVar

from noodle.bridges.native.native_types import (
    PYTHON_TYPES,
    Enumeration,
    NativeType,
    Structure,
)
from noodle.errors import PrototypeError
from noodle.prototypes import Parameter, Prototype
from noodle.values import VOID

__all__ = [
    "Declaration",
    "Declarations",
    "DeclaredParameter",
    "Problem",
    "Variable",
    "concerns_types",
    "further_remedy",
    "refuse_all",
    "without_repeats",
]


@dataclass(frozen=True, slots=True)
class DeclaredParameter:
    """One parameter.

    Args:
        name: Its name; ``""`` when the declaration has none.
        type: Its type.
        nonnull: Whether it is a pointer of which the declaration says that it is never null.
    """

    name: str
    type: NativeType
    nonnull: bool = False

    @property
    def is_pointer(self) -> bool:
        """Whether null could be given for it."""
        return self.type.type.name in ("ptr", "str")


@dataclass(frozen=True, slots=True)
class Declaration:
    """A function.

    Args:
        name: What it is called; mostly the symbol that the library exports.
        parameters: In order.
        result: The type of the result.
        variadic: Whether it takes further arguments, of types that it does not declare.
        symbol: The symbol, where that is not the name.
        fixed: How many parameters stand before ``...``, where the types of the others were declared
            for it; 0 for any other function.
        late: Whether these were declared after the load, so that nothing was compiled for them.
    """

    name: str
    parameters: tuple[DeclaredParameter, ...]
    result: NativeType
    variadic: bool = False
    symbol: str = ""
    fixed: int = 0
    late: bool = False

    @property
    def exported(self) -> str:
        """The symbol that the library exports."""
        return self.symbol or self.name

    @property
    def c_text(self) -> str:
        """The C prototype, without the semicolon."""
        listed = [p.type.spelled(p.name) for p in self.parameters]
        shown = ", ".join([*listed, *["..."] * self.variadic]) or "void"
        if self.result.callback and "(*" in self.result.c:
            return self.result.spelled(f"{self.name}({shown})")
        return f"{self.result.spelled(self.name)}({shown})"

    @property
    def types(self) -> tuple[NativeType, ...]:
        """The types of its result and its parameters."""
        return (self.result, *(parameter.type for parameter in self.parameters))

    @property
    def by_value(self) -> bool:
        """Whether it takes or gives a structure by value."""
        return any(native.by_value for native in self.types)

    @property
    def by_libffi(self) -> bool:
        """Whether it is called through libffi even where calls are compiled."""
        return self.late or self.by_value

    @property
    def calls_back(self) -> bool:
        """Whether C code may call functions that it is given as arguments."""
        return any(parameter.type.callback for parameter in self.parameters)

    @property
    def further_name(self) -> str:
        """What stands for ``...`` in Python; none of its parameters has that name."""
        return "further" + "_" * sum(p.name.startswith("further") for p in self.parameters)

    @property
    def as_in_c(self) -> Declaration:
        """The function as C declares it, without the types that were declared for ``...``."""
        if not self.fixed:
            return self
        fixed = self.parameters[: self.fixed]
        return replace(self, parameters=fixed, variadic=True, fixed=0, late=False)

    @property
    def shape(self) -> tuple[object, ...]:
        """What makes two declarations of one function the same, however they are spelled."""
        types = [self.result, *(p.type for p in self.parameters)]
        return (self.variadic, self.fixed, *((t.type, t.writes, t.structure) for t in types))

    def prototype(self) -> Prototype:
        """Return the same in the vocabulary of dispatch."""
        parameters = [Parameter(p.name, p.type.type, keyword=bool(p.name)) for p in self.parameters]
        return Prototype(self.name, tuple(parameters), self.result.type, self.variadic)

    def python_signature(self) -> PythonSignature:
        """Return the signature that ``help()`` shows.

        Parameters up to the last one whose name is no Python name are positional-only.
        """
        usable = [p.name.isidentifier() and not keyword.iskeyword(p.name) for p in self.parameters]
        last_unusable = max((i for i, fine in enumerate(usable) if not fine), default=-1)
        taken = {p.name for p in self.parameters}
        listed = []
        for index, parameter in enumerate(self.parameters):
            name = parameter.name if usable[index] else f"{parameter.name}_{index + 1}".lstrip("_")
            name = name if name.isidentifier() else f"argument_{index + 1}"
            while not usable[index] and name in taken:
                name += "_"
            only = index <= last_unusable
            kind = (
                PythonParameter.POSITIONAL_ONLY if only else PythonParameter.POSITIONAL_OR_KEYWORD
            )
            listed.append(PythonParameter(name, kind, annotation=_annotation(parameter.type)))
        if self.variadic:
            listed.append(PythonParameter(self.further_name, PythonParameter.VAR_POSITIONAL))
        result = None if self.result.type == VOID else _annotation(self.result)
        return PythonSignature(listed, return_annotation=result)

    def without_null(self, places: Sequence[int]) -> Declaration:
        """Return the same with pointers that must not be null.

        Args:
            places: Those of the pointers, from 1; none for all of them.
        """
        parameters = tuple(
            replace(p, nonnull=p.nonnull or (p.is_pointer and (not places or place in places)))
            for place, p in enumerate(self.parameters, 1)
        )
        return replace(self, parameters=parameters)

    def pack(self) -> list[Any]:
        """Return the declaration as plain lists, for the manifest of a compiled extension."""
        parameters = [[p.name, p.type.pack(), *[True] * p.nonnull] for p in self.parameters]
        rest = [self.variadic, self.symbol, self.fixed, self.late]
        packed = [self.name, self.result.pack(), parameters, *rest]
        while not packed[-1]:
            packed.pop()
        return packed

    @classmethod
    def unpack(cls, packed: Sequence[Any]) -> Declaration:
        """Return the declaration that ``pack`` made into lists."""
        name, result, parameters, *rest = [*packed, []] if len(packed) < 3 else packed
        listed = tuple(
            DeclaredParameter(own, NativeType.unpack(native), *nonnull)
            for own, native, *nonnull in parameters
        )
        return cls(name, listed, NativeType.unpack(result), *rest)


@dataclass(frozen=True, slots=True)
class Variable:
    """A global variable.

    Args:
        name: The symbol that the library exports.
        type: Its type; that of an item where it is an array.
        dimensions: The lengths of an array, the outermost first; 0 for an array without a length.
        writable: Whether it may be changed.
    """

    name: str
    type: NativeType
    dimensions: tuple[int, ...] = ()
    writable: bool = False

    @property
    def pointee(self) -> str:
        """What the pointer points to that is given for it, where it is no number and no text."""
        if self.dimensions and not self.type.structure:
            return str(self.type.type)
        return self.type.pointee

    @property
    def c_text(self) -> str:
        """The C declaration, without the semicolon."""
        lengths = "".join(f"[{length or ''}]" for length in self.dimensions)
        return f"extern {self.type.spelled(self.name + lengths)}"

    @property
    def shape(self) -> tuple[object, ...]:
        """What makes two declarations of one variable the same, but for an unknown length."""
        native, inner = self.type, self.dimensions[1:]
        is_array = bool(self.dimensions)
        return (native.type, native.writes, native.structure, is_array, inner, self.writable)

    def pack(self) -> list[Any]:
        """Return the same as plain lists."""
        return [self.name, self.type.pack(), list(self.dimensions), self.writable]

    @classmethod
    def unpack(cls, packed: Sequence[Any]) -> Variable:
        """Return the variable that ``pack`` made into lists."""
        name, native, dimensions, writable = packed
        return cls(name, NativeType.unpack(native), tuple(dimensions), writable)


def concerns_types(declaration: Declaration) -> bool:
    """Return whether a function has to do with structures, function pointers or any memory."""
    return any(native.structure or native.callback or native.any for native in declaration.types)


Declared = TypeVar("Declared", Declaration, Variable)


@dataclass(frozen=True, slots=True)
class Declarations:
    """What a text declares.

    Args:
        functions: The functions, each name once.
        structures: The structures and unions by name (``struct NAME``).
        enumerations: The enumerations by name (``enum NAME``).
        variables: The variables, each name once.
    """

    functions: tuple[Declaration, ...]
    structures: Mapping[str, Structure] = field(default_factory=dict)
    enumerations: Mapping[str, Enumeration] = field(default_factory=dict)
    variables: tuple[Variable, ...] = ()

    @property
    def calls_back(self) -> bool:
        """Whether C code may call functions that it was given, as arguments or in structures."""
        fields = (f for structure in self.structures.values() for f in structure.fields or ())
        given = any(function.calls_back for function in self.functions)
        return given or any(field.type.callback for field in fields)


Problem = tuple[str, str, str | None]
"""The place of what cannot be used, the reason, and what to write instead."""


def further_remedy(name: str) -> str:
    """Return what to type for a function whose further arguments have no types.

    Args:
        name: The function.
    """
    return f"variadic={{{name!r}: 'int, const char *'}} declares what it takes"


def _annotation(native: NativeType) -> Any:
    return PYTHON_TYPES.get(native.type.name, PythonParameter.empty)


def without_repeats(declarations: Iterable[Declared]) -> tuple[Declared, ...]:
    """Return the declarations with each name once; that of an array with its length, if any is.

    Raises:
        PrototypeError: One name is declared in two ways.
    """
    known: dict[str, Declared] = {}
    for declaration in declarations:
        first = known.setdefault(declaration.name, declaration)
        lengths = [length for one in (first, declaration) for length in _length(one)]
        if first.shape != declaration.shape or len(set(lengths)) > 1:
            raise PrototypeError(
                f"{declaration.name} is declared in two ways",
                expected=first.c_text,
                received=declaration.c_text,
                where=f"prototype of {declaration.name}",
                remedy="keep the one that the library's documentation has",
            )
        if _length(declaration):
            known[declaration.name] = declaration
    return tuple(known.values())


def _length(declaration: Declaration | Variable) -> tuple[int, ...]:
    """Return the outermost length of an array; nothing where there is none."""
    lengths = declaration.dimensions[:1] if isinstance(declaration, Variable) else ()
    return lengths if any(lengths) else ()


def refuse_all(problems: Sequence[Problem]) -> PrototypeError:
    """Return one error for all prototypes that cannot be used.

    Args:
        problems: The place, the reason and the remedy of each.
    """
    where, reason, _ = problems[0]
    remedies = dict.fromkeys(remedy for _, _, remedy in problems if remedy)
    remedy = "; ".join(remedies) or None
    if len(problems) == 1:
        return PrototypeError(reason, where=where, remedy=remedy)
    return PrototypeError(
        f"{len(problems)} prototypes cannot be used",
        received="; ".join(f"{reason} ({where})" for where, reason, _ in problems),
        where=where,
        remedy=remedy,
    )
