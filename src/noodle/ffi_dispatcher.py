"""The FFI dispatcher: loads targets through bridges, and picks who runs an operation.

It owns no policy of its own. The registry finds bridges, the planner compiles the stages that it
was given, and the configuration says what a name means; all are handed in when it is built.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from noodle import targets
from noodle._handle import Handle
from noodle.bindings import make_handle, placement_refused, prototype_of
from noodle.bridges.registry import BridgeRegistry
from noodle.calls import Bridge, Function, LoadRequest
from noodle.errors import (
    InstanceUnavailableError,
    NameNotFoundError,
    NoMatchingSignatureError,
    NoodleError,
    SettingsError,
    UnknownBridgeError,
    did_you_mean,
)
from noodle.libraries import Library, library_of
from noodle.planner import Origin, Planner
from noodle.prototypes import Prototype, parse_prototype

__all__ = ["Candidate", "Configuration", "FfiDispatcher", "LoadDefaults"]

UNAVAILABLE = "its instance is unavailable"

COMMON_OPTIONS = ("prototypes", "placement", "version", "name")


@dataclass(frozen=True, slots=True)
class LoadDefaults:
    """What holds for a load where the caller says nothing else.

    Args:
        version: The version, as written; ``""`` for any.
        placement: Where it runs; None to decide by the target.
        options: Options for the bridge.
        notes: What ``explain`` should tell.
    """

    version: str = ""
    placement: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Configuration(Protocol):
    """What the dispatcher asks about a library before it loads it."""

    @property
    def names(self) -> Sequence[str]:
        """The configured names, in order of preference."""

    def target(self, name: str) -> str | None:
        """Return the target that a configured name stands for, or None."""

    def defaults(self, name: str, target: targets.Target) -> LoadDefaults:
        """Return the defaults of a load; raises when a dependency is missing."""


class NoConfiguration:
    """A configuration that names nothing."""

    names: Sequence[str] = ()

    def target(self, name: str) -> str | None:
        """Return None."""
        return None

    def defaults(self, name: str, target: targets.Target) -> LoadDefaults:
        """Return the defaults of an unconfigured library."""
        return LoadDefaults()


@dataclass(frozen=True, slots=True)
class Candidate:
    """One library that offers an operation, as seen by a dispatch.

    Args:
        library: The library's name.
        prototype: What its function declares.
        function: The function; None when the library could not be loaded.
        refusal: Why it cannot take these arguments now; None when it can.
    """

    library: str
    prototype: Prototype
    function: Callable[..., Any] | None
    refusal: str | None

    def __str__(self) -> str:
        return f"{self.library}.{self.prototype}: {self.refusal or 'accepts the arguments'}"


class FfiDispatcher:
    """Routes calls to libraries.

    Args:
        registry: Finds bridges by name.
        planner: Compiles plans; its epoch makes all of them stale.
        configuration: Says what a configured name means.
        admit: Asked before a library is loaded, with its name and placement; raises to refuse.
        sample_every: One call in so many is timed; 0 for none.
    """

    def __init__(
        self,
        registry: BridgeRegistry,
        planner: Planner,
        *,
        configuration: Configuration | None = None,
        admit: Callable[[str, str], None] | None = None,
        sample_every: int = 64,
    ) -> None:
        self.registry = registry
        self.planner = planner
        self._configuration = configuration or NoConfiguration()
        self._admit = admit
        self._sample_every = sample_every
        self._lock = threading.Lock()
        self._libraries: dict[Any, Library] = {}
        self._offers: dict[str, list[tuple[str, str, Prototype | None]]] = {}

    # ------------------------------------------------------------------------------ loading

    def load(self, text: str, *, directory: str | Path = ".", **options: Any) -> ModuleType:
        """Load a target and return its namespace, the same one for the same request.

        Args:
            text: A target, or the name of a configured library.
            directory: Against which a relative path in the target is resolved.
            options: ``placement``, ``version``, ``prototypes`` (native libraries), ``name``, and
                those of the bridge.

        Returns:
            A module whose functions are handles.

        Raises:
            TargetError: The text is no target.
            UnknownBridgeError: No bridge serves it.
            SettingsError: An option is unknown.
            PlacementError: It cannot run where it should.
            MissingError, VersionError, LibraryLoadError: The bridge could not load it.
        """
        return self.library(text, directory=directory, **options).module

    def library(self, text: str, *, directory: str | Path = ".", **options: Any) -> Library:
        """Load a target like ``load`` and return the library itself."""
        key = (text, str(directory), _frozen(options))
        library = self._libraries.get(key)
        if library is None:
            library = self._load(text, Path(directory), options)
            with self._lock:
                library = self._libraries.setdefault(key, library)
        return library

    def _load(self, text: str, directory: Path, options: Mapping[str, Any]) -> Library:
        configured = self._configuration.target(text)
        target = self._target(configured or text, directory)
        bridge = self._bridge(target)
        _refuse_unknown_options(bridge, options, target.text)
        defaults = self._configuration.defaults(text, target)
        given = {**defaults.options, **options}
        name = given.pop("name", None) or (text if configured else target.location)
        placement = self._placement(name, given.pop("placement", None) or defaults.placement)
        loaded = bridge.load(
            LoadRequest(
                library=name,
                location=target.location,
                requirement=given.pop("version", None) or target.requirement or defaults.version,
                prototypes=given.pop("prototypes", None),
                directory=str(directory),
                options=given,
            )
        )
        origin = Origin(
            library=name,
            target=_with_version(target, loaded.version),
            bridge=bridge.name,
            placement=placement,
            instances=(f"{name}/{placement}",),
            notes=(*defaults.notes, *loaded.notes),
        )
        return Library(origin, loaded, self._new_handle)

    def _target(self, text: str, directory: Path) -> targets.Target:
        # Entry points are scanned only for a text that can name a plug-in at all.
        schemes = self.registry.names() if ":" in text else ()
        return targets.parse(text, directory=directory, schemes=schemes)

    def _bridge(self, target: targets.Target) -> Bridge:
        bridge = self.registry.get(target.bridge)
        missing = bridge.missing()
        if missing:
            raise UnknownBridgeError(
                f"the {bridge.name} bridge cannot be used: {missing}", received=target.text
            )
        return bridge

    def _placement(self, name: str, asked: str | None) -> str:
        placement = asked or "inprocess"
        if self._admit:
            self._admit(name, placement)
        if placement != "inprocess":
            raise placement_refused(name, placement)
        return placement

    def _new_handle(self, origin: Origin, name: str, function: Function) -> Handle:
        return make_handle(self.planner, origin, name, function, sample_every=self._sample_every)

    # ---------------------------------------------------------------------- loaded libraries

    def bridge(self, name: str) -> Library:
        """Return a loaded or configured library; one that is neither is loaded by that name.

        Raises:
            UsageError: It cannot be loaded.
        """
        return self._loaded(name) or self.library(name)

    def _loaded(self, name: str) -> Library | None:
        return next((lib for lib in self.libraries() if name in (lib.name, str(lib))), None)

    def libraries(self) -> list[Library]:
        """Return the loaded libraries: the configured ones in their order, then the others."""
        order = list(self._configuration.names)
        loaded = list(dict.fromkeys(self._libraries.values()))
        return sorted(
            loaded, key=lambda lib: order.index(lib.name) if lib.name in order else len(order)
        )

    def invalidate(self) -> None:
        """Make every plan stale: a policy, a route or a library has changed."""
        self.planner.epoch.advance()

    # ------------------------------------------------------------------ dispatch by signature

    def register(
        self,
        name: str,
        library: str | ModuleType | Library,
        *,
        operation: str | None = None,
        prototype: str | Prototype | None = None,
    ) -> None:
        """Let a library offer an operation.

        Args:
            name: The operation's name in ``dispatch``.
            library: A loaded library, its namespace, or a name to load when it is needed.
            operation: The function's name in the library; the same name when left out.
            prototype: What it accepts, as text (``"dot(a: list, b: list)"``) or read; what the
                function itself declares when left out.

        Raises:
            PrototypeError: The prototype cannot be read.
        """
        if isinstance(library, ModuleType):
            library = library_of(library)
        if isinstance(library, Library):
            with self._lock:
                self._libraries.setdefault((library.name, "registered", id(library)), library)
            library = library.name
        declared = parse_prototype(prototype) if isinstance(prototype, str) else prototype
        self._offers.setdefault(name, []).append((library, operation or name, declared))

    def candidates(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> list[Candidate]:
        """Return who offers an operation, in the configured order, with the reason of each refusal.

        Args:
            name: The operation.
            args: Positional arguments.
            kwargs: Keyword arguments.

        Raises:
            UnknownBridgeError: Nobody offers it.
        """
        offers = self._offers.get(name)
        if offers is None:
            offers = [(lib.name, name, None) for lib in self.libraries() if _offers(lib, name)]
        if not offers:
            raise UnknownBridgeError(
                f"no bridge offers {name!r}",
                expected=f"one of {', '.join(sorted(self._offers)) or 'the registered operations'}",
                received=name,
                remedy=did_you_mean(name, self._offers) or f'register("{name}", library)',
            )
        order = list(self._configuration.names)
        ranked = sorted(offers, key=lambda o: order.index(o[0]) if o[0] in order else len(order))
        return [self._candidate(*offer, args, kwargs) for offer in ranked]

    def _candidate(
        self,
        library_name: str,
        operation: str,
        declared: Prototype | None,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Candidate:
        try:
            library = self.bridge(library_name)
            function = library.member(operation)
            prototype = declared or prototype_of(function, operation)
        except NoodleError as error:
            unknown = declared or Prototype(operation, readable=False)
            return Candidate(library_name, unknown, None, error.summary)
        why = None if library.available() else UNAVAILABLE
        return Candidate(library_name, prototype, function, why or prototype.refusal(args, kwargs))

    def dispatch(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Run an operation on the first library whose signature accepts the arguments.

        A library whose instance turns out to be gone is passed over for the next one.

        Args:
            name: An operation that libraries were registered for, or a function of loaded
                libraries.
            args: Positional arguments.
            kwargs: Keyword arguments.

        Returns:
            The result.

        Raises:
            UnknownBridgeError: Nobody offers the operation.
            NoMatchingSignatureError: No signature accepts the arguments; each refusal is listed.
            InstanceUnavailableError: All that accept them are gone.
        """
        lost: list[str] = []
        candidates = self.candidates(name, args, kwargs)
        for candidate in candidates:
            if candidate.refusal is not None or candidate.function is None:
                continue
            try:
                return candidate.function(*args, **kwargs)
            except InstanceUnavailableError as error:
                lost.append(f"{candidate.library}: {error.summary}")
                self.invalidate()
        raise _nobody(name, candidates, lost)

    def execute(self, library: str, operation: str, data: Any) -> Any:
        """Run an operation of one library with arguments given as data; see ``Library.execute``."""
        return self.bridge(library).execute(operation, data)


