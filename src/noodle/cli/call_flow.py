"""The way of each call of a program through the dispatch flow, found without running the program.

What the dispatcher would do is asked of the dispatcher itself: the plan is the one that a call
with arguments of these types gets. Where a type is not known before the program runs, the plan is
made for what the function's prototype declares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any

from noodle.calls import Plan
from noodle.errors import InternalError, NoodleError
from noodle.language import CallSite, ForeignImport
from noodle.prototypes import Prototype
from noodle.values import ANY, FLOAT_TYPES, INTEGER_RANGES, ValueType, refusal

if TYPE_CHECKING:
    from noodle.runtime.host import EngineHost

__all__ = ["CallFlow", "ImportOutcome", "follow", "load_imports", "needs_of"]

UNKNOWN = "unknown"
AT_RUN_TIME = "known when it runs"

_SAMPLES: dict[str, Any] = {
    "int": 1,
    "float": 1.0,
    "bool": True,
    "str": "",
    "bytes": b"\0",  # not shorter than the sample of its length says
    "null": None,
    "list": [],
    "map": {},
    "range": range(1),
    "function": lambda *_: None,
    "ptr": None,
}
_ARRAYS = {
    name: memoryview(bytearray(8)).cast(code)  # type: ignore[call-overload]
    for name, code in zip([*INTEGER_RANGES, *FLOAT_TYPES, "bool"], "bBhHiIqQfd?", strict=True)
}


class _Unknown:
    """Stands for an argument of which nothing is known."""


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What became of an ``import ffi``.

    Args:
        request: The import.
        module: The library's namespace; None when it could not be loaded.
        error: Why it could not be loaded.
        needs: The environment that it needs, and whether it was there; None for none.
        notes: What the configuration has to say of it.
    """

    request: ForeignImport
    module: ModuleType | None
    error: NoodleError | None
    needs: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """The library with version, bridge and placement; ``""`` when it could not be loaded."""
        if self.module is None:
            return ""
        from noodle.libraries import library_of

        origin = library_of(self.module).origin
        return f"{origin.target}, {origin.bridge} bridge, {origin.placement}"


@dataclass(frozen=True, slots=True)
class CallFlow:
    """One call on its way through the flow, a field or two for each step.

    Args:
        line: Where the call stands.
        column: Its column, from 1.
        callee: What is called, as written.
        arguments: The types of its arguments; ``unknown`` where they show when it runs.
        prototype: What the function declares; None where that is not known.
        mismatch: Why the arguments do not fit; None when nothing speaks against them.
        optimisation: What the router decided; None when the call does not get that far.
        routing: Library with version, bridge and placement; None when it has none.
        stages: What each other stage decided, by name.
        notes: What bridge and configuration have to say.
        result: The type of the result; None when there will be none.
        problem: Why no such call can be made; None when nothing speaks against it.
    """

    line: int
    column: int
    callee: str
    arguments: tuple[str, ...]
    prototype: str | None = None
    mismatch: str | None = None
    optimisation: str | None = None
    routing: str | None = None
    stages: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    result: str | None = None
    problem: str | None = None


def load_imports(host: EngineHost, requests: Sequence[ForeignImport]) -> list[ImportOutcome]:
    """Load what a program imports, going on behind what cannot be loaded.

    Raises:
        InternalError: Noodle itself failed.
    """
    outcomes = []
    for request in requests:
        module = failure = None
        try:
            module = host.load_foreign(request)
        except InternalError:
            raise
        except NoodleError as error:
            failure = error
        needs, notes = needs_of(host, request), _notes_of(host, request)
        outcomes.append(ImportOutcome(request, module, failure, needs, notes))
    return outcomes


def needs_of(host: EngineHost, request: ForeignImport) -> str | None:
    """Return what an import needs and whether it is there, in one line; None for nothing.

    What is wrong with it shows when it is loaded.
    """
    try:
        return host.engine.dispatcher.needs(
            request.target, directory=host.directory_of(request.path), **request.options
        )
    except InternalError:
        raise
    except NoodleError:
        return None


def _notes_of(host: EngineHost, request: ForeignImport) -> tuple[str, ...]:
    """Return what the configuration has to say of an import; what is wrong shows when it loads."""
    try:
        directory = host.directory_of(request.path)
        return host.engine.dispatcher.notes(request.target, directory=directory)
    except InternalError:
        raise
    except NoodleError:
        return ()


