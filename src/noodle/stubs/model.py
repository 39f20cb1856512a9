"""The data: modules, functions, classes and constants as a library declares them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from noodle.prototypes import Parameter, Prototype
from noodle.stubs.annotations import kinds_of
from noodle.values import ValueType

__all__ = [
    "STARS",
    "StubAlias",
    "StubClass",
    "StubConstant",
    "StubFunction",
    "StubMember",
    "StubModule",
    "StubParameter",
    "StubSignature",
]

Kind = inspect._ParameterKind
_KINDS = inspect.Parameter
STARS: Mapping[Kind, str] = {_KINDS.VAR_POSITIONAL: "*", _KINDS.VAR_KEYWORD: "**"}
"""How parameters are marked that take all further arguments."""


@dataclass(frozen=True, slots=True)
class StubParameter:
    """One parameter.

    Args:
        name: Its name; ``""`` when the declaration has none.
        annotation: Its type as Python writes it; ``""`` where it is not known.
        kind: How it may be given, in the words of ``inspect``.
        default: Its default as Python writes it, ``...`` where that is not known; None where a
            call must give it.
        type: What dispatch knows of its type; None where the annotation says it all.
    """

    name: str
    annotation: str = ""
    kind: Kind = _KINDS.POSITIONAL_OR_KEYWORD
    default: str | None = None
    type: ValueType | None = None

    @property
    def by_name(self) -> bool:
        """Whether it may be given by name."""
        kinds = (_KINDS.POSITIONAL_OR_KEYWORD, _KINDS.KEYWORD_ONLY)
        return self.kind in kinds and self.name.isidentifier()

    @property
    def kinds(self) -> frozenset[str] | None:
        """The types of Noodle's values that may fit; None for any. See ``kinds_of``."""
        return kinds_of(self.annotation) if self.type is None else None


@dataclass(frozen=True, slots=True)
class StubSignature:
    """One way to call a function.

    Args:
        parameters: In order.
        result: The type of the result as Python writes it; ``""`` where it is not known.
    """

    parameters: tuple[StubParameter, ...] = ()
    result: str = ""

    def prototype(self, name: str) -> Prototype:
        """Return how arguments are matched to parameters; types are left out."""
        variadic = (_KINDS.VAR_POSITIONAL, _KINDS.VAR_KEYWORD)
        kinds = {p.kind for p in self.parameters}
        return Prototype(
            name,
            tuple(
                Parameter(
                    p.name,
                    optional=p.default is not None,
                    positional=p.kind != _KINDS.KEYWORD_ONLY,
                    keyword=p.kind != _KINDS.POSITIONAL_ONLY and bool(p.name),
                )
                for p in self.parameters
                if p.kind not in variadic
            ),
            variadic=_KINDS.VAR_POSITIONAL in kinds,
            any_keyword=_KINDS.VAR_KEYWORD in kinds,
        )

    def shown(self, name: str) -> str:
        """Return it in one line, as a person reads it: ``pow(x: float, y: float) -> float``."""
        parts = []
        for index, p in enumerate(self.parameters):
            text = f"{STARS.get(p.kind, '')}{p.name or f'argument_{index + 1}'}"
            text += f": {p.annotation}" if p.annotation else ""
            spaces = " " if p.annotation else ""
            parts.append(text if p.default is None else f"{text}{spaces}={spaces}{p.default}")
        return f"{name}({', '.join(parts)})" + (f" -> {self.result}" if self.result else "")


@dataclass(frozen=True, slots=True)
class StubFunction:
    """A function, or a method of a class.

    Args:
        name: Its name.
        signatures: The ways to call it; none where they are not known.
        documentation: What its author says of it, or ``""``.
        awaited: Whether a call gives what is awaited.
        decorator: ``staticmethod``, ``classmethod`` or ``property`` of one in a class, or ``""``.
        module: The module in which type checkers find more than the signatures say, or ``""``.
        declared: The declaration in its own language, or ``""``.
        undeclared: What has to be declared before it can be called, or ``""``.
    """

    name: str
    signatures: tuple[StubSignature, ...] = ()
    documentation: str = ""
    awaited: bool = False
    decorator: str = ""
    module: str = ""
    declared: str = ""
    undeclared: str = ""

    @property
    def shown(self) -> str:
        """The first way to call it, in one line."""
        return self.signatures[0].shown(self.name) if self.signatures else f"{self.name}(...)"


@dataclass(frozen=True, slots=True)
class StubConstant:
    """A constant, a variable or a field.

    Args:
        name: Its name.
        annotation: Its type as Python writes it; ``""`` where it is not known.
        value: Its value as Python writes it, or ``""``.
        final: Whether it cannot be changed.
        documentation: What its author says of it, or ``""``.
        module: The module in which type checkers find more than the annotation says, or ``""``.
    """

    name: str
    annotation: str = ""
    value: str = ""
    final: bool = False
    documentation: str = ""
    module: str = ""


@dataclass(frozen=True, slots=True)
class StubClass:
    """A class, or a structure.

    Args:
        name: Its name.
        members: Its fields and methods, in order.
        bases: The classes that it derives from, as Python writes them.
        documentation: What its author says of it, or ``""``.
    """

    name: str
    members: tuple[StubFunction | StubConstant | StubClass, ...] = ()
    bases: tuple[str, ...] = ()
    documentation: str = ""

    @property
    def constructor(self) -> StubFunction | None:
        """How it is called; None where that is not known."""
        found = next((m for m in self.members if m.name == "__init__"), None)
        if not isinstance(found, StubFunction):
            return None
        signatures = (StubSignature(s.parameters[1:], self.name) for s in found.signatures)
        return StubFunction(self.name, tuple(signatures), self.documentation)


@dataclass(frozen=True, slots=True)
class StubAlias:
    """A name that another Python module declares.

    Args:
        name: Its name here.
        module: The module.
        original: Its name there; ``""`` for the module itself.
    """

    name: str
    module: str
    original: str = ""


@dataclass(frozen=True, slots=True)
class StubModule:
    """A library, or a namespace in it.

    Args:
        name: Its name.
        members: What it has, in the order in which it is written.
        documentation: What its author says of it, or ``""``.
        source: What the declarations were read from, for people.
        complete: Whether it has no other names than these and the further ones.
        further: Names that it has too, of which no more is known.
        modules: Gives the namespaces within it, by name.
        types: Classes that only annotations name.
        unusable: Why further names that it has cannot be used.
        notes: What could not be found out, for people.
    """

    name: str
    members: Sequence[StubMember] = ()
    documentation: str = ""
    source: str = ""
    complete: bool = False
    further: frozenset[str] = frozenset()
    modules: Mapping[str, Callable[[], StubModule]] = field(default_factory=dict)
    types: Sequence[StubClass] = ()
    unusable: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """All names that it has."""
        return sorted({*(member.name for member in self.members), *self.modules})

    def member(self, name: str) -> StubMember | StubModule | None:
        """Return the member of that name, or None."""
        if name in self.modules:
            return self.modules[name]()
        return next((member for member in self.members if member.name == name), None)


StubMember = StubFunction | StubConstant | StubClass | StubAlias
