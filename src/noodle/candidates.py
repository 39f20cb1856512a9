"""Who offers an operation, and which of them accepts the arguments of a call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from noodle.errors import InstanceUnavailableError, NoMatchingSignatureError, NoodleError
from noodle.libraries import Library
from noodle.prototypes import Prototype

__all__ = ["Candidate", "Offer", "nobody_accepts"]

UNAVAILABLE = "its instance is unavailable"


@dataclass(frozen=True, slots=True)
class Offer:
    """A library's function that runs an operation.

    Args:
        library: The library, or the name of one to load when it is needed.
        function: The function's dotted name in the library.
        prototype: What it accepts; None for what the function itself declares.
    """

    library: Library | str
    function: str
    prototype: Prototype | None = None

    @property
    def library_name(self) -> str:
        """The library's name."""
        return self.library if isinstance(self.library, str) else self.library.name


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


def nobody_accepts(
    operation: str, candidates: Sequence[Candidate], lost: Sequence[str]
) -> NoodleError:
    """Return the error for a call that no candidate has taken.

    Args:
        operation: The operation's name.
        candidates: All that were asked.
        lost: Those that accepted the call and were gone, each with the reason.
    """
    refusals = [str(candidate) for candidate in candidates if candidate.refusal is not None]
    if lost or any(candidate.refusal == UNAVAILABLE for candidate in candidates):
        return InstanceUnavailableError(
            f"no instance that can run {operation!r} is available",
            expected="a running instance",
            received="; ".join([*lost, *refusals]),
        )
    return NoMatchingSignatureError(
        f"no bridge accepts these arguments for {operation!r}",
        expected=" or ".join(f"{c.library}.{c.prototype}" for c in candidates),
        received="; ".join(refusals),
    )
