"""Objects of native libraries that have to be released, and pointers that end with them.

A resource is a pointer that knows its destructor. It keeps what it was made from alive, so that a
statement is released before its database. A stated destructor also runs when the last reference is
dropped, on the thread that drops it, or when the program ends; an inferred one only when the
program asks for it. A process that was forked off releases nothing of its parent's.
"""

from __future__ import annotations

import os
import threading
import weakref
from abc import abstractmethod
from collections import defaultdict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from noodle.bridges.native.pointers import AnyPointer, Pointer, WorkerPointer, own
from noodle.errors import MemoryInUseError, ReferenceReleasedError

if TYPE_CHECKING:
    from noodle.bridges.native.isolated.library import LibraryInWorker

__all__ = [
    "BorrowedPointer",
    "Destructor",
    "Ownership",
    "Releasable",
    "Resource",
    "WorkerBorrowedPointer",
    "WorkerResource",
    "is_dependent",
]

_waiting: defaultdict[int, deque[tuple[Ownership, Any]]] = defaultdict(deque)
"""What was dropped on another thread than its own, by the thread that has to release it."""


class Destructor:
    """What releases the objects of one kind.

    Args:
        name: The function's name.
        release: Releases what lies at a raw address, without a check of the outcome.
        close: Releases a resource as the program's own call would.
        finalizes: Whether it also runs for what is dropped.
        same_thread: Whether only the thread that made an object may release it.
        ready: Whether it can be called now, asked before it runs for what was dropped.
    """

    __slots__ = ("close", "finalizes", "name", "ready", "release", "same_thread")

    def __init__(
        self,
        name: str,
        release: Callable[[Any], Any],
        close: Callable[[Any], Any],
        *,
        finalizes: bool,
        same_thread: bool,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self.name = name
        self.release = release
        self.close = close
        self.finalizes = finalizes
        self.same_thread = same_thread
        self.ready = ready


class Ownership:
    """Whether a resource still has to be released. Claims are atomic: the first one gets it.

    Args:
        destructor: What releases it.
        owners: The objects that must not be released before it.
    """

    __slots__ = ("_claims", "_process", "_thread", "destructor", "owners", "shown")

    def __init__(self, destructor: Destructor, owners: tuple[Any, ...]) -> None:
        self.destructor = destructor
        self.owners = owners
        self._claims = [True]
        self._process = os.getpid()
        self._thread = threading.get_ident()
        self.shown: weakref.WeakSet[Any] | None = None
        """What shows its memory, once anything has."""
        _release_waiting(self._thread)

    @property
    def released(self) -> bool:
        """Whether it was released, or is being released."""
        return not self._claims

    def claim(self) -> bool:
        """Return whether the caller may release it; nobody else may from then on."""
        try:
            self._claims.pop()
        except IndexError:
            return False
        return True

    def give_back(self) -> None:
        """Take a claim back: the destructor refused to release it."""
        self._claims.append(True)

    def drop(self, raw: Any) -> None:
        """Release what is referenced no more, unless it was released before.

        Args:
            raw: Its address, as the destructor takes it.
        """
        if self._process != os.getpid() or self.released:
            return
        mine = not self.destructor.same_thread or threading.get_ident() == self._thread
        if not mine or not self.destructor.ready():
            _waiting[self._thread].append((self, raw))
        elif self.claim():
            self.destructor.release(raw)


def _release_waiting(thread: int) -> None:
    queue = _waiting.get(thread)
    for _ in range(len(queue) if queue else 0):
        try:
            ownership, raw = queue.popleft()  # type: ignore[union-attr]
        except IndexError:
            return
        ownership.drop(raw)


class Releasable(AnyPointer):
    """A pointer to an object that a function of its library releases.

    It is a context manager: the end of a ``with`` block releases it.
    """

    __slots__ = ()

    ownership: Ownership

    @abstractmethod
    def __noodle_raw__(self) -> Any:
        """Return the raw address, also where it must not be used any more."""

    @property
    def released(self) -> bool:
        """Whether it was released."""
        return _ownership(self).released

    def close(self) -> None:
        """Release it with the library's own function; nothing happens if it was released before.

        Raises:
            FunctionFailedError: The library refused; it is still there.
        """
        if not _ownership(self).released:
            _ownership(self).destructor.close(self)

    def claimed(self) -> Any:
        """Return the raw address for the destructor; every later use is refused.

        Raises:
            ReferenceReleasedError: It was released before.
            MemoryInUseError: Arrays or views show its memory; it is still there.
        """
        ownership = _ownership(self)
        if not ownership.claim():
            raise _was_released(self)
        if ownership.shown:
            ownership.give_back()
            raise _is_shown(self)
        return self.__noodle_raw__()

    def _finalize(self, raw: Any) -> None:
        if self.ownership.destructor.finalizes:
            weakref.finalize(self, self.ownership.drop, raw)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        Releasable.close(self)

    def __repr__(self) -> str:
        pointee, address, origin = (own(self, name) for name in ("pointee", "address", "origin"))
        end = ", released" if _ownership(self).released else ""
        return f"<{pointee} at {address:#x} from {origin}{end}>"


def _ownership(resource: Releasable) -> Ownership:
    found: Ownership = own(resource, "ownership")
    return found


def _required(resource: Releasable) -> Any:
    """Return the raw address of a resource.

    Raises:
        ReferenceReleasedError: It was released.
    """
    if _ownership(resource).released:
        raise _was_released(resource)
    return resource.__noodle_raw__()


def _was_released(resource: Releasable) -> ReferenceReleasedError:
    origin = own(resource, "origin")
    return ReferenceReleasedError(
        f"{resource!r} was used after it was released",
        expected=f"a pointer to {own(resource, 'pointee')} that is still there",
        received=f"one that {_ownership(resource).destructor.name} has released",
        where=f"the result of {origin}",
        remedy=f"call {origin} again for a new one",
    )


def _is_shown(resource: Releasable) -> MemoryInUseError:
    return MemoryInUseError(
        f"{resource!r} cannot be released while its memory is shown",
        expected="no arrays or views of its memory",
        received="some that are still referred to",
        where=f"the result of {own(resource, 'origin')}",
        remedy="del the arrays and views before, or copy them: numpy.array(…)",
    )


class Resource(Pointer, Releasable):
    """An object in this process that has to be released.

    Args:
        cdata: The address, as cffi's ``void *``.
        pointee: See ``AnyPointer``.
        origin: The function that returned it.
        ownership: Whether it still has to be released.
    """

    __slots__ = ("_cdata", "kept", "ownership")

    def __init__(self, cdata: Any, pointee: str, origin: str, ownership: Ownership) -> None:
        AnyPointer.__init__(self, pointee, origin)
        self._cdata = cdata
        self.ownership = ownership
        self._finalize(cdata)

    @property
    def cdata(self) -> Any:
        """The address; refused once the object was released."""
        return _required(self)

    def __noodle_raw__(self) -> Any:
        return own(self, "_cdata")


class WorkerResource(WorkerPointer, Releasable):
    """An object in a worker that has to be released.

    Args:
        place: See ``WorkerPointer``.
        pointee: See ``AnyPointer``.
        origin: The function that returned it.
        ownership: Whether it still has to be released.
        module: See ``WorkerPointer``.
    """

    __slots__ = ("_place", "ownership")

    def __init__(
        self,
        place: tuple[int, int],
        pointee: str,
        origin: str,
        ownership: Ownership,
        module: LibraryInWorker,
    ) -> None:
        AnyPointer.__init__(self, pointee, origin)
        self._reach(module, place)
        self._place = place
        self.ownership = ownership
        self._finalize(place)

    @property
    def place(self) -> tuple[int, int]:  # type: ignore[override]
        """The address and its process; refused once the object was released."""
        place: tuple[int, int] = _required(self)
        return place

    def __noodle_raw__(self) -> tuple[int, int]:
        place: tuple[int, int] = own(self, "_place")
        return place


class _Borrowed(AnyPointer):
    """A pointer into what other objects own, which it keeps alive."""

    __slots__ = ()

    owners: tuple[Any, ...]
    ends: bool


def _require_owners(pointer: _Borrowed) -> None:
    """Refuse a pointer that ended with an owner.

    Raises:
        ReferenceReleasedError: An owner was released.
    """
    for owner in own(pointer, "owners") if own(pointer, "ends") else ():
        if isinstance(owner, Releasable) and _ownership(owner).released:
            raise ReferenceReleasedError(
                f"a pointer to {own(pointer, 'pointee')} was used after its owner was released",
                expected="a pointer whose owner is still there",
                received=f"one into {owner!r}",
                where=f"the result of {own(pointer, 'origin')}",
                remedy=f"use it before {_ownership(owner).destructor.name} is called",
            )
        if isinstance(owner, _Borrowed):
            _require_owners(owner)


class BorrowedPointer(Pointer, _Borrowed):
    """An address in this process that belongs to other objects.

    Args:
        cdata: The address, as cffi's ``void *``.
        pointee: See ``AnyPointer``.
        origin: The function that returned it.
        owners: What it belongs to.
        ends: Whether it ends with them.
    """

    __slots__ = ("_cdata", "ends", "kept", "owners")

    def __init__(
        self, cdata: Any, pointee: str, origin: str, owners: tuple[Any, ...], *, ends: bool
    ) -> None:
        AnyPointer.__init__(self, pointee, origin)
        self._cdata = cdata
        self.owners = owners
        self.ends = ends

    @property
    def cdata(self) -> Any:
        """The address; refused once an owner was released, where it ends with that."""
        _require_owners(self)
        return own(self, "_cdata")

    def __noodle_raw__(self) -> Any:
        return own(self, "_cdata")


class WorkerBorrowedPointer(WorkerPointer, _Borrowed):
    """An address in a worker that belongs to other objects.

    Args:
        place: See ``WorkerPointer``.
        pointee: See ``AnyPointer``.
        origin: The function that returned it.
        owners: What it belongs to.
        ends: Whether it ends with them.
        module: See ``WorkerPointer``.
    """

    __slots__ = ("_place", "ends", "owners")

    def __init__(
        self,
        place: tuple[int, int],
        pointee: str,
        origin: str,
        owners: tuple[Any, ...],
        *,
        ends: bool,
        module: LibraryInWorker,
    ) -> None:
        AnyPointer.__init__(self, pointee, origin)
        self._reach(module, place)
        self._place = place
        self.owners = owners
        self.ends = ends

    @property
    def place(self) -> tuple[int, int]:  # type: ignore[override]
        """The address and its process; refused once an owner was released."""
        _require_owners(self)
        place: tuple[int, int] = own(self, "_place")
        return place

    def __noodle_raw__(self) -> tuple[int, int]:
        place: tuple[int, int] = own(self, "_place")
        return place


def is_dependent(python_type: type) -> bool:
    """Return whether values of a type own what functions return for them, or belong to owners."""
    return issubclass(python_type, (Releasable, _Borrowed))
