"""The facts of a call: what a function declares, what a call brings, and the plan between them.

A *prototype* is what a function declares. A *signature* is what one call brings: the types of its
arguments. A *plan* is the compiled decision for a function and a signature. A *stage* has the shape
of a wrapper: given the call and the callable below, it returns the callable that the plan goes
through, which is the one below itself when there is nothing to do at run time.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from noodle.errors import PrototypeError
from noodle.values import ANY, ValueType, parse_type, qualified_name, refusal

__all__ = [
    "BoundFunction",
    "Bridge",
    "Call",
    "CallOptions",
    "Function",
    "Instance",
    "LoadRequest",
    "LoadedLibrary",
    "Parameter",
    "Plan",
    "Principal",
    "Prototype",
    "Signature",
    "Stage",
    "StageDecision",
    "Submodule",
    "Translate",
    "parse_prototype",
]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a prototype.

    Args:
        name: Its name; ``""`` when the declaration has none.
        type: Its declared type; ``any`` when nothing is known.
        optional: Whether a call may leave it out.
        positional: Whether it may be given by position.
        keyword: Whether it may be given by name.
    """

    name: str
    type: ValueType = ANY
    optional: bool = False
    positional: bool = True
    keyword: bool = True

    def __str__(self) -> str:
        text = f"{self.name}: {self.type}" if self.name else str(self.type)
        if self.name and self.type == ANY:
            text = self.name
        return f"{text}?" if self.optional else text


