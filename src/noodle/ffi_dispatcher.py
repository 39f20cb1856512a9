"""The FFI dispatcher: loads targets through bridges, and picks who runs an operation.

It owns no policy of its own. The registry finds bridges, the planner compiles the stages that it
was given, and the configuration says what a name means; all are handed in when it is built. What
comes before a load is the preparer's, which the dispatcher is too.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from noodle import targets
from noodle._handle import Handle
from noodle.bindings import make_handle, prototype_of
from noodle.bridges.registry import BridgeRegistry
from noodle.calls import Function
from noodle.candidates import UNAVAILABLE, Candidate, Offer, nobody_accepts
from noodle.errors import (
    AmbiguousTargetError,
    InstanceUnavailableError,
    NoodleError,
    UnknownBridgeError,
    did_you_mean,
)
from noodle.libraries import Library, library_of
from noodle.library_requests import Configuration, LibraryRequest
from noodle.planner import Origin, Planner
from noodle.preparer import Preparer
from noodle.prototypes import Prototype, parse_prototype

__all__ = ["FfiDispatcher"]


class FfiDispatcher(Preparer):
    """Routes calls to libraries, and answers what a ``Preparer`` does.

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
        super().__init__(registry, configuration=configuration, admit=admit)
        self.planner = planner
        self._sample_every = sample_every
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._libraries: dict[Hashable, Library] = {}
        self._elsewhere: dict[tuple[Hashable, str], Library] = {}
        self._offers: dict[str, list[Offer]] = {}

    # ------------------------------------------------------------------------------ loading

    def load(self, text: str, *, directory: str | Path = ".", **options: Any) -> ModuleType:
        """Load a target and return its namespace, the same one for the same request.

        A source of C, C++ or Rust that was edited meanwhile is compiled and loaded anew; handles of
        the old library keep calling what they called.

        Args:
            text: A target, or the name of a configured library.
            directory: Against which a relative path in the target is resolved.
            options: ``placement``, ``version``, ``prototypes`` (native libraries), and those of
                the bridge.

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
        """Load a target like ``load`` and return the library itself.

        Threads that load it at the same time may both ask the bridge, and get the same library.
        """
        self._leave_parent()
        request = self._request(text, Path(directory), options)
        library = self._libraries.get(request.key)
        if library is None:
            library = self._load(request)
            with self._lock:
                library = self._libraries.setdefault(request.key, library)
        elif library.outdated():
            library = self._reload(request)
        else:
            library.refuse_replaced()
        return library

    def reload(self, text: str, *, directory: str | Path = ".", **options: Any) -> ModuleType:
        """Load a target like ``load``, in place of what the same request gave before.

        Handles of the old library keep calling what they called; what it offered for ``dispatch``
        is offered by the new one. A worker that ran for the old one alone ends once it is idle,
        and starts anew if a handle that was kept is called.
        """
        request = self._request(text, Path(directory), options)
        return self._reload(request).module

    def _reload(self, request: LibraryRequest) -> Library:
        library = self._load(request)
        with self._lock:
            old = self._libraries.get(request.key)
            self._libraries[request.key] = library
            replaced = self._forget_elsewhere(request.key)
            if old is not None and old not in self._libraries.values():
                replaced.append(old)
            for offers in self._offers.values():
                offers[:] = [replace(o, library=library) if o.library is old else o for o in offers]
        for one in replaced:
            one.retire()
        return library

    def unload(self, name: str | ModuleType) -> None:
        """Forget a loaded library, and end what runs for it alone: its workers.

        Its functions can be called no more where they ran in a worker; in this process they can,
        as nothing takes a library out of a process again. What it offered for ``dispatch`` goes.

        Args:
            name: Its name, its target with the version, or its namespace.

        Raises:
            UnknownBridgeError: No library of that name is loaded.
            AmbiguousTargetError: Several have that name.
        """
        if isinstance(name, str) and name not in self._loaded_names():
            raise UnknownBridgeError(
                f"no library called {name!r} is loaded",
                expected="the name of a loaded library",
                received=name,
                remedy=did_you_mean(name, self._loaded_names()),
            )
        library = self.bridge(name)
        with self._lock:
            moved = []
            for key in [key for key, one in self._libraries.items() if one is library]:
                del self._libraries[key]
                moved += self._forget_elsewhere(key)
            for offers in self._offers.values():
                offers[:] = [offer for offer in offers if offer.library is not library]
        for one in (library, *moved):
            one.close()

    def _leave_parent(self) -> None:
        """In a child of fork, forget the libraries whose workers are the parent's.

        Loading one again gives it workers of its own; handles from before the fork stay unusable.
        """
        if self._process == os.getpid():
            return
        self._process = os.getpid()
        self._lock = threading.Lock()  # another thread of the parent may have held the old one
        self._libraries = {key: one for key, one in self._libraries.items() if _is_inprocess(one)}
        self._elsewhere.clear()
        for offers in self._offers.values():
            offers[:] = [offer for offer in offers if _is_inprocess(offer.library)]

    def _loaded_names(self) -> set[str]:
        return {text for library in self.libraries() for text in (library.name, str(library))}

    def _load(self, request: LibraryRequest) -> Library:
        name = request.name
        bridge = self._bridge(request)
        wanted, notes = self._wanted(bridge, request)
        if self._admit:
            self._admit(name, wanted.placement)
        loaded = bridge.load(wanted)
        origin = Origin(
            library=name,
            target=_with_version(request.target, loaded.version),
            bridge=bridge.name,
            placement=wanted.placement,
            instances=(f"{name}/{wanted.placement}",),
            notes=(*notes, *loaded.notes),
        )
        return Library(origin, loaded, partial(self._new_handle, request))

    def _new_handle(
        self, request: LibraryRequest, origin: Origin, name: str, function: Function
    ) -> Handle:
        return make_handle(
            self.planner,
            origin,
            name,
            function,
            sample_every=self._sample_every,
            elsewhere=partial(self._function_in, request, name),
        )

    def _function_in(self, request: LibraryRequest, name: str, placement: str) -> Handle:
        """Return a function of a library in another placement, loaded there if need be.

        What is loaded there belongs to the library: it has no name of its own, and ends with it.
        """
        options = {**request.options, "placement": placement}
        moved = replace(request, options=options)
        place = (request.key, placement)
        self._leave_parent()
        library = self._libraries.get(moved.key) or self._elsewhere.get(place)
        if library is None:
            loaded = self._load(moved)
            with self._lock:
                library = self._elsewhere.setdefault(place, loaded)
        return library.handle(name)

    def _forget_elsewhere(self, key: Hashable) -> list[Library]:
        """Forget where else a library runs, and return it there; the lock is held."""
        places = [place for place in self._elsewhere if place[0] == key]
        return [self._elsewhere.pop(place) for place in places]

    # ---------------------------------------------------------------------- loaded libraries

    def bridge(self, name: str | ModuleType) -> Library:
        """Return a loaded or configured library; one that is neither is loaded by that name.

        Where several loaded ones have the name, it is the one that ``load(name)`` gave.

        Args:
            name: Its name, its target with the version, or its namespace.

        Raises:
            AmbiguousTargetError: Several have that name, all loaded with options or versions.
            UsageError: It cannot be loaded.
        """
        if isinstance(name, ModuleType):
            return library_of(name)
        loaded = [library for library in self.libraries() if name in (library.name, str(library))]
        if len(loaded) < 2:
            return loaded[0] if loaded else self.library(name)
        plain = self._libraries.get(self._request(name, Path(), {}).key)
        if plain is None:
            raise AmbiguousTargetError(
                f"{len(loaded)} loaded libraries are called {name!r}",
                expected="the name of one",
                received=", ".join(map(str, loaded)),
                remedy="pass the namespace that was loaded, or configure a name for each",
            )
        return plain

    def libraries(self) -> list[Library]:
        """Return the loaded libraries: the configured ones in their order, then the others."""
        self._leave_parent()
        with self._lock:
            loaded = list(self._libraries.values())
        return sorted(loaded, key=lambda library: self._preference(library.name))

    def _preference(self, name: str) -> int:
        names = list(self._configuration.names)
        return names.index(name) if name in names else len(names)

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
        declared = parse_prototype(prototype) if isinstance(prototype, str) else prototype
        with self._lock:
            offers = self._offers.setdefault(name, [])
            offers.append(Offer(library, operation or name, declared))

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
            offers = [Offer(library, name) for library in self.libraries() if library.offers(name)]
        if not offers:
            raise UnknownBridgeError(
                f"no bridge offers {name!r}",
                expected=f"one of {', '.join(sorted(self._offers)) or 'the registered operations'}",
                received=name,
                remedy=did_you_mean(name, self._offers) or f'register("{name}", library)',
            )
        ranked = sorted(offers, key=lambda offer: self._preference(offer.library_name))
        return [self._candidate(offer, args, kwargs) for offer in ranked]

    def _candidate(self, offer: Offer, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Candidate:
        library = offer.library
        try:
            library = self.bridge(library) if isinstance(library, str) else library
            function = library.function(offer.function)
        except NoodleError as error:
            unknown = offer.prototype or Prototype(offer.function, readable=False)
            return Candidate(offer.library_name, unknown, None, error.summary)
        prototype = offer.prototype or prototype_of(function, offer.function)
        why = None if library.available() else UNAVAILABLE
        return Candidate(library.name, prototype, function, why or prototype.refusal(args, kwargs))

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
        raise nobody_accepts(name, candidates, lost)

    def execute(self, library: str | ModuleType, operation: str, data: Any) -> Any:
        """Run an operation of one library with arguments given as data; see ``Library.execute``."""
        return self.bridge(library).execute(operation, data)


def _with_version(target: targets.Target, version: str | None) -> str:
    if target.bridge == "python" and version:
        return f"{target.location}=={version}"
    return f"{target.location} {version}" if version else target.location


def _is_inprocess(library: Library | str) -> bool:
    """Return whether a library, or one that is named and not loaded yet, has no worker."""
    return isinstance(library, str) or library.origin.placement == "inprocess"