def _nobody(name: str, candidates: Sequence[Candidate], lost: Sequence[str]) -> NoodleError:
    refusals = [str(candidate) for candidate in candidates if candidate.refusal is not None]
    if lost or any(candidate.refusal == UNAVAILABLE for candidate in candidates):
        return InstanceUnavailableError(
            f"no instance that can run {name!r} is available",
            expected="a running instance",
            received="; ".join([*lost, *refusals]),
        )
    return NoMatchingSignatureError(
        f"no bridge accepts these arguments for {name!r}",
        expected=" or ".join(f"{c.library}.{c.prototype}" for c in candidates),
        received="; ".join(refusals),
    )


def _offers(library: Library, name: str) -> bool:
    try:
        return callable(library.member(name))
    except NameNotFoundError:
        return False


def _refuse_unknown_options(bridge: Bridge, options: Mapping[str, Any], target: str) -> None:
    known = {*COMMON_OPTIONS, *bridge.option_names}
    for option in options:
        if option not in known:
            raise SettingsError(
                f"the {bridge.name} bridge has no option {option!r}",
                expected=f"one of {', '.join(sorted(known))}",
                received=option,
                where=target,
                remedy=did_you_mean(option, known),
            )


def _with_version(target: targets.Target, version: str | None) -> str:
    if target.bridge == "python" and version:
        return f"{target.location}=={version}"
    return f"{target.location} {version}" if version else target.location


def _frozen(options: Mapping[str, Any]) -> Any:
    return tuple(sorted((key, repr(value)) for key, value in options.items()))
