"""A library that is ready to be called, as the programs see it that call through one each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class AbsentError(Exception):
    """The library is not here."""


class WrongError(Exception):
    """It did not do what it should."""


@dataclass(frozen=True)
class Side:
    """A library that is ready to be called.

    Args:
        add: The function.
        process: The process that it runs in.
        counted: Returns the calls that the library has counted, where it counts them.
        asleep: Returns whether the other side sleeps, where that can be seen.
    """

    add: Callable[[float, float], Any]
    process: int
    counted: Callable[[], int] | None = None
    asleep: Callable[[], bool] | None = None


def side_of_noodle(module: Any, process: int) -> Side:
    """Return our side: the function ``add`` of a module in a worker."""
    import noodle
    from noodle import _host
    from noodle.bridges.remote.functions import reference_of

    module.add(1.5, 2.25)
    link = _host.facts(reference_of(noodle.raw(module.add)))[0]
    assert link is not None
    return Side(
        module.add,
        process,
        counted=lambda: noodle.stats(module.add).calls,
        asleep=lambda: link.state == "parked",
    )