@dataclass(frozen=True, slots=True)
class Prototype:
    """What a function declares about its parameters and its result.

    Args:
        name: The function's name in its library.
        parameters: In order.
        returns: The type of the result.
        variadic: Whether further positional arguments are accepted.
        any_keyword: Whether keywords other than the parameters' names are accepted.
        readable: Whether the declaration is known; one that is not accepts every call.
    """

    name: str
    parameters: tuple[Parameter, ...] = ()
    returns: ValueType = ANY
    variadic: bool = False
    any_keyword: bool = False
    readable: bool = True

    def __str__(self) -> str:
        if not self.readable:
            return f"{self.name}(...), declaration unknown"
        parts = [str(parameter) for parameter in self.parameters]
        parts += ["..."] * self.variadic
        result = "" if self.returns == ANY else f": {self.returns}"
        return f"{self.name}({', '.join(parts)}){result}"

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any] | str:
        """Match arguments to parameters.

        Args:
            args: The positional arguments.
            kwargs: The keyword arguments.

        Returns:
            The arguments by parameter (``name``, or ``argument N`` where it has none; ``keyword
            NAME`` for one beyond the parameters that a positional-only parameter is named like),
            or, where they do not match, a text that says what was expected and what came.
        """
        positional = [parameter for parameter in self.parameters if parameter.positional]
        if len(args) > len(positional) and not self.variadic:
            return f"expected {self._count()}, got {len(args) + len(kwargs)}"
        bound = {
            parameter.name or f"argument {index}": argument
            for index, (parameter, argument) in enumerate(zip(positional, args, strict=False), 1)
        }
        named = [p.name for p in self.parameters if p.keyword and p.name]
        labels = {p.name or f"argument {index}" for index, p in enumerate(self.parameters, 1)}
        for name, argument in kwargs.items():
            if name not in named and not self.any_keyword:
                accepted = f"a keyword of ({', '.join(named)})" if named else "no keyword"
                return f"expected {accepted}, got {name}"
            if name in named and name in bound:
                return f"expected {name} once, got it by position and by keyword"
            label = name if name in named or name not in labels else f"keyword {name}"
            bound[label] = argument
        return self._missing(bound, len(args) + len(kwargs)) or bound

    def _missing(self, bound: Mapping[str, Any], count: int) -> str | None:
        for index, parameter in enumerate(self.parameters, 1):
            if not parameter.optional and (parameter.name or f"argument {index}") not in bound:
                return f"expected {self._count()}, got {count}: {parameter} is missing"
        return None

    def _count(self) -> str:
        required = sum(not parameter.optional for parameter in self.parameters)
        total = len(self.parameters)
        number = f"{required}" if required == total else f"{required} to {total}"
        if self.variadic:
            number = f"at least {required}"
        noun = "argument" if number in ("1", "at least 1") else "arguments"
        return f"{number} {noun} ({', '.join(map(str, self.parameters))})"

    def refusal(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
        """Say why this function does not accept the arguments, or return None when it does."""
        if not self.readable:
            return None
        bound = self.bind(args, kwargs)
        if isinstance(bound, str):
            return bound
        declared = {p.name or f"argument {i}": p.type for i, p in enumerate(self.parameters, 1)}
        for name, argument in bound.items():
            why = refusal(declared.get(name, ANY), argument)
            if why:
                return f"{name}: {why}"
        return None


_PROTOTYPE_TEXT = re.compile(r"\s*(?:fn\s+)?([^\W\d]\w*)\s*\((.*)\)\s*(?::\s*(.+?))?\s*", re.DOTALL)


def parse_prototype(text: str) -> Prototype:
    """Read a prototype in the language's form, such as ``dot(x: list, y: list): float``.

    Args:
        text: The name, the parameters with their types (``...`` at the end for any number more),
            and the type of the result where it is known.

    Raises:
        PrototypeError: The text has another form, or a type is unknown.
    """
    match = _PROTOTYPE_TEXT.fullmatch(text)
    if match is None:
        raise PrototypeError(
            "a prototype cannot be read",
            expected="name(parameter: type, ...): type",
            received=text.strip() or "nothing",
        )
    name, inside, returns = match.groups()
    parts = [part.strip() for part in inside.split(",")] if inside.strip() else []
    variadic = parts[-1:] == ["..."]
    parameters = tuple(_parse_parameter(part) for part in parts[: len(parts) - variadic])
    if len({parameter.name for parameter in parameters}) < len(parameters):
        raise PrototypeError(
            f"a prototype of {name} names a parameter twice",
            expected="a name of its own for each parameter",
            received=inside.strip(),
        )
    return Prototype(name, parameters, parse_type(returns) if returns else ANY, variadic)


def _parse_parameter(text: str) -> Parameter:
    name, colon, type_text = (part.strip() for part in text.partition(":"))
    if not name.isidentifier():
        raise PrototypeError(
            "a parameter of a prototype has no name",
            expected="a parameter as name: type, or just its name",
            received=text or "nothing",
        )
    return Parameter(name, parse_type(type_text, where=text) if colon else ANY)


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """The types that one call brings: the key of a plan.

    Types are told apart by identity, because a metaclass may make its classes equal or unhashable.

    Args:
        positional: The exact types of the positional arguments.
        keywords: The names and exact types of the keyword arguments, in the order of the call.
    """

    positional: tuple[type, ...] = ()
    keywords: tuple[tuple[str, type], ...] = ()

    @classmethod
    def of(cls, args: Iterable[Any], kwargs: Mapping[str, Any] | None = None) -> Signature:
        """Return the signature of a call with these arguments."""
        named = tuple((name, type(value)) for name, value in (kwargs or {}).items())
        return cls(tuple(type(value) for value in args), named)

    def _identity(self) -> tuple[Any, ...]:
        keywords = tuple((name, id(python_type)) for name, python_type in self.keywords)
        return tuple(map(id, self.positional)), keywords

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Signature) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __str__(self) -> str:
        parts = [qualified_name(python_type) for python_type in self.positional]
        parts += [f"{name}={qualified_name(python_type)}" for name, python_type in self.keywords]
        return f"({', '.join(parts)})"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls.

    Args:
        name: The caller's name.
        role: The role that decides what it may call.
    """

    name: str = "local"
    role: str = "admin"


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What a caller may choose for a handle.

    Args:
        deadline: Seconds that each call may take; None for no limit of its own.
        placement: ``inprocess``, ``isolated`` or ``remote``; None for the target's own.
    """

    deadline: float | None = None
    placement: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One invocation, as the stages see it while they compile a plan.

    Args:
        library: The name of the loaded library.
        function: The function's dotted name in it.
        args: The positional arguments of the call that is being planned.
        kwargs: Its keyword arguments.
        signature: Their types.
        options: What the caller chose.
        principal: Who calls.
    """

    library: str
    function: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    signature: Signature = Signature()
    options: CallOptions = CallOptions()
    principal: Principal = Principal()


@dataclass(frozen=True, slots=True)
class StageDecision:
    """What one stage decided for a plan.

    Args:
        stage: The stage's name.
        reason: Why, in one line.
        active: Whether the stage has work to do on each call.
    """

    stage: str
    reason: str
    active: bool


Translate = Callable[[BaseException, tuple[Any, ...], Mapping[str, Any]], BaseException]
"""Turns an exception of the callable into the one to raise, given the arguments of the call."""


@dataclass(frozen=True, slots=True)
class BoundFunction:
    """A function made ready for one signature.

    Args:
        callable: What a warm call jumps to, with the caller's own arguments.
        translate: Turns an exception raised by ``callable`` into the one to raise, given the
            arguments; None when exceptions pass as they are.
        generic: Whether ``callable`` is the same for every signature.
        notes: What ``explain`` should tell: conversions, copies, the mode of the call.
    """

    callable: Callable[..., Any]
    translate: Translate | None = None
    generic: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """The compiled decision for a function and a signature; what ``handle.explain`` returns.

    Args:
        library: The loaded library's name.
        function: The function's dotted name.
        target: The target with its version.
        bridge: The runtime bridge that calls it.
        placement: Where it runs.
        signature: The types that the plan is for.
        prototype: What the function declares.
        stages: What each stage decided, in the order of the call path.
        candidates: The arms or instances that were considered, the chosen one first.
        predicted: Predicted figures by name, in seconds where they are times; empty without a
            router.
        notes: What the bridge and the configuration have to say.
        epoch: The policy epoch in which it was made.
        callable: What a warm call jumps to.
        translate: See ``BoundFunction``.
        generic: Whether ``callable`` is the same for every signature.
    """

    library: str
    function: str
    target: str
    bridge: str
    placement: str
    signature: Signature
    prototype: Prototype
    stages: tuple[StageDecision, ...]
    candidates: tuple[str, ...]
    predicted: Mapping[str, float]
    notes: tuple[str, ...]
    epoch: int
    callable: Callable[..., Any] = field(repr=False)
    translate: Translate | None = field(default=None, repr=False)
    generic: bool = field(default=False, repr=False)

    def __str__(self) -> str:
        lines = [
            f"{self.library}.{self.function}{self.signature}",
            f"  target        {self.target}",
            f"  prototype     {self.prototype}",
            f"  bridge        {self.bridge}, {self.placement}",
            *(f"  {decision.stage:<13} {decision.reason}" for decision in self.stages),
            *(f"  note          {note}" for note in self.notes),
        ]
        return "\n".join(lines)


class Stage(Protocol):
    """One part of the call path, given to the dispatcher when it is built."""

    @property
    def name(self) -> str:
        """The stage's name in ``explain``."""

    def admit(self, call: Call) -> None:
        """Raise when calls like this must not happen; asked before the bridge learns of the call."""

    def compile(self, call: Call, inner: Callable[..., Any]) -> tuple[Callable[..., Any], str]:
        """Return the callable to go through and the reason in one line.

        Args:
            call: The call that is being planned.
            inner: The callable of the stages below.

        Returns:
            ``inner`` itself when the stage has nothing to do on each call, else a callable that
            takes and returns the same; and why.
        """


