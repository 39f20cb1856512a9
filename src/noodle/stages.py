"""The stages of the call path that Noodle itself brings, in the order in which a call passes them.

Each has the shape of ``calls.Stage``: asked once for a plan, it returns the callable below unless
it has work to do on every call. The engine lists them; a test or a plug-in may give the dispatcher
others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from inspect import iscoroutine
from typing import Any

from noodle.calls import Call
from noodle.deadlines import check_deadline, deadline, end_in_time, finish_in_time
from noodle.errors import PermissionDeniedError

__all__ = ["AuthorisationStage", "DeadlineStage", "OptimisationStage"]


class AuthorisationStage:
    """Decides whether the principal's role may call the library at all.

    Args:
        user_roles: The libraries that each role may call, ``"*"`` for all; None without a security
            configuration, when every principal is unrestricted.
    """

    name = "authorise"

    def __init__(self, user_roles: Mapping[str, Collection[str]] | None = None) -> None:
        self._user_roles = (
            None
            if user_roles is None
            else {role: _names(libraries) for role, libraries in user_roles.items()}
        )

    def admit(self, call: Call) -> None:
        """Refuse a caller whose role does not have the library.

        Raises:
            PermissionDeniedError: The role is unknown or may not call the library.
        """
        if self._user_roles is None:
            return
        role = call.principal.role
        allowed = self._user_roles.get(role, frozenset())
        if "*" not in allowed and call.library not in allowed:
            raise PermissionDeniedError(
                f"role {role} may not call {call.library}",
                expected=f"one of {', '.join(sorted(allowed)) or 'no library'}",
                received=call.library,
                where=f"{call.library}.{call.function}",
                remedy=f"add {call.library} to security.authorization.user_roles.{role}",
            )

    def compile(self, call: Call, inner: Callable[..., Any]) -> tuple[Callable[..., Any], str]:
        """Return the callable itself: who may call is decided once, by ``admit``."""
        who = f"principal {call.principal.name}, role {call.principal.role}"
        if self._user_roles is None:
            return inner, f"{who}, unrestricted"
        return inner, f"{who}, may call {call.library}"


def _names(libraries: Collection[str]) -> frozenset[str]:
    # A text is one name: taken as a collection of letters, "numpy*" would allow everything.
    return frozenset([libraries] if isinstance(libraries, str) else libraries)


class OptimisationStage:
    """Says that calls run as they are written, because no alternatives are registered.

    Args:
        mode: What the settings allow a router to do.
    """

    name = "optimisation"

    def __init__(self, mode: str = "off") -> None:
        self._mode = mode

    def admit(self, call: Call) -> None:
        """Admit every call."""

    def compile(self, call: Call, inner: Callable[..., Any]) -> tuple[Callable[..., Any], str]:
        """Return the callable itself."""
        return inner, f"{self._mode}, no arms registered"


class DeadlineStage:
    """Gives each call the time limit that its handle was given.

    Args:
        default: Seconds for handles that were given none; None for no limit.
    """

    name = "deadline"

    def __init__(self, default: float | None = None) -> None:
        self._default = default

    def admit(self, call: Call) -> None:
        """Admit every call."""

    def compile(self, call: Call, inner: Callable[..., Any]) -> tuple[Callable[..., Any], str]:
        """Return a callable that checks the limit around the call, or the callable itself."""
        seconds = call.options.deadline or self._default
        if seconds is None:
            return inner, "none of its own; an enclosing noodle.deadline holds"

        def limited(*args: Any, **kwargs: Any) -> Any:
            with deadline(seconds):
                result = inner(*args, **kwargs)
                if hasattr(result, "_asyncio_future_blocking"):
                    return end_in_time(result, inner)
                if iscoroutine(result):
                    return awaited(result)
                check_deadline(inner)
                return result

        async def awaited(awaitable: Awaitable[Any]) -> Any:
            with deadline(seconds):
                return await finish_in_time(awaitable, inner)

        return limited, f"{seconds:g} s a call, checked before and after"
