"""Memory of a library's objects, while arrays of NumPy or a ``memoryview`` show it."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

from noodle.bridges.native.pointers import AnyPointer, own
from noodle.bridges.native.resources import BorrowedPointer, Ownership, Releasable

__all__ = ["ShownMemory"]


class ShownMemory:
    """What arrays and views of memory refer to. It lives for as long as any of them.

    It keeps what the memory belongs to alive, and what has to be released is not released before.

    Args:
        owner: What the memory belongs to.
        interface: The memory as NumPy's protocol describes it; None where NumPy has no part in it.

    Raises:
        ReferenceReleasedError: The owner was released.
    """

    __slots__ = ("__array_interface__", "__weakref__", "_owner")

    def __init__(self, owner: Any, interface: dict[str, Any] | None = None) -> None:
        self._owner = owner
        if interface is not None:
            self.__array_interface__ = interface
        for ownership in _ownerships(owner):
            if ownership.shown is None:
                ownership.shown = weakref.WeakSet()
            ownership.shown.add(self)
        if isinstance(owner, AnyPointer):
            own(owner, "cdata")


def _ownerships(owner: Any) -> Iterator[Ownership]:
    """Yield what tells whether memory is still there."""
    if isinstance(owner, Releasable):
        yield own(owner, "ownership")
    elif isinstance(owner, BorrowedPointer) and own(owner, "ends"):
        for one in own(owner, "owners"):
            yield from _ownerships(one)