def follow(site: CallSite, outcomes: Sequence[ImportOutcome]) -> CallFlow:
    """Return the way of one call.

    Args:
        site: The call.
        outcomes: What became of the program's imports.
    """
    if site.foreign_import is None:
        return _flow(
            site,
            optimisation="none: methods of a value are the value's own",
            routing="to the value, whatever it is when the program runs",
            result=AT_RUN_TIME,
        )
    outcome = next(o for o in outcomes if o.request == site.foreign_import)
    try:
        if outcome.error:
            raise outcome.error
        return _planned(site, outcome)
    except NoodleError as error:
        return _flow(
            site,
            routing=outcome.identity or None,
            prototype=site.prototype,
            problem=_text(error),
        )


def _flow(site: CallSite, **facts: Any) -> CallFlow:
    keywords = [f"{name}={kind or UNKNOWN}" for name, kind in site.keyword_types]
    types = (*(kind or UNKNOWN for kind in site.argument_types), *keywords)
    return CallFlow(site.line, site.column, site.callee, types, **facts)


def _text(error: NoodleError) -> str:
    details = [f"{label} {text}" for label, text in error.details() if label != "where"]
    return "; ".join([error.summary, *details])


def _planned(site: CallSite, outcome: ImportOutcome) -> CallFlow:
    from noodle._handle import Handle
    from noodle.bindings import prototype_of
    from noodle.libraries import library_of

    assert outcome.module is not None
    member = library_of(outcome.module).member(site.member) if site.member else outcome.module
    prototype = prototype_of(member, site.member.rpartition(".")[2] or site.callee)
    args, kwargs = _samples(site, prototype)
    mismatch = _mismatch(prototype, args, kwargs)
    facts: dict[str, Any] = {
        "prototype": str(prototype),
        "mismatch": mismatch,
        "routing": outcome.identity,
    }
    if mismatch:
        return _flow(site, **facts)
    facts["result"] = AT_RUN_TIME if prototype.returns == ANY else str(prototype.returns)
    if not isinstance(member, Handle):
        reason = "none: a class is called directly"
        return _flow(site, **facts, optimisation=reason)
    plan: Plan = member.explain(*args, **kwargs)
    stages = {decision.stage: decision.reason for decision in plan.stages}
    optimisation = stages.pop("optimisation", None)
    notes = plan.notes
    if None in (*site.argument_types, *(kind for _, kind in site.keyword_types)):
        notes = (*notes, "an unknown type is taken to be what the prototype declares")
    return _flow(site, **facts, optimisation=optimisation, stages=stages, notes=notes)


def _samples(site: CallSite, prototype: Prototype) -> tuple[list[Any], dict[str, Any]]:
    """Return a value for each argument, of its type or else of the type that is declared."""
    # The prototype itself says which parameter a place is for: with all arguments, or without
    # those that may be left out, it may be another one.
    places = range(len(site.argument_types))
    bound = prototype.bind(places, {name: name for name, _ in site.keyword_types})
    labels = {} if isinstance(bound, str) else {given: label for label, given in bound.items()}
    declared = _declared(prototype)
    args = [
        _sample(kind, declared.get(labels.get(place, ""), ANY))
        for place, kind in zip(places, site.argument_types, strict=True)
    ]
    kwargs = {
        name: _sample(kind, declared.get(labels.get(name, ""), ANY))
        for name, kind in site.keyword_types
    }
    return args, kwargs


def _declared(prototype: Prototype) -> dict[str, ValueType]:
    return {p.name or f"argument {i}": p.type for i, p in enumerate(prototype.parameters, 1)}


def _sample(known: str | None, declared: ValueType) -> Any:
    if known in _SAMPLES:
        return _SAMPLES[known]
    if declared.name == "array" and declared.item:
        return _ARRAYS[declared.item.name]
    if declared.name in INTEGER_RANGES:
        return _SAMPLES["int"]
    if declared.name in FLOAT_TYPES:
        return _SAMPLES["float"]
    return _SAMPLES.get(declared.name, _Unknown())


def _mismatch(prototype: Prototype, args: list[Any], kwargs: dict[str, Any]) -> str | None:
    if not prototype.readable:
        return None
    bound = prototype.bind(args, kwargs)
    if isinstance(bound, str):
        return bound
    declared = _declared(prototype)
    for name, value in bound.items():
        why = None if isinstance(value, _Unknown) else refusal(declared.get(name, ANY), value)
        if why:
            return f"{name}: {why}"
    return None
