"""Calls that cannot go on because of each other.

A worker that waits for a synchronous callback into this process does nothing else until that
callback returns. If the callback, on its chain of calls, waits for another worker that waits in the
same way for the first, nobody can ever go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from noodle import _host
from noodle.errors import DeadlockError, WorkerBlockedError
from noodle.workers import registry

__all__ = ["callback_begins", "check_awaited", "reentry_timeout", "stuck", "watch_awaited"]

reentry_timeout = 5.0
"""Seconds that a call waits for a worker which is blocked in a callback of another chain."""

CYCLE_SECONDS = 0.2
"""Chosen: how long every worker of a cycle must have stood still."""

SETTLE_SECONDS = 1.0
"""Chosen: how long a nested call may stay unanswered while its worker sleeps in a callback of the
same chain; calls of that chain are served there at once, on a busy machine within this time."""


def stuck(
    link: _host.Link, function: str | None, chain: int, seconds: float
) -> DeadlockError | WorkerBlockedError | None:
    """Return the error for a call that cannot go on, or None when it still may.

    Args:
        link: The worker that is waited for.
        function: What was called.
        chain: The chain of calls that the waiting thread belongs to; 0 for none.
        seconds: How long it has waited.
    """
    blocking = _blocking_chains(link)
    if not blocking:
        return None
    if chain in blocking:
        held_up = _held_up_since(link, chain, seconds)
        if held_up is not None:
            return _blocked(link, function, held_up)
        return _unsettled(link, function, seconds) if blocking == {chain} else None
    cycle = _cycle(link, chain) if chain else None
    if cycle is not None:
        return DeadlockError(
            f"{function or 'a call'} waits for a call that waits for it",
            received=" waits for ".join([*(name for name in cycle), cycle[0]]),
            where=f"worker {link.name}",
            remedy="do not call back into a worker from a callback of another one that it called",
        )
    return _blocked(link, function, seconds)


def _blocked(link: _host.Link, function: str | None, seconds: float) -> WorkerBlockedError | None:
    """Return the error for a call that waits until a worker goes on, once it has waited enough."""
    if seconds < reentry_timeout:
        return None
    return WorkerBlockedError(
        f"{function or 'a call'} waits for {link.name}, which waits for a callback",
        expected="a worker that can take calls",
        received=f"blocked in a callback of another call for {seconds:.1f} s",
        where=f"worker {link.name}",
        remedy="make that callback asynchronous, or give the library more workers; where the "
        "callback itself waits for this call, run that in the callback's context: "
        "executor.submit(contextvars.copy_context().run, function)",
    )


def _held_up_since(link: _host.Link, chain: int, seconds: float) -> float | None:
    """Return for how long a call has been held up by a callback of its own chain, or None.

    The callback came after the call, for another thread to which the chain was carried along; the
    call goes on when it has ended.

    Args:
        link: The worker that is waited for.
        chain: The chain of both.
        seconds: How long the call has waited.
    """
    now = time.monotonic()
    served = [since for at, since, blocks in link.served() if blocks and at == chain]
    later = [now - since for at, since in _asynchronous.get(link, ()) if at == chain]
    return max((since for since in served + later if since < seconds), default=None)


def _unsettled(link: _host.Link, function: str | None, seconds: float) -> DeadlockError | None:
    """Return the error for a result that waits for the loop of a worker that stands still.

    A worker that is blocked in a callback starts the nested calls of its chain. When one of them
    gave a promise, nothing settles that before the callback returns, which waits for it.
    """
    if seconds < SETTLE_SECONDS or link.state != "parked":
        return None
    return DeadlockError(
        f"{function or 'a call'} waits for the event loop of {link.name}, which stands still until "
        "the callback that made the call returns",
        expected="a result that is there at once, or a callback that does not block its worker",
        received="a promise, within a synchronous callback",
        where=f"worker {link.name}",
        remedy="let the callback be awaited there: make it an async function",
    )


def callback_begins(link: _host.Link, chain: int) -> Callable[[object], None]:
    """Note an asynchronous callback for which a worker stands still; return what ends that.

    Args:
        link: The worker.
        chain: The chain of calls that the callback belongs to.
    """
    entry = (chain, time.monotonic())
    _asynchronous.setdefault(link, []).append(entry)

    def end(_: object) -> None:
        entries = _asynchronous.get(link, [])
        entries.remove(entry)
        if not entries:
            _asynchronous.pop(link, None)

    return end


_asynchronous: dict[_host.Link, list[tuple[int, float]]] = {}
"""The asynchronous callbacks that block a worker, with the time at which each began."""

_awaited: list[Callable[[_host.Link], list[tuple[int, str, float]]]] = []
_look: list[Callable[[_host.Link], None]] = []


def watch_awaited(
    waits: Callable[[_host.Link], list[tuple[int, str, float]]],
    look_for_stuck: Callable[[_host.Link], None],
) -> None:
    """Have calls that an event loop awaits seen, too.

    Args:
        waits: Returns those of a worker, as ``Link.waits`` does.
        look_for_stuck: Has the loops ask ``stuck`` about them.
    """
    _awaited.append(waits)
    _look.append(look_for_stuck)


def check_awaited(link: _host.Link) -> None:
    """Fail the awaited calls to a worker that cannot go on; to be called about once a second."""
    if _blocking_chains(link):
        for look in _look:
            look(link)


def _blocking_chains(link: _host.Link) -> set[int]:
    """Return the chains for whose callbacks a worker has stood still for a while."""
    now = time.monotonic()
    served = {
        chain for chain, seconds, blocks in link.served() if blocks and seconds >= CYCLE_SECONDS
    }
    later = _asynchronous.get(link, ())
    return served | {chain for chain, since in later if now - since >= CYCLE_SECONDS}


def _cycle(link: _host.Link, chain: int) -> list[str] | None:
    """Return the names of the workers in a cycle of waits through ``chain``, or None."""
    waits: dict[int, list[_host.Link]] = {}
    for other in registry.links():
        awaited = [wait for found in _awaited for wait in found(other)]
        for waiting_chain, _, _ in [*other.waits(), *awaited]:
            waits.setdefault(waiting_chain, []).append(other)
    return _search(link, chain, waits, [link.name], set())


def _search(
    link: _host.Link, goal: int, waits: dict[int, list[Any]], path: list[str], seen: set[int]
) -> list[str] | None:
    for chain in _blocking_chains(link):
        if chain == goal:
            return path
        if chain in seen:
            continue
        seen.add(chain)
        for other in waits.get(chain, ()):
            found = _search(other, goal, waits, [*path, other.name], seen)
            if found is not None:
                return found
    return None