class Function(ABC):
    """A function of a loaded library, as its bridge gives it; bridges derive from it."""

    @property
    @abstractmethod
    def prototype(self) -> Prototype:
        """What the function declares."""

    @property
    @abstractmethod
    def raw(self) -> Callable[..., Any]:
        """The library's own function; its name, docstring and attributes are the handle's."""

    @abstractmethod
    def bind(self, call: Call) -> BoundFunction:
        """Make the function ready for calls of this signature.

        The result may depend on the types of the arguments, never on their values.

        Raises:
            ArgumentError: No call of this signature can succeed.
        """


@dataclass(frozen=True, slots=True)
class Submodule:
    """A member of a library that is a namespace itself.

    Args:
        library: The namespace, listed and looked up like the library it belongs to.
    """

    library: LoadedLibrary


class LoadedLibrary(Protocol):
    """What a bridge makes of a target: a namespace of functions, submodules and values."""

    @property
    def name(self) -> str:
        """The library's own name, dotted for a submodule."""

    @property
    def version(self) -> str | None:
        """Its version, or None where it has none to tell."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What ``explain`` should tell about the library as a whole."""

    @property
    def documentation(self) -> str | None:
        """The library's own docstring."""

    def available(self) -> bool:
        """Return whether calls may be sent to it now."""

    def names(self) -> Sequence[str]:
        """Return the names that completion should offer."""

    def member(self, name: str) -> Any:
        """Return the member of that name: a ``Function``, a ``Submodule``, or a plain value.

        Raises:
            NameNotFoundError: There is none; the remedy has the nearest names.
        """


class Instance(Protocol):
    """One running copy of a library that can take calls."""

    @property
    def name(self) -> str:
        """A name that is unique among the instances of its library."""

    def available(self) -> bool:
        """Return whether a call may be sent to it now."""

    def execute(self, operation: str, data: Any) -> Any:
        """Run an operation on this instance; ``Library.execute`` has the rules for ``data``."""


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What the dispatcher asks of a bridge.

    Args:
        library: The name under which the library will be known.
        location: What to load, without the scheme: a package, a file, a library name.
        requirement: The version asked for, as written, or ``""``.
        prototypes: C prototypes as text, or prototypes already read; None where there are none.
        directory: The directory against which a relative location is resolved.
        options: Further options of this load, checked by the bridge.
    """

    library: str
    location: str
    requirement: str = ""
    prototypes: str | Sequence[Prototype] | None = None
    directory: str = "."
    options: Mapping[str, Any] = field(default_factory=dict)


class Bridge(Protocol):
    """The adapter for one language runtime."""

    @property
    def name(self) -> str:
        """``python``, ``native``, ``loopback``, …: the name in messages and the configuration."""

    @property
    def option_names(self) -> frozenset[str]:
        """The load options that this bridge understands."""

    def missing(self) -> str | None:
        """Say what this bridge needs and lacks, with the command to type, or return None."""

    def load(self, request: LoadRequest) -> LoadedLibrary:
        """Load a library; the same request twice may give the same object.

        Raises:
            MissingError: It is not installed.
            VersionError: It is installed in another version.
            LibraryLoadError: It was found and cannot be loaded.
        """
