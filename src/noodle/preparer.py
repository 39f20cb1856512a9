"""The preparer: what comes before a load, and what can be told of a library without loading it.

It finds the bridge of a target and where the library is to run, and hands the bridge's answers on.
A bridge has those methods that suit it; see ``calls.Bridge``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noodle import targets
from noodle.bindings import placement_refused
from noodle.bridges.registry import BridgeRegistry
from noodle.calls import Bridge, LoadRequest, Preparation
from noodle.errors import MissingToolError
from noodle.library_requests import (
    Configuration,
    LibraryRequest,
    NoConfiguration,
    check_options,
    load_request,
)

if TYPE_CHECKING:
    from noodle.stubs.model import StubModule

__all__ = ["Preparer"]


class Preparer:
    """Prepares loads, and tells what libraries need and declare; it loads nothing itself.

    Args:
        registry: Finds bridges by name.
        configuration: Says what a configured name means.
        admit: Asked before a library's code may run, with its name and placement; raises to refuse.
    """

    def __init__(
        self,
        registry: BridgeRegistry,
        *,
        configuration: Configuration | None = None,
        admit: Callable[[str, str], None] | None = None,
    ) -> None:
        self.registry = registry
        self._configuration = configuration or NoConfiguration()
        self._admit = admit

    def prepare(
        self, text: str, *, directory: str | Path = ".", **options: Any
    ) -> Preparation | None:
        """Install what a target needs, without loading it.

        Args:
            text: A target, or the name of a configured library.
            directory: Against which a relative path in the target is resolved.
            options: As of ``load``.

        Returns:
            What it needs, or None where that is nothing that can be installed or locked.

        Raises:
            UsageError, ForeignError: As ``load``.
        """
        preparation: Preparation | None = self._ask("prepare", text, Path(directory), options)
        return preparation

    def lock(self, text: str, *, directory: str | Path = ".", **options: Any) -> Preparation | None:
        """Note in the lock file what a target needs, without installing or loading it.

        Args:
            text: A target, or the name of a configured library.
            directory: Against which a relative path in the target is resolved.
            options: As of ``load``.

        Returns:
            What is locked, or None where there is nothing to lock.

        Raises:
            UsageError, ForeignError: As ``load``.
        """
        locked: Preparation | None = self._ask("lock", text, Path(directory), options)
        return locked

    def needs(self, text: str, *, directory: str | Path = ".", **options: Any) -> str | None:
        """Return what a target needs and whether it is there, in one line; None for nothing.

        Nothing is loaded or installed.

        Args:
            text: A target, or the name of a configured library.
            directory: Against which a relative path in the target is resolved.
            options: As of ``load``.

        Raises:
            UsageError: As ``load``.
        """
        needs: str | None = self._ask("needs", text, Path(directory), options)
        return needs

    def notes(self, text: str, *, directory: str | Path = ".") -> tuple[str, ...]:
        """Return what the configuration has to say of a target; nothing is loaded or installed.

        Args:
            text: A target, or the name of a configured library.
            directory: Against which a relative path in the target is resolved.

        Raises:
            UsageError: The text is no target.
        """
        request = self._request(text, Path(directory), {})
        return self._configuration.defaults(request.name, request.target).notes

    def describe(
        self, text: str, *, directory: str | Path = ".", run: bool = False, **options: Any
    ) -> StubModule | None:
        """Return what a library declares; None where that is not known.

        Args:
            text: A target, or the name of a configured library.
            directory: Against which a relative path in the target is resolved.
            run: Whether the library may be installed and its code run to find out.
            options: As of ``load``.

        Raises:
            UsageError, ForeignError: As ``load``.
        """
        found: StubModule | None = self._ask("describe", text, Path(directory), options, run=run)
        return found

    def _ask(
        self,
        question: str,
        text: str,
        directory: Path,
        options: Mapping[str, Any],
        **details: Any,
    ) -> Any:
        """Return the answer of a bridge about a load; None from one that has no such method."""
        request = self._request(text, directory, options)
        bridge = self._bridge(request)
        answer = getattr(bridge, question, None)
        if answer is None:
            return None
        wanted, _ = self._wanted(bridge, request)
        if details.get("run") and self._admit:
            self._admit(request.name, wanted.placement)
        return answer(wanted, **details)

    def _request(self, text: Any, directory: Path, options: Mapping[str, Any]) -> LibraryRequest:
        configured = self._configuration.target(text) if isinstance(text, str) else None
        target = self._target(configured or text, directory)
        name = text if configured else target.location
        return LibraryRequest(name, target, directory, options)

    def _target(self, text: Any, directory: Path) -> targets.Target:
        # Entry points are scanned only for a text that can name a plug-in at all.
        schemes = self.registry.names() if isinstance(text, str) and ":" in text else ()
        return targets.parse(text, directory=directory, schemes=schemes)

    def _bridge(self, request: LibraryRequest) -> Bridge:
        """Return the bridge that serves a request, which it can and whose options it knows."""
        target = request.target
        bridge = self.registry.get(target.bridge)
        missing = bridge.missing()
        if missing:
            raise MissingToolError(
                f"the {bridge.name} bridge cannot be used: {missing}", received=target.text
            )
        check_options(bridge, request.options, where=target.text)
        return bridge

    def _wanted(
        self, bridge: Bridge, request: LibraryRequest
    ) -> tuple[LoadRequest, tuple[str, ...]]:
        """Return what a bridge is asked for a request, and the configuration's notes on it."""
        defaults = self._configuration.defaults(request.name, request.target)
        asked, wanted = load_request(request, defaults)
        return replace(wanted, placement=self._placement(bridge, wanted, asked)), defaults.notes

    def _placement(self, bridge: Bridge, request: LoadRequest, asked: str | None) -> str:
        possible: Sequence[str] = getattr(bridge, "placements", ("inprocess",))
        usual = getattr(bridge, "usual_placement", None)
        placement: str = asked or (usual(request) if usual else possible[0])
        if placement not in possible:
            raise placement_refused(request.library, placement, possible)
        return placement
