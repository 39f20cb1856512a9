"""The facts of a call: what it brings, the plan for it, and the protocols of the parts between.

A *signature* is what one call brings: the types of its arguments. A *plan* is the compiled decision
for a function and a signature. A *stage* has the shape
of a wrapper: given the call and the callable below, it returns the callable that the plan goes
through, which is the one below itself when there is nothing to do at run time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from noodle.errors import ArgumentTypeError
from noodle.prototypes import Prototype
from noodle.values import qualified_name

__all__ = [
    "BoundFunction",
    "Bridge",
    "Call",
    "CallOptions",
    "Function",
    "Instance",
    "LoadRequest",
    "LoadedLibrary",
    "Plan",
    "Preparation",
    "Principal",
    "Signature",
    "Stage",
    "StageDecision",
    "Submodule",
    "Translate",
]


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
        """Raise when such calls must not happen; asked before the bridge learns of the call.

        A function whose callable does not depend on the types is planned for a few signatures, and
        then called with all others: what depends on the arguments belongs into ``compile``.
        """

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

    @property
    def awaitable(self) -> Function | None:
        """The same function with results for asyncio to await; None where calls can only block.

        Calls of what it binds return at once, and need a running event loop.
        """
        return None

    @property
    def batched(self) -> Function | None:
        """What makes many calls of it at once; None where a batch is a loop of calls.

        It takes a list of rows, which are as ``require_rows`` has them or refused by its error, and
        returns the list of results.
        """
        return None

    @property
    def concurrent(self) -> bool:
        """Whether the calls of a batch in this process run on several threads."""
        return False

    @property
    def mapped(self) -> Function | None:
        """What calls it for the elements of arrays; None where a map is a batch.

        It takes an array for each parameter, by position or name, and the keywords ``out`` and
        ``parallel``, and returns the array of results.
        """
        return None

    @property
    def own_options(self) -> Mapping[str, Any]:
        """The further options of its handles, with what was chosen; None where nothing was."""
        return {}

    def with_options(self, options: Mapping[str, Any]) -> Function:
        """Return the function under other such options.

        Args:
            options: All of ``own_options`` that are not None.
        """
        return self

    @abstractmethod
    def bind(self, call: Call) -> BoundFunction:
        """Make the function ready for calls of this signature.

        The result may depend on the types of the arguments, never on their values.

        Raises:
            ArgumentError: No call of this signature can succeed.
        """


def require_rows(name: str, rows: Sequence[object]) -> None:
    """Raise unless each row of a batch holds the arguments of one call.

    Args:
        name: What is called.
        rows: Tuples or lists of positional arguments, and dicts of keyword arguments.

    Raises:
        ArgumentTypeError: A row is neither.
    """
    for index, row in enumerate(rows):
        if not isinstance(row, (tuple, list, Mapping)):
            raise ArgumentTypeError(
                f"a batch of {name} needs rows of arguments",
                expected="a tuple, list or dict for each call",
                received=type(row).__name__,
                where=f"row {index}",
                remedy="batch([(x,) for x in values])",
            )


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
        interpreter: A specifier of the interpreter's version (PEP 440), or ``""`` for any.
        kind: What the location names, in the words of ``targets.Target``.
        placement: Where it is to run: one of the bridge's ``placements``.
    """

    library: str
    location: str
    requirement: str = ""
    prototypes: str | Sequence[Prototype] | None = None
    directory: str = "."
    options: Mapping[str, Any] = field(default_factory=dict)
    interpreter: str = ""
    kind: str = "package"
    placement: str = "inprocess"


@dataclass(frozen=True, slots=True)
class Preparation:
    """What a library needs and now has, or what is locked of it, without having been loaded.

    Args:
        summary: What it will run with, in one line.
        path: The file or folder that holds it, or the lock file; it is there.
        section: The section of the lock file that names it.
        target: Its table there.
        facts: What the lock file should say about this machine's copy; often nothing.
    """

    summary: str
    path: Path
    section: str
    target: str
    facts: Mapping[str, str] = field(default_factory=dict)


class Bridge(Protocol):
    """The adapter for one language runtime.

    One that installs packages, or finds files, has a method ``prepare`` too, which takes the same
    request as ``load`` and returns a ``Preparation``, or None where nothing is needed; its method
    ``lock`` does the same for the lock file alone, installing nothing. One whose
    libraries may need an environment has ``needs``, which tells in one line what a request needs
    and whether it is there, or returns None; it installs nothing. One whose libraries run in
    several placements may have ``usual_placement``, which returns that of a request for which none
    is asked. One that knows what its libraries declare has ``describe``, which takes a request and
    ``run``, whether the library may be installed and its code run, and returns a ``StubModule`` or
    None.
    """

    @property
    def name(self) -> str:
        """``python``, ``native``, ``loopback``, …: the name in messages and the configuration."""

    @property
    def option_names(self) -> frozenset[str]:
        """The load options that this bridge understands."""

    @property
    def placements(self) -> tuple[str, ...]:
        """Where its libraries can run, the usual place first; ``inprocess`` when it has no such."""

    def missing(self) -> str | None:
        """Say what this bridge needs and lacks, with the command to type, or return None."""

    def load(self, request: LoadRequest) -> LoadedLibrary:
        """Load a library; the same request twice may give the same object.

        Raises:
            MissingError: It is not installed.
            VersionError: It is installed in another version.
            LibraryLoadError: It was found and cannot be loaded.
        """
